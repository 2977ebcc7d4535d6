"""Which tensors of a float ``.tflite`` file are which of the network's, and their ranges."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import Interpreter, Node

from mvpose.errors import InputError
from mvpose.export.graph import read_graph
from mvpose.export.tflite_quantize import FileRanges
from mvpose.quantize.fake_quant import HIGHEST, LOWEST
from mvpose.quantize.network import QuantGraph
from mvpose.quantize.ranges import Ranges
from mvpose.quantize.simulate import QParams
from mvpose.runtime.litert import open_interpreter

TOLERANCE = 1e-2

Values = NDArray[np.float32]
Match = dict[str, str]
"""By tensor of the file: the node of the network that computes the same."""


def match_tensors(float_file: Path, graph: QuantGraph, crop: NDArray[np.uint8]) -> Match:
    """Find the network's tensors in the file by their values on one crop.

    A converter names, splits, merges and transposes as it likes; values in sorted order it keeps,
    but for the borders that it adds before convolutions: those count as their input.

    Args:
        float_file: the conversion of the network.
        graph: the network.
        crop: (height, width, 3); any picture of a person will do.

    Raises:
        InputError: an operator's output is not in the file.
    """
    by_size: dict[int, list[tuple[str, Values]]] = {}
    for node, values in _network_values(graph, crop).items():
        by_size.setdefault(values.size, []).append((node, values))
    match: Match = {}
    taken: Counter[str] = Counter()
    for name, values in _file_values(float_file, crop).items():
        distances = {
            node: float(np.abs(values - ours).max()) for node, ours in by_size.get(values.size, [])
        }
        nearest = min(distances.values(), default=np.inf)
        if nearest > TOLERANCE * float(np.abs(values).max()):
            continue
        # reshapes and transposes of one tensor: in order of computation
        equal = [node for node, distance in distances.items() if distance == nearest]
        match[name] = equal[min(taken[equal[0]], len(equal) - 1)]
        taken[equal[0]] += 1
    file = read_graph(float_file)
    for op in file.operators:
        name, source = (file.tensors[i].name for i in (op.outputs[0], op.inputs[0]))
        if op.kind == "PAD" and name not in match and source in match:
            match[name] = match[source]
    found = {graph.tensor[node] for node in match.values()}
    for tensor in graph.tensors:
        if tensor not in found:
            raise InputError(
                f"{graph.path[tensor]} ({tensor}) is not to be found in the converted file",
                "litert-torch rewrote it: check its version against pyproject.toml",
            )
    return match


def exact_ranges(match: Match, graph: QuantGraph, qparams: QParams) -> FileRanges:
    """Ranges that give the file these INT8 scales and zero points exactly.

    Tensors that a trained network never rounds have none.
    """

    def bound(level: int, scale: float, zero_point: int) -> NDArray[np.float64]:
        return np.full((1, 1, 1, 1), (level - zero_point) * scale)

    owners = {name: graph.tensor[node] for name, node in match.items()}
    return {
        name: {"min": bound(LOWEST, *qparams[owner]), "max": bound(HIGHEST, *qparams[owner])}
        for name, owner in owners.items()
        if owner in qparams
    }


def wide_ranges(match: Match, graph: QuantGraph, ranges: Ranges) -> FileRanges:
    """Ranges for integers wider than INT8."""
    owners = {name: graph.tensor[node] for name, node in match.items()}
    return {
        name: {
            end: np.full((1, 1, 1, 1), value)
            for end, value in zip(("min", "max"), ranges[owner], strict=True)
        }
        for name, owner in owners.items()
    }


def _network_values(graph: QuantGraph, crop: NDArray[np.uint8]) -> dict[str, Values]:
    """Sorted values by node, for the nodes whose tensors a file has."""
    recorder = _Recorder(graph)
    with torch.inference_mode():
        recorder.run(torch.from_numpy(crop).permute(2, 0, 1)[None].float())
    return recorder.values


class _Recorder(Interpreter):
    """Runs the network and keeps what its operators write."""

    def __init__(self, graph: QuantGraph) -> None:
        super().__init__(graph.module)
        self.kept = graph.tensor
        self.values: dict[str, Values] = {}

    def run_node(self, n: Node) -> Any:
        result = super().run_node(n)
        if n.name in self.kept:
            self.values[n.name] = np.sort(result.numpy(), axis=None)
        return result


def _file_values(float_file: Path, crop: NDArray[np.uint8]) -> dict[str, Values]:
    """Sorted values by tensor, constants apart."""
    file = read_graph(float_file)
    _, interpreter = open_interpreter(float_file, experimental_preserve_all_tensors=True)
    interpreter.set_tensor(file.inputs[0], crop[None].astype(np.float32))
    interpreter.invoke()
    written = {*file.inputs, *(index for op in file.operators for index in op.outputs)}
    return {
        file.tensors[index].name: np.sort(interpreter.get_tensor(index), axis=None)
        for index in sorted(written)
    }
