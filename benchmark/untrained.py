"""Checkpoints that nobody trained, to measure the size and speed of what is exported from them.

python -m mvpose.benchmark.untrained mobilevitpose-s -o untrained
mvpose-export untrained/mobilevitpose-s.random.safetensors --target tflite --int8
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from mvpose.cli import Flag, Out, run
from mvpose.models.pose import PoseNet
from mvpose.spec import ModelSpec, Network


@torch.no_grad()
def random_pose_net(spec: ModelSpec, seed: int = 0) -> PoseNet:
    """A network whose activations stay near 1 and whose norms no mix-up of tensors leaves alone.

    Convolutions and linear layers keep the variance of their input, and BatchNorm's statistics are
    those of noise in three scales, so that no layer is saturated, dead or trivially zero.
    """
    assert isinstance(spec.network, Network), "only MobileViTPose"
    torch.manual_seed(seed)
    net = PoseNet(spec.network)
    for module in net.modules():
        weight: Any = getattr(module, "weight", None)
        bias = getattr(module, "bias", None)
        if isinstance(module, nn.ConvTranspose2d):
            weight.normal_(0, (4 * module.in_channels) ** -0.5)  # each output sees 2 x 2 taps
        elif isinstance(module, nn.Conv2d | nn.Linear):
            weight.normal_(0, weight[0].numel() ** -0.5)
        elif weight is not None:
            weight.uniform_(0.6, 1.4)
        if bias is not None:
            bias.normal_(0, 0.2)
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # statistics of the batch below alone
    width, height = spec.preprocess.size_wh
    noise = [torch.randn(8, 3, height // cell, width // cell) for cell in (32, 8, 2)]
    net.train()(sum(F.interpolate(n, (height, width), mode="bicubic") for n in noise))
    return net.eval()


def untrained(
    model: str, /, *, out: Out = Path("out"), seed: int = 0, overwrite: Flag = False
) -> None:
    """Write a MobileViTPose with random weights; its name says so.

    Args:
        model: a zoo name.
        out: folder for the checkpoint.
        seed: of the weights.
        overwrite: replace an existing file.
    """
    from mvpose.checkpoint import save_checkpoint
    from mvpose.errors import InputError
    from mvpose.files import check_new
    from mvpose.zoo import zoo_spec

    spec = zoo_spec(model)
    if not isinstance(spec.network, Network):
        raise InputError(
            f"{model} is no MobileViTPose",
            "python -m mvpose.benchmark.vitpose_files writes ViTPose",
        )
    spec = replace(spec, name=f"{model}.random")
    path = out / f"{spec.name}.safetensors"
    check_new(path, overwrite)
    save_checkpoint(path, random_pose_net(spec, seed).state_dict(), spec)
    print(f"written: {path}")


if __name__ == "__main__":
    run(untrained)
