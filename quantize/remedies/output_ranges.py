"""Ranges that keep the heatmaps: each end of a range is weighed by what it does to the output.

After the Hessian-guided metric of Yuan et al., "PTQ4ViT", ECCV 2022,
https://arxiv.org/abs/2111.12293. Clipping moves all large values the same way, so its effects on
the heatmaps are added up with their signs; those of rounding are independent of each other.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mvpose.quantize.fake_quant import LEVELS
from mvpose.quantize.network import QuantGraph
from mvpose.quantize.observers import find_calibrator
from mvpose.quantize.ranges import Ranges, measure_ranges
from mvpose.quantize.remedies.gradients import tap

STEPS = 14
RATIO = 0.9  # of one candidate to the next: down to a quarter of the extreme value


def output_ranges(graph: QuantGraph, crops: NDArray[np.uint8], seed: int = 0) -> Ranges:
    """For each tensor the range whose error, to first order, moves the heatmaps least.

    Args:
        crops: (N, height, width, 3), 0..255.
        seed: of the random sums of heatmaps.
    """
    extremes = measure_ranges(graph, crops, find_calibrator("minmax"))
    costs: dict[str, _Cost] = {}
    for tapped in tap(graph, crops, seed=seed):
        tensor = graph.tensor[tapped.node]
        if graph.kind[tensor] != "input":
            symmetric = tensor in graph.symmetric
            cost = costs.setdefault(tensor, _Cost(*extremes[tensor], symmetric))
            cost.add(tapped.values, tapped.slopes)
    return dict(extremes) | {tensor: cost.best() for tensor, cost in costs.items()}


class _Cost:
    """Squared error of the heatmaps for each candidate of a tensor's range.

    Args:
        low, high: of all its values, 0 between them.
        symmetric: both ends have to be as far from 0.
    """

    def __init__(self, low: float, high: float, symmetric: bool = False) -> None:
        self.symmetric = symmetric
        if symmetric:
            low, high = min(low, -high), max(high, -low)
        factors = RATIO ** torch.arange(STEPS, dtype=torch.float64)
        self.lows = low * (factors if low else factors[:1])
        self.highs = high * (factors if high else factors[:1])
        self.clipped = torch.zeros(len(self.lows), len(self.highs), dtype=torch.float64)
        self.squares = 0.0

    def add(self, values: Tensor, slopes: Tensor) -> None:
        """Take in values (B, n) and slopes (probes, B, n)."""
        probes = len(slopes)
        self.squares += float((slopes.double() ** 2).sum()) / probes
        low = _clipping(values, slopes, self.lows)  # [probes * B, lows]
        high = _clipping(-values, -slopes, -self.highs)
        both = (low[:, :, None] + high[:, None, :]) ** 2
        self.clipped += both.sum(0) / probes

    def best(self) -> tuple[float, float]:
        """The range of least cost."""
        step = (self.highs - self.lows[:, None]) / LEVELS
        cost = self.clipped + self.squares * step**2 / 12
        if self.symmetric:
            cost = torch.where(torch.eye(len(cost), dtype=torch.bool), cost, torch.inf)
        low, high = divmod(int(cost.argmin()), len(self.highs))
        return float(self.lows[low]), float(self.highs[high])


def _clipping(values: Tensor, slopes: Tensor, ends: Tensor) -> Tensor:
    """How far the sums of heatmaps move when what is below each end (E,) is raised to it.

    Args:
        ends: ascending.

    Returns:
        (probes * B, E).
    """
    probes, batch, _ = slopes.shape
    count = len(ends)
    if count == 1:
        return torch.zeros(probes * batch, 1, dtype=torch.float64)
    crop, place = (values < ends[-1]).nonzero(as_tuple=True)
    beyond, slope = values[crop, place].double(), slopes[:, crop, place].double()
    first = torch.bucketize(beyond, ends, right=True)  # the first end above each
    terms = torch.stack([slope, slope * beyond], 1)  # [probes, 2, n]
    sums = terms.new_zeros(probes, 2, batch * count).index_add_(2, crop * count + first, terms)
    sums = sums.reshape(probes, 2, batch, count).cumsum(3)  # of all that is below each end
    return (ends * sums[:, 0] - sums[:, 1]).flatten(0, 1)
