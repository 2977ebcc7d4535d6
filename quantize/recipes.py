"""Quantisation recipes: data with names that can be decoded.

``wi8``: weights of 8-bit integers; ``wp6``: indices of 6 bits into tables of values; ``afp32``,
``afp16``: activations stay float; ``ai8``, ``ai16``: integer
activations whose ranges are fixed by calibration (``static``) or found at run time (``dynamic``);
``mixed``: some kinds of operators stay float.
"""

from __future__ import annotations

from typing import Literal

from pydantic.dataclasses import dataclass

from mvpose.errors import InputError
from mvpose.spec import FROZEN, Record

FloatGroup = Literal["normalisation", "softmax", "attention_products"]


@dataclass(frozen=True, config=FROZEN)
class Recipe(Record):
    """How to store and compute a network.

    Attributes:
        name: as in ``RECIPES``.
        kind: "float32", "float16" (weights stored in half precision), "weight_only", "palette"
            (weights are indices into tables), "dynamic" or "static".
        activation_bits: of a static recipe.
        weight_bits: of a palette's indices.
        float_bits: of the arithmetic of "weight_only" and "palette".
        float_groups: what a static recipe leaves in float.
        summary: one line for the user.
    """

    name: str
    kind: Literal["float32", "float16", "weight_only", "palette", "dynamic", "static"]
    summary: str
    activation_bits: Literal[8, 16] = 8
    weight_bits: Literal[4, 6, 8] = 8
    float_bits: Literal[16, 32] = 32
    float_groups: tuple[FloatGroup, ...] = ()

    @property
    def needs_calibration(self) -> bool:
        return self.kind == "static"


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("fp32", "float32", "the float network itself"),
        Recipe("fp16", "float16", "weights in half precision: half the size, same speed on CPUs"),
        Recipe("wi8_afp32", "weight_only", "INT8 weights, float arithmetic: a quarter of the size"),
        Recipe(
            "wi8_afp16", "weight_only", "INT8 weights, half precision arithmetic", float_bits=16
        ),
        Recipe(
            "wp6_afp16",
            "palette",
            "weights from tables of 64 values, half precision arithmetic",
            weight_bits=6,
            float_bits=16,
        ),
        Recipe(
            "wp4_afp16",
            "palette",
            "weights from tables of 16 values, half precision arithmetic",
            weight_bits=4,
            float_bits=16,
        ),
        Recipe("dynamic_wi8", "dynamic", "INT8 weights, activation ranges found at run time"),
        Recipe(
            "static_wi8_ai8_mixed",
            "static",
            "INT8 but for normalisation, softmax and attention products: the fastest on CPUs",
            float_groups=("normalisation", "softmax", "attention_products"),
        ),
        Recipe("static_wi8_ai8", "static", "every operator INT8: microcontrollers, Edge TPU"),
        Recipe("static_wi8_ai16", "static", "INT8 weights, INT16 activations", activation_bits=16),
    )
}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        InputError: no such recipe.
    """
    if name not in RECIPES:
        raise InputError(f"unknown recipe {name!r}", f"known: {', '.join(RECIPES)}")
    return RECIPES[name]
