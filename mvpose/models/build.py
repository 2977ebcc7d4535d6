"""From the description of a network to the network."""

from __future__ import annotations

from torch import nn

from mvpose.errors import InputError
from mvpose.models.pose import PoseNet
from mvpose.models.vitpose import ViTPose
from mvpose.spec import AnyNetwork, Network, VitPoseNetwork


def build_network(network: AnyNetwork) -> nn.Module:
    """A new network from normalised crops [B, 3, H, W] to heatmaps [B, K, H / stride, W / stride].

    Raises:
        InputError: the network is another project's, or needs a package that is missing.
    """
    if isinstance(network, Network):
        return PoseNet(network)
    if isinstance(network, VitPoseNetwork):
        return ViTPose(network)
    raise InputError(
        "a network of another project can't be built, only run",
        "name a zoo model or a checkpoint where a network to build is wanted",
    )
