"""A Core ML package evaluated operator by operator in torch, where Apple's runtime does not exist.

The operators: https://apple.github.io/coremltools/source/coremltools.converters.mil.mil.ops.defs.html
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mvpose.errors import InputError, require
from mvpose.quiet import quiet

HINT = "the evaluator knows the operators of packages that mvpose writes"


class MilEvaluator:
    """The ML Program of a package, as it is saved.

    Args:
        path: the ``.mlpackage``.
        dtype: of the arithmetic. float64 gives what integer kernels give. What the program holds in
            float16 is rounded to it after each operator, so that float32 stands for its longer
            accumulators.

    Attributes:
        operations: of the main function, in order, with the types of coremltools.

    Raises:
        InputError: coremltools is not installed, or the package can't be read.
    """

    def __init__(self, path: Path, dtype: torch.dtype = torch.float32) -> None:
        require("coremltools", "coreml")
        with quiet():
            import coremltools as ct
            from coremltools.converters.mil.frontend.milproto.load import load

            try:
                model = ct.models.MLModel(str(path), skip_model_load=True)
                program = model.get_spec()
                version = program.specificationVersion
                main = load(program, version, file_weights_dir=model.weights_dir).functions["main"]
            except Exception as error:  # coremltools raises whatever it stumbles over
                raise InputError(
                    f"{path} can't be read as an ML Program: {str(error).splitlines()[0]}",
                    "the package is damaged, or of another kind: export it again",
                ) from error
        self.dtype = dtype
        self.operations = [op for op in main.operations if op.op_type != "const"]
        self._inputs = main.inputs
        self._outputs = main.outputs
        self._constants: dict[str, Any] = {}

    @torch.inference_mode()
    def __call__(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Outputs by name.

        Raises:
            InputError: an operator or one of its arguments is not known.
        """
        values: dict[str, Any] = {
            variable.name: self._rounded(inputs[name].to(self.dtype), variable)
            for name, variable in self._inputs.items()
        }
        for op in self.operations:
            (made,) = op.outputs
            values[made.name] = self._rounded(self._evaluate(op, values), made)
        return {variable.name: values[variable.name] for variable in self._outputs}

    def _evaluate(self, op: Any, values: dict[str, Any]) -> Tensor:
        name = op.outputs[0].name
        if name in self._constants:
            return self._constants[name]
        if op.op_type not in OPERATORS:
            raise InputError(f"{name}: no operator {op.op_type!r} is known", HINT)
        arguments = {
            key: self._argument(value, values)
            for key, value in op.inputs.items()
            if value is not None
        }
        try:
            result = OPERATORS[op.op_type](**arguments)
        except TypeError as error:
            raise InputError(f"{name} ({op.op_type}): {error}", HINT) from error
        if op.op_type.startswith("constexpr"):
            self._constants[name] = result
        return result

    def _argument(self, value: Any, values: dict[str, Any]) -> Any:
        if isinstance(value, tuple | list):
            return [self._argument(v, values) for v in value]
        return values[value.name] if value.name in values else self._constant(value)

    def _constant(self, variable: Any) -> Any:
        """Arrays of float and int8 as tensors, others as Python has them."""
        if variable.name not in self._constants:
            value = np.asarray(variable.val)
            if value.dtype.kind == "f":
                constant = torch.from_numpy(value.copy()).to(self.dtype)
            elif value.dtype in (np.int8, np.uint8):
                constant = torch.from_numpy(value.copy())
            else:
                constant = value.tolist()
            self._constants[variable.name] = constant
        return self._constants[variable.name]

    def _rounded(self, value: Tensor, variable: Any) -> Tensor:
        from coremltools.converters.mil.mil import types

        if value.is_floating_point():
            value = value.half() if variable.dtype == types.fp16 else value
            return value.to(self.dtype)
        return value


def conv(
    x: Tensor,
    weight: Tensor,
    strides: list[int],
    pad_type: str,
    pad: list[int],
    dilations: list[int],
    groups: int,
    bias: Tensor | None = None,
) -> Tensor:
    if pad_type == "custom":
        top, bottom, left, right = pad
        x = F.pad(x, (left, right, top, bottom))
    elif pad_type != "valid":
        raise TypeError(f"pad_type {pad_type!r}")
    return F.conv2d(x, weight, bias, strides, 0, dilations, groups)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.linear(x, weight, bias)


def matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    return (x.mT if transpose_x else x) @ (y.mT if transpose_y else y)


def reduce_mean(x: Tensor, axes: list[int], keep_dims: bool = False) -> Tensor:
    return x.mean(axes, keep_dims)


def layer_norm(x: Tensor, axes: list[int], epsilon: Tensor) -> Tensor:
    sizes = [x.shape[axis] for axis in axes]
    if [axis % x.ndim for axis in axes] != list(range(x.ndim - len(axes), x.ndim)):
        raise TypeError(f"axes {axes}")
    return F.layer_norm(x, sizes, eps=float(epsilon))


def rsqrt(x: Tensor, epsilon: Tensor) -> Tensor:
    return torch.rsqrt(x + epsilon)


def slice_by_index(x: Tensor, begin: list[int], end: list[int]) -> Tensor:
    return x[tuple(map(slice, begin, end))]


def pad(x: Tensor, pad: list[int], constant_val: Tensor, mode: str = "constant") -> Tensor:
    if mode != "constant":
        raise TypeError(f"mode {mode!r}")
    pairs = [pad[i : i + 2] for i in range(0, len(pad), 2)]  # the last axis last
    return F.pad(x, [v for pair in reversed(pairs) for v in pair], value=float(constant_val))


def concat(values: list[Tensor], axis: int, interleave: bool = False) -> Tensor:
    if interleave:
        raise TypeError("interleave")
    return torch.cat(values, axis)


def upsample_bilinear(
    x: Tensor, scale_factor_height: Tensor, scale_factor_width: Tensor, align_corners: bool = True
) -> Tensor:
    factors = float(scale_factor_height), float(scale_factor_width)
    size = [round(n * factor) for n, factor in zip(x.shape[2:], factors, strict=True)]
    return F.interpolate(x, size, mode="bilinear", align_corners=align_corners)


def quantize(input: Tensor, scale: Tensor, zero_point: Tensor, output_dtype: str) -> Tensor:  # noqa: A002
    dtype = {"int8": torch.int8, "uint8": torch.uint8}[output_dtype]
    limits = torch.iinfo(dtype)
    levels = (input / scale).round() + zero_point
    return levels.clamp(limits.min, limits.max).to(dtype)


def dequantize(input: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:  # noqa: A002
    return (input.to(scale.dtype) - zero_point) * scale


def constexpr_affine_dequantize(
    quantized_data: Tensor, zero_point: Tensor, scale: Tensor, axis: int
) -> Tensor:
    shape = [1] * quantized_data.ndim
    shape[axis] = -1
    steps = quantized_data.to(scale.dtype) - zero_point.reshape(shape)
    return steps * scale.reshape(shape)


def constexpr_lut_to_dense(indices: Tensor, lut: Tensor, shape: list[int]) -> Tensor:
    bits = len(lut).bit_length() - 1
    spread = np.unpackbits(indices.numpy(), bitorder="little")[: math.prod(shape) * bits]
    levels = np.packbits(spread.reshape(-1, bits), axis=1, bitorder="little")
    return lut[torch.from_numpy(levels[:, 0].astype(np.int64))].reshape(shape)


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "conv": conv,
    "linear": linear,
    "matmul": matmul,
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "reduce_mean": reduce_mean,
    "layer_norm": layer_norm,
    "rsqrt": rsqrt,
    "relu": lambda x: x.relu(),
    "sigmoid": lambda x: x.sigmoid(),
    "silu": lambda x: F.silu(x),
    "softmax": lambda x, axis: x.softmax(axis),
    "reshape": lambda x, shape: x.reshape(shape),
    "transpose": lambda x, perm: x.permute(perm),
    "slice_by_index": slice_by_index,
    "pad": pad,
    "concat": concat,
    "upsample_bilinear": upsample_bilinear,
    "quantize": quantize,
    "dequantize": dequantize,
    "constexpr_affine_dequantize": constexpr_affine_dequantize,
    "constexpr_lut_to_dense": constexpr_lut_to_dense,
    "cast": lambda x, dtype: x,
    "identity": lambda x: x,
}
"""By MIL's names; a cast only rounds, which happens behind every operator."""
