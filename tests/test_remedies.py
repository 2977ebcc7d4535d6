"""Remedies: what must stay as it is, and the errors that each is made for."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mvpose.errors import InputError
from mvpose.models.deploy import DeployNet, deploy
from mvpose.quantize.calibration import drawn_crops
from mvpose.quantize.fake_quant import HIGHEST, weight_scale
from mvpose.quantize.network import QuantGraph, capture
from mvpose.quantize.observers import CALIBRATORS
from mvpose.quantize.plan import Plan, plan_int8
from mvpose.quantize.ranges import to_batch
from mvpose.quantize.recipes import RECIPES
from mvpose.quantize.remedies.bias_correction import correct_biases
from mvpose.quantize.remedies.equalise import equalise, pairs
from mvpose.quantize.remedies.gradients import tap
from mvpose.quantize.remedies.output_ranges import output_ranges
from mvpose.quantize.remedies.plan import THAT_PAY, apply_remedies
from mvpose.quantize.remedies.rounding import round_for, round_weights
from mvpose.quantize.remedies.splitting import split_outliers
from mvpose.runtime.torch_runtime import TorchRuntime
from mvpose.spec import ModelSpec

FULL = RECIPES["static_wi8_ai8"]
OUTLIER = 100.0


@dataclass(frozen=True)
class Subject:
    """The small network with an outlier channel in the head, and drawn people."""

    network: DeployNet
    spec: ModelSpec
    crops: NDArray[np.uint8]
    plan: Plan

    @property
    def graph(self) -> QuantGraph:
        return self.plan.graph


@pytest.fixture(scope="module")
def subject(float_runtime: TorchRuntime) -> Iterator[Subject]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    spec = float_runtime.spec
    network = with_outlier(deploy(float_runtime.model, spec.preprocess))
    crops = drawn_crops(spec, 12, seed=3)
    plan = plan_int8(network, spec.preprocess, crops[:8], CALIBRATORS["minmax"])
    yield Subject(network, spec, crops, plan)
    torch.set_num_threads(threads)


def with_outlier(network: DeployNet) -> DeployNet:
    """The same function with one channel of the last deconvolution far above the others."""
    network = copy.deepcopy(network)
    with torch.no_grad():
        for conv in network.head[-2].phases:
            conv.weight[5] *= OUTLIER
            conv.bias[5] *= OUTLIER
        network.head[-1].weight[:, 5] /= OUTLIER
    return network


def heatmaps(network: torch.nn.Module, crops: NDArray[np.uint8]) -> torch.Tensor:
    with torch.inference_mode():
        return network(to_batch(crops))


def error(network: torch.nn.Module, subject: Subject) -> float:
    """Mean squared, on crops that were not used."""
    crops = subject.crops[8:]
    return float((heatmaps(network, crops) - heatmaps(subject.network, crops)).square().mean())


def relative_change(network: DeployNet, subject: Subject) -> float:
    before, after = (heatmaps(n, subject.crops) for n in (subject.network, network))
    return float((after - before).abs().max() / (before.max() - before.min()))


@pytest.mark.parametrize("strength", [0.25, 0.5, 1.0])
def test_equalisation_keeps_the_function(subject: Subject, strength: float) -> None:
    changed = equalise(subject.network, subject.crops[:8], strength)
    assert relative_change(changed, subject) < 1e-5
    assert not torch.equal(changed.head[-1].weight, subject.network.head[-1].weight)


def test_equalisation_knows_all_pairs(subject: Subject) -> None:
    found = list(pairs(subject.network))
    layers = sum(hasattr(module, "value") for module in subject.network.modules())
    deconvolutions = len(subject.network.head) - 1
    assert len(found) == deconvolutions + 2 * layers


def test_equalisation_tames_an_outlier(subject: Subject) -> None:
    changed = equalise(subject.network, subject.crops[:8])
    plan = plan_int8(changed, subject.spec.preprocess, subject.crops[:8], CALIBRATORS["minmax"])
    assert error(plan.simulate(FULL), subject) < 0.5 * error(subject.plan.simulate(FULL), subject)


def test_splitting_keeps_the_function_and_tames_an_outlier(subject: Subject) -> None:
    changed = split_outliers(subject.network, subject.crops[:8], count=3)
    assert relative_change(changed, subject) < 1e-5
    assert changed.head[-1].in_channels == subject.network.head[-1].in_channels + 3
    plan = plan_int8(changed, subject.spec.preprocess, subject.crops[:8], CALIBRATORS["minmax"])
    before, after = (
        max(high for t, (_, high) in p.ranges.items() if p.graph.path[t].startswith("head"))
        for p in (subject.plan, plan)
    )
    assert after == pytest.approx(before / 4)
    assert error(plan.simulate(FULL), subject) < 0.5 * error(subject.plan.simulate(FULL), subject)


def test_slopes_foretell_the_error_of_heatmaps(subject: Subject) -> None:
    """A small change of one tensor against what the random sums say of it."""
    name = next(n for n in subject.graph.roles if subject.graph.path[n] == "final.0")
    crops = subject.crops[:4]
    generator = torch.Generator().manual_seed(1)
    foretold, changes = 0.0, []
    for tapped in tap(subject.graph, crops, probes=16):
        if tapped.node == name:
            change = torch.randn(tapped.values.shape, generator=generator) * 1e-3
            changes.append(change)
            sums = (tapped.slopes * change).sum(2)
            foretold += float(sums.square().sum()) / len(sums)
    module = copy.deepcopy(subject.graph.module)
    node = next(n for n in module.graph.nodes if n.name == name)
    before = heatmaps(module, crops)
    values = torch.cat(changes)

    def add(x: torch.Tensor) -> torch.Tensor:
        return x + values.reshape(x.shape)

    with module.graph.inserting_after(node):
        changed = module.graph.call_function(add, (node,))
    node.replace_all_uses_with(changed, delete_user_cb=lambda user: user is not changed)
    module.recompile()
    actual = float((heatmaps(module, crops) - before).square().sum())
    assert foretold == pytest.approx(actual, rel=0.4)


def test_output_ranges_lower_the_error_and_stay_within_the_extremes(subject: Subject) -> None:
    ranges = output_ranges(subject.graph, subject.crops[:8])
    assert set(ranges) == set(subject.graph.tensors)
    widest = subject.plan.ranges
    symmetric = subject.graph.symmetric
    for tensor, (low, high) in ranges.items():
        assert low <= 0 <= high
        most = max(-widest[tensor][0], widest[tensor][1])
        limits = (-most, most) if tensor in symmetric else widest[tensor]
        assert limits[0] - 1e-6 <= low and high <= limits[1] + 1e-6, tensor
        if tensor in symmetric:
            assert low == -high
    net = subject.plan.simulate(FULL)
    before = error(net, subject)
    net.set_ranges(ranges)
    assert error(net, subject) < before


def test_rounding_keeps_the_grid_and_lowers_the_error_of_weights(subject: Subject) -> None:
    changed = round_weights(subject.network, subject.plan.simulate(FULL), subject.crops[:8])
    for name, before in subject.network.named_parameters():
        after = changed.get_parameter(name)
        if before.ndim < 2:
            assert torch.equal(before, after)
            continue
        shape = (-1, *[1] * (before.ndim - 1))
        scale = weight_scale(before).reshape(shape)
        assert torch.allclose(weight_scale(after).reshape(shape), scale, rtol=1e-6)
        levels = after / scale
        assert (levels - levels.round()).abs().max() < 1e-3, name
        assert levels.abs().max() < HIGHEST + 0.5
    nearest = subject.plan.simulate(FULL)
    nearest.enable(weights=nearest.weights)
    assert error(changed, subject) < 0.7 * error(nearest, subject)


@pytest.mark.parametrize(
    "groups, inputs, outputs",
    [(1, 12, 6), (6, 4, 6), (3, 8, 6)],
    ids=["dense", "depthwise", "grouped"],
)
def test_rounding_beats_the_nearest(groups: int, inputs: int, outputs: int) -> None:
    torch.manual_seed(0)
    weight = torch.randn(outputs, inputs)
    mixing = torch.randn(groups, inputs, inputs) / 2 + 1  # the inputs have much in common
    columns = mixing @ torch.randn(groups, inputs, 400)

    def loss(rounded: torch.Tensor) -> float:
        difference = (rounded - weight).reshape(groups, -1, inputs)
        return float((difference @ columns).square().mean())

    scale = weight_scale(weight)[:, None]
    nearest = (weight / scale).round() * scale
    assert loss(round_for(weight, columns)) < 0.8 * loss(nearest)


def test_rounding_bears_inputs_that_are_always_zero() -> None:
    torch.manual_seed(0)
    weight, columns = torch.randn(4, 8), torch.zeros(1, 8, 50)
    rounded = round_for(weight, columns)
    scale = weight_scale(weight)[:, None]
    assert torch.allclose(rounded, (weight / scale).round() * scale)


def test_bias_correction_takes_out_the_mean_error(subject: Subject) -> None:
    crops = subject.crops[:8]
    net = subject.plan.simulate(FULL)
    changed = correct_biases(subject.network, net, crops)
    graph = capture(changed, subject.spec.preprocess)
    corrected = Plan(changed, graph, subject.plan.ranges, subject.plan.qparams).simulate(FULL)
    expected = heatmaps(subject.network, crops)
    before, after = ((heatmaps(n, crops) - expected).mean((0, 2, 3)) for n in (net, corrected))
    assert after.abs().mean() < 0.5 * before.abs().mean()
    assert all(
        torch.equal(p, changed.get_parameter(name))
        for name, p in subject.network.named_parameters()
        if not name.endswith("bias")
    )


def test_plan_names_its_steps_and_is_better(subject: Subject) -> None:
    plan = apply_remedies(subject.network, subject.spec, subject.crops, held_out=4)
    assert [step["remedy"] for step in plan.steps] == list(THAT_PAY)
    first, *_, last = plan.steps
    assert last["after"]["sqnr_db"] > first["before"]["sqnr_db"] + 1
    assert last["after"]["crops"] == 4
    calibrated = plan_int8(
        subject.network, subject.spec.preprocess, subject.crops[:8], CALIBRATORS["average"]
    )
    assert error(plan.simulate(FULL), subject) < error(calibrated.simulate(FULL), subject)


def test_remedies_are_the_same_every_time(subject: Subject) -> None:
    crops = subject.crops[:2]
    one, other = (output_ranges(subject.graph, crops) for _ in range(2))
    assert one == other
    one, other = (
        round_weights(subject.network, subject.plan.simulate(FULL), crops).state_dict()
        for _ in range(2)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"remedies": ["prayer"]}, "unknown remedy 'prayer'"),
        ({"held_out": 12}, "12 crops are too few"),
    ],
    ids=["unknown", "too few"],
)
def test_bad_input(subject: Subject, change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        apply_remedies(subject.network, subject.spec, subject.crops, **change)  # type: ignore[arg-type]
