"""Splitting of outlier channels: two of half the size in place of one that eats the range.

Zhao et al., "Improving Neural Network Quantization without Retraining using Outlier Channel
Splitting", ICML 2019, https://arxiv.org/abs/1901.09504. The network's function stays exactly the
same; each split adds a channel.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mvpose.models.deploy import DeployNet
from mvpose.quantize.remedies.equalise import Layer, largest_outputs, pairs

SPLIT = 4


@torch.no_grad()
def split_outliers(network: DeployNet, crops: NDArray[np.uint8], count: int = SPLIT) -> DeployNet:
    """A network of the same function whose widest channels between convolutions are halved.

    Args:
        network: it is left as it is.
        crops: (N, height, width, 3), 0..255, over which the channels' ranges are measured.
        count: of splits between any two layers; a half may be split again.
    """
    network = copy.deepcopy(network)
    found = [p for p in pairs(network) if all(isinstance(w, nn.Conv2d) for w in p.writers)]
    largest = largest_outputs(network, {w for pair in found for w in pair.writers}, crops)
    for pair in found:
        sizes = torch.stack([largest[layer] for layer in pair.writers]).amax(0)
        for _ in range(count):
            widest = int(sizes.argmax())
            sizes[widest] /= 2
            sizes = torch.cat([sizes, sizes[widest : widest + 1]])
            for layer in pair.writers:
                _halve_output(layer, widest)
            for layer in pair.readers:
                _repeat_input(layer, widest)
    return network


def _halve_output(layer: Layer, channel: int) -> None:
    for name in ("weight", "bias"):
        parameter: Tensor = getattr(layer, name)
        parameter[channel] /= 2
        setattr(layer, name, nn.Parameter(_repeated(parameter, channel, 0)))
    layer.out_channels = len(layer.weight)


def _repeat_input(layer: Layer, channel: int) -> None:
    layer.weight = nn.Parameter(_repeated(layer.weight, channel, 1))
    layer.in_channels = layer.weight.shape[1]


def _repeated(parameter: Tensor, channel: int, axis: int) -> Tensor:
    return torch.cat([parameter, parameter.narrow(axis, channel, 1)], axis)
