"""A TFLite graph in the terms of the checks."""

from __future__ import annotations

import math
from dataclasses import replace

from mvpose.export.doctor.quantisation import Part, Quantised
from mvpose.export.doctor.shapes import Shapes
from mvpose.export.doctor.steps import Role, Step
from mvpose.export.graph import Graph, Operator, Tensor

CONVOLUTIONS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "TRANSPOSE_CONV": 0, "CONV_3D": 4}
"""Their weight's dimension that counts output channels."""
WEIGHTED = (*CONVOLUTIONS, "FULLY_CONNECTED")
ARITHMETIC = (*WEIGHTED, "ADD", "SUB", "MUL", "BATCH_MATMUL", "MEAN", "SOFTMAX", "LOGISTIC",
              "AVERAGE_POOL_2D", "RESIZE_BILINEAR", "HARD_SWISH", "TANH", "RSQRT")  # fmt: skip
INTEGERS = ("int4", "int8", "uint8", "int16")
FLOATS = ("float32", "float16", "bfloat16", "float64")

MOVES = ("RESHAPE", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "CONCATENATION", "PAD", "PADV2", "SPLIT",
         "SPLIT_V", "GATHER", "GATHER_ND", "PACK", "UNPACK", "MAX_POOL_2D", "SQUEEZE",
         "EXPAND_DIMS", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "MIRROR_PAD")  # fmt: skip


def input_shapes(graph: Graph) -> Shapes:
    """Shapes of the inputs."""
    return {graph.tensors[i].name: graph.tensors[i].signature for i in graph.inputs}


def used_shapes(graph: Graph) -> Shapes:
    """Shapes of all tensors that operators read or write."""
    used = {i for op in graph.operators for i in (*op.inputs, *op.outputs)}
    return {graph.tensors[i].name: graph.tensors[i].shape for i in sorted(used)}


def steps(graph: Graph) -> list[Step]:
    """The operators as the search for islands sees them."""
    found = []
    for op in graph.operators:
        made = [graph.tensors[i] for i in op.outputs]
        inputs = [i for i in op.inputs if not graph.tensors[i].constant]
        found.append(
            Step(
                op.kind,
                made[0].name if made else op.kind,
                _role(graph, op, inputs),
                tuple(map(str, inputs)),
                tuple(map(str, op.outputs)),
                math.prod(made[0].shape) if made else 0,
                op.kind if op.activation == "NONE" else op.activation,
                op.kind in WEIGHTED,
                op.kind in MOVES,
            )
        )
    return found


def _role(graph: Graph, op: Operator, inputs: list[int]) -> Role:
    given = graph.tensors[inputs[0]] if inputs else None
    made = graph.tensors[op.outputs[0]] if op.outputs else None
    if given is None or made is None:
        return "other"
    if op.kind == "DEQUANTIZE":
        return "dequantize" if given.dtype in INTEGERS else "other"
    if op.kind == "QUANTIZE" and given.dtype in FLOATS:
        return "quantize"
    if made.dtype in FLOATS:
        return "float"
    return "integer" if made.scales else "other"


def quantised(graph: Graph) -> list[Quantised]:
    """All tensors as the checks of scales, zero points and values see them."""
    found: dict[int, Quantised] = {}
    for op in graph.operators:
        if op.kind in WEIGHTED and len(op.inputs) > 1:
            first, bias = (2, 3) if op.kind == "TRANSPOSE_CONV" else (0, 2)
            index = _stored(graph, op.inputs[1])
            weight = graph.tensors[index]
            dimension = CONVOLUTIONS.get(op.kind, len(weight.shape))
            channels = weight.shape[dimension] if dimension < len(weight.shape) else 0
            found[index] = replace(_seen(weight, "weight", op), channels=channels)
            if len(op.inputs) > bias:
                product = _product(graph.tensors[op.inputs[first]], weight)
                seen = _seen(graph.tensors[op.inputs[bias]], "bias", op)
                found[op.inputs[bias]] = replace(seen, product=product)
    for op in graph.operators:
        for index in (*op.inputs, *op.outputs):
            if index not in found:
                tensor = graph.tensors[index]
                found[index] = _seen(tensor, "constant" if tensor.constant else "activation", op)
    return list(found.values())


def _seen(tensor: Tensor, part: Part, op: Operator) -> Quantised:
    return Quantised(
        tensor.name,
        tensor.dtype,
        part,
        tensor.scales,
        tensor.zero_points,
        tensor.axis,
        tensor.values(),
        needs_scale=op.kind in ARITHMETIC and tensor.dtype in INTEGERS,
    )


def _stored(graph: Graph, tensor: int) -> int:
    """The constant behind a tensor, which weight-only files expand when they are run."""
    producer = graph.producer(tensor)
    if producer is not None and graph.operators[producer].kind == "DEQUANTIZE":
        return graph.operators[producer].inputs[0]
    return tensor


def _product(given: Tensor, weight: Tensor) -> tuple[float, ...]:
    if len(given.scales) != 1 or given.dtype not in INTEGERS:
        return ()
    return tuple(given.scales[0] * scale for scale in weight.scales)
