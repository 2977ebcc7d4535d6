"""Every operator that networks have, in ONNX and Core ML, in exact arithmetic."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from carried import coreml_content, exact, onnx_content, reference_heatmaps
from torch import Tensor, nn

from mvpose.export.coreml import write_coreml
from mvpose.export.onnx_qdq import write_onnx
from mvpose.quantize.network import capture
from mvpose.quantize.ranges import measure_ranges, to_batch
from mvpose.quantize.recipes import RECIPES
from mvpose.quantize.simulate import QuantNet
from mvpose.runtime.mil_evaluator import MilEvaluator
from mvpose.spec import Preprocess
from mvpose.zoo import zoo_spec

SPEC = replace(zoo_spec("mobilevitpose-xxs"), preprocess=Preprocess(64, 32))
CROPS = np.random.default_rng(0).integers(0, 256, (2, 32, 64, 3), dtype=np.uint8)
MEAN = torch.tensor([120.0, 110.0, 100.0])[None, :, None, None]


def conv(**options: int | tuple[int, int]) -> nn.Conv2d:
    """Of six channels."""
    return nn.Conv2d(6, 6, 3, **options)  # type: ignore[arg-type]


def without_weights() -> nn.Conv2d:
    """One channel gives its bias alone, which is more steps than INT32 has."""
    layer = conv()
    assert layer.bias is not None
    with torch.no_grad():
        layer.weight[0] = 0
        layer.bias[0] = 5
    return layer


def tokens(x: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, H * W, C]"""
    return x.reshape(x.shape[0], x.shape[1], x.shape[2] * x.shape[3]).transpose(1, 2)


def attention(x: Tensor) -> Tensor:
    y = tokens(x[:, :, :8, :8])
    return torch.bmm(torch.softmax(torch.bmm(y, y.transpose(1, 2)), -1), y)


class Toy(nn.Module):
    """A convolution to six channels, and what is looked at."""

    def __init__(self, body: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.mean = nn.Buffer(MEAN.clone())
        self.first = nn.Conv2d(3, 6, 3)
        self.body = body

    def forward(self, image: Tensor) -> Tensor:
        return self.body(self.first((image - self.mean) * 0.02))


class Steps(nn.Module):
    """Functions and layers one after the other."""

    def __init__(self, *steps: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.steps = steps
        self.layers = nn.ModuleList(s for s in steps if isinstance(s, nn.Module))

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = step(x)
        return x


BODIES: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
    "stride, dilation and groups": lambda: conv(stride=(1, 2), dilation=(2, 1), groups=3),
    "padding": lambda: conv(padding=(2, 1)),
    "no bias": lambda: nn.Conv2d(6, 3, 1, bias=False),
    "bias beyond INT32": without_weights,
    "padded": lambda: Steps(lambda x: F.pad(x, (1, 2, 3, 4)), conv(padding=1)),
    "padded and cut": lambda: Steps(lambda x: F.pad(x, (1, 2, 3, 4))[:, :, 2:-4, :-1], conv()),
    "padded and cut twice": lambda: Steps(
        lambda x: F.pad(x, (5, 5))[:, :, :, 2:-2][:, :, :, 1:-3], conv()
    ),
    "padded and cut into the picture": lambda: Steps(
        lambda x: F.pad(x, (1, 1, 1, 1))[:, :, :, 2:-2], conv()
    ),
    "padded and half of the channels": lambda: Steps(
        lambda x: F.pad(x, (1, 1))[:, 3:], nn.Conv2d(3, 3, 3)
    ),
    "padded, and no convolution": lambda: lambda x: F.pad(x, (1, 2, 3, 4)),
    "upsampled": lambda: lambda x: F.interpolate(x, (40, 90), mode="bilinear"),
    "upsampled, corners aligned": lambda: (
        lambda x: F.interpolate(x, (40, 90), mode="bilinear", align_corners=True)
    ),
    "concatenated": lambda: lambda x: torch.cat((x, x.relu()), 1),
    "linear": lambda: Steps(tokens, nn.Linear(6, 5)),
    "linear without bias": lambda: Steps(tokens, nn.Linear(6, 5, bias=False)),
    "attention": lambda: attention,
    "functions": lambda: lambda x: F.silu(x) * torch.sigmoid(x * 0.5) + x,
    "norm": lambda: lambda x: (x - x.mean(1, keepdim=True)) * torch.rsqrt((x * x) + 1e-2),
    "mean without its axis": lambda: lambda x: tokens(x).mean(1),
}


FLOAT = ("functions", "norm", "attention", "padded and cut", "upsampled")
CASES = [
    *(pytest.param(body, False, id=f"{body}, INT8") for body in BODIES),
    *(pytest.param(body, True, id=f"{body}, float") for body in FLOAT),
]


@functools.cache
def net_of(body: str, in_float: bool = False) -> QuantNet:
    torch.manual_seed(0)
    graph = capture(Toy(BODIES[body]()).eval(), SPEC.preprocess)
    net = QuantNet(graph, graph.roles if in_float else ()).eval()
    net.set_ranges(measure_ranges(graph, CROPS))
    return net


@pytest.mark.parametrize(("body", "in_float"), CASES)
def test_onnx(body: str, in_float: bool, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="NOT TESTED: needs mvpose[onnx]")
    net, path = net_of(body, in_float), tmp_path / "net.onnx"
    write_onnx(net, SPEC, path)
    expected = exact(net, onnx_content(path, net).biases)(to_batch(CROPS).double())
    found = reference_heatmaps(path, to_batch(CROPS))
    assert found == pytest.approx(expected.detach().numpy(), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("body", "in_float"), CASES)
def test_coreml(body: str, in_float: bool, tmp_path: Path) -> None:
    pytest.importorskip("coremltools", reason="NOT TESTED: needs mvpose[coreml]")
    net, path = net_of(body, in_float), tmp_path / "net.mlpackage"
    write_coreml(net, SPEC, path, RECIPES["static_wi8_ai8"], half=False)
    program = MilEvaluator(path, torch.float64)
    biases = coreml_content(program.operations, net).biases
    expected = exact(net, biases)(to_batch(CROPS).double())
    found = [program(image=image[None])["heatmaps"].numpy() for image in to_batch(CROPS)]
    assert np.concatenate(found) == pytest.approx(expected.detach().numpy(), rel=1e-6, abs=1e-6)


def test_learned_ranges(tmp_path: Path) -> None:
    """Zero points between two integers, as training leaves them, and weights with gradients."""
    pytest.importorskip("onnx", reason="NOT TESTED: needs mvpose[onnx]")
    net = copy.deepcopy(net_of("functions")).train().requires_grad_(True)
    learned = [q for q in net.activations.values() if not q.fixed]
    with torch.no_grad():
        for quantizer in learned:
            quantizer.scale.mul_(1.2345)
            quantizer.zero_point.add_(2.4)
    path = tmp_path / "net.onnx"
    write_onnx(net, SPEC, path)
    content = onnx_content(path, net)
    assert content.qparams == {name: {pair} for name, pair in net.qparams().items()}
    expected = exact(net.eval(), content.biases)(to_batch(CROPS).double()).detach().numpy()
    assert len(learned) > 3
    assert reference_heatmaps(path, to_batch(CROPS)) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_padding_is_the_convolutions_own(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="NOT TESTED: needs mvpose[onnx]")
    write_onnx(net_of("padded and cut"), SPEC, tmp_path / "net.onnx")
    nodes = onnx.load(str(tmp_path / "net.onnx")).graph.node
    *_, last = (node for node in nodes if node.op_type == "Conv")
    (pads,) = (list(a.ints) for a in last.attribute if a.name == "pads")
    assert pads == [1, 1, 0, 1]  # top, left, bottom, right
    assert not {"Pad", "Slice"} & {node.op_type for node in nodes}


def test_half_precision(tmp_path: Path) -> None:
    """The neural engine's: the same integers, scales rounded to float16."""
    pytest.importorskip("coremltools", reason="NOT TESTED: needs mvpose[coreml]")
    net = net_of("functions")
    write_coreml(net, SPEC, tmp_path / "half.mlpackage", RECIPES["static_wi8_ai8"])
    program = MilEvaluator(tmp_path / "half.mlpackage")
    content = coreml_content(program.operations, net)
    half = {name: {(float(np.float16(s)), z)} for name, (s, z) in net.qparams().items()}
    assert content.qparams == half
    found = program(image=to_batch(CROPS)[:1])["heatmaps"]
    expected = net(to_batch(CROPS)[:1])
    assert 0 < (found - expected).abs().max() < 0.03 * expected.abs().max()
