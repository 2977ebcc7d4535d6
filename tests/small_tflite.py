"""Small ``.tflite`` files, written operator by operator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray


class SmallModel:
    """A model under construction; tensors and operators are known by the names given here."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.description = b"made by a test"
        self.model.operatorCodes, self.model.metadata = [], []
        self.model.buffers = [schema.BufferT()]
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []
        self.model.subgraphs = [self.graph]

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str = "INT8",
        scale: float | Sequence[float] | None = None,
        zero_point: int = 0,
        data: NDArray[Any] | None = None,
        axis: int = 0,
    ) -> int:
        """Add a tensor; with data it is a constant."""
        made = schema.TensorT()
        made.name, made.shape = name.encode(), np.array(shape, np.int32)
        made.type = getattr(schema.TensorType, dtype)
        if scale is not None:
            made.quantization = about = schema.QuantizationParametersT()
            about.scale = np.atleast_1d(np.array(scale, np.float32))
            about.zeroPoint = np.full(len(about.scale), zero_point, np.int64)
            about.quantizedDimension = axis
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            made.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def operator(
        self,
        kind: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Any = None,
        custom: str = "",
    ) -> None:
        """Add an operator."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        code.customCode = custom.encode() or None
        self.model.operatorCodes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex = len(self.model.operatorCodes) - 1
        made.inputs, made.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        if options is not None:
            made.builtinOptions = options
            name = type(options).__name__.removesuffix("T")
            made.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        self.graph.operators.append(made)

    def note(self, name: str, value: bytes) -> None:
        """Add a note of the converter."""
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data = np.frombuffer(value, np.uint8)
        self.model.buffers.append(buffer)
        entry.name, entry.buffer = name.encode(), len(self.model.buffers) - 1
        self.model.metadata.append(entry)

    def index(self, name: str) -> int:
        """Index of a tensor."""
        return [t.name for t in self.graph.tensors].index(name.encode())

    def find(self, name: str) -> Any:
        """A tensor."""
        return self.graph.tensors[self.index(name)]

    def append(self, kind: str, name: str, *more: int, custom: str = "", **about: Any) -> int:
        """Add an operator after the output; what it makes becomes the output, of the same shape."""
        before = int(self.graph.outputs[0])
        about.setdefault("shape", self.graph.tensors[before].shape)
        made = self.tensor(name, **about)
        self.operator(kind, (before, *more), (made,), custom=custom)
        self.graph.outputs = np.array([made])
        return made

    def set_data(self, name: str, data: NDArray[Any]) -> None:
        """Replace a constant's values."""
        stored = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
        self.model.buffers[self.find(name).buffer].data = stored

    def write(self, path: Path) -> Path:
        """Write the file."""
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        path.write_bytes(builder.Output())
        return path


def convolution(
    size: int = 64, stride: int = 4, channels: int = 5, output_scale: float = 0.02
) -> SmallModel:
    """An INT8 convolution of bytes: "input" (1, size, size, 3) -> "output", per-channel weights.

    Its output is within -1.5 .. 1.5.
    """
    made = SmallModel()
    rng = np.random.default_rng(0)
    weight = rng.integers(-60, 60, (channels, stride, stride, 3)).astype(np.int8)
    weight[:, 0, 0, 0] = 127
    scales = np.linspace(0.5, 1, channels) / (100 * stride**2)
    x = made.tensor("input", (1, size, size, 3), scale=1 / 255, zero_point=-128)
    w = made.tensor("weight", weight.shape, scale=scales, data=weight)
    bias = rng.integers(-50, 50, channels).astype(np.int32)
    b = made.tensor("bias", (channels,), "INT32", scale=scales / 255, data=bias)
    small = size // stride
    y = made.tensor("output", (1, small, small, channels), scale=output_scale)
    options = schema.Conv2DOptionsT()
    options.padding = schema.Padding.VALID
    options.strideW = options.strideH = stride
    made.operator("CONV_2D", (x, w, b), (y,), options)
    made.graph.inputs, made.graph.outputs = np.array([x]), np.array([y])
    return made
