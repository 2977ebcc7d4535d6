"""The sensitivity map: blocks, variants, outliers, and what each block costs in simulation."""

from __future__ import annotations

import copy
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import small_export

from mvpose.data.coco import KeypointData
from mvpose.errors import InputError
from mvpose.export import pipeline, quantize_command, sensitivity_command
from mvpose.export.agreement import measure_agreement
from mvpose.export.conversion import Conversions
from mvpose.models.deploy import deploy
from mvpose.models.pose import PoseNet
from mvpose.quantize import sensitivity as measuring
from mvpose.quantize.agreement import compare_levels
from mvpose.quantize.blocks import Block, blocks
from mvpose.quantize.calibration import drawn_crops
from mvpose.quantize.diagram import SCALE, color_of, draw_map
from mvpose.quantize.network import QuantGraph, capture
from mvpose.quantize.observers import CALIBRATORS
from mvpose.quantize.outliers import find_outliers
from mvpose.quantize.plan import Plan, plan_int8
from mvpose.quantize.recipes import Recipe
from mvpose.quantize.sensitivity import FULL, MIXED, Sensitivity, SensitivityMap, int8_recipe
from mvpose.quantize.simulate import SimulatedRuntime
from mvpose.quantize.variants import common_nodes, variant_heatmaps
from mvpose.runtime.torch_runtime import TorchRuntime
from mvpose.spec import ModelSpec, Preprocess
from mvpose.zoo import zoo_spec

STAGE_PARTS = (
    "bridge_in",
    "normalisation",
    "projections",
    "attention",
    "residual",
    "mlp",
    "bridge_out",
)
SOME = (
    "stem",
    "stages.2.0",
    "stages.2.1.attention",
    "stages.3.1.normalisation",
    "stages.3.1.mlp",
    "head.3",
)


@pytest.fixture(scope="module")
def plan(float_runtime: TorchRuntime) -> Plan:
    spec = float_runtime.spec
    network = deploy(float_runtime.model, spec.preprocess)
    return plan_int8(network, spec.preprocess, drawn_crops(spec, 8, seed=0), CALIBRATORS["minmax"])


def few_blocks(plan: Plan, spec: ModelSpec, data: KeypointData) -> Sensitivity:
    """To be measured in little time: some of the blocks."""
    measured = Sensitivity(plan, spec, data)
    measured.blocks = [block for block in measured.blocks if block.name in SOME]
    return measured


@pytest.fixture(scope="module")
def found(plan: Plan, small_spec: ModelSpec, drawn_data: KeypointData) -> SensitivityMap:
    crops = drawn_crops(small_spec, 8, seed=0)
    return few_blocks(plan, small_spec, drawn_data).measure(crops, [FULL])


def part(graph: QuantGraph, name: str) -> Block:
    return next(block for block in blocks(graph) if block.name == name)


@pytest.mark.parametrize("head", ["deconv", "bilinear"])
def test_each_operator_and_weight_is_in_one_block(head: str, plan: Plan) -> None:
    network, graph = plan.network, plan.graph
    if head == "bilinear":
        spec = replace(zoo_spec("mobilevitpose-xxs-bilinear"), preprocess=Preprocess(64, 64))
        network = deploy(PoseNet(spec.network), spec.preprocess)
        graph = capture(network, spec.preprocess)
    found = blocks(graph)
    counts = Counter(node for block in found for node in block.nodes)
    assert counts.keys() == graph.roles.keys()
    assert set(counts.values()) == {1}
    constants = [*network.parameters(), *network.buffers()]
    assert sum(block.weights for block in found) == sum(c.numel() for c in constants)
    for stage in (2, 3, 4):
        assert [b.name for b in found if b.name.startswith(f"stages.{stage}.1")] == [
            f"stages.{stage}.1.{name}" for name in STAGE_PARTS
        ]
    assert [b.name for b in found[:2]] == ["stem", "stages.0"]
    assert found[-1].title == "last convolution"


@pytest.mark.parametrize(
    ("block", "operators"),
    [
        pytest.param("stages.2.1.attention", {"bmm": 4, "softmax": 2}, id="attention"),
        pytest.param("stages.2.1.projections", {"linear": 8}, id="projections"),
        pytest.param("stages.3.1.residual", {"add": 8}, id="residual sums"),
        pytest.param("stages.3.1.mlp", {"linear": 8, "sigmoid": 4, "mul": 4}, id="perceptrons"),
        pytest.param("stages.4.1.bridge_out", {"conv2d": 2, "cat": 1}, id="way out"),
        pytest.param("stages.1.1", {"conv2d": 3, "add": 1}, id="inverted residual"),
        pytest.param("head.2", {"conv2d": 4, "relu": 4, "cat": 3}, id="deconvolution"),
        pytest.param("head.3", {"conv2d": 1}, id="last convolution"),
    ],
)
def test_operators_of_blocks(plan: Plan, block: str, operators: dict[str, int]) -> None:
    nodes = part(plan.graph, block).nodes
    kinds = Counter(
        str(node.target).split(".")[1]
        for node in plan.graph.module.graph.nodes
        if node.name in nodes
    )
    assert {kind: kinds[kind] for kind in operators} == operators


def test_variants_are_what_they_are_alone(plan: Plan, small_spec: ModelSpec) -> None:
    """What variants share with the base is not computed again, and is the same."""
    crops = drawn_crops(small_spec, 10, seed=3)
    everything = frozenset(plan.graph.roles)
    chosen = [part(plan.graph, n).nodes for n in ("stages.3.1.bridge_out", "stages.1.1", "head.3")]
    for base, islands, recipe in (
        (plan.graph.module, [everything - nodes for nodes in chosen], FULL),
        (plan.simulate(MIXED).body, chosen, MIXED),
    ):
        nets = [plan.with_islands(nodes).simulate(recipe) for nodes in islands]
        order = []
        for i, maps in variant_heatmaps(base, {i: net.body for i, net in enumerate(nets)}, crops):
            order.append(i)
            expected = SimulatedRuntime(nets[i], small_spec, "").heatmaps(crops)
            np.testing.assert_array_equal(maps, expected)
        assert order == [1, 0, 2]
        assert common_nodes(base, nets[2].body) > common_nodes(base, nets[0].body)


def test_map(found: SensitivityMap, drawn_data: KeypointData) -> None:
    assert [block.name for block in found.blocks] == list(SOME)
    assert found.protocol["people"] == len(drawn_data.people)
    assert found.whole.keys() == {"static_wi8_ai8", "static_wi8_ai8_mixed"}
    assert found.recipes_left_out == ["static_wi8_ai8"]
    whole = found.whole["static_wi8_ai8"].parity.sqnr_db
    for block in found.blocks:
        assert block.alone.parity.sqnr_db > whole + 1, block.name
        assert block.left_out.keys() == {"static_wi8_ai8"}
        assert block.left_out["static_wi8_ai8"].cost.parity.sqnr_db > whole - 2, block.name
    assert SensitivityMap.from_json(found.to_json()) == found


def test_what_a_recipe_has_in_float_is_not_left_out(
    plan: Plan, small_spec: ModelSpec, drawn_data: KeypointData
) -> None:
    measured = few_blocks(plan, small_spec, drawn_data)
    mixed = set(SOME) - {"stages.3.1.normalisation"}
    assert {block.name for block in measured.costliest(FULL)} == set(SOME)
    assert {block.name for block in measured.costliest(MIXED)} == mixed
    assert measured.left_out(MIXED).keys() == mixed


def test_a_spoilt_block_stands_out(
    plan: Plan, small_spec: ModelSpec, drawn_data: KeypointData
) -> None:
    """A tensor with a range a hundred times too wide costs its block the most, and is mended best
    by leaving it in float."""
    nodes = part(plan.graph, "stages.2.0").nodes
    tensor = next(n for n in plan.graph.tensors if n in nodes and n.startswith("mul"))
    scale, zero_point = plan.qparams[tensor]
    spoilt = replace(plan, qparams={**plan.qparams, tensor: (100 * scale, zero_point)})
    measured = few_blocks(spoilt, small_spec, drawn_data)
    assert measured.costliest(FULL)[0].name == "stages.2.0"
    left = {name: row.cost.parity.sqnr_db for name, row in measured.left_out(FULL).items()}
    assert max(left, key=left.__getitem__) == "stages.2.0"


def test_outliers_are_named(plan: Plan, small_spec: ModelSpec) -> None:
    module = copy.deepcopy(plan.graph.module)
    fc1: Any = module.get_submodule("stages.2.1.layers.1.fc1")
    with torch.no_grad():
        fc1.weight[5] *= 100
        fc1.bias[5] = 300
    graph = replace(plan.graph, module=module)
    widest = find_outliers(graph, drawn_crops(small_spec, 4, seed=0))[0]
    assert (widest.path, widest.channel) in [
        ("stages.2.1.layers.1.fc1", 5),
        ("stages.2.1.layers.1", 5),
    ]
    assert widest.ratio > 50
    assert widest.largest > 200


def test_no_outliers_in_a_tame_network(plan: Plan, small_spec: ModelSpec) -> None:
    assert not find_outliers(plan.graph, drawn_crops(small_spec, 4, seed=0), least_ratio=1000)


def test_picture(found: SensitivityMap) -> None:
    """The costliest block's box is in the darkest colour, and all columns are there."""
    picture = draw_map(found)
    assert picture.width > picture.height > 600
    colors = {color for _, color in picture.getcolors(picture.width * picture.height) or []}
    costliest = min(found.blocks, key=lambda block: block.alone.parity.oks or 1)
    assert (costliest.alone.parity.oks or 1) < 1
    assert SCALE[-1][1] in colors


def test_colors_run_from_end_to_end() -> None:
    assert [color_of(share) for share, _ in SCALE] == [color for _, color in SCALE]
    assert color_of(-1) == color_of(0)
    assert color_of(2) == color_of(1)


@pytest.mark.parametrize("recipe", [FULL, MIXED], ids=lambda recipe: recipe.name)
def test_agreement_with_files(
    recipe: Recipe,
    float_runtime: TorchRuntime,
    float_files: Conversions,
    plan: Plan,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Random weights make far more of a rounding than trained ones do."""
    monkeypatch.setattr(pipeline, "PARITY_CROPS", 4)
    crops = drawn_crops(float_runtime.spec, 4, seed=5)
    exporter = small_export(float_runtime, float_files)
    found = measure_agreement(exporter, plan, recipe, crops, "drawn")
    assert found.recipe == recipe.name
    assert 0 < found.equal < found.within_1 < found.within_2 <= 1
    assert found.within_2 > 0.6
    assert found.parity.sqnr_db > 12


def test_steps_apart(small_spec: ModelSpec) -> None:
    width, height = small_spec.heatmap_wh
    maps = np.full((1, 17, height, width), 0.5, np.float32)
    maps[0, :, -1, -1] = 1
    other = maps.copy()
    other[:, :, :, 0] += 0.25
    other[:, :, 0, 0] += 0.5
    found = compare_levels(maps, other, 0.25, small_spec, "static_wi8_ai8", "LiteRT", "drawn")
    assert found.equal == pytest.approx(1 - 1 / width)
    assert found.within_1 == found.within_2 == pytest.approx(1 - 1 / (width * height))


def test_command(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(sensitivity_command, "EXTRA", ("no_such_package",))
    monkeypatch.setattr(measuring, "blocks", lambda graph: [part(graph, name) for name in SOME])
    words = [str(checkpoint), "--sensitivity", "--data", "synthetic:2", "--calib-count", "4"]
    monkeypatch.setattr(sys, "argv", ["mvpose-quantize", *words, "-o", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        quantize_command.main()
    assert ended.value.code == 0
    found = SensitivityMap.from_json((tmp_path / "small.sensitivity.json").read_text())
    assert found.protocol["data"] == "synthetic:2"
    assert found.protocol["calibration"]["count"] == 4
    assert [block.name for block in found.blocks] == list(SOME)
    assert (tmp_path / "small.sensitivity.png").read_bytes().startswith(b"\x89PNG")
    shown = capsys.readouterr()
    assert all(block.title in shown.out for block in found.blocks)
    assert "not held against files: pip install 'mvpose[tflite]'" in shown.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["--leave-out", "fp16"], "known: static_wi8_ai8,", id="not INT8"),
        pytest.param(["--calibrator", "best"], "unknown calibrator 'best'", id="calibrator"),
        pytest.param(["--data", "nowhere"], "nowhere", id="no data"),
    ],
)
def test_bad_input(
    checkpoint: Path,
    tmp_path: Path,
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    line = ["mvpose-quantize", "--sensitivity", str(checkpoint), *words, "-o", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as ended:
        quantize_command.main()
    assert ended.value.code == 1
    assert message in capsys.readouterr().err


def test_unknown_recipe() -> None:
    with pytest.raises(InputError, match="dynamic_wi8"):
        int8_recipe("dynamic_wi8")
