"""MobileViTPose: a MobileViT backbone under a heatmap head."""

from __future__ import annotations

from torch import Tensor, nn

from mvpose.models.heads import BilinearHead, DeconvHead
from mvpose.models.mobilevit import MobileViT
from mvpose.spec import Network


class PoseNet(nn.Module):
    """Normalised crops [B, 3, H, W] -> heatmaps [B, K, H / stride, W / stride], peaks about 1.

    H and W must divide by 32.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.backbone = MobileViT(network.backbone)
        channels = self.backbone.out_channels
        self.head: DeconvHead | BilinearHead
        if network.head == "deconv":
            self.head = DeconvHead(channels, network.keypoints, network.deconvs)
        else:
            self.head = BilinearHead(channels, network.keypoints)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x))
