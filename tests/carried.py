"""What stands in exported INT8 files, and what they compute in other arithmetic."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.fx import Interpreter, Node

from mvpose.quantize.simulate import QuantNet

Array = NDArray[Any]

HALF = re.compile("(_cast|_to)_fp16$")
"""What coremltools adds to the names of tensors that it makes float16."""


@dataclass(frozen=True)
class Weight:
    """An INT8 weight with the scales (C,) of its output channels, which are axis 0."""

    integers: Array
    scale: Array

    def real(self) -> Array:
        shape = (-1, *[1] * (self.integers.ndim - 1))
        return self.integers.astype(np.float64) * self.scale.astype(np.float64).reshape(shape)


@dataclass(frozen=True)
class Content:
    """A file's constants by the names that the network has for them.

    Attributes:
        qparams: all pairs of scale and zero point (of int8) that a tensor meets.
        weights, biases: by operator; biases in float64.
    """

    qparams: dict[str, set[tuple[float, int]]]
    weights: dict[str, Weight]
    biases: dict[str, Array]


def onnx_content(path: Path, net: QuantNet) -> Content:
    """Of an ONNX file, whose activations are uint8."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    source = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "QuantizeLinear"}
    content = Content({}, {}, {})
    for name, values in constants.items():
        operator, _, role = name.partition(".")
        if role == "bias":
            content.biases[operator] = values.astype(np.float64)
    for node in graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        read, *names = node.input
        parameters = [constants[name] for name in names]
        operator, _, role = node.output[0].partition(".")
        if role == "weight":
            (axis,) = (a.i for a in node.attribute if a.name == "axis")
            integers = constants[read].T if axis == 1 else constants[read]
            content.weights[operator] = Weight(integers, parameters[0])
        elif role == "bias":
            content.biases[operator] = constants[read] * parameters[0].astype(np.float64)
        else:
            scale, zero_point = parameters
            assert zero_point.dtype == np.uint8
            pair = float(scale), int(zero_point) - 128
            tensor = net.graph.tensor[source.get(read, read)]
            content.qparams.setdefault(tensor, set()).add(pair)
    return content


def coreml_content(operations: list[Any], net: QuantNet) -> Content:
    """Of a package's operations, as ``MilEvaluator`` has read them."""
    content = Content({}, {}, {})
    source = {}
    for op in operations:
        name = HALF.sub("", op.outputs[0].name)
        if op.op_type in ("conv", "linear"):
            stored = op.weight.op
            if stored.op_type == "constexpr_affine_dequantize":  # equal ones are one
                assert int(stored.zero_point.val) == 0 and int(stored.axis.val) == 0
                values, scale = stored.quantized_data.val, stored.scale.val
                content.weights[name] = Weight(np.array(values), np.array(scale))
            if op.bias is not None:
                content.biases[name] = np.array(op.bias.val, np.float64)
        elif op.op_type in ("quantize", "dequantize"):
            assert op.zero_point.val.dtype == np.int8
            source[name] = HALF.sub("", op.inputs["input"].name)
            tensor = net.graph.tensor[source.get(source[name], source[name])]
            pair = float(op.scale.val), int(op.zero_point.val)
            content.qparams.setdefault(tensor, set()).add(pair)
    return content


def exact(net: QuantNet, biases: dict[str, Array] | None = None) -> QuantNet:
    """The network in float64, where sums of integers are exact.

    Args:
        net: in eval mode.
        biases: of a file, in place of its own: files store the same integers, but in float32, or
            with a scale in float32.
    """
    net = copy.deepcopy(net).double()
    parameters = dict(net.body.named_parameters())
    for node in net.body.graph.nodes:
        table, _, name = str(node.target).partition(".")
        if node.op == "call_module" and table == "biases" and name in (biases or {}):
            parameters[node.args[0].target].data.copy_(torch.from_numpy(biases[name]))
            net.biases[name].enabled = False
    return net


def output_step(net: QuantNet) -> float:
    """The scale of the heatmaps."""
    (last,) = (n for n in net.graph.module.graph.nodes if n.op == "output")
    return net.qparams()[net.graph.tensor[last.args[0][0].name]][0]


class Recorder(Interpreter):
    """Keeps what an exact network rounds.

    Attributes:
        integers: by operator, the levels -128..127 of what it wrote, crop by crop.
        weights, biases: by operator, in real numbers.
    """

    def __init__(self, net: QuantNet) -> None:
        super().__init__(net.body)
        self.qparams = net.qparams()
        self.integers: dict[str, Array] = {}
        self.weights: dict[str, Array] = {}
        self.biases: dict[str, Array] = {}

    def run_node(self, n: Node) -> Any:
        result = super().run_node(n)
        table, _, name = str(n.target).partition(".")
        if n.op == "call_module" and table == "activations":
            scale, zero_point = self.qparams[name]
            writer = n.args[0]
            assert isinstance(writer, Node)
            self.integers[writer.name] = (result / scale).round().numpy() + zero_point
        elif n.op == "call_module":
            getattr(self, table)[name] = result.detach().numpy()
        return result


def reference_heatmaps(path: Path, images: Tensor) -> Array:
    """What ONNX's specification makes of a file in float64."""
    import onnx
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.op_run import OpRun

    class QuantizeLinear(OpRun):  # type: ignore[misc]
        """The package's own casts infinity to the lowest integer."""

        def _run(self, x: Array, scale: Array, zero_point: Array, **_: Any) -> tuple[Array]:
            return (np.clip(np.rint(x / scale) + zero_point, 0, 255).astype(np.uint8),)

    class DequantizeLinear(OpRun):  # type: ignore[misc]
        """The package's own rounds INT32 to float32."""

        def _run(
            self, x: Array, scale: Array, *zero_point: Array, axis: int, **_: Any
        ) -> tuple[Array]:
            shape = [1] * x.ndim
            if scale.ndim:
                shape[axis] = -1
            zero = zero_point[0].astype(np.float64) if zero_point else 0.0
            return ((x.astype(np.float64) - zero) * scale.reshape(shape if scale.ndim else ()),)

    model = onnx.load(str(path))
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float64), tensor.name))
    evaluator = ReferenceEvaluator(model, new_ops=[QuantizeLinear, DequantizeLinear])
    maps = [evaluator.run(None, {"image": i[None].double().numpy()})[0] for i in images]
    return np.concatenate(maps)


def cut_open(path: Path, into: Path) -> dict[str, str]:
    """Write a file in which each operator takes its integers from outside.

    What an operator rounds is an output, and what the next ones read is an input, so that one
    operator's error doesn't reach another.

    Returns:
        By the operator that writes a tensor, the name of the input; the output's has ".made" added.
    """
    import onnx
    from onnx import TensorProto, helper

    model = onnx.shape_inference.infer_shapes(onnx.load(str(path)))
    graph = model.graph
    shapes = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.input)
    }
    names = {}
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            written, name = node.input[0], node.output[0]
            names[written] = name
            node.output[0] = f"{name}.made"
            about = TensorProto.UINT8, shapes[written]
            graph.input.append(helper.make_tensor_value_info(name, *about))
            graph.output.append(helper.make_tensor_value_info(f"{name}.made", *about))
    del graph.value_info[:]
    onnx.save(model, str(into))
    return names
