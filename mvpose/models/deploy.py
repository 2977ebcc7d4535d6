"""The deploy form: the same function, rewritten for phones.

Exported with batch 1; then no tensor is above rank 4, and none of rank 4 has a leading dimension
other than 1, as GPU delegates ask for (attention's products run in rank 3, where converters need no
reshapes between them); BatchNorm and the affine part of LayerNorm folded into their neighbours;
separate projections for query, key and value, the scale folded into the query's; patches unfolded
by 4-D reshapes and transposes; each transposed convolution as four 2x2 convolutions whose outputs
are interleaved; normalisation of the image inside the graph.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mvpose.errors import InputError
from mvpose.models.heads import DeconvHead
from mvpose.models.mobilevit import (
    Attention,
    ConvBNAct,
    InvertedResidual,
    MobileViTBlock,
    Transformer,
)
from mvpose.models.pose import PoseNet
from mvpose.spec import Preprocess


def deploy(model: nn.Module, preprocess: Preprocess) -> DeployNet:
    """The deploy form of a trained network.

    Args:
        model: any ``PoseNet``; it is left as it is.
        preprocess: its normalisation goes into the graph.

    Returns:
        A network in eval mode from RGB crops (B, 3, H, W), 0..255, to heatmaps (B, K, h, w).

    Raises:
        InputError: it is another network.
    """
    if not isinstance(model, PoseNet):
        raise InputError("only MobileViTPose has a deploy form", "export a MobileViTPose model")
    network = DeployNet(copy.deepcopy(model).cpu().float().eval(), preprocess).eval()
    for parameter in network.parameters():  # converters may ignore strides
        parameter.data = parameter.data.contiguous()
    return network.requires_grad_(False)


class DeployNet(nn.Module):
    """Crop in 0..255 -> heatmaps. Build it with ``deploy``."""

    def __init__(self, model: PoseNet, preprocess: Preprocess) -> None:
        super().__init__()
        backbone = model.backbone
        self.normalise = Centre(preprocess.mean) if any(preprocess.mean) else nn.Identity()
        self.stem = fold_conv(backbone.stem)
        stem = self.stem[0]
        assert isinstance(stem, nn.Conv2d)
        stem.weight = nn.Parameter(stem.weight / torch.tensor(preprocess.std)[:, None, None])
        self.stages = fold_stages(backbone.stages)
        self.final = fold_conv(backbone.final)
        self.head: nn.Module = (
            deploy_deconv_head(model.head) if isinstance(model.head, DeconvHead) else model.head
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.final(self.stages(self.stem(self.normalise(image)))))


class Centre(nn.Module):
    """Subtract the mean; the division by the standard deviation is folded into the stem."""

    mean: Tensor

    def __init__(self, mean: tuple[float, float, float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean)[None, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        return x - self.mean


class PlainNorm(nn.Module):
    """LayerNorm without gain and offset, of tokens that are centred over the channels already.

    The mean of the squares and epsilon are one linear layer: as a constant of its own, epsilon is
    too small beside the variance for the scales of an INT8 addition.
    """

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        channels = norm.normalized_shape[0]
        self.weight = nn.Parameter(torch.full((1, channels), 1 / channels))
        self.bias = nn.Parameter(torch.full((1,), norm.eps))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(F.linear(x * x, self.weight, self.bias))


class DeployAttention(nn.Module):
    """Attention over [B, P * N, C]: the N tokens of each patch position p attend to each other.

    Keys and values are centred over their tokens: what all keys share moves all logits of a query
    alike, and what all values share goes through unweighted. INT8 then spends its range on the
    differences, and the weights that it rounds to zero take little with them.
    """

    def __init__(self, attention: Attention, norm: nn.LayerNorm, positions: int) -> None:
        super().__init__()
        self.heads = attention.heads
        self.positions = positions
        weights = attention.qkv.weight.chunk(3)
        biases = attention.qkv.bias.chunk(3)
        scales = (attention.scale, 1.0, 1.0)
        self.query, self.key, self.value = (
            fold_norm(norm, w * s, b * s) for w, b, s in zip(weights, biases, scales, strict=True)
        )
        self.proj = attention.proj
        # centring removes the keys' bias, and hands the values' through to the projection's
        self.proj.bias = nn.Parameter(self.proj.bias + self.proj.weight @ self.value.bias)
        for linear in (self.key, self.value):
            linear.register_parameter("bias", None)

    def forward(self, x: Tensor) -> Tensor:
        b, tokens, c = x.shape
        d = c // self.heads

        def split(y: Tensor) -> Tensor:
            # [B, P * N, C] -> [B, P * N, heads, d] -> [B, heads, P * N, d] -> [B * heads * P, N, d]
            y = y.reshape(b, tokens, self.heads, d).transpose(1, 2)
            return y.reshape(b * self.heads * self.positions, tokens // self.positions, d)

        q, k, v = split(self.query(x)), split(self.key(x)), split(self.value(x))
        k = k - k.mean(1, keepdim=True)
        common = v.mean(1, keepdim=True)
        y = torch.bmm(torch.softmax(torch.bmm(q, k.transpose(1, 2)), -1), v - common) + common
        return self.proj(y.reshape(b, self.heads, tokens, d).transpose(1, 2).reshape(b, tokens, c))


class DeployTransformer(nn.Module):
    """Transformer layer over [B, P * N, C] with plain normalisation."""

    def __init__(self, layer: Transformer, positions: int) -> None:
        super().__init__()
        self.attn = DeployAttention(layer.attn, layer.norm1, positions)
        self.norm1 = PlainNorm(layer.norm1)
        self.norm2 = PlainNorm(layer.norm2)
        self.fc1 = fold_norm(layer.norm2, layer.fc1.weight, layer.fc1.bias)
        self.fc2 = layer.fc2
        for writer in (self.attn.proj, self.fc2):
            centre_outputs(writer)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.fc2(F.silu(self.fc1(self.norm2(x))))


class DeployMobileViTBlock(nn.Module):
    """MobileViT block with 4-D unfolding."""

    def __init__(self, block: MobileViTBlock) -> None:
        super().__init__()
        self.patch = block.patch
        self.local = fold_conv(block.local)
        self.to_tokens = block.to_tokens
        centre_outputs(self.to_tokens)
        self.layers = nn.Sequential(
            *(
                DeployTransformer(layer, block.patch**2)
                for layer in block.layers
                if isinstance(layer, Transformer)
            )
        )
        self.norm = PlainNorm(block.norm)
        self.from_tokens = fold_conv(block.from_tokens)
        conv = self.from_tokens[0]
        assert isinstance(conv, nn.Conv2d) and conv.bias is not None
        folded = fold_norm(block.norm, conv.weight.flatten(1), conv.bias)
        conv.weight = nn.Parameter(folded.weight[:, :, None, None])
        conv.bias = folded.bias
        self.fuse = fold_conv(block.fuse)

    def forward(self, x: Tensor) -> Tensor:
        y = self.to_tokens(self.local(x))
        height, width = y.shape[-2:]
        even = (height + height % self.patch, width + width % self.patch)
        if even != (height, width):
            y = F.interpolate(y, even, mode="bilinear", align_corners=False)
        y = self._fold(self.norm(self.layers(self._unfold(y))), *even)
        if even != (height, width):
            y = F.interpolate(y, (height, width), mode="bilinear", align_corners=False)
        return self.fuse(torch.cat((x, self.from_tokens(y)), 1))

    def _unfold(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, P * N, C], the patch positions column by column."""
        b, c, h, w = x.shape
        p = self.patch
        x = x.permute(0, 2, 3, 1)
        x = x.reshape(b, h // p, p, w * c).transpose(1, 2)  # [B, row in patch, patch row, W * C]
        x = x.reshape(b, h * w // p, p, c).transpose(1, 2)  # [B, column in patch, rest, C]
        return x.reshape(b, h * w, c)

    def _fold(self, x: Tensor, h: int, w: int) -> Tensor:
        """[B, P * N, C] -> [B, C, H, W]"""
        b, _, c = x.shape
        p = self.patch
        x = x.reshape(b, p, h * w // p, c).transpose(1, 2)
        x = x.reshape(b, p, h // p, w * c).transpose(1, 2)
        return x.reshape(b, h, w, c).permute(0, 3, 1, 2)


class DeployUpsampling(nn.Module):
    """ConvTranspose2d(4, stride 2, padding 1) + BatchNorm + ReLU as four 2x2 convolutions.

    Output pixel (2y + i, 2x + j) sees the kernel's rows (3, 1) or (2, 0) for i = 0, 1, and its
    columns likewise for j; each of the four phases is a convolution over the input padded by 1.
    """

    TAPS = ((3, 1), (2, 0))

    def __init__(self, deconv: nn.ConvTranspose2d, bn: nn.BatchNorm2d) -> None:
        super().__init__()
        assert bn.running_mean is not None and bn.running_var is not None
        gain = bn.weight * torch.rsqrt(bn.running_var + bn.eps)
        bias = bn.bias - bn.running_mean * gain
        weight = (deconv.weight * gain[None, :, None, None]).transpose(0, 1)
        self.phases = nn.ModuleList()
        for rows in self.TAPS:
            for columns in self.TAPS:
                conv = nn.Conv2d(deconv.in_channels, deconv.out_channels, 2)
                taps = weight[:, :, list(rows)][:, :, :, list(columns)]
                conv.weight = nn.Parameter(taps.detach().clone())
                conv.bias = nn.Parameter(bias.detach().clone())
                self.phases.append(conv)

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        padded = F.pad(x, (1, 1, 1, 1))
        phases = []
        for index, conv in enumerate(self.phases):
            i, j = divmod(index, 2)
            phase = F.relu(conv(padded[:, :, i : i + h + 1, j : j + w + 1]))
            phases.append(phase.permute(0, 2, 3, 1))
        c = phases[0].shape[-1]
        # the columns interleaved: two of [B, h, w, c] -> [B, h, w, 2c] -> [B, h, 2w, c]
        top, bottom = (
            torch.cat(pair, 3).reshape(b, h, 2 * w, c) for pair in (phases[:2], phases[2:])
        )
        # the rows interleaved: [B, h, 4w, c] -> [B, 2h, 2w, c]
        return torch.cat((top, bottom), 2).reshape(b, 2 * h, 2 * w, c).permute(0, 3, 1, 2)


def fold_conv(layer: ConvBNAct) -> nn.Sequential:
    """Convolution with its BatchNorm folded in, and its activation."""
    conv = fuse_conv_bn_eval(layer.conv, layer.bn)
    return nn.Sequential(conv, *(m for m in layer if isinstance(m, nn.SiLU)))


def fold_stages(stages: nn.Module) -> nn.Module:
    """Rewrite the blocks of the backbone's stages, in place."""
    for name, child in stages.named_children():
        if isinstance(child, ConvBNAct):
            setattr(stages, name, fold_conv(child))
        elif isinstance(child, MobileViTBlock):
            setattr(stages, name, DeployMobileViTBlock(child))
        elif isinstance(child, InvertedResidual | nn.Sequential):
            fold_stages(child)
    return stages


def deploy_deconv_head(head: DeconvHead) -> nn.Sequential:
    """The deconvolution head without transposed convolutions."""
    ups = (DeployUpsampling(up.deconv, up.bn) for up in head.ups)  # type: ignore[arg-type]
    return nn.Sequential(*ups, head.final)


def fold_norm(norm: nn.LayerNorm, weight: Tensor, bias: Tensor) -> nn.Linear:
    """The linear layer that gives the same on plainly normalised tokens."""
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight = nn.Parameter((weight * norm.weight).detach().clone())
    linear.bias = nn.Parameter((bias + weight @ norm.bias).detach().clone())
    return linear


def centre_outputs(layer: nn.Linear | nn.Conv2d) -> None:
    """Make a layer write outputs whose mean over the channels is zero.

    All that is written to a block's tokens is centred so, and LayerNorm has no mean to subtract
    (Ashkboos et al. 2024, arXiv 2401.15024, section 3.2).
    """
    layer.weight = nn.Parameter(layer.weight - layer.weight.mean(0))
    if layer.bias is not None:
        layer.bias = nn.Parameter(layer.bias - layer.bias.mean())
