"""Bias correction: the mean error of each channel taken out of the bias.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019,
https://arxiv.org/abs/1906.04721, section 4.2, the empirical form: layer after layer, so that each
sees the corrected ones before it.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.fx import Node

from mvpose.models.deploy import DeployNet
from mvpose.quantize.network import aten
from mvpose.quantize.remedies.in_step import parameter_name, run_in_step
from mvpose.quantize.simulate import QuantNet


def correct_biases(network: DeployNet, net: QuantNet, crops: NDArray[np.uint8]) -> DeployNet:
    """The network with biases that make up for what INT8 adds to each channel on average.

    Args:
        network: it is left as it is.
        net: the same network in INT8.
        crops: (N, height, width, 3), 0..255.
    """
    network = copy.deepcopy(network)

    def correct(node: Node, output: Tensor, exact: Tensor) -> Tensor:
        name = parameter_name(node, 2)
        if name is None:
            return output
        axis = 1 if node.target is aten.conv2d.default else -1
        shift = (output - exact).movedim(axis, 0).flatten(1).mean(1)
        with torch.no_grad():
            network.get_parameter(name).sub_(shift)
        return output - (shift[:, None, None] if axis == 1 else shift)

    run_in_step(net, crops, correct=correct)
    return network
