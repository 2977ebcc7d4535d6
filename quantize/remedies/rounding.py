"""Rounding of weights chosen for the layer's output, not for each weight alone.

The aim is AdaRound's (Nagel et al., ICML 2020, https://arxiv.org/abs/2004.10568): least squared
error of the layer's output over calibration data. The way is the closed form of Frantar et al.,
"GPTQ", ICLR 2023, https://arxiv.org/abs/2210.17323: weight after weight, the error of each is made
up for by those still to be rounded; no training, and the same result every time.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.fx import Node

from mvpose.models.deploy import DeployNet
from mvpose.quantize.fake_quant import HIGHEST, weight_scale
from mvpose.quantize.network import aten
from mvpose.quantize.remedies.in_step import parameter_name, run_in_step
from mvpose.quantize.simulate import QuantNet

POSITIONS = 4096  # of a layer's input that are looked at
BLOCK = 128  # weights after which the error is handed on to all the rest
DAMPING = 0.01  # of the mean diagonal, added to it


def round_weights(network: DeployNet, net: QuantNet, crops: NDArray[np.uint8]) -> DeployNet:
    """The network with weights on their INT8 grids, rounded for the layers' outputs.

    Each output channel's largest weight stays where it is, and with it the grid that a file
    computes from it.

    Args:
        network: it is left as it is.
        net: the same network in INT8; takes the weights over.
        crops: (N, height, width, 3), 0..255.
    """
    network = copy.deepcopy(network)

    def change(node: Node, source: Tensor) -> None:
        name = parameter_name(node, 1)
        assert name is not None
        weight = network.get_parameter(name)
        columns = input_columns(node, source, weight)
        best = round_for(weight.detach().flatten(1), columns).reshape(weight.shape)
        with torch.no_grad():
            weight.copy_(best)
            net.body.get_parameter(name).copy_(best)

    run_in_step(net, crops, change=change)
    return network


def input_columns(node: Node, source: Tensor, weight: Tensor) -> Tensor:
    """What the weights of a layer are multiplied with: (groups, inputs of a group, positions)."""
    if node.target is not aten.conv2d.default:
        columns = source.reshape(1, -1, source.shape[-1])
        return _some(columns.transpose(1, 2))
    defaults = (None, None, None, 1, 0, 1, 1)
    arguments: list[Any] = [*node.args, *defaults[len(node.args) :]][3:]
    stride, padding, dilation = (_pair(value) for value in arguments[:3])
    groups = arguments[3]
    least = -(-POSITIONS // (source.shape[-2] * source.shape[-1] // stride[0] // stride[1]))
    patches = F.unfold(
        source[:: max(1, len(source) // least)],
        weight.shape[-2:],
        dilation=dilation,
        padding=padding,
        stride=stride,
    )
    patches = patches.transpose(0, 1).flatten(1)  # [C * kernel, positions]
    return _some(patches.reshape(groups, -1, patches.shape[1]))


def round_for(weight: Tensor, columns: Tensor) -> Tensor:
    """Weights (out, in) on their grids, for least squared error of ``weight @ columns``.

    Args:
        columns: (groups, in, positions); the outputs are divided among the groups in order.
    """
    scale = weight_scale(weight).double()
    groups, inputs, _ = columns.shape
    rest = weight.double().reshape(groups, -1, inputs).clone()
    scale = scale.reshape(groups, -1)
    largest = F.one_hot(rest.abs().argmax(2), inputs).bool()
    extreme = (rest / scale[:, :, None]).sign() * HIGHEST
    moment = columns @ columns.transpose(1, 2)
    factor = _inverse_factor(moment.double())
    rounded = torch.zeros_like(rest)
    for start in range(0, inputs, BLOCK):
        end = min(start + BLOCK, inputs)
        errors = torch.zeros_like(rest[:, :, start:end])
        for i in range(start, end):
            level = (rest[:, :, i] / scale).round().clamp(-HIGHEST, HIGHEST)
            level = torch.where(largest[:, :, i], extreme[:, :, i], level)
            rounded[:, :, i] = level * scale
            error = (rest[:, :, i] - rounded[:, :, i]) / factor[:, i, i, None]
            rest[:, :, i:end] -= error[:, :, None] * factor[:, None, i, i:end]
            errors[:, :, i - start] = error
        rest[:, :, end:] -= errors @ factor[:, start:end, end:]
    return rounded.reshape(weight.shape).to(weight.dtype)


def _inverse_factor(moment: Tensor) -> Tensor:
    """The upper Cholesky factor of the inverse of second moments (groups, n, n), damped."""
    diagonal = moment.diagonal(dim1=1, dim2=2)
    damping = DAMPING * diagonal.mean(1, keepdim=True) + torch.finfo(torch.float32).tiny
    moment = moment + torch.diag_embed(damping.expand_as(diagonal))
    return torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(moment)), upper=True)


def _some(columns: Tensor) -> Tensor:
    """At most so many positions of (groups, in, positions), evenly spread."""
    return columns[:, :, :: max(1, columns.shape[2] // POSITIONS)]


def _pair(value: int | list[int]) -> tuple[int, int]:
    first, *rest = [value] if isinstance(value, int) else value
    return first, rest[0] if rest else first
