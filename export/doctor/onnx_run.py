"""What the quantised activations of an ONNX file hold on drawn people, in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.artefact import Artefact
from mvpose.export.doctor.clipping import Range
from mvpose.export.doctor.drawn import LARGEST_SIDE_PX, drawn_people
from mvpose.export.doctor.onnx_graph import OnnxGraph
from mvpose.export.doctor.outputs import QuantisedOutput
from mvpose.export.doctor.quantisation import Quantised, ends
from mvpose.export.doctor.steps import Step, functions


def drawn_inputs(
    graph: OnnxGraph, tensors: Sequence[Quantised], artefact: Artefact | None
) -> NDArray[np.float32] | None:
    """Drawn people (N, 3, height, width) as the network takes them; None where that is unknown.

    A file without description takes the real range that its input is quantised to at once.
    """
    shapes = list(graph.inputs.items())
    if len(shapes) != 1:
        return None
    name, shape = shapes[0]
    if (
        len(shape) != 4
        or shape[:2] != (1, 3)
        or not 1 <= min(shape) <= max(shape) <= LARGEST_SIDE_PX
    ):
        return None
    crops = drawn_people((shape[3], shape[2]), artefact).transpose(0, 3, 1, 2)
    if artefact is not None:
        return crops.astype(np.float32)
    by_name = {tensor.name: tensor for tensor in tensors}
    for node in graph.consumers[name]:
        entry = by_name.get(node.output[0])
        if node.op_type == "QuantizeLinear" and entry is not None and len(entry.scales) == 1:
            low, high = ends(entry)
            return (low + crops / 255 * (high - low)).astype(np.float32)
    return None


def run(
    path: Path, names: Sequence[str], inputs: NDArray[np.float32]
) -> tuple[dict[str, NDArray[Any]], str]:
    """The values (N, ...) of tensors by name, and how running failed, "" where it did not."""
    import onnx
    import onnxruntime

    model = onnx.load_model(str(path))
    declared = {value.name for value in model.graph.output}
    model.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in names if name not in declared
    )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        key = session.get_inputs()[0].name
        made = [session.run(list(names), {key: value[None]}) for value in inputs]
    except Exception as error:  # ONNX Runtime's own kinds of exception, none of them public
        return {}, str(error).strip().splitlines()[0]
    return {name: np.stack([row[i] for row in made]) for i, name in enumerate(names)}, ""


def ranges(
    steps: Sequence[Step], tensors: Sequence[Quantised], held: dict[str, Any]
) -> list[Range]:
    """The quantised activations and how full their ends were."""
    by_name = {tensor.name: tensor for tensor in tensors}
    found = []
    for name, function in functions(steps).items():
        tensor, values = by_name.get(name), held.get(name)
        if tensor is None or values is None or len(tensor.scales) != 1 or not values.size:
            continue
        limits = np.iinfo(values.dtype)
        share = float((values == limits.min).mean()), float((values == limits.max).mean())
        found.append(Range(name, tensor.scales[0], *ends(tensor), *share, function))
    return found


def quantised_outputs(
    graph: OnnxGraph,
    tensors: Sequence[Quantised],
    artefact: Artefact | None,
    held: dict[str, Any],
) -> list[QuantisedOutput]:
    """The outputs that come straight out of a DequantizeLinear."""
    by_name = {tensor.name: tensor for tensor in tensors}
    given = next(iter(graph.inputs.values()), ())
    found = []
    for value in graph.model.graph.output:
        node = graph.producers.get(value.name)
        if node is None or node.op_type != "DequantizeLinear" or len(given) != 4:
            continue
        tensor, shape = by_name[node.input[0]], graph.shapes.get(value.name, ())
        if len(tensor.scales) != 1 or min((*shape, *given), default=-1) < 1:
            continue
        stored = held.get(tensor.name)
        low, high = ends(tensor)
        peaks: tuple[float, ...] = ()
        if stored is not None and stored.ndim == 5:
            stored = low + (stored.astype(float) - np.iinfo(stored.dtype).min) * tensor.scales[0]
            peaks = tuple(stored.max(axis=(3, 4)).ravel())
        last = (shape[0], shape[2], shape[3], shape[1]) if len(shape) == 4 else shape
        found.append(
            QuantisedOutput(
                tensor.name,
                tensor.scales[0],
                low,
                high,
                last,
                (given[3], given[2]),
                artefact.model.decode if artefact else None,
                peaks,
            )
        )
    return found
