"""The deploy form: the same function, in the shapes that devices take."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from conftest import random_pose_net
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mvpose.models.deploy import DeployUpsampling, deploy
from mvpose.models.pose import PoseNet
from mvpose.runtime.torch_runtime import normalise
from mvpose.spec import ModelSpec, Preprocess
from mvpose.zoo import NETWORKS, zoo_spec

SIZES_WH = {"64x64": (64, 64), "64 wide, 96 high": (64, 96), "96x96, odd features": (96, 96)}
COLOURS = {
    "mean and std": {"mean": (123.7, 116.3, 103.5), "std": (58.4, 57.1, 57.4)},
    "no mean": {"mean": (0.0, 0.0, 0.0), "std": (255.0, 255.0, 255.0)},
}
EXTREMES = ["mobilevitpose-s", "mobilevitpose-xxs-bilinear"]


def spec_of(name: str, size_wh: tuple[int, int], colour: dict[str, Any]) -> ModelSpec:
    return replace(zoo_spec(name), preprocess=Preprocess(*size_wh, **colour))


def random_crop(spec: ModelSpec) -> Tensor:
    width, height = spec.preprocess.size_wh
    return torch.randint(0, 256, (1, 3, height, width), dtype=torch.uint8)


class Shapes(TorchFunctionMode):
    """Records the shape of every tensor that a torch function returns."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, Tensor):
                self.seen.append(tuple(value.shape))
        return result


@torch.no_grad()
def shapes_in(network: nn.Module, x: Tensor) -> list[tuple[int, ...]]:
    with Shapes() as shapes:
        network(x)
    return shapes.seen


@pytest.mark.parametrize("colour", COLOURS.values(), ids=COLOURS.keys())
@pytest.mark.parametrize("size_wh", SIZES_WH.values(), ids=SIZES_WH.keys())
@pytest.mark.parametrize("name", NETWORKS)
def test_same_heatmaps(name: str, size_wh: tuple[int, int], colour: dict[str, Any]) -> None:
    spec = spec_of(name, size_wh, colour)
    net = random_pose_net(spec)
    crop = random_crop(spec)
    with torch.inference_mode():
        expected = net(normalise(crop, spec))
        found = deploy(net, spec.preprocess)(crop.float())
    assert found.shape == expected.shape == (1, 17, *reversed(spec.heatmap_wh))
    assert expected.std() > 0.1
    assert (found - expected).abs().max() < 1e-5 * (expected.max() - expected.min())


@pytest.mark.parametrize("size_wh", SIZES_WH.values(), ids=SIZES_WH.keys())
@pytest.mark.parametrize("name", EXTREMES)
def test_shapes_for_devices(name: str, size_wh: tuple[int, int]) -> None:
    spec = spec_of(name, size_wh, COLOURS["mean and std"])
    network = deploy(random_pose_net(spec), spec.preprocess)
    shapes = shapes_in(network, random_crop(spec).float())
    assert len(shapes) > 400
    assert [s for s in shapes if len(s) > 4 or (len(s) == 4 and s[0] != 1)] == []


def test_shapes_of_the_original_are_not_for_devices() -> None:
    """So that the test above is known to see inside the blocks."""
    spec = zoo_spec("mobilevitpose-xxs")
    shapes = shapes_in(random_pose_net(spec), torch.zeros(1, 3, 64, 64))
    assert max(map(len, shapes)) == 6
    assert (4, 16, 64) in shapes


@pytest.mark.parametrize("name", EXTREMES)
def test_parameters_are_contiguous_and_frozen(name: str) -> None:
    spec = zoo_spec(name)
    net = random_pose_net(spec).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert not all(p.is_contiguous() for p in net.parameters())
    network = deploy(net, spec.preprocess)
    assert [n for n, t in network.state_dict().items() if not t.is_contiguous()] == []
    assert not any(p.requires_grad for p in network.parameters())
    assert not any(m.training for m in network.modules())
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in network.modules())


@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
@pytest.mark.parametrize("name", EXTREMES)
def test_original_is_left_alone(name: str, training: bool) -> None:
    spec = zoo_spec(name)
    net: PoseNet = random_pose_net(spec).train(training)
    weights, modules = copy.deepcopy(net.state_dict()), [type(m) for m in net.modules()]
    network = deploy(net, spec.preprocess)
    for tensor in network.state_dict().values():
        tensor.fill_(7)
    assert [type(m) for m in net.modules()] == modules
    assert all(m.training is training for m in net.modules())
    assert all(p.requires_grad for p in net.parameters())
    assert all(t.equal(weights[n]) for n, t in net.state_dict().items())


@pytest.mark.parametrize(
    ("height", "width"),
    [
        pytest.param(1, 1, id="one cell"),
        pytest.param(2, 3, id="wider than high"),
        pytest.param(5, 4, id="higher than wide"),
    ],
)
def test_upsampling_alone(height: int, width: int) -> None:
    torch.manual_seed(0)
    deconv = nn.ConvTranspose2d(6, 5, 4, 2, 1, bias=False)
    bn = nn.BatchNorm2d(5).eval()
    for tensor in (bn.weight.data, bn.running_var, bn.bias.data, bn.running_mean):
        assert tensor is not None
        tensor.uniform_(0.5, 1.5)
    x = torch.randn(1, 6, height, width)
    with torch.no_grad():
        expected = F.relu(bn(deconv(x)))
        found = DeployUpsampling(deconv, bn)(x)
    assert found.shape == expected.shape == (1, 5, 2 * height, 2 * width)
    assert expected.count_nonzero() > expected.numel() / 4
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
