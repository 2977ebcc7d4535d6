"""The models by name."""

from __future__ import annotations

from pathlib import Path
from typing import cast, get_args

from mvpose.errors import InputError
from mvpose.spec import COCO17, ModelSpec, Network

SHIPPED = Path(__file__).parent / "assets" / "mobilevitpose-xxs.safetensors"


def names() -> list[str]:
    """All zoo names."""
    sizes = get_args(Network.__annotations__["backbone"]) or ("s", "xs", "xxs")
    return [f"mobilevitpose-{size}{head}" for size in sizes for head in ("", "-bilinear")]


def zoo_spec(name: str) -> ModelSpec:
    """The spec of a zoo model.

    Raises:
        InputError: no such model.
    """
    if name not in names():
        raise InputError(f"unknown model {name!r}", f"known: {', '.join(names())}")
    size, _, head = name.removeprefix("mobilevitpose-").partition("-")
    network = Network(backbone=cast("str", size), head=cast("str", head or "deconv"))  # type: ignore[arg-type]
    return ModelSpec(name=name, network=network, skeleton=COCO17)
