"""An ONNX graph in the terms of the checks."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.export.doctor.quantisation import Part, Quantised
from mvpose.export.doctor.shapes import Shapes
from mvpose.export.doctor.steps import Role, Step

CONVERSIONS = ("QuantizeLinear", "DequantizeLinear")
CONVOLUTIONS = {"Conv": 0, "ConvTranspose": 1}
"""Their weight's dimension that counts output channels."""
WEIGHTED = (*CONVOLUTIONS, "Gemm", "MatMul")
MOVES = ("Reshape", "Transpose", "Slice", "Concat", "Pad", "Split", "Gather", "GatherND", "Squeeze",
         "Unsqueeze", "Flatten", "Identity", "MaxPool", "DepthToSpace", "SpaceToDepth")  # fmt: skip
FUNCTIONS = {"Relu": "RELU", "Sigmoid": "LOGISTIC", "Softmax": "SOFTMAX", "Tanh": "TANH",
             "Gelu": "GELU", "HardSwish": "HARD_SWISH", "Elu": "ELU"}  # fmt: skip
"""Bounded functions by TFLite's names."""
LARGEST_READ = 64 * 2**20
"""Constants above this size in bytes are not looked into."""


class OnnxGraph:
    """The main graph of a model.

    Args:
        model: the parsed file, without external data.
        folder: where external data lies.
    """

    def __init__(self, model: Any, folder: Path) -> None:
        self.model = model
        self.folder = folder
        self.nodes = list(model.graph.node)
        self.initialisers = {tensor.name: tensor for tensor in model.graph.initializer}
        for node in self.nodes:
            if node.op_type == "Constant":
                for attribute in node.attribute:
                    if attribute.name == "value":
                        self.initialisers[node.output[0]] = attribute.t
        self.producers = {name: node for node in self.nodes for name in node.output}
        self.consumers: defaultdict[str, list[Any]] = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                self.consumers[name].append(node)

    @cached_property
    def shapes(self) -> Shapes:
        """Shapes of all values that are known, -1 for open dimensions."""
        import onnx

        try:
            graph = onnx.shape_inference.infer_shapes(self.model).graph
        except Exception:  # shapes are a help, and the checker speaks about damage
            graph = self.model.graph
        return {
            value.name: _shape(value)
            for value in (*graph.input, *graph.value_info, *graph.output)
            if value.type.tensor_type.HasField("shape")
        }

    @property
    def inputs(self) -> Shapes:
        """Shapes of the network's inputs."""
        return {
            value.name: _shape(value)
            for value in self.model.graph.input
            if value.name not in self.initialisers
        }

    def values(self, name: str) -> NDArray[Any] | None:
        """The values of a constant; None where there are none, they are too many, or missing."""
        import onnx

        tensor = self.initialisers.get(name)
        if tensor is None or tensor.ByteSize() > LARGEST_READ:
            return None
        try:
            return np.asarray(onnx.numpy_helper.to_array(tensor, str(self.folder)))
        except Exception:  # missing external data is a finding of its own
            return None

    def weight(self, name: str) -> Any:
        """The DequantizeLinear that makes a weight, if its operand is constant."""
        node = self.producers.get(name)
        if node is None or node.op_type != "DequantizeLinear":
            return None
        return node if self.is_constant(node.input[0]) else None

    def is_constant(self, name: str) -> bool:
        """Whether a value is fixed, also through QuantizeLinear or DequantizeLinear."""
        while name not in self.initialisers:
            node = self.producers.get(name)
            if node is None or node.op_type not in (*CONVERSIONS, "Identity"):
                return False
            name = node.input[0]
        return True


def steps(graph: OnnxGraph) -> list[Step]:
    """The operators as the search for islands sees them.

    An operator between DequantizeLinear and QuantizeLinear is computed in integers by runtimes that
    know the pattern; those of QOperator models say so in their names.
    """
    found = []
    for node in graph.nodes:
        inputs = [name for name in node.input if name and not graph.is_constant(name)]
        shape = graph.shapes.get(node.output[0], ()) if node.output else ()
        found.append(
            Step(
                node.op_type,
                node.name or (node.output[0] if node.output else node.op_type),
                _role(graph, node, inputs),
                tuple(inputs),
                tuple(node.output),
                int(np.prod([max(1, size) for size in shape])),
                FUNCTIONS.get(node.op_type, ""),
                node.op_type in WEIGHTED,
                node.op_type in MOVES,
            )
        )
    return found


def _role(graph: OnnxGraph, node: Any, inputs: list[str]) -> Role:
    kind = node.op_type
    if not inputs or kind in ("Shape", "Constant", "Cast"):
        return "other"
    if kind == "QuantizeLinear":
        return "quantize"
    if kind == "DequantizeLinear":
        return "dequantize"
    if kind.startswith("QLinear") or kind.endswith("Integer"):
        return "integer"
    before = [graph.producers.get(name) for name in inputs]
    after = [reader for name in node.output for reader in graph.consumers[name]]
    wrapped = all(b is not None and b.op_type == "DequantizeLinear" for b in before) and all(
        reader.op_type == "QuantizeLinear" for reader in after
    )
    return "integer" if wrapped and after else "float"


def quantised(graph: OnnxGraph) -> list[Quantised]:
    """Weights, biases and activations with their scales, and float constants with their values."""
    found: dict[str, Quantised] = {}
    for node in graph.nodes:
        if node.op_type not in WEIGHTED:
            continue
        parts: tuple[tuple[int, Part], ...] = ((1, "weight"), (2, "bias"))
        for position, part in parts:
            stored = graph.weight(node.input[position]) if len(node.input) > position else None
            if stored is not None:
                found[stored.input[0]] = _seen(graph, stored, part, node)
    for node in graph.nodes:
        if node.op_type in CONVERSIONS:
            name = node.input[0] if node.op_type == "DequantizeLinear" else node.output[0]
            if name not in found:
                found[name] = _seen(graph, node, "activation", None)
    for name in graph.initialisers:
        if name not in found:
            values = graph.values(name)
            dtype = "" if values is None else values.dtype.name
            found[name] = Quantised(name, dtype, "constant", values=values)
    return list(found.values())


def _seen(graph: OnnxGraph, node: Any, part: Part, reader: Any) -> Quantised:
    """What a QuantizeLinear or DequantizeLinear says of its integer side."""
    scales = graph.values(node.input[1])
    zero_points = graph.values(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    name = node.input[0] if node.op_type == "DequantizeLinear" else node.output[0]
    values = graph.values(name)
    held = zero_points if zero_points is not None else values
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    channels = 0
    if reader is not None and part == "weight" and reader.op_type in CONVOLUTIONS:
        shape = () if values is None else values.shape
        dimension = CONVOLUTIONS[reader.op_type]
        channels = shape[dimension] if dimension < len(shape) else 0
    return Quantised(
        name,
        held.dtype.name if held is not None else "uint8",
        part,
        () if scales is None else tuple(map(float, scales.ravel())),
        () if zero_points is None else tuple(map(int, zero_points.ravel())),
        axis,
        values,
        channels,
    )


def _shape(value: Any) -> tuple[int, ...]:
    dims = value.type.tensor_type.shape.dim
    return tuple(d.dim_value if d.HasField("dim_value") else -1 for d in dims)
