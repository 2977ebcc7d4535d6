"""The operators of a ``.tflite`` file, read from its flatbuffer."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.errors import InputError

IDENTIFIER = b"TFL3"
"""What stands in bytes 4 to 8 of every ``.tflite`` file."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph.

    Attributes:
        name, shape, dtype: as in the file, the type in lower case.
        constant: its values are in the file.
        scales, zero_points: real = (stored - zero_point) * scale, one for the tensor or for each
            slice along ``axis``; empty where it is not quantised.
        axis: the quantised dimension.
        signature: the shape with -1 for dimensions that are open until run time.
        data: bytes of a constant.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    constant: bool
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0
    signature: tuple[int, ...] = ()
    data: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)

    def values(self) -> NDArray[Any] | None:
        """The stored values of a constant; None where NumPy has no such type, or by sparsity."""
        if self.data is None or self.dtype not in np.sctypeDict:
            return None
        stored = np.dtype(self.dtype)
        if len(self.data) != stored.itemsize * int(np.prod(self.shape)):
            return None
        return self.data.view(stored).reshape(self.shape)


@dataclass(frozen=True)
class Operator:
    """An operator: its TFLite name, the indices of its tensors, and the activation fused to it."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    activation: str = "NONE"


@dataclass(frozen=True)
class Graph:
    """The main subgraph of a file.

    Attributes:
        tensors: all tensors.
        operators: in order of execution.
        inputs, outputs: tensor indices.
        metadata: what the converter noted in the file, by name.
        description: of the file, by its converter.
        subgraphs: how many there are, with the main one.
    """

    tensors: list[Tensor]
    operators: list[Operator]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    metadata: dict[str, bytes] = field(default_factory=dict)
    description: str = ""
    subgraphs: int = 1

    def producer(self, tensor: int) -> int | None:
        """Index of the operator that writes a tensor."""
        return self._producers.get(tensor)

    def consumers(self, tensor: int) -> list[int]:
        """Indices of the operators that read a tensor."""
        return self._consumers.get(tensor, [])

    @cached_property
    def _producers(self) -> dict[int, int]:
        return {tensor: i for i, op in enumerate(self.operators) for tensor in op.outputs}

    @cached_property
    def _consumers(self) -> dict[int, list[int]]:
        readers: defaultdict[int, list[int]] = defaultdict(list)
        for index, op in enumerate(self.operators):
            for tensor in dict.fromkeys(op.inputs):
                readers[tensor].append(index)
        return dict(readers)

    def output_names(self, operators: set[int]) -> list[str]:
        """Names of the tensors that these operators write, in order of execution."""
        return [
            self.tensors[tensor].name
            for index in sorted(operators)
            for tensor in self.operators[index].outputs
        ]


def read_graph(path: Path) -> Graph:
    """Parse a ``.tflite`` file.

    Raises:
        InputError: there is no such file, or it is not a readable ``.tflite`` file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror or error}", "check the path"
        ) from error
    if data[4:8] != IDENTIFIER:
        raise InputError(
            f"{path} is not a TFLite file" if data else f"{path} is empty",
            "it does not begin like one; was the download or the export cut off?",
        )
    try:
        return _parse(data)
    except Exception as error:  # the flatbuffer reader raises whatever it stumbles over
        raise InputError(
            f"{path} is damaged: its flatbuffer cannot be read", "copy or export the file again"
        ) from error


def _parse(data: bytes) -> Graph:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))
    kinds = _names(schema.BuiltinOperator)
    types = _names(schema.TensorType)
    activations = _names(schema.ActivationFunctionType)
    contents = [_contents(buffer, data) for buffer in model.buffers]
    subgraph = model.subgraphs[0]
    operators = []
    for op in subgraph.operators:
        code = model.operatorCodes[op.opcodeIndex]
        kind = kinds[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if kind == "CUSTOM":
            kind = f"CUSTOM:{code.customCode.decode()}"
        inputs = tuple(int(i) for i in op.inputs if i >= 0)
        fused = activations[getattr(op.builtinOptions, "fusedActivationFunction", 0)]
        operators.append(Operator(kind, inputs, tuple(map(int, op.outputs)), fused))
    tensors = [_tensor(t, types[t.type], contents[t.buffer]) for t in subgraph.tensors]
    named = {i for op in operators for i in (*op.inputs, *op.outputs)}
    if not named.union(map(int, subgraph.inputs), map(int, subgraph.outputs)) <= set(
        range(len(tensors))
    ):
        raise IndexError("an operator names a tensor that is not there")
    return Graph(
        tensors,
        operators,
        tuple(map(int, subgraph.inputs)),
        tuple(map(int, subgraph.outputs)),
        {m.name.decode(): _bytes(contents[m.buffer]) for m in model.metadata or ()},
        (model.description or b"").decode(errors="replace"),
        len(model.subgraphs),
    )


def _tensor(tensor: Any, dtype: str, data: NDArray[np.uint8] | None) -> Tensor:
    about = tensor.quantization
    shape = tuple(map(int, _given(tensor.shape)))
    return Tensor(
        tensor.name.decode(errors="replace"),
        shape,
        dtype.lower(),
        data is not None,
        tuple(map(float, _given(about and about.scale))),
        tuple(map(int, _given(about and about.zeroPoint))),
        int(about.quantizedDimension) if about else 0,
        tuple(map(int, _given(tensor.shapeSignature))) or shape,
        data,
    )


def _given(values: Any) -> Any:
    return () if values is None else values


def _contents(buffer: Any, file: bytes) -> NDArray[np.uint8] | None:
    """The bytes of a buffer, which large files keep behind the flatbuffer."""
    if buffer.offset > 1:
        return np.frombuffer(file, np.uint8, int(buffer.size), int(buffer.offset))
    return buffer.data if buffer.data is not None and len(buffer.data) else None


def _bytes(data: NDArray[np.uint8] | None) -> bytes:
    return b"" if data is None else data.tobytes()


def _names(enumeration: type) -> dict[int, str]:
    return {v: k for k, v in vars(enumeration).items() if isinstance(v, int)}
