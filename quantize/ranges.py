"""The range of every tensor of a network over calibration crops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import Interpreter, Node

from mvpose.errors import InputError
from mvpose.quantize.network import QuantGraph, Role
from mvpose.quantize.observers import CALIBRATORS, Calibrator, NotFinite, Observer

Ranges = Mapping[str, tuple[float, float]]
"""Lowest and highest value by tensor of a ``QuantGraph``."""

BATCH = 8


def measure_ranges(
    graph: QuantGraph, crops: NDArray[np.uint8], calibrator: Calibrator = CALIBRATORS["average"]
) -> Ranges:
    """Run the float network and watch its tensors.

    Args:
        graph: the network.
        crops: (N, height, width, 3), 0..255.
        calibrator: makes a range of the values, but for the heatmaps: their peaks are what counts
            and are rare, so they get their lowest and highest values.

    Returns:
        The range of each tensor of ``graph.tensors``; tensors that several operators write have the
        widest.

    Raises:
        InputError: an activation is not finite; names the operator and the crop.
    """
    watcher = _Watcher(graph, calibrator)
    with torch.inference_mode():
        for start in range(0, len(crops), BATCH):
            batch = to_batch(crops[start : start + BATCH])
            watcher.first_crop, watcher.crops = start, len(batch)
            watcher.run(batch)
    ranges = {}
    for tensor in graph.tensors:
        written = [watcher.observers[n] for n in watcher.observers if graph.tensor[n] == tensor]
        if graph.kind[tensor] == "input":
            ranges[tensor] = (0.0, 255.0)
        elif not written:
            ranges[tensor] = (0.0, 1.0)
        else:
            lows, highs = zip(*(observer.range() for observer in written), strict=True)
            ranges[tensor] = (min(lows), max(highs))
    return ranges


def to_batch(crops: NDArray[np.uint8]) -> torch.Tensor:
    """(N, height, width, 3) -> (N, 3, height, width), float32."""
    return torch.from_numpy(crops).permute(0, 3, 1, 2).float()


class _Watcher(Interpreter):
    def __init__(self, graph: QuantGraph, calibrator: Calibrator) -> None:
        super().__init__(graph.module)
        self.path = graph.path
        heatmaps = graph.output
        self.observers = {
            name: Observer(
                CALIBRATORS["minmax"] if graph.tensor.get(name) == heatmaps else calibrator
            )
            for name, role in graph.roles.items()
            if role is Role.OWN and graph.kind[name] != "input"
        }
        self.first_crop = self.crops = 0

    def run_node(self, n: Node) -> Any:
        result = super().run_node(n)
        if n.name in self.observers:
            try:
                self.observers[n.name].observe(result, self.crops)
            except NotFinite as error:
                raise InputError(
                    f"{self.path[n.name]} ({n.name}) gives {error.kind} on calibration crop "
                    f"{self.first_crop + error.crop}",
                    "the checkpoint is damaged or diverged: look at it with mvpose-eval",
                ) from error
        return result
