"""Scales, zero points and stored values that cannot be right, in any format."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mvpose.export.doctor.findings import Finding, Severity, plural

Part = Literal["activation", "weight", "bias", "constant"]

SYMMETRIC = ("int16", "int32", "int64")
"""Types whose zero point is 0 by every format's specification."""
GIANT_SCALE = 1e4
"""Above it one step is larger than any activation of a healthy network."""
SATURATED_SHARE = 0.05
BIAS_MISMATCH = 0.02
"""LiteRT refuses a bias whose scale is off by more (``GetQuantizedConvolutionMultipler``)."""
SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Quantised:
    """A tensor as the checks see it.

    Attributes:
        name, dtype: as in the file, the type by its NumPy name.
        part: what it is to the operator that reads it.
        scales: (S,) one for the tensor, or for each slice along ``axis``; empty: not quantised.
        zero_points: (S,) or empty for 0.
        axis: the quantised dimension.
        values: stored values of a constant, where they can be read.
        channels: outputs of the convolution whose weight it is; 0 for anything else.
        needs_scale: its operator computes on integers.
        product: for a bias, (S,) or (1,) scale of input times scale of weight; else empty.
    """

    name: str
    dtype: str
    part: Part
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0
    values: NDArray[Any] | None = None
    channels: int = 0
    needs_scale: bool = False
    product: tuple[float, ...] = ()


class Scaled(Protocol):
    """Any description of a quantised tensor."""

    @property
    def dtype(self) -> str: ...
    @property
    def scales(self) -> tuple[float, ...]: ...
    @property
    def zero_points(self) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class Rule:
    """What must not be: a test of a tensor, and the finding on those that fail it."""

    broken: Callable[[Quantised], bool]
    severity: Severity
    code: str
    what: str
    cause: str
    mend: str


def quantisation_findings(tensors: Sequence[Quantised]) -> Iterator[Finding]:
    """One finding for each rule that tensors break."""
    for rule in RULES:
        found = [tensor for tensor in tensors if rule.broken(tensor)]
        if found:
            what = rule.what.format(_subject(found))
            names = tuple(dict.fromkeys(tensor.name for tensor in found))
            yield Finding(rule.severity, rule.code, what, rule.cause, rule.mend, names)


def limits(dtype: str) -> tuple[int, int] | None:
    """The lowest and highest value of an integer type of any width; None for other types."""
    match = re.fullmatch(r"(u?)int(\d+)", dtype)
    if match is None:
        return None
    bits = int(match[2])
    return (0, 2**bits - 1) if match[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def ends(tensor: Scaled) -> tuple[float, float]:
    """The real numbers at the ends of the type of a tensor with one scale."""
    low, high = limits(tensor.dtype) or (0, 0)
    zero_point = tensor.zero_points[0] if tensor.zero_points else 0
    return (low - zero_point) * tensor.scales[0], (high - zero_point) * tensor.scales[0]


def _subject(tensors: Sequence[Quantised]) -> str:
    parts = {tensor.part for tensor in tensors}
    noun = parts.pop() if len(parts) == 1 else "tensor"
    return plural(len(tensors), noun, "biases" if noun == "bias" else "")


def _beyond_type(tensor: Quantised) -> bool:
    low_high = limits(tensor.dtype)
    return low_high is not None and any(
        not low_high[0] <= zero_point <= low_high[1] for zero_point in tensor.zero_points
    )


def _bad_scale(tensor: Quantised) -> bool:
    return any(not np.isfinite(scale) or scale <= 0 for scale in tensor.scales)


def _one_scale_for_all(tensor: Quantised) -> bool:
    return tensor.channels > 1 and len(tensor.scales) == 1 and tensor.dtype.endswith(("int8", "t4"))


def _mismatch(tensor: Quantised) -> float:
    """The largest relative difference of a bias's scales from input scale x weight scale."""
    if not tensor.product or not tensor.scales or _bad_scale(tensor):
        return 0.0
    product, scales = np.asarray(tensor.product), np.asarray(tensor.scales)
    if len(scales) not in (1, len(product)) and len(product) != 1:
        return np.inf
    return float((np.abs(scales - product) / np.maximum(product, SMALLEST_NORMAL)).max())


def _saturation(tensor: Quantised) -> float:
    """Share of a weight's values at its type's limits, beyond the one of each slice that sets it.

    Slices that are all at the limits (plus or minus one constant) don't count.
    """
    values = tensor.values
    if tensor.part != "weight" or values is None or values.dtype not in (np.int8, np.uint8):
        return 0.0
    if len(tensor.scales) > 1 and tensor.axis < values.ndim:
        slices = np.moveaxis(values, tensor.axis, 0).reshape(values.shape[tensor.axis], -1)
    else:
        slices = values.reshape(1, -1)
    lowest = -127 if values.dtype == np.int8 else 0
    limit = (slices <= lowest) | (slices == np.iinfo(values.dtype).max)
    limit = limit[~limit.all(axis=1)]
    others = limit.size - len(limit)
    return max(0.0, (int(limit.sum()) - len(limit)) / others) if others > 0 else 0.0


def _overflown(tensor: Quantised) -> bool:
    if tensor.part != "bias" or tensor.values is None or tensor.values.dtype != np.int32:
        return False
    int32 = np.iinfo(np.int32)
    return bool(np.isin(tensor.values, (int32.min, int32.max)).any())


def _not_finite(tensor: Quantised) -> bool:
    values = tensor.values
    return values is not None and values.dtype.kind == "f" and not np.isfinite(values).all()


RULES = (
    Rule(
        lambda t: t.needs_scale and not t.scales,
        "error",
        "no-scale",
        "{} of integers without a scale",
        "the file was edited, or the quantiser stopped half way",
        "quantise again from the float file",
    ),
    Rule(
        _bad_scale,
        "error",
        "bad-scale",
        "{} with a scale that is 0, negative or no number: every value becomes 0",
        "calibration saw only zeros, infinities or NaN: black pictures, a dead layer, an overflow",
        "calibrate on pictures of people (mvpose-export --calib DIR); if it stays, look for NaN or "
        "a dead layer in the float file",
    ),
    Rule(
        lambda t: any(0 < scale < SMALLEST_NORMAL for scale in t.scales),
        "error",
        "denormal-scale",
        "{} with a denormal scale, which many kernels flush to 0",
        "a dead channel or layer: calibration saw (almost) nothing there",
        "calibrate on pictures of people (mvpose-export --calib DIR), or prune the dead channel",
    ),
    Rule(
        lambda t: any(np.isfinite(scale) and scale > GIANT_SCALE for scale in t.scales),
        "error",
        "giant-scale",
        f"{{}} with a scale above {GIANT_SCALE:g}: all but giant values become 0",
        "an outlier or an overflow in one calibration picture took the whole range",
        "calibrate without outliers (mvpose-export --calibrator percentile:99.99), or keep this "
        "operator in float",
    ),
    Rule(
        _beyond_type,
        "error",
        "zero-point-range",
        "{} with a zero point that the element type cannot hold",
        "the range does not include 0, or zero points of uint8 were left in an int8 file",
        "quantise again with ranges that include 0; don't recast types by hand",
    ),
    Rule(
        lambda t: t.dtype in SYMMETRIC and any(t.zero_points),
        "error",
        "zero-point-type",
        "{} of 16 bits or more with a zero point other than 0, which kernels ignore",
        "asymmetric ranges were given to a symmetric type",
        "quantise again: INT16 activations and INT32 biases are symmetric",
    ),
    Rule(
        lambda t: t.part == "weight" and t.dtype == "int8" and any(t.zero_points),
        "error",
        "weight-zero-point",
        "INT8 {} with a zero point other than 0, which kernels ignore or refuse",
        "weights were quantised asymmetrically, or recast from uint8",
        "quantise weights symmetrically, as mvpose-export does",
    ),
    Rule(
        _one_scale_for_all,
        "warning",
        "per-tensor-weights",
        "{} of convolutions with one scale for all channels: the widest sets the step of the rest",
        "per-channel quantisation was switched off, or the quantiser is old",
        "quantise weights per channel, as mvpose-export does",
    ),
    Rule(
        lambda t: _mismatch(t) > BIAS_MISMATCH,
        "error",
        "bias-scale",
        "{} whose scale is not input scale x weight scale: added at a wrong size, or refused",
        "scales were changed after the biases had been quantised",
        "give the wanted ranges to the quantiser, and quantise again from the float file",
    ),
    Rule(
        lambda t: _saturation(t) > SATURATED_SHARE,
        "warning",
        "saturated-weights",
        f"{{}} with more than {SATURATED_SHARE:.0%} of the values at the limits of their type",
        "their scale was taken from clipped values, or is too small",
        "quantise weights by minimum and maximum per channel, as mvpose-export does",
    ),
    Rule(
        _overflown,
        "error",
        "bias-overflow",
        "{} at the limits of INT32",
        "input scale x weight scale is tiny (a nearly dead channel), so that the bias overflows",
        "raise the smallest weight scales, or keep these convolutions in float",
    ),
    Rule(
        _not_finite,
        "error",
        "not-finite",
        "{} that hold NaN or infinity",
        "training diverged, or a value beyond 65504 was stored in half precision",
        "look at the checkpoint; if it is sound, export with --fp32 instead of --fp16",
    ),
)
