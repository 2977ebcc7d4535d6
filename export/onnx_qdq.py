"""A network as an ONNX file, its roundings as QuantizeLinear and DequantizeLinear.

A DequantizeLinear after a constant, and a QuantizeLinear with a DequantizeLinear after an
activation, is what ONNX Runtime, OpenVINO and others fuse into integer kernels:
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import Node

from mvpose.errors import require
from mvpose.export.translate import BATCH, Integers, Translator, is_mean, output_shape, shape
from mvpose.quantize.fake_quant import LOWEST
from mvpose.quantize.simulate import QuantNet
from mvpose.spec import ModelSpec

OPSET = 19
IR_VERSION = 9
"""Of ONNX 1.14, as opset 19: ONNX Runtime 1.15 and newer read it."""
INPUT, OUTPUT = "image", "heatmaps"


def write_onnx(
    net: QuantNet,
    spec: ModelSpec,
    path: Path,
    half: bool = False,
    dynamic_batch: bool = False,
) -> None:
    """Write the file: RGB (1, 3, H, W) in 0..255 -> heatmaps (1, K, h, w), both float32.

    What is rounded has INT8 weights and INT32 biases, each with a DequantizeLinear; a bias that
    does not fit into INT32, and the parameters of float operators, are float. Activations are
    UINT8, all integers of INT8 with 128 added, which x86 has kernels for. A tensor ``t`` of
    ``net.qparams()`` has its constants in ``t.scale`` and ``t.zero_point``.

    Args:
        net: with scales and zero points; nothing is calibrated here.
        spec: for the sizes.
        path: where to; the caller provides a temporary name.
        half: the float arithmetic and its constants are float16, between input and output.
        dynamic_batch: take any number of crops, not one.

    Raises:
        InputError: the package onnx is not installed.
    """
    require("onnx", "onnx")
    import onnx
    from onnx import TensorProto, helper

    writer = _Writer(net, half, dynamic_batch)
    with torch.no_grad():
        writer.write()
    batch = "batch" if dynamic_batch else BATCH
    shapes = {
        INPUT: (batch, 3, *spec.preprocess.size_wh[::-1]),
        OUTPUT: (batch, *output_shape(net)[1:]),
    }
    given, made = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    )
    graph = helper.make_graph(
        writer.nodes, spec.name, [given], [made], list(writer.constants.values())
    )
    model = helper.make_model(
        graph,
        producer_name="mvpose",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


class _Writer(Translator):
    """Handles are names of tensors."""

    def __init__(self, net: QuantNet, half: bool, dynamic_batch: bool) -> None:
        super().__init__(net)
        self.real = np.float16 if half else np.float32
        self.dynamic_batch = dynamic_batch
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def write(self) -> None:
        """Write the operators from input to output, which are float32."""
        from onnx import TensorProto

        if self.real is np.float32:
            self._add("Identity", self.run(INPUT), name=OUTPUT)
            return
        given = self._add("Cast", INPUT, name=f"{INPUT}.half", to=TensorProto.FLOAT16)
        self._add("Cast", self.run(given), name=OUTPUT, to=TensorProto.FLOAT)

    def rounded(self, x: str, tensor: str) -> str:
        scale, zero_point = self.net.activations[tensor].qparams()
        parameters = (
            self._constant(f"{tensor}.scale", np.array(scale, np.float32)),
            self._constant(f"{tensor}.zero_point", np.array(zero_point - LOWEST, np.uint8)),
        )
        integers = self._add("QuantizeLinear", x, *parameters, name=f"{x}.uint8")
        return self._add("DequantizeLinear", integers, *parameters)

    def conv2d(
        self,
        x: str,
        weight: Any,
        bias: Any,
        strides: Sequence[int],
        padding: Sequence[int],
        dilations: Sequence[int],
        groups: int,
    ) -> str:
        parameters = [self._parameter(weight, "weight")]
        if bias is not None:
            parameters.append(self._parameter(bias, "bias"))
        top, bottom, left, right = padding
        about: dict[str, Any] = {"strides": strides, "dilations": dilations, "group": groups}
        return self._add("Conv", x, *parameters, **about, pads=[top, left, bottom, right])

    def linear(self, x: str, weight: Any, bias: Any = None) -> str:
        if isinstance(weight, torch.Tensor) and is_mean(weight):
            mean = self._add(
                "ReduceMean", x, self._numbers("axes", [-1]), name=f"{self.node.name}.mean"
            )
            return self._add("Add", mean, self._parameter(bias, "bias"))
        turned = self._parameter(weight, "weight", transposed=True)
        if bias is None:
            return self._add("MatMul", x, turned)
        product = self._add("MatMul", x, turned, name=f"{self.node.name}.product")
        return self._add("Add", product, self._parameter(bias, "bias"))

    def add(self, x: str, y: Any) -> str:
        return self._add("Add", x, self._parameter(y, "operand"))

    def sub(self, x: str, y: Any) -> str:
        return self._add("Sub", x, self._parameter(y, "operand"))

    def mul(self, x: str, y: Any) -> str:
        return self._add("Mul", x, self._parameter(y, "operand"))

    def bmm(self, x: str, y: str) -> str:
        return self._add("MatMul", x, y)

    def mean(self, x: str, axes: list[int], keepdim: bool = False) -> str:
        return self._add("ReduceMean", x, self._numbers("axes", axes), keepdims=int(keepdim))

    def rsqrt(self, x: str) -> str:
        root = self._add("Sqrt", x, name=f"{self.node.name}.root")
        return self._add("Reciprocal", root)

    def relu(self, x: str) -> str:
        return self._add("Relu", x)

    def sigmoid(self, x: str) -> str:
        return self._add("Sigmoid", x)

    def softmax(self, x: str, axis: int) -> str:
        return self._add("Softmax", x, axis=axis)

    def reshape(self, x: str, sizes: list[int]) -> str:
        if self.dynamic_batch:
            asked: Any = self.node.args[1]
            sizes = [-1 if isinstance(n, Node) else n for n in asked]
        return self._add("Reshape", x, self._numbers("shape", sizes))

    def permute(self, x: str, order: list[int]) -> str:
        return self._add("Transpose", x, perm=order)

    def cut(self, x: str, axis: int, start: int, end: int) -> str:
        limits = {"start": start, "end": end, "axis": axis}
        return self._add("Slice", x, *(self._numbers(k, [v]) for k, v in limits.items()))

    def pad(self, x: str, amounts: list[int]) -> str:
        """With zeros; the last axis comes first in ``amounts``."""
        before, after = amounts[-2::-2], amounts[::-2]
        none = [0] * (len(shape(self.node)) - len(before))
        return self._add("Pad", x, self._numbers("pads", [*none, *before, *none, *after]))

    def cat(self, parts: list[str], axis: int = 0) -> str:
        return self._add("Concat", *parts, axis=axis)

    def upsample_bilinear2d(
        self, x: str, size: list[int], align_corners: bool, factors: Any = None
    ) -> str:
        corners = "align_corners" if align_corners else "half_pixel"
        about: dict[str, Any] = {"mode": "linear", "coordinate_transformation_mode": corners}
        sizes = self._numbers("sizes", size)
        return self._add("Resize", x, "", "", sizes, **about, axes=[2, 3])

    def _add(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        from onnx import helper

        name = name or self.node.name
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def _parameter(self, value: Any, role: str, transposed: bool = False) -> str:
        """The name of an operand: an activation, a constant, or integers behind their scale."""
        name = f"{self.node.name}.{role}"
        if isinstance(value, str):
            return value
        if not isinstance(value, Integers):
            values = np.asarray(value, self.real)
            return self._constant(name, values.T if transposed else values)
        values = value.values.T if transposed else value.values
        inputs = [
            self._constant(f"{name}.int", values),
            self._constant(f"{name}.scale", value.scale),
        ]
        return self._add("DequantizeLinear", *inputs, name=name, axis=int(transposed))

    def _numbers(self, role: str, values: list[int]) -> str:
        return self._constant(f"{self.node.name}.{role}", np.array(values, np.int64))

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.array(values, order="C"), name)
        return name
