"""Heatmap heads: from the backbone's stride-32 features to one heatmap per keypoint."""

from __future__ import annotations

from torch import Tensor, nn


class DeconvHead(nn.Module):
    """Transposed 4x4 convolutions of stride 2 with BatchNorm and ReLU, then a 1x1 convolution.

    Xiao et al., "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018,
    https://arxiv.org/abs/1804.06208; three of them with 256 filters are the head of MobileViTPose.

    Args:
        in_channels: channels of the backbone's features.
        keypoints: number of heatmaps.
        deconvs: number of upsamplings; the heatmaps have 1 / (32 / 2^deconvs) of the input's side.
        filters: channels of each upsampling.
    """

    def __init__(
        self, in_channels: int, keypoints: int, deconvs: int = 3, filters: int = 256
    ) -> None:
        super().__init__()
        self.ups = nn.ModuleList()
        for i in range(deconvs):
            up = nn.Sequential()
            up.add_module(
                "deconv",
                nn.ConvTranspose2d(filters if i else in_channels, filters, 4, 2, 1, bias=False),
            )
            up.add_module("bn", nn.BatchNorm2d(filters))
            up.add_module("act", nn.ReLU())
            self.ups.append(up)
        self.final = nn.Conv2d(filters, keypoints, 1)
        for module in self.modules():
            if isinstance(module, nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=0.001)
        init_final(self.final)

    def forward(self, x: Tensor) -> Tensor:
        for up in self.ups:
            x = up(x)
        return self.final(x)


class BilinearHead(nn.Module):
    """The paper's light decoder: K = Conv3x3(ReLU(Bilinear(F))), equation 6 of MobileViTPose.

    Args:
        in_channels: channels of the backbone's features.
        keypoints: number of heatmaps.
        scale: upsampling factor; 8 gives heatmaps of a quarter of the input's side.
    """

    def __init__(self, in_channels: int, keypoints: int, scale: int = 8) -> None:
        super().__init__()
        self.up = nn.Upsample(scale_factor=scale, mode="bilinear", align_corners=False)
        self.act = nn.ReLU()
        self.final = nn.Conv2d(in_channels, keypoints, 3, padding=1)
        init_final(self.final)

    def forward(self, x: Tensor) -> Tensor:
        return self.final(self.act(self.up(x)))


def init_final(conv: nn.Conv2d) -> None:
    """Begin with heatmaps near zero."""
    nn.init.normal_(conv.weight, std=0.001)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
