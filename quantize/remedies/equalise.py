"""Equalisation: scales moved from one layer into the next, so that no channel eats the range.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019,
https://arxiv.org/abs/1906.04721; with activations, Xiao et al., "SmoothQuant", ICML 2023,
https://arxiv.org/abs/2211.10438, equation 4. The network's function stays exactly the same.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mvpose.models.deploy import DeployAttention, DeployNet, DeployUpsampling
from mvpose.quantize.ranges import BATCH, to_batch

STRENGTH = 0.5  # 0 evens out the reader's weights alone, 1 the activations alone

Layer = nn.Conv2d | nn.Linear


@dataclass(frozen=True)
class Pair:
    """Layers between which a factor for each channel can be moved.

    Attributes:
        writers: their output channels are divided by the factors.
        readers: their input channels are multiplied.
        opposed: the readers' outputs meet the writers' in products: it is their output channels
            that are multiplied.
    """

    writers: tuple[Layer, ...]
    readers: tuple[Layer, ...]
    opposed: bool = False


@torch.no_grad()
def equalise(network: DeployNet, crops: NDArray[np.uint8], strength: float = STRENGTH) -> DeployNet:
    """A network of the same function whose channels have more alike ranges.

    Args:
        network: it is left as it is.
        crops: (N, height, width, 3), 0..255, over which the channels' ranges are measured.
        strength: of the equalisation of activations, 0..1.
    """
    network = copy.deepcopy(network)
    found = list(pairs(network))
    layers = {layer for pair in found for layer in (*pair.writers, *pair.readers)}
    largest = largest_outputs(network, layers, crops)
    for pair in found:
        written = torch.stack([largest[layer] for layer in pair.writers]).amax(0)
        if pair.opposed:
            read = torch.stack([largest[layer] for layer in pair.readers]).amax(0)
            factor = (written / read).sqrt()
        else:
            read = torch.stack([_columns(layer.weight).amax(1) for layer in pair.readers]).amax(0)
            factor = written**strength / read ** (1 - strength)
        factor = torch.where((written > 0) & (read > 0), factor, 1.0)
        for layer in pair.writers:
            _scale_outputs(layer, 1 / factor)
        for layer in pair.readers:
            if pair.opposed:
                _scale_outputs(layer, factor)
            else:
                shape = (1, -1, *[1] * (layer.weight.ndim - 2))
                layer.weight.mul_(factor.reshape(shape))
    return network


def pairs(network: DeployNet) -> Iterator[Pair]:
    """Where factors can be moved: through ReLU, attention and its products.

    SiLU, normalised tokens and residual sums let none through.
    """
    if isinstance(network.head, nn.Sequential):
        stages = [_layers(module) for module in network.head]
        for writers, readers in pairwise(stages):
            yield Pair(writers, readers)
    for module in network.modules():
        if isinstance(module, DeployAttention):
            yield Pair((module.value,), (module.proj,))
            yield Pair((module.query,), (module.key,), opposed=True)


def _layers(module: nn.Module) -> tuple[Layer, ...]:
    phases = module.phases if isinstance(module, DeployUpsampling) else [module]
    return tuple(layer for layer in phases if isinstance(layer, nn.Conv2d))


def largest_outputs(
    network: DeployNet, layers: set[Layer], crops: NDArray[np.uint8]
) -> dict[Layer, Tensor]:
    """(C,) by layer: the largest magnitude of each output channel; what ReLU removes isn't one."""
    largest: dict[Layer, Tensor] = {}
    before_relu = {
        layer
        for module in network.modules()
        if isinstance(module, DeployUpsampling)
        for layer in _layers(module)
    }

    def watch(layer: Layer, _: tuple[Tensor, ...], output: Tensor) -> None:
        axis = 1 if isinstance(layer, nn.Conv2d) else -1
        seen = output.relu() if layer in before_relu else output.abs()
        seen = seen.movedim(axis, 0).flatten(1).amax(1)
        largest[layer] = torch.maximum(largest.get(layer, seen), seen)

    hooks = [layer.register_forward_hook(watch) for layer in layers]
    for start in range(0, len(crops), BATCH):
        network(to_batch(crops[start : start + BATCH]))
    for hook in hooks:
        hook.remove()
    return largest


def _columns(weight: Tensor) -> Tensor:
    """(input channels, rest) magnitudes."""
    return weight.transpose(0, 1).flatten(1).abs()


def _scale_outputs(layer: Layer, factor: Tensor) -> None:
    layer.weight.mul_(factor.reshape(-1, *[1] * (layer.weight.ndim - 1)))
    if layer.bias is not None:
        layer.bias.mul_(factor)
