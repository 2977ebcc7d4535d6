"""Scales and zero points of a fake-quantised network stand unchanged in its files."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from carried import (
    Array,
    Content,
    Recorder,
    coreml_content,
    cut_open,
    exact,
    onnx_content,
    output_step,
    reference_heatmaps,
)
from torch import Tensor

from mvpose.export.coreml import write_coreml
from mvpose.export.onnx_qdq import write_onnx
from mvpose.models.deploy import deploy
from mvpose.quantize.calibration import drawn_crops
from mvpose.quantize.network import QuantGraph, capture
from mvpose.quantize.ranges import Ranges, measure_ranges, to_batch
from mvpose.quantize.recipes import RECIPES, Recipe
from mvpose.quantize.simulate import QuantNet
from mvpose.runtime.load import load_float
from mvpose.runtime.mil_evaluator import MilEvaluator
from mvpose.runtime.openvino_runtime import core, settings
from mvpose.spec import ModelSpec

SIDE_PX = 128
CALIBRATION_CROPS = 4
CROPS = 2
RECIPE_NAMES = ("static_wi8_ai8", "static_wi8_ai8_mixed")
FORMATS = ("onnx", "coreml")

Run = Callable[[dict[str, Array]], list[Array]]
"""Outputs of inputs by name."""


@dataclass
class Case:
    """A fake-quantised network, its files, each written when it is first asked for, and crops."""

    net: QuantNet
    spec: ModelSpec
    recipe: Recipe
    folder: Path
    images: Tensor

    @functools.cached_property
    def onnx(self) -> Path:
        pytest.importorskip("onnx", reason="NOT TESTED: needs mvpose[onnx]")
        path = self.folder / "net.onnx"
        write_onnx(self.net, self.spec, path)
        return path

    @functools.cached_property
    def coreml(self) -> Path:
        pytest.importorskip("coremltools", reason="NOT TESTED: needs mvpose[coreml]")
        path = self.folder / "net.mlpackage"
        write_coreml(self.net, self.spec, path, self.recipe, half=False)
        return path

    @functools.cached_property
    def program(self) -> MilEvaluator:
        return MilEvaluator(self.coreml, torch.float64)

    @functools.cached_property
    def recorder(self) -> Recorder:
        """What the first crop gives in exact arithmetic."""
        recorder = Recorder(exact(self.net))
        with torch.inference_mode():
            recorder.run(self.images[:1].double())
        return recorder

    def content(self, kind: str) -> Content:
        if kind == "onnx":
            return onnx_content(self.onnx, self.net)
        return coreml_content(self.program.operations, self.net)

    def steps(self, maps: Array, expected: Array) -> Array:
        """Distances in steps of the heatmaps' scale, 0 for the same level."""
        return np.abs(np.round((maps - expected) / output_step(self.net)))


@pytest.fixture(scope="module")
def shipped() -> tuple[QuantGraph, ModelSpec, Ranges]:
    """The shipped network for small crops, and its ranges."""
    runtime = load_float(None, 1)
    preprocess = replace(runtime.spec.preprocess, input_width_px=SIDE_PX, input_height_px=SIDE_PX)
    spec = replace(runtime.spec, preprocess=preprocess)
    graph = capture(deploy(runtime.model, preprocess), preprocess)
    return graph, spec, measure_ranges(graph, drawn_crops(spec, CALIBRATION_CROPS, seed=0))


@pytest.fixture(scope="module", params=RECIPE_NAMES)
def case(
    request: pytest.FixtureRequest,
    shipped: tuple[QuantGraph, ModelSpec, Ranges],
    tmp_path_factory: pytest.TempPathFactory,
) -> Case:
    """The shipped network, all of it, by recipe."""
    graph, spec, ranges = shipped
    recipe = RECIPES[request.param]
    net = QuantNet(graph, frozenset().union(*map(graph.group, recipe.float_groups))).eval()
    net.set_ranges(ranges)
    images = to_batch(drawn_crops(spec, CROPS, seed=5))
    return Case(net, spec, recipe, tmp_path_factory.mktemp(request.param), images)


@pytest.mark.parametrize("kind", FORMATS)
def test_scales_and_zero_points(kind: str, case: Case) -> None:
    expected = {name: {pair} for name, pair in case.net.qparams().items()}
    assert len(expected) > 60
    assert case.content(kind).qparams == expected


@pytest.mark.parametrize("kind", FORMATS)
def test_weights_and_biases(kind: str, case: Case) -> None:
    content, recorder = case.content(kind), case.recorder
    assert content.weights.keys() == recorder.weights.keys()
    for name, weight in content.weights.items():
        assert weight.integers.dtype == np.int8
        np.testing.assert_array_equal(weight.real(), recorder.weights[name], name)
    assert recorder.biases.keys() <= content.biases.keys()
    for name, bias in recorder.biases.items():
        np.testing.assert_allclose(content.biases[name], bias, rtol=2**-22, atol=0, err_msg=name)


@pytest.mark.parametrize(("kind", "overhead"), [("onnx", 1.1), ("coreml", 1.25)])
def test_size(kind: str, overhead: float, case: Case) -> None:
    integers = sum(weight.integers.nbytes for weight in case.content(kind).weights.values())
    path: Path = getattr(case, kind)
    size = sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())
    assert integers < size < overhead * integers


@pytest.mark.parametrize("kind", FORMATS)
def test_the_whole_network_in_exact_arithmetic(kind: str, case: Case) -> None:
    """The same level everywhere: in float64 nothing but a file's constants could make another."""
    images = case.images[:1]
    with torch.inference_mode():
        expected = exact(case.net, case.content(kind).biases)(images.double()).numpy()
    if kind == "onnx":
        maps = reference_heatmaps(case.onnx, images)
    else:
        maps = case.program(image=images)["heatmaps"].numpy()
    assert len(np.unique(expected)) > 20
    assert case.steps(maps, expected).max() == 0


def onnxruntime_session(path: Path, optimise: bool) -> Run:
    ort = pytest.importorskip("onnxruntime", reason="NOT TESTED: needs mvpose[onnx]")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)


@functools.cache
def openvino_model(path: Path) -> Any:
    pytest.importorskip("openvino", reason="NOT TESTED: needs mvpose[openvino]")
    return core().compile_model(str(path), "CPU", settings(threads=1))


def openvino_session(path: Path) -> Run:
    model = openvino_model(path)
    return lambda inputs: list(model(inputs).values())


@pytest.mark.parametrize(
    "load",
    [
        pytest.param(lambda path: onnxruntime_session(path, True), id="onnxruntime"),
        pytest.param(openvino_session, id="openvino"),
    ],
)
def test_every_operator_in_its_runtime(
    load: Callable[[Path], Run], case: Case, tmp_path: Path
) -> None:
    """With integer kernels, and the exact integers at every input."""
    names = cut_open(case.onnx, tmp_path / "open.onnx")
    integers = case.recorder.integers
    assert names.keys() == integers.keys()
    given = {name: (integers[key] + 128).astype(np.uint8) for key, name in names.items()}
    _, *made = load(tmp_path / "open.onnx")({"image": case.images[:1].numpy(), **given})
    pairs = list(zip(made, given.values(), strict=True))
    distance = np.concatenate([np.abs(m.astype(int) - g).ravel() for m, g in pairs])
    assert distance.max() <= 1
    assert (distance == 0).mean() > 0.9999


@pytest.mark.parametrize(
    "load",
    [
        pytest.param(lambda path: onnxruntime_session(path, False), id="onnxruntime"),
        pytest.param(openvino_session, id="openvino"),
    ],
)
def test_the_whole_network_in_its_runtime(load: Callable[[Path], Run], case: Case) -> None:
    """In float32 a value next to the middle of two levels may fall to the other side, which later
    operators make more of: torch in float32 is as far from torch in float64."""
    run = load(case.onnx)
    maps = np.concatenate([run({"image": image[None].numpy()})[0] for image in case.images])
    with torch.inference_mode():
        expected = exact(case.net)(case.images.double()).numpy()
        rounded = case.net(case.images).numpy()
    within = (case.steps(maps, expected) <= 2).mean()
    assert within > 0.9
    assert within > (case.steps(rounded, expected) <= 2).mean() - 0.05


def test_openvino_takes_all_layers_in_int8(case: Case) -> None:
    executed = [op.get_rt_info() for op in openvino_model(case.onnx).get_runtime_model().get_ops()]
    kinds = Counter(
        (info["layerType"].astype(str), info["runtimePrecision"].astype(str))
        for info in executed
        if "layerType" in info
    )
    weights = [weight.integers.ndim for weight in case.content("onnx").weights.values()]
    assert kinds["Convolution", "u8"] == weights.count(4)
    assert kinds["FullyConnected", "u8"] == weights.count(2)
    assert kinds["Convolution", "f32"] == 0
