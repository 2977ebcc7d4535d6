"""What drawn people look like to a ``.tflite`` file, and what its tensors did with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.artefact import Artefact
from mvpose.export.doctor.clipping import Range
from mvpose.export.doctor.drawn import LARGEST_SIDE_PX, drawn_people
from mvpose.export.doctor.outputs import QuantisedOutput
from mvpose.export.doctor.probe import Probe
from mvpose.export.doctor.quantisation import ends
from mvpose.export.doctor.steps import Step, functions
from mvpose.export.doctor.tflite_graph import INTEGERS
from mvpose.export.graph import Graph, Tensor
from mvpose.runtime.litert import store


def drawn_inputs(graph: Graph, artefact: Artefact | None) -> NDArray[Any] | None:
    """Drawn people (N, height, width, 3) as the input stores them; None where that is unknown.

    A file without description takes bytes as they are, or, where its float input is quantised at
    once, the real range of that.
    """
    if len(graph.inputs) != 1:
        return None
    given = graph.tensors[graph.inputs[0]]
    if len(given.shape) != 4 or given.shape[::3] != (1, 3) or -1 in given.signature:
        return None
    if not 1 <= min(given.shape) <= max(given.shape) <= LARGEST_SIDE_PX:
        return None
    crops = drawn_people((given.shape[2], given.shape[1]), artefact)
    if artefact is not None:
        return np.stack([store(crop, artefact.input) for crop in crops])
    if given.dtype == "uint8":
        return crops
    if given.dtype == "int8":
        return (crops.astype(np.int16) - 128).astype(np.int8)
    entry = _quantised_entry(graph)
    if entry is None:
        return None
    low, high = ends(entry)
    return (low + crops / 255 * (high - low)).astype(np.float32)


def ranges(graph: Graph, steps: Sequence[Step], ran: Probe) -> list[Range]:
    """The quantised activations and how full their ends were."""
    found = []
    for key, name in functions(steps).items():
        tensor, filling = graph.tensors[int(key)], (ran.fillings or {}).get(int(key))
        if filling is None or not filling.values or not tensor.scales:
            continue
        share = filling.at_lowest / filling.values, filling.at_highest / filling.values
        found.append(Range(tensor.name, tensor.scales[0], *ends(tensor), *share, name))
    return found


def quantised_outputs(graph: Graph, artefact: Artefact | None, ran: Probe) -> list[QuantisedOutput]:
    """The outputs that are computed in integers."""
    given = graph.tensors[graph.inputs[0]].shape if graph.inputs else ()
    found = []
    for number, index in enumerate(graph.outputs):
        stored = graph.tensors[_before_dequantize(graph, index)]
        scaled = len(stored.scales) == 1 and np.isfinite(stored.scales[0]) and stored.scales[0] > 0
        if stored.dtype in INTEGERS and scaled and len(given) == 4:
            found.append(
                QuantisedOutput(
                    stored.name,
                    stored.scales[0],
                    *ends(stored),
                    stored.shape,
                    (given[2], given[1]),
                    artefact.model.decode if artefact else None,
                    ran.outputs[number].peaks if ran.outputs else (),
                )
            )
    return found


def _before_dequantize(graph: Graph, tensor: int) -> int:
    producer = graph.producer(tensor)
    if producer is not None and graph.operators[producer].kind == "DEQUANTIZE":
        return graph.operators[producer].inputs[0]
    return tensor


def _quantised_entry(graph: Graph) -> Tensor | None:
    """What the float input is quantised to, where that happens before anything else."""
    for index in graph.consumers(graph.inputs[0]):
        op = graph.operators[index]
        made = graph.tensors[op.outputs[0]]
        if op.kind == "QUANTIZE" and len(made.scales) == 1:
            return made
    return None
