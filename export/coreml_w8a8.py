"""A fake-quantised network as a Core ML package (ML Program) with INT8 weights and activations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mvpose.errors import require
from mvpose.export.translate import Integers, Translator
from mvpose.quantize.simulate import QuantNet
from mvpose.quiet import quiet
from mvpose.spec import ModelSpec

INPUT, OUTPUT = "image", "heatmaps"
PASSES = (
    "common::const_deduplication",
    "common::noop_elimination",
    "common::merge_consecutive_transposes",
    "common::remove_redundant_ops",
    "common::fuse_transpose_matmul",
    "common::add_fp16_cast",
    "common::cast_optimization",
    "common::const_elimination",
    "common::dead_code_elimination",
)
"""Of coremltools' passes over the program. Others put other scales and zero points in their place
(nullify_redundant_quantization_zero_point, distributive_quantized_binary_op_scale_normalization),
or look in a minute for what this program does not have."""


def write_coreml(net: QuantNet, spec: ModelSpec, path: Path, half: bool = False) -> None:
    """Write the package: RGB (1, 3, H, W) in 0..255 -> heatmaps (1, K, h, w), for iOS 17 and newer.

    Weights are INT8 behind constexpr_affine_dequantize, biases float. Each tensor ``t`` of
    ``net.qparams()`` goes through quantize and dequantize.

    Args:
        net: with scales and zero points; nothing is calibrated here.
        spec: for the sizes.
        path: a name that ends in ``.mlpackage``; the caller provides a temporary one.
        half: what is not integer is float16, as the neural engine needs it, scales rounded to it as
            well; else float32, scales exactly those of ``net``.

    Raises:
        InputError: the package coremltools is not installed.
    """
    require("coremltools", "coreml")
    with quiet():
        import coremltools as ct
        from coremltools.converters.mil import Builder

        shape = (1, 3, *spec.preprocess.size_wh[::-1])

        @Builder.program(  # type: ignore[untyped-decorator]
            input_specs=[Builder.TensorSpec(shape)], opset_version=ct.target.iOS17
        )
        def program(image: Any) -> Any:
            with torch.no_grad():
                return Builder.identity(x=_Writer(net).run(image), name=OUTPUT)

        model = ct.convert(
            program,
            convert_to="mlprogram",
            pass_pipeline=ct.PassPipeline(list(PASSES), "mvpose"),
            minimum_deployment_target=ct.target.iOS17,
            compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
            skip_model_load=True,
        )
        model.save(str(path))


class _Writer(Translator):
    """Handles are variables of MIL."""

    def __init__(self, net: QuantNet) -> None:
        from coremltools.converters.mil import Builder

        super().__init__(net)
        self.mb = Builder

    def rounded(self, x: Any, tensor: str) -> Any:
        scale, zero_point = self.net.activations[tensor].qparams()
        parameters = {"scale": np.float32(scale), "zero_point": np.int8(zero_point)}
        integers = self.mb.quantize(
            input=x, **parameters, output_dtype="int8", name=f"{self.node.name}_int8"
        )
        return self.mb.dequantize(input=integers, **parameters, name=self.node.name)

    def conv2d(
        self,
        x: Any,
        weight: Any,
        bias: Any,
        strides: Sequence[int],
        padding: Sequence[int],
        dilations: Sequence[int],
        groups: int,
    ) -> Any:
        return self.mb.conv(
            x=x,
            **self._parameters(weight, bias),
            strides=list(strides),
            pad_type="custom",
            pad=list(padding),
            dilations=list(dilations),
            groups=groups,
            name=self.node.name,
        )

    def linear(self, x: Any, weight: Any, bias: Any = None) -> Any:
        return self.mb.linear(x=x, **self._parameters(weight, bias), name=self.node.name)

    def add(self, x: Any, y: Any) -> Any:
        return self.mb.add(x=x, y=_operand(y), name=self.node.name)

    def sub(self, x: Any, y: Any) -> Any:
        return self.mb.sub(x=x, y=_operand(y), name=self.node.name)

    def mul(self, x: Any, y: Any) -> Any:
        return self.mb.mul(x=x, y=_operand(y), name=self.node.name)

    def bmm(self, x: Any, y: Any) -> Any:
        return self.mb.matmul(x=x, y=y, name=self.node.name)

    def mean(self, x: Any, axes: list[int], keepdim: bool = False) -> Any:
        return self.mb.reduce_mean(x=x, axes=axes, keep_dims=keepdim, name=self.node.name)

    def rsqrt(self, x: Any) -> Any:
        return self.mb.rsqrt(x=x, name=self.node.name)

    def relu(self, x: Any) -> Any:
        return self.mb.relu(x=x, name=self.node.name)

    def sigmoid(self, x: Any) -> Any:
        return self.mb.sigmoid(x=x, name=self.node.name)

    def softmax(self, x: Any, axis: int) -> Any:
        return self.mb.softmax(x=x, axis=axis, name=self.node.name)

    def reshape(self, x: Any, sizes: list[int]) -> Any:
        return self.mb.reshape(x=x, shape=sizes, name=self.node.name)

    def permute(self, x: Any, order: list[int]) -> Any:
        return self.mb.transpose(x=x, perm=order, name=self.node.name)

    def cut(self, x: Any, axis: int, start: int, end: int) -> Any:
        begins, ends = [0] * len(x.shape), list(x.shape)
        begins[axis], ends[axis] = start, end
        return self.mb.slice_by_index(x=x, begin=begins, end=ends, name=self.node.name)

    def pad(self, x: Any, amounts: list[int]) -> Any:
        """With zeros; the last axis comes first in ``amounts``."""
        pairs = [amounts[i : i + 2] for i in range(0, len(amounts), 2)]
        amount = [v for pair in reversed(pairs) for v in pair]
        return self.mb.pad(x=x, pad=amount, constant_val=np.float32(0), name=self.node.name)

    def cat(self, parts: list[Any], axis: int = 0) -> Any:
        return self.mb.concat(values=parts, axis=axis, name=self.node.name)

    def upsample_bilinear2d(
        self, x: Any, size: list[int], align_corners: bool, factors: Any = None
    ) -> Any:
        return self.mb.upsample_bilinear(
            x=x,
            scale_factor_height=size[0] / x.shape[2],
            scale_factor_width=size[1] / x.shape[3],
            align_corners=align_corners,
            name=self.node.name,
        )

    def _parameters(self, weight: Any, bias: Any) -> dict[str, Any]:
        """Weight and bias as arguments of an operator."""
        made = {"weight": self._weight(weight)}
        if isinstance(bias, Integers):
            made["bias"] = (bias.values * bias.scale.astype(np.float64)).astype(np.float32)
        elif bias is not None:
            made["bias"] = bias.numpy()
        return made

    def _weight(self, weight: Any) -> Any:
        if not isinstance(weight, Integers):
            return weight.numpy()
        return self.mb.constexpr_affine_dequantize(
            quantized_data=weight.values,
            zero_point=np.int8(0),
            scale=weight.scale,
            axis=np.int32(0),
            name=f"{self.node.name}_weight",
        )


def _operand(value: Any) -> Any:
    """A variable, or a constant in its place."""
    if isinstance(value, torch.Tensor):
        return value.numpy()
    return np.float32(value) if isinstance(value, float) else value
