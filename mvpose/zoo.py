"""The models by name."""

from __future__ import annotations

from pathlib import Path

from mvpose.errors import InputError
from mvpose.spec import COCO17, ModelSpec, Network, Preprocess, VitPoseNetwork

SHIPPED = Path(__file__).parent / "assets" / "mobilevitpose-xxs.safetensors"
NETWORKS = {
    "mobilevitpose-s": Network(backbone="s"),
    "mobilevitpose-xs": Network(backbone="xs"),
    "mobilevitpose-xxs": Network(backbone="xxs"),
    "mobilevitpose-s-bilinear": Network(backbone="s", head="bilinear"),
    "mobilevitpose-xs-bilinear": Network(backbone="xs", head="bilinear"),
    "mobilevitpose-xxs-bilinear": Network(backbone="xxs", head="bilinear"),
}
VITPOSE = {
    "vitpose-b": VitPoseNetwork(decoder="classic"),
    "vitpose-b-simple": VitPoseNetwork(decoder="simple"),
}
# configs/body/2d_kpt_sview_rgb_img/topdown_heatmap/coco of the original repository
VITPOSE_PREPROCESS = Preprocess(
    input_width_px=192,
    input_height_px=256,
    mean=(0.485 * 255, 0.456 * 255, 0.406 * 255),
    std=(0.229 * 255, 0.224 * 255, 0.225 * 255),
)
HUB_REPOSITORIES = {
    "vitpose-b": "usyd-community/vitpose-base",
    "vitpose-b-simple": "usyd-community/vitpose-base-simple",
}


def names() -> list[str]:
    """All zoo names."""
    return [*NETWORKS, *VITPOSE]


def zoo_spec(name: str) -> ModelSpec:
    """The spec of a zoo model.

    Raises:
        InputError: no such model.
    """
    if name in VITPOSE:
        return ModelSpec(name, VITPOSE[name], COCO17, VITPOSE_PREPROCESS)
    if name not in NETWORKS:
        raise InputError(f"unknown model {name!r}", f"known: {', '.join(names())}")
    return ModelSpec(name=name, network=NETWORKS[name], skeleton=COCO17)
