"""How well the simulation of INT8 foretells what files compute."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from mvpose.parity import Parity, compare_heatmaps
from mvpose.spec import FROZEN, ModelSpec, Record


@dataclass(frozen=True, config=FROZEN)
class Agreement(Record):
    """A file's heatmaps against the simulation's.

    Attributes:
        recipe: of the file.
        runtime: what ran it.
        equal, within_1, within_2: share of the heatmaps' values that are the same, and at most one
            and two steps of the output's scale apart.
        parity: with the simulation in the place of the float network.
    """

    recipe: str
    runtime: str
    equal: float
    within_1: float
    within_2: float
    parity: Parity


def compare_levels(
    simulated: NDArray[np.float32],
    of_file: NDArray[np.float32],
    step: float,
    spec: ModelSpec,
    recipe: str,
    runtime: str,
    source: str,
) -> Agreement:
    """Compare heatmaps (N, K, h, w) of the same crops in real numbers.

    Args:
        simulated, of_file: both of whole steps.
        step: the output's scale.
        spec: of the model.
        recipe, runtime: of the file.
        source: which crops.
    """
    steps = np.abs(np.round((of_file.astype(np.float64) - simulated) / step))
    equal, within_1, within_2 = (float((steps <= most).mean()) for most in (0, 1, 2))
    parity = compare_heatmaps(simulated, of_file, spec, source)
    return Agreement(recipe, runtime, equal, within_1, within_2, parity)
