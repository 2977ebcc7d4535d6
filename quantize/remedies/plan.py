"""Remedies one after the other, and what each brought."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from mvpose.errors import InputError
from mvpose.models.deploy import DeployNet
from mvpose.parity import Parity, compare_heatmaps
from mvpose.quantize.observers import CALIBRATORS, Calibrator
from mvpose.quantize.plan import Plan, plan_int8
from mvpose.quantize.recipes import RECIPES, Recipe
from mvpose.quantize.remedies.bias_correction import correct_biases
from mvpose.quantize.remedies.equalise import equalise
from mvpose.quantize.remedies.output_ranges import output_ranges
from mvpose.quantize.remedies.rounding import round_weights
from mvpose.quantize.remedies.splitting import split_outliers
from mvpose.quantize.simulate import SimulatedRuntime, qparams_of
from mvpose.quiet import quiet
from mvpose.spec import ModelSpec

LOOKED_AT = 32  # crops that a remedy works on
HELD_OUT = 16  # crops that tell what it brought
FULL = RECIPES["static_wi8_ai8"]

Crops = NDArray[np.uint8]
Remedy = Callable[[Plan, ModelSpec, Crops, Calibrator], Plan]


def _equalised(plan: Plan, spec: ModelSpec, crops: Crops, calibrator: Calibrator) -> Plan:
    return _rewritten(plan, equalise(plan.network, crops), spec, crops, calibrator)


def _split(plan: Plan, spec: ModelSpec, crops: Crops, calibrator: Calibrator) -> Plan:
    return _rewritten(plan, split_outliers(plan.network, crops), spec, crops, calibrator)


def _ranged(plan: Plan, spec: ModelSpec, crops: Crops, calibrator: Calibrator) -> Plan:
    heatmaps = plan.graph.output
    ranges = {**output_ranges(plan.graph, crops), heatmaps: plan.ranges[heatmaps]}
    return replace(plan, qparams=qparams_of(plan.graph, ranges))


def _corrected(plan: Plan, spec: ModelSpec, crops: Crops, calibrator: Calibrator) -> Plan:
    return _with_network(plan, correct_biases(plan.network, plan.simulate(FULL), crops))


def _rounded(plan: Plan, spec: ModelSpec, crops: Crops, calibrator: Calibrator) -> Plan:
    return _with_network(plan, round_weights(plan.network, plan.simulate(FULL), crops))


REMEDIES: dict[str, Remedy] = {
    "splitting": _split,
    "equalisation": _equalised,
    "output_ranges": _ranged,
    "bias_correction": _corrected,
    "rounding": _rounded,
}
"""By name, in the order in which they build on each other."""

THAT_PAY = ("equalisation", "output_ranges", "rounding")


def apply_remedies(
    network: DeployNet,
    spec: ModelSpec,
    crops: Crops,
    calibrator: Calibrator = CALIBRATORS["average"],
    remedies: Iterable[str] = THAT_PAY,
    held_out: int = HELD_OUT,
) -> Plan:
    """Post-training quantisation with remedies; the result serves every static recipe.

    Args:
        network: the deploy form; it is left as it is.
        spec: what it means.
        crops: (N, height, width, 3), 0..255, of calibration people. The last ones are kept apart
            to tell what each remedy brought.
        calibrator: makes the ranges that no remedy chooses.
        remedies: names in ``REMEDIES``.
        held_out: how many crops are kept apart; 0 leaves the figures out.

    Returns:
        A plan whose steps name the remedies and, in full INT8 on crops that they didn't see, the
        parity with the float network before and after.

    Raises:
        InputError: unknown remedy, or too few crops.
    """
    chosen = list(remedies)
    if unknown := [name for name in chosen if name not in REMEDIES]:
        raise InputError(f"unknown remedy {unknown[0]!r}", f"known: {', '.join(REMEDIES)}")
    if len(crops) <= held_out:
        raise InputError(
            f"{len(crops)} crops are too few where {held_out} of them are kept apart",
            "calibrate on more people",
        )
    seen, apart = crops[: len(crops) - held_out], crops[len(crops) - held_out :]
    some = seen[:: -(-len(seen) // LOOKED_AT)]
    plan = plan_int8(network, spec.preprocess, seen, calibrator)
    judge = _Judge(plan, spec, apart) if held_out else None
    before = judge(plan) if judge else None
    for name in REMEDIES:
        if name not in chosen:
            continue
        plan = REMEDIES[name](plan, spec, some, calibrator)
        step: dict[str, object] = {"remedy": name, "recipe": FULL.name}
        if judge and before:
            after = judge(plan)
            step |= {"before": asdict(before), "after": asdict(after)}
            before = after
        plan = replace(plan, steps=(*plan.steps, step))
    return plan


def _rewritten(
    plan: Plan, network: DeployNet, spec: ModelSpec, crops: Crops, calibrator: Calibrator
) -> Plan:
    """Another network of the same function, calibrated anew."""
    better = plan_int8(network, spec.preprocess, crops, calibrator)
    return replace(better, steps=plan.steps)


def _with_network(plan: Plan, network: DeployNet) -> Plan:
    """The same operators and scales with other weights."""
    with quiet():
        module = copy.deepcopy(plan.graph.module)
    module.load_state_dict(network.state_dict())
    return replace(plan, network=network, graph=replace(plan.graph, module=module))


class _Judge:
    """Compares plans in INT8 with the float network over the same crops."""

    def __init__(self, plan: Plan, spec: ModelSpec, crops: Crops) -> None:
        self.spec, self.crops = spec, crops
        runtime = SimulatedRuntime(plan.graph.module, spec, "fp32")
        self.expected = runtime.heatmaps(crops)

    def __call__(self, plan: Plan, recipe: Recipe = FULL) -> Parity:
        maps = SimulatedRuntime(plan.simulate(recipe), self.spec, recipe.name).heatmaps(self.crops)
        return compare_heatmaps(self.expected, maps, self.spec, "calibration, kept apart")
