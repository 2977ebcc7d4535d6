"""The operators of a network as an ML Program.

https://apple.github.io/coremltools/source/coremltools.converters.mil.mil.ops.defs.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from mvpose.export.palette import LEAST_WEIGHTS, pack, palette
from mvpose.export.translate import Integers, Translator, integer_weight, is_mean
from mvpose.quantize.recipes import Recipe
from mvpose.quantize.simulate import QuantNet

INPUT, OUTPUT = "image", "heatmaps"
LEAST_HALF = float(np.finfo(np.float16).smallest_subnormal)


class CoreMLWriter(Translator):
    """Handles are variables of MIL.

    Args:
        recipe: what becomes of the weights that ``net`` leaves in float.
        half: floats are float16.
    """

    def __init__(self, net: QuantNet, recipe: Recipe, half: bool) -> None:
        from coremltools.converters.mil import Builder

        super().__init__(net)
        self.mb = Builder
        self.recipe = recipe
        self.means: set[str] = set()
        self.dtype: Any = np.float16 if half else np.float32

    def write(self, image: Any) -> Any:
        """From the input to the output, both in float32."""
        if self.dtype is np.float32:
            return self.mb.identity(x=self.run(image), name=OUTPUT)
        heatmaps = self.run(self.mb.cast(x=image, dtype="fp16", name=f"{INPUT}_to_fp16"))
        return self.mb.cast(x=heatmaps, dtype="fp32", name=OUTPUT)

    def rounded(self, x: Any, tensor: str) -> Any:
        scale, zero_point = self.net.activations[tensor].qparams()
        parameters = {"scale": self._scale(scale), "zero_point": np.int8(zero_point)}
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
        if is_mean(weight):
            self.means.add(self.node.name)
        return self.mb.linear(x=x, **self._parameters(weight, bias), name=self.node.name)

    def add(self, x: Any, y: Any) -> Any:
        return self.mb.add(x=x, y=self._operand(y), name=self.node.name)

    def sub(self, x: Any, y: Any) -> Any:
        return self.mb.sub(x=x, y=self._operand(y), name=self.node.name)

    def mul(self, x: Any, y: Any) -> Any:
        if _is_sigmoid(y, x):
            return self.mb.silu(x=x, name=self.node.name)
        if self._is_norm(x, y):
            epsilon = self.dtype(y.op.x.op.bias.val[0])
            return self.mb.layer_norm(x=x, axes=[-1], epsilon=epsilon, name=self.node.name)
        return self.mb.mul(x=x, y=self._operand(y), name=self.node.name)

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
        return self.mb.pad(x=x, pad=amount, constant_val=self.dtype(0), name=self.node.name)

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

    def _is_norm(self, x: Any, y: Any) -> bool:
        """Whether ``x * y`` is a ``PlainNorm`` in float: LayerNorm, as its input has the mean 0."""
        if self.recipe.kind == "static" or _maker(y) != "rsqrt" or y.op.x.op.name not in self.means:
            return False
        square = y.op.x.op.x
        return _maker(square) == "mul" and square.op.x is x and square.op.y is x

    def _parameters(self, weight: Any, bias: Any) -> dict[str, Any]:
        """Weight and bias as arguments of an operator."""
        made = {"weight": self._weight(weight)}
        if isinstance(bias, Integers):
            made["bias"] = (bias.values * bias.scale.astype(np.float64)).astype(self.dtype)
        elif bias is not None:
            made["bias"] = bias.numpy().astype(self.dtype)
        return made

    def _weight(self, weight: Any) -> Any:
        as_table = self.recipe.kind == "palette"
        if as_table and weight.numel() < LEAST_WEIGHTS:
            weight = integer_weight(weight)
        if isinstance(weight, Integers):
            return self._integers(weight)
        values = weight.numpy().astype(self.dtype)
        if not as_table:
            return values
        table, indices = palette(values, self.recipe.weight_bits)
        return self.mb.constexpr_lut_to_dense(
            indices=pack(indices, self.recipe.weight_bits),
            lut=table,
            shape=np.array(values.shape, np.uint32),
            name=f"{self.node.name}_weight",
        )

    def _integers(self, weight: Integers) -> Any:
        """Integers behind their scales. Where float16 has no such scale, in channels that are all
        but dead, they are integers of the next one that it has."""
        scale = self._scale(weight.scale)
        ratio = weight.scale.astype(np.float64) / scale.astype(np.float64)
        ratio = ratio.reshape(-1, *[1] * (weight.values.ndim - 1))
        return self.mb.constexpr_affine_dequantize(
            quantized_data=np.clip(np.rint(weight.values * ratio), -127, 127).astype(np.int8),
            zero_point=np.int8(0),
            scale=scale,
            axis=np.int32(0),
            name=f"{self.node.name}_weight",
        )

    def _scale(self, scale: Any) -> Any:
        """Never 0."""
        stored = np.asarray(scale, self.dtype)[()]
        return np.maximum(stored, self.dtype(LEAST_HALF)) if self.dtype is np.float16 else stored

    def _operand(self, value: Any) -> Any:
        """A variable, or a constant in its place."""
        if isinstance(value, torch.Tensor):
            return value.numpy().astype(self.dtype)
        return self.dtype(value) if isinstance(value, float) else value


def _is_sigmoid(y: Any, x: Any) -> bool:
    return _maker(y) == "sigmoid" and y.op.x is x


def _maker(handle: Any) -> str:
    """The kind of operator that writes a variable; "" for constants and inputs."""
    op = getattr(handle, "op", None)
    return op.op_type if op else ""
