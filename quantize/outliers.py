"""The channels that are far above the others of their tensor, and so take its INT8 levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.fx import Interpreter, Node

from mvpose.quantize.network import QuantGraph, Role
from mvpose.quantize.ranges import BATCH, to_batch
from mvpose.spec import FROZEN, Record

LEAST_RATIO = 10.0


@dataclass(frozen=True, config=FROZEN)
class Outlier(Record):
    """A tensor's largest channel.

    Attributes:
        tensor: the node of the graph that writes it.
        path: its module in the deploy form.
        channel: index.
        largest: its largest |activation|.
        ratio: that, over the median channel's.
    """

    tensor: str
    path: str
    channel: int
    largest: float
    ratio: float


def find_outliers(
    graph: QuantGraph, crops: NDArray[np.uint8], least_ratio: float = LEAST_RATIO
) -> list[Outlier]:
    """The largest channel of each tensor where it is far above the median one.

    Channels that are zero throughout are left out; attention's logits, weights and sums, which
    have tokens in place of channels or few of them, too.

    Args:
        graph: the float network.
        crops: (N, height, width, 3), 0..255.
        least_ratio: of the largest channel over the median one.

    Returns:
        the widest first.
    """
    watcher = _Watcher(graph)
    with torch.inference_mode():
        for start in range(0, len(crops), BATCH):
            watcher.run(to_batch(crops[start : start + BATCH]))
    found = []
    for name, largest in watcher.largest.items():
        channel, live = int(largest.argmax()), largest[largest > 0]
        ratio = float(largest[channel] / live.median()) if len(live) else 0.0
        if ratio >= least_ratio:
            found.append(Outlier(name, graph.path[name], channel, float(largest[channel]), ratio))
    return sorted(found, key=lambda outlier: -outlier.ratio)


class _Watcher(Interpreter):
    """Runs a network and keeps the largest |activation| of each channel, (C,) by tensor."""

    def __init__(self, graph: QuantGraph) -> None:
        super().__init__(graph.module)
        self.watched = {
            name
            for name, role in graph.roles.items()
            if role is Role.OWN and graph.kind[name] not in ("input", "DeployAttention")
        }
        self.largest: dict[str, Tensor] = {}

    def run_node(self, n: Node) -> Any:
        result = super().run_node(n)
        if n.name in self.watched:
            channels = result.movedim(1 if result.ndim == 4 else -1, 0).flatten(1)
            largest = channels.abs().amax(1)
            if len(largest) > 1:
                known = self.largest.get(n.name, largest)
                self.largest[n.name] = torch.maximum(known, largest)
        return result
