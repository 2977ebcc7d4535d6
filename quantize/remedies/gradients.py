"""How much the heatmaps change with each value inside a network, to first order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.fx import Interpreter, Node

from mvpose.quantize.network import QuantGraph, Role
from mvpose.quantize.ranges import to_batch

BATCH = 4
PROBES = 4


@dataclass(frozen=True)
class Tapped:
    """What one operator wrote for a batch of crops.

    Attributes:
        node: the operator.
        values: (B, n).
        slopes: (probes, B, n) of random sums of the heatmaps by the values: the mean over the
            probes of (sum of slope * error)^2 is the squared error of the crop's heatmaps.
    """

    node: str
    values: Tensor
    slopes: Tensor


def tap(
    graph: QuantGraph, crops: NDArray[np.uint8], probes: int = PROBES, seed: int = 0
) -> Iterator[Tapped]:
    """Each operator's tensor with its slopes, batch by batch.

    The heatmaps are summed with random signs, so that a few passes back stand for all pixels:
    Hutchinson, "A stochastic estimator of the trace of the influence matrix", 1989.

    Args:
        crops: (N, height, width, 3), 0..255.
    """
    generator = torch.Generator().manual_seed(seed)
    for start in range(0, len(crops), BATCH):
        recorder = _Recorder(graph)
        heatmaps = recorder.run(to_batch(crops[start : start + BATCH]))
        tensors = list(recorder.tensors.values())
        slopes = []
        for probe in range(probes):
            signs = torch.randint(0, 2, heatmaps.shape, generator=generator) * 2 - 1
            slopes.append(
                torch.autograd.grad(
                    (heatmaps * signs).sum(), tensors, retain_graph=probe < probes - 1
                )
            )
        batch = len(heatmaps)
        for (node, values), *each in zip(recorder.tensors.items(), *slopes, strict=True):
            flat = torch.stack([s.reshape(batch, -1) for s in each])
            yield Tapped(node, values.detach().reshape(batch, -1), flat)


class _Recorder(Interpreter):
    def __init__(self, graph: QuantGraph) -> None:
        super().__init__(graph.module)
        self.roles = graph.roles
        self.tensors: dict[str, Tensor] = {}

    def run_node(self, n: Node) -> Any:
        result = super().run_node(n)
        if self.roles.get(n.name) is Role.OWN:
            self.tensors[n.name] = result if result.requires_grad else result.requires_grad_()
        return result
