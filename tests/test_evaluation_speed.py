"""What evaluation costs beside the network: the measurement, and the committed figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mvpose.benchmark.evaluation_speed import (
    STEPS,
    TARGET_MS,
    TARGET_RATIO,
    evaluation_speed,
    time_steps,
)
from mvpose.data.coco import KeypointData
from mvpose.errors import InputError
from mvpose.results import ground_truth_boxes
from mvpose.runtime.torch_runtime import TorchRuntime

RESULT = Path(__file__).parent.parent / "benchmark" / "results" / "evaluation_speed.json"


def test_steps(float_runtime: TorchRuntime, drawn_data: KeypointData) -> None:
    images = ground_truth_boxes(drawn_data)[:2]
    steps = time_steps({"a": float_runtime, "b": float_runtime}, images, rounds=1)
    assert set(steps) == {*STEPS, "beside the network", "network a", "network b"}
    assert min(step.cpu_ms for step in steps.values()) > 0
    total = sum(steps[name].cpu_ms for name in STEPS)
    assert steps["beside the network"].cpu_ms == pytest.approx(total, abs=1e-3)
    assert steps["network a"].wall_ms > steps["format"].wall_ms


def test_command(drawn_data: KeypointData, checkpoint: Path, tmp_path: Path) -> None:
    folder, path = drawn_data.annotations.parents[1], tmp_path / "speed.json"
    evaluation_speed([str(checkpoint)], data=str(folder), rounds=1, json=path)
    document = json.loads(path.read_text())
    assert document["protocol"]["people"] == len(drawn_data.people)
    assert list(document["protocol"]["networks"]) == ["small.safetensors"]
    assert document["whole_over_inference"]["small.safetensors"]["median"] > 1
    with pytest.raises(InputError, match="exists already"):
        evaluation_speed([str(checkpoint)], data=str(folder), rounds=1, json=path)


def test_committed_figures_meet_the_target() -> None:
    """Reading, cropping, decoding and formatting under 2 ms a person, far below the network."""
    steps = json.loads(RESULT.read_text("utf-8"))["steps"]
    beside = steps["beside the network"]
    assert beside["cpu_slowest_ms"] < TARGET_MS
    networks = [step["cpu_ms"] for name, step in steps.items() if name.startswith("network ")]
    assert networks
    assert 2 * beside["cpu_ms"] < min(networks)


def test_committed_evaluations_are_hardly_longer_than_their_inference() -> None:
    whole = json.loads(RESULT.read_text("utf-8"))["whole_over_inference"]
    assert whole
    assert max(found["median"] for found in whole.values()) < TARGET_RATIO
