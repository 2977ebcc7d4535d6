"""The people who calibrate an export, and those who tell which blocks cost most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mvpose.cli import note
from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.data.synthetic import resolve_data
from mvpose.models.deploy import deploy
from mvpose.quantize.calibration import CalibrationSet
from mvpose.quantize.calibration_file import make_calibration
from mvpose.quantize.network import capture
from mvpose.quantize.observers import Calibrator
from mvpose.quantize.stability import describe_stability
from mvpose.runtime.torch_runtime import TorchRuntime
from mvpose.spec import ModelSpec

JUDGES = 64
DRAWN_JUDGES = "synthetic:40"
"""Where no people are given for calibration."""


def calibration_people(
    reference: TorchRuntime,
    source: Path | None,
    split: str,
    count: int,
    seed: int,
    evaluated: KeypointData | None,
    calibrator: Calibrator,
) -> Callable[[], CalibrationSet]:
    """What makes the calibration set of a run, with a note where it is too small.

    Args:
        reference: the float network.
        source: folder in COCO layout; None draws people.
        split: of the folder.
        count: of people.
        seed: of their choice.
        evaluated: the people who evaluate, none of whom may calibrate.
        calibrator: makes the ranges.
    """

    def make() -> CalibrationSet:
        spec = reference.spec
        found = make_calibration(source, split, spec, count, seed, evaluated)
        if found.warning:
            graph = capture(deploy(reference.model, spec.preprocess), spec.preprocess)
            note(str(describe_stability(graph, found, calibrator)))
        return found

    return make


def judging_people(spec: ModelSpec, source: Path | None, split: str) -> Callable[[], KeypointData]:
    """What loads the people who tell which blocks cost most: some of those who may calibrate."""

    def load() -> KeypointData:
        if source and source.is_dir():
            people = load_keypoints(source, split, spec.skeleton)
        else:
            people = load_keypoints(resolve_data(DRAWN_JUDGES, "train"), "train", spec.skeleton)
        return replace(people, people=people.people[:JUDGES])

    return load
