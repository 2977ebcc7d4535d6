"""The operators of a ``.tflite`` file, read from its flatbuffer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph: its name, shape, element type and whether it is a constant."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    constant: bool


@dataclass(frozen=True)
class Operator:
    """An operator: its TFLite name and the indices of its tensors."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """The main subgraph of a file.

    Attributes:
        tensors: all tensors.
        operators: in order of execution.
        inputs, outputs: tensor indices.
    """

    tensors: list[Tensor]
    operators: list[Operator]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def producer(self, tensor: int) -> int | None:
        """Index of the operator that writes a tensor."""
        return next((i for i, op in enumerate(self.operators) if tensor in op.outputs), None)

    def consumers(self, tensor: int) -> list[int]:
        """Indices of the operators that read a tensor."""
        return [i for i, op in enumerate(self.operators) if tensor in op.inputs]

    def output_names(self, operators: set[int]) -> list[str]:
        """Names of the tensors that these operators write, in order of execution."""
        return [
            self.tensors[tensor].name
            for index in sorted(operators)
            for tensor in self.operators[index].outputs
        ]


def read_graph(path: Path) -> Graph:
    """Parse a ``.tflite`` file."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(path.read_bytes(), 0))
    kinds = _names(schema.BuiltinOperator)
    types = _names(schema.TensorType)
    subgraph = model.subgraphs[0]
    tensors = [
        Tensor(
            t.name.decode(),
            tuple(map(int, t.shape)) if t.shape is not None else (),
            types[t.type].lower(),
            _has_data(model.buffers[t.buffer].data),
        )
        for t in subgraph.tensors
    ]
    operators = []
    for op in subgraph.operators:
        code = model.operatorCodes[op.opcodeIndex]
        kind = kinds[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if kind == "CUSTOM":
            kind = f"CUSTOM:{code.customCode.decode()}"
        inputs = tuple(int(i) for i in op.inputs if i >= 0)
        operators.append(Operator(kind, inputs, tuple(map(int, op.outputs))))
    return Graph(tensors, operators, tuple(subgraph.inputs), tuple(subgraph.outputs))


def normalisation(graph: Graph) -> set[int]:
    """The operators of all layer normalisations, found from their reciprocal square roots.

    x - mean, its square, the mean of that, + epsilon, rsqrt, the product with x - mean.
    """
    found: set[int] = set()
    for index, op in enumerate(graph.operators):
        if op.kind != "RSQRT":
            continue
        found.update([index, *graph.consumers(op.outputs[0])])
        front = [index]
        while front:
            for tensor in graph.operators[front.pop()].inputs:
                producer = graph.producer(tensor)
                if producer is None or producer in found:
                    continue
                found.add(producer)
                if graph.operators[producer].kind == "SUB":
                    means = [graph.producer(t) for t in graph.operators[producer].inputs]
                    found.update(
                        m for m in means if m is not None and graph.operators[m].kind == "MEAN"
                    )
                else:
                    front.append(producer)
    return found


def of_kind(graph: Graph, kinds: tuple[str, ...]) -> set[int]:
    """Indices of the operators of some kinds."""
    return {i for i, op in enumerate(graph.operators) if op.kind in kinds}


def _names(enumeration: type) -> dict[int, str]:
    return {v: k for k, v in vars(enumeration).items() if isinstance(v, int)}


def _has_data(data: NDArray[np.uint8] | None) -> bool:
    return data is not None and len(data) > 0
