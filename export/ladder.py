"""The forms of INT8 that the gate tries, from every operator integer to what training can save."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from mvpose.data.coco import KeypointData
from mvpose.export.pipeline import Exporter
from mvpose.quantize.blocks import nodes_of
from mvpose.quantize.plan import Plan
from mvpose.quantize.recipes import RECIPES, Recipe
from mvpose.quantize.sensitivity import Sensitivity

FULL = RECIPES["static_wi8_ai8"]
MIXED = RECIPES["static_wi8_ai8_mixed"]
ISLANDS = replace(MIXED, name="static_wi8_ai8_islands", summary="INT8 but for the costliest blocks")
COUNTS = (1, 2, 4, 8)
"""Blocks in float, beyond the groups of operators of ``MIXED``."""


@dataclass(frozen=True)
class Rung:
    """One form to try.

    Attributes:
        title: for the user.
        recipe: which operators are integer.
        plan: makes its weights, scales and islands when its turn comes.
    """

    title: str
    recipe: Recipe
    plan: Callable[[], Plan]


def rungs(exporter: Exporter, judges: Callable[[], KeypointData]) -> Iterator[Rung]:
    """The ladder for one network.

    Args:
        exporter: calibrates and remedies.
        judges: people who tell which blocks cost most; none that evaluate.
    """
    yield Rung("every operator INT8, calibrated", FULL, lambda: exporter.calibrated)
    if not exporter.plain:
        yield Rung("every operator INT8, with remedies", FULL, lambda: exporter.plan)
    plan = exporter.plan
    yield Rung("normalisation, softmax, products in float", MIXED, lambda: plan)
    costly = Sensitivity(plan, exporter.reference.spec, judges()).costliest(MIXED)
    for count in COUNTS:
        titles = ", ".join(block.title for block in costly[:count])
        islands = nodes_of(costly[:count])
        yield Rung(f"{titles} in float too", ISLANDS, partial(plan.with_islands, islands))
    for trained in exporter.trained.values():
        title = f"{trained.recipe.name} trained with rounding"
        yield Rung(title, trained.recipe, lambda plan=trained.plan: plan)  # type: ignore[misc]
