"""MobileViT backbone: convolutions with transformers as convolutions.

Mehta & Rastegari, "MobileViT: Light-weight, General-purpose, and Mobile-friendly
Vision Transformer", ICLR 2022, https://arxiv.org/abs/2110.02178. The sizes S, XS and XXS are those
of the paper's table 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class MobileViTConfig:
    """Widths of one MobileViT size.

    Attributes:
        channels: output channels of the stem, the five stages and the final 1x1 convolution.
        transformer_dims: token width of the transformers in stages 3, 4 and 5.
        expand_ratio: hidden / input channels of the inverted residual blocks.
    """

    channels: tuple[int, int, int, int, int, int, int]
    transformer_dims: tuple[int, int, int]
    expand_ratio: float
    transformer_depths: tuple[int, int, int] = (2, 4, 3)
    heads: int = 4
    mlp_ratio: float = 2.0
    patch: int = 2


MOBILEVIT = {
    "s": MobileViTConfig((16, 32, 64, 96, 128, 160, 640), (144, 192, 240), 4.0),
    "xs": MobileViTConfig((16, 32, 48, 64, 80, 96, 384), (96, 120, 144), 4.0),
    "xxs": MobileViTConfig((16, 16, 24, 48, 64, 80, 320), (64, 80, 96), 2.0),
}


class ConvBNAct(nn.Sequential):
    """Convolution with "same" padding, BatchNorm and, unless ``act`` is False, SiLU."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1, act: bool = True
    ) -> None:
        conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)
        super().__init__()
        self.conv = conv
        self.bn = nn.BatchNorm2d(c_out)
        if act:
            self.act = nn.SiLU()


class InvertedResidual(nn.Module):
    """MobileNetV2 block: expand 1x1, depthwise 3x3, project 1x1."""

    def __init__(self, c_in: int, c_out: int, stride: int, expand_ratio: float) -> None:
        super().__init__()
        hidden = make_divisible(round(c_in * expand_ratio), 8)
        self.expand = ConvBNAct(c_in, hidden, 1)
        self.depthwise = ConvBNAct(hidden, hidden, 3, stride, groups=hidden)
        self.project = ConvBNAct(hidden, c_out, 1, act=False)
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class Attention(nn.Module):
    """Multi-head self-attention among the tokens of one patch position."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (dim // heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        # [B, N, 3C] -> 3 x [B, heads, N, C / heads]
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        weights = (q * self.scale @ k.transpose(-2, -1)).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(b, n, c))


class Transformer(nn.Module):
    """Pre-norm transformer layer: attention and a two-layer perceptron, both residual."""

    def __init__(self, dim: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        hidden = int(dim * mlp_ratio)
        self.norm1 = nn.LayerNorm(dim)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.fc2(F.silu(self.fc1(self.norm2(x))))


class MobileViTBlock(nn.Module):
    """Local 3x3 convolution, global transformer over 2x2 patches, fusion with the input.

    Feature maps whose sides the patch does not divide are resized bilinearly to the next multiple
    before the transformer and back after it, as in the original.
    """

    def __init__(self, channels: int, dim: int, depth: int, cfg: MobileViTConfig) -> None:
        super().__init__()
        self.patch = cfg.patch
        self.local = ConvBNAct(channels, channels, 3)
        self.to_tokens = nn.Conv2d(channels, dim, 1, bias=False)
        self.layers = nn.Sequential(
            *(Transformer(dim, cfg.heads, cfg.mlp_ratio) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(dim)
        self.from_tokens = ConvBNAct(dim, channels, 1)
        self.fuse = ConvBNAct(2 * channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.to_tokens(self.local(x))
        size = y.shape[-2:]
        even = tuple(-(-s // self.patch) * self.patch for s in size)
        if even != tuple(size):
            y = F.interpolate(y, even, mode="bilinear", align_corners=False)
        y = self._fold(self.norm(self.layers(self._unfold(y))), *even)
        if even != tuple(size):
            y = F.interpolate(y, size, mode="bilinear", align_corners=False)
        return self.fuse(torch.cat((x, self.from_tokens(y)), 1))

    def _unfold(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B * P, N, C], P = patch area, N = number of patches."""
        b, c, h, w = x.shape
        p = self.patch
        x = x.reshape(b, c, h // p, p, w // p, p).permute(0, 3, 5, 2, 4, 1)
        return x.reshape(b * p * p, (h // p) * (w // p), c)

    def _fold(self, x: Tensor, h: int, w: int) -> Tensor:
        """[B * P, N, C] -> [B, C, H, W]"""
        p = self.patch
        x = x.reshape(-1, p, p, h // p, w // p, x.shape[-1]).permute(0, 5, 3, 1, 4, 2)
        return x.reshape(x.shape[0], x.shape[1], h, w)


class MobileViT(nn.Module):
    """The backbone: [B, 3, H, W] -> [B, ``out_channels``, H / 32, W / 32].

    Args:
        size: "s", "xs" or "xxs".
    """

    stride = 32

    def __init__(self, size: str) -> None:
        super().__init__()
        cfg = MOBILEVIT[size]
        c, e = cfg.channels, cfg.expand_ratio
        self.stem = ConvBNAct(3, c[0], 3, 2)
        stages: list[nn.Module] = [
            InvertedResidual(c[0], c[1], 1, e),
            nn.Sequential(
                InvertedResidual(c[1], c[2], 2, e),
                InvertedResidual(c[2], c[2], 1, e),
                InvertedResidual(c[2], c[2], 1, e),
            ),
        ]
        for i, (dim, depth) in enumerate(
            zip(cfg.transformer_dims, cfg.transformer_depths, strict=True), start=2
        ):
            stages.append(
                nn.Sequential(
                    InvertedResidual(c[i], c[i + 1], 2, e),
                    MobileViTBlock(c[i + 1], dim, depth, cfg),
                )
            )
        self.stages = nn.Sequential(*stages)
        self.final = ConvBNAct(c[5], c[6], 1)
        self.out_channels = c[6]

    def forward(self, x: Tensor) -> Tensor:
        return self.final(self.stages(self.stem(x)))


def make_divisible(value: float, divisor: int) -> int:
    """Nearest multiple of ``divisor`` that is not more than 10 % below ``value``."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded
