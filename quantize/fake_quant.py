"""Rounding to integers and back in float, as the integer kernels of devices see their operands.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018, https://arxiv.org/abs/1712.05877; learned ranges: Bhalgat et al., "LSQ+",
CVPR Workshops 2020, https://arxiv.org/abs/2004.09576.

A network in float64 gives what integer kernels give, to the bit where they round exactly; in
float32 a value next to the middle between two levels may fall to the other side.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LOWEST, HIGHEST = -128, 127
LEVELS = HIGHEST - LOWEST
LEAST_SCALE = 1e-9


def affine(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point of an asymmetric INT8 tensor whose values lie in low..high.

    The range is widened to hold 0, which has to be one of the levels exactly.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / LEVELS, LEAST_SCALE)
    return scale, int(min(max(round(LOWEST - low / scale), LOWEST), HIGHEST))


def symmetric(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point, which is 0, of an INT8 tensor whose values lie in low..high."""
    return max(-low, high, HIGHEST * LEAST_SCALE) / HIGHEST, 0


class ActivationQuantizer(nn.Module):
    """One tensor's asymmetric INT8 rounding; scale and zero point can be learned.

    Attributes:
        scale: () real numbers for one step.
        zero_point: () the level of 0, in -128..127; float, so that it can be learned.
        fixed: the range follows from the operator and is never learned.
        enabled: off, values pass.
        observer: what sees the values, where they are to be measured; no rounding then.
    """

    def __init__(self, scale: float = 1.0, zero_point: int = LOWEST, fixed: bool = False) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([scale]), requires_grad=not fixed)
        self.zero_point = nn.Parameter(torch.tensor([float(zero_point)]), requires_grad=not fixed)
        self.fixed = fixed
        self.enabled = True

    def set(self, scale: float, zero_point: int) -> None:
        """Take over a scale and a zero point, unless the operator fixes them."""
        if not self.fixed:
            with torch.no_grad():
                self.scale.fill_(scale)
                self.zero_point.fill_(zero_point)

    def qparams(self) -> tuple[float, int]:
        """Scale and zero point as a file stores them."""
        zero_point = round(self.zero_point.item())
        return self.scale.item(), min(max(zero_point, LOWEST), HIGHEST)

    def forward(self, x: Tensor) -> Tensor:
        if not self.enabled:
            return x
        if self.training and torch.is_grad_enabled():
            factor = (x.numel() / x.shape[0] * HIGHEST) ** -0.5
            return torch._fake_quantize_learnable_per_tensor_affine(
                x, self.scale, self.zero_point, LOWEST, HIGHEST, factor
            )
        if x.dtype is torch.float64:
            return rounded(x, self.scale, self.zero_point.round(), LOWEST, HIGHEST)
        scale, zero_point = self.qparams()
        if not torch.is_grad_enabled():  # the same five times as fast
            levels = x.mul(1 / scale).round_()
            return levels.clamp_(LOWEST - zero_point, HIGHEST - zero_point).mul_(scale)
        return torch.fake_quantize_per_tensor_affine(x, scale, zero_point, LOWEST, HIGHEST)


class WeightQuantizer(nn.Module):
    """A weight's symmetric rounding to -127..127, one scale for each output channel (axis 0)."""

    def __init__(self) -> None:
        super().__init__()
        self.enabled = True

    def forward(self, weight: Tensor) -> Tensor:
        if not self.enabled:
            return weight
        scale = weight_scale(weight)
        if weight.dtype is torch.float64:
            shape = (-1, *[1] * (weight.ndim - 1))
            return rounded(weight, scale.reshape(shape), scale.new_zeros(()), -HIGHEST, HIGHEST)
        zero = torch.zeros_like(scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -HIGHEST, HIGHEST)


class BiasQuantizer(nn.Module):
    """A bias's rounding to INT32 in steps of input scale x weight scale, as accumulators add it."""

    def __init__(self, source: ActivationQuantizer) -> None:
        super().__init__()
        self._source = (source,)  # its parameters are not this module's
        self.enabled = True

    def forward(self, bias: Tensor, weight: Tensor) -> Tensor:
        if not self.enabled:
            return bias
        step = self.step(weight)
        return bias + ((bias / step).round() * step - bias).detach()

    def step(self, weight: Tensor) -> Tensor:
        """(C,) real numbers for one step of each output channel."""
        return self._source[0].scale.detach() * weight_scale(weight)


class ConstantQuantizer(nn.Module):
    """The asymmetric INT8 rounding of a constant operand, as the mean of images, by its values."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.scale, self.zero_point = affine(values.min().item(), values.max().item())
        self.enabled = True

    def forward(self, constant: Tensor) -> Tensor:
        if not self.enabled:
            return constant
        scale, zero_point = (constant.new_tensor(x) for x in (self.scale, self.zero_point))
        return rounded(constant, scale, zero_point, LOWEST, HIGHEST)


def rounded(x: Tensor, scale: Tensor, zero_point: Tensor, lowest: int, highest: int) -> Tensor:
    """The nearest of the levels, halves to the even one."""
    return ((x / scale).round() + zero_point).clamp(lowest, highest).sub(zero_point) * scale


def weight_scale(weight: Tensor) -> Tensor:
    """(C,) real numbers for one step of each output channel, of the precision that files keep."""
    largest = weight.detach().float().abs().flatten(1).amax(1)
    return (largest / HIGHEST).clamp_min(LEAST_SCALE).to(weight.dtype)
