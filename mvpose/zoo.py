"""The models by name."""

from __future__ import annotations

from pathlib import Path

from mvpose.errors import InputError
from mvpose.spec import COCO17, ModelSpec, Network

SHIPPED = Path(__file__).parent / "assets" / "mobilevitpose-xxs.safetensors"
NETWORKS = {
    "mobilevitpose-s": Network(backbone="s"),
    "mobilevitpose-xs": Network(backbone="xs"),
    "mobilevitpose-xxs": Network(backbone="xxs"),
    "mobilevitpose-s-bilinear": Network(backbone="s", head="bilinear"),
    "mobilevitpose-xs-bilinear": Network(backbone="xs", head="bilinear"),
    "mobilevitpose-xxs-bilinear": Network(backbone="xxs", head="bilinear"),
}


def names() -> list[str]:
    """All zoo names."""
    return list(NETWORKS)


def zoo_spec(name: str) -> ModelSpec:
    """The spec of a zoo model.

    Raises:
        InputError: no such model.
    """
    if name not in NETWORKS:
        raise InputError(f"unknown model {name!r}", f"known: {', '.join(NETWORKS)}")
    return ModelSpec(name=name, network=NETWORKS[name], skeleton=COCO17)
