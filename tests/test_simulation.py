"""The fake-quantised network computes what the exported INT8 files compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import CALIBRATION_CROPS, small_export
from numpy.typing import NDArray
from torch.fx import Interpreter, Node

from mvpose.export import pipeline
from mvpose.export.conversion import Conversions
from mvpose.export.graph import read_graph
from mvpose.export.pipeline import Exported, Exporter
from mvpose.export.tensors import Match
from mvpose.models.deploy import deploy
from mvpose.quantize.calibration import drawn_crops
from mvpose.quantize.fake_quant import (
    ActivationQuantizer,
    BiasQuantizer,
    WeightQuantizer,
    affine,
)
from mvpose.quantize.network import Role
from mvpose.quantize.observers import find_calibrator
from mvpose.quantize.plan import Plan, plan_int8
from mvpose.quantize.ranges import to_batch
from mvpose.quantize.recipes import RECIPES
from mvpose.quantize.simulate import QuantNet
from mvpose.runtime.litert import open_interpreter
from mvpose.runtime.torch_runtime import TorchRuntime
from mvpose.spec import ModelSpec

STATIC = ("static_wi8_ai8", "static_wi8_ai8_mixed")
ROUNDED = "_quantized"
"""What ai-edge-quantizer adds to the name of a float tensor, for its INT8 copy."""


@pytest.fixture(scope="module")
def plan(float_runtime: TorchRuntime) -> Plan:
    spec = float_runtime.spec
    network = deploy(float_runtime.model, spec.preprocess)
    crops = drawn_crops(spec, CALIBRATION_CROPS, 0)
    return plan_int8(network, spec.preprocess, crops, find_calibrator("minmax"))


@pytest.fixture(scope="module")
def exporter(float_runtime: TorchRuntime, float_files: Conversions) -> Exporter:
    return small_export(float_runtime, float_files)


@pytest.fixture(scope="module")
def files(
    exporter: Exporter, plan: Plan, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Exported]:
    """Files of the plan."""
    pytest.importorskip("ai_edge_quantizer", reason="needs mvpose[tflite]")
    folder = tmp_path_factory.mktemp("files")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "PARITY_CROPS", 2)
        return {
            name: exporter.export(RECIPES[name], folder / f"{name}.tflite", plan) for name in STATIC
        }


@pytest.mark.parametrize(
    ("low", "high", "scale", "zero_point"),
    [
        pytest.param(0, 255, 1, -128, id="bytes"),
        pytest.param(-1, 1.55, 0.01, -28, id="asymmetric"),
        pytest.param(1, 2.55, 0.01, -128, id="widened to hold 0 from above"),
        pytest.param(-2.55, -1, 0.01, 127, id="widened to hold 0 from below"),
        pytest.param(0, 0, 1e-9, -128, id="constant 0"),
    ],
)
def test_affine(low: float, high: float, scale: float, zero_point: int) -> None:
    found = affine(low, high)
    assert found == (pytest.approx(scale), zero_point)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_activations_are_rounded(training: bool, dtype: torch.dtype) -> None:
    quantizer = ActivationQuantizer(0.5, -28).train(training)
    values = torch.tensor([[-60.0, -50.2, -0.2, 0.3, 1.1, 77.5, 90.0]], dtype=dtype)
    if training and dtype is torch.float64:
        pytest.skip("float64 is for evaluation")
    expected = [-50.0, -50.0, 0.0, 0.5, 1.0, 77.5, 77.5]
    assert quantizer(values).flatten().tolist() == expected


def test_weights_are_rounded_by_output_channel() -> None:
    weight = torch.tensor([[1.27, 0.014, -0.016], [-12.7, 0.14, 0.0]])
    expected = torch.tensor([[1.27, 0.01, -0.02], [-12.7, 0.1, 0.0]])
    for dtype in (torch.float32, torch.float64):
        torch.testing.assert_close(WeightQuantizer()(weight.to(dtype)), expected.to(dtype))


def test_biases_are_rounded_in_steps_of_the_accumulator() -> None:
    weight = torch.tensor([[1.27], [12.7]])
    bias = BiasQuantizer(ActivationQuantizer(2.0))(torch.tensor([0.033, 0.33]), weight)
    torch.testing.assert_close(bias, torch.tensor([0.04, 0.4]))


def test_learned_ranges_have_gradients() -> None:
    quantizer = ActivationQuantizer(0.1, 0).train()
    values = torch.linspace(-20, 20, 50)[None].requires_grad_()
    quantizer(values).sum().backward()
    assert quantizer.scale.grad is not None and quantizer.scale.grad.abs() > 0
    assert values.grad is not None
    outside = (values.detach().abs() > 12.75).flatten()
    assert (values.grad.flatten()[outside] == 0).all()
    assert (values.grad.flatten()[~outside] == 1).all()


def test_captured_network_is_the_network(plan: Plan, small_spec: ModelSpec) -> None:
    """Of any batch size; SiLU apart, operator by operator."""
    batch = to_batch(drawn_crops(small_spec, 3, seed=4))
    with torch.no_grad():
        for part in (batch, batch[:1]):
            found, expected = plan.graph.module(part), plan.network(part)
            assert (found - expected).abs().max() < 1e-5 * (expected.max() - expected.min())


def test_tensors_share_what_is_only_moved(plan: Plan) -> None:
    graph = plan.graph
    nodes = {node.name: node for node in graph.module.graph.nodes}
    moved = [name for name, role in graph.roles.items() if role is Role.SAME]
    assert len(moved) > 100
    for name in moved:
        assert graph.tensor[name] == graph.tensor[nodes[name].args[0].name]
    joined = [name for name, role in graph.roles.items() if role is Role.JOINED]
    assert len(joined) == 3 + 3 * 3, "three bridges and three deconvolutions"
    for name in joined:
        assert {graph.tensor[source.name] for source in nodes[name].args[0]} == {graph.tensor[name]}


@pytest.mark.parametrize("name", STATIC)
def test_files_have_the_plan_s_scales(
    name: str, files: dict[str, Exported], plan: Plan, float_files: Conversions
) -> None:
    """To the last bit, for every integer activation of the whole network."""
    file = read_graph(files[name].path)
    match = float_files.match(plan.network, plan.graph)
    compared = 0
    for tensor in file.tensors:
        node = match.get(tensor.name.removesuffix(ROUNDED))
        if not node or tensor.dtype != "int8":
            continue
        scale, zero_point = plan.qparams[plan.graph.tensor[node]]
        assert tensor.scales == (np.float32(scale),), tensor.name
        assert tensor.zero_points == (zero_point,), tensor.name
        compared += 1
    assert compared > (500 if name == "static_wi8_ai8" else 300)


class Forced(Interpreter):
    """Runs the simulation with every rounded tensor replaced by the file's own.

    So each operator is compared for itself, on the inputs that the file gave it.

    Attributes:
        steps: by operator: the largest difference from the file, in steps of its scale.
    """

    def __init__(self, net: QuantNet, values: dict[str, NDArray[np.float64]]) -> None:
        super().__init__(net.body)
        self.values = values
        self.scales = {name: scale for name, (scale, _) in net.qparams().items()}
        self.steps: dict[str, float] = {}

    def run_node(self, n: Node) -> Any:
        result = super().run_node(n)
        table, _, owner = str(n.target).partition(".")
        if n.op != "call_module" or table != "activations":
            return result
        source = n.args[0].name
        theirs = torch.from_numpy(self.values[source])
        if theirs.ndim == 4 and theirs.shape != result.shape:
            theirs = theirs.permute(0, 3, 1, 2)
        theirs = theirs.reshape(result.shape)
        self.steps[source] = float((result - theirs).abs().max()) / self.scales[owner]
        return theirs


def file_values(
    path: Path, match: Match, crop: NDArray[np.uint8]
) -> dict[str, NDArray[np.float64]]:
    """What a file computes, by node of the network, in real numbers."""
    _, interpreter = open_interpreter(path, experimental_preserve_all_tensors=True)
    interpreter.set_tensor(
        interpreter.get_input_details()[0]["index"], crop[None].astype("float32")
    )
    interpreter.invoke()
    values = {}
    for index, tensor in enumerate(read_graph(path).tensors):
        node = match.get(tensor.name.removesuffix(ROUNDED))
        if node and tensor.dtype == "int8":
            stored = interpreter.get_tensor(index).astype(np.float64)
            (scale,), (zero_point,) = tensor.scales, tensor.zero_points
            values.setdefault(node, (stored - zero_point) * np.float64(scale))
    return values


@pytest.mark.parametrize("name", STATIC)
def test_every_operator_of_a_file_computes_what_the_simulation_computes(
    name: str,
    files: dict[str, Exported],
    plan: Plan,
    float_files: Conversions,
    small_spec: ModelSpec,
) -> None:
    crop = drawn_crops(small_spec, 1, seed=11)[0]
    match = float_files.match(plan.network, plan.graph)
    forced = Forced(
        plan.simulate(RECIPES[name]).double(), file_values(files[name].path, match, crop)
    )
    with torch.no_grad():
        forced.run(to_batch(crop[None]).double())
    assert len(forced.steps) > 200
    worst = max(forced.steps, key=lambda node: forced.steps[node])
    assert forced.steps[worst] < 2.01, worst
