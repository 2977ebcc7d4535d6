"""Evaluation: perfect answers score 1, spoiled ones lose where they were spoiled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import annotated_boxes, perfect_results

from mvpose.bootstrap import ap_interval
from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.data.merge import map_keypoints
from mvpose.errors import InputError
from mvpose.evaluation import Accuracy, evaluate, keypoint_aps, score_results
from mvpose.runtime.torch_runtime import TorchRuntime
from mvpose.spec import COCO17

WRIST = COCO17.keypoints.index("left_wrist")


def spoil(data: KeypointData, results: list[dict[str, Any]], keypoint: int) -> list[dict[str, Any]]:
    """Move one keypoint of everyone to the corner of the box that is farthest from it."""
    spoiled = []
    for person, row in zip(data.people, results, strict=True):
        keypoints = np.reshape(row["keypoints"], (17, 3)).copy()
        start, size = person.box_xywh_px[:2], person.box_xywh_px[2:]
        keypoints[keypoint, :2] = np.where(
            keypoints[keypoint, :2] < start + size / 2, start + size, start
        )
        spoiled.append({**row, "keypoints": keypoints.ravel().tolist()})
    return spoiled


def test_labels_are_perfect(drawn_data: KeypointData) -> None:
    results = perfect_results(drawn_data)
    assert len(results) > 8
    stats = score_results(drawn_data, results).stats
    assert (stats[0], stats[1], stats[2], stats[5]) == (1, 1, 1, 1)


def test_labels_of_photographs_are_perfect(shared_data: Path) -> None:
    """With crowds and people without labels, which drawings lack."""
    data = load_keypoints(shared_data / "coco_mini", "val")
    assert score_results(data, perfect_results(data)).stats[0] == 1


def test_missing_person_costs_recall(drawn_data: KeypointData) -> None:
    results = perfect_results(drawn_data)
    matches = score_results(drawn_data, results[1:])
    assert matches.stats[5] == pytest.approx(1 - 1 / len(results))
    assert 0.5 < matches.stats[0] < 1


def test_false_alarm_costs_precision(drawn_data: KeypointData) -> None:
    results = perfect_results(drawn_data)
    stray = {**results[0], "keypoints": [1.0] * 51, "score": 1.0}
    matches = score_results(drawn_data, [stray, *results])
    assert matches.stats[5] == 1
    assert 0.5 < matches.stats[0] < 1


def test_keypoint_alone(drawn_data: KeypointData) -> None:
    """Spoiling one keypoint costs its own AP and no other's."""
    perfect = perfect_results(drawn_data)
    matches = score_results(drawn_data, spoil(drawn_data, perfect, WRIST))
    before = keypoint_aps(score_results(drawn_data, perfect), COCO17)
    after = keypoint_aps(matches, COCO17)
    assert 0 < matches.stats[0] < 1
    assert after.pop("left_wrist") < before.pop("left_wrist") / 2
    assert after == pytest.approx(before, abs=0.02)
    assert min(before.values()) > 0.8


def only_keypoint(data: KeypointData, keypoint: int, folder: Path) -> KeypointData:
    """The same data with the labels of one keypoint only."""
    document = json.loads(data.annotations.read_text())
    for row in document["annotations"]:
        keep = 3 * keypoint
        labels = [0] * 51
        labels[keep : keep + 3] = row["keypoints"][keep : keep + 3]
        row["keypoints"], row["num_keypoints"] = labels, int(labels[keep + 2] > 0)
    path = folder / "one.json"
    path.write_text(json.dumps(document))
    return replace(data, annotations=path)


@pytest.mark.parametrize("name", ["nose", "left_wrist", "right_hip"])
def test_keypoint_alone_is_what_pycocotools_says(
    name: str, shared_data: Path, tmp_path: Path
) -> None:
    """On photographs, with crowds, people without labels, missing people and false alarms."""
    data = load_keypoints(shared_data / "coco_mini", "val", COCO17)
    rng = np.random.default_rng(0)
    results = perfect_results(data)
    for row in results:
        row["keypoints"] = (np.array(row["keypoints"]) + rng.normal(0, 4, 51)).tolist()
        row["score"] = float(rng.uniform())
    results = [*results[:200], *({**row, "score": 0.5} for row in results[:20])]
    matches = score_results(data, results)
    expected = score_results(only_keypoint(data, COCO17.keypoints.index(name), tmp_path), results)
    assert 0.05 < expected.stats[0] < 0.95
    assert keypoint_aps(matches, COCO17)[name] == expected.stats[0]


def test_keypoints_alone_leave_the_labels(drawn_data: KeypointData) -> None:
    matches = score_results(drawn_data, spoil(drawn_data, perfect_results(drawn_data), WRIST))
    before = matches.stats.copy()
    keypoint_aps(matches, COCO17)
    matches.evaluate()
    matches.accumulate()
    matches.summarize()
    np.testing.assert_array_equal(matches.stats, before)


@pytest.mark.parametrize(
    ("factor", "low", "high"),
    [(1, 0, 0.02), (100, 0.9, 1)],
    ids=["COCO's sigmas", "lenient sigmas"],
)
def test_sigmas_of_the_skeleton_count(
    factor: float, low: float, high: float, drawn_data: KeypointData
) -> None:
    results = perfect_results(drawn_data)
    for k in range(17):
        results = spoil(drawn_data, results, k)
    lenient = replace(COCO17, sigmas=tuple(factor * sigma for sigma in COCO17.sigmas))
    matches = score_results(replace(drawn_data, skeleton=lenient), results)
    assert low <= matches.stats[0] <= high


def test_evaluate_refuses_other_keypoints(
    float_runtime: TorchRuntime, drawn_data: KeypointData
) -> None:
    hand = replace(
        COCO17, keypoints=("wrist", "thumb"), flip_pairs=(), edges=(), sigmas=(0.05, 0.05)
    )
    with pytest.raises(InputError, match="the data has 2 keypoints, the model 17"):
        evaluate(float_runtime, replace(drawn_data, skeleton=hand))


def test_evaluate_refuses_mapped_labels(
    float_runtime: TorchRuntime, drawn_data: KeypointData
) -> None:
    """pycocotools would score against the file, whose keypoints are in another order."""
    mapping = map_keypoints(COCO17.keypoints[::-1], COCO17.keypoints)
    with pytest.raises(InputError, match=r"person_keypoints_val\.json were mapped") as caught:
        evaluate(float_runtime, replace(drawn_data, mapping=mapping))
    assert caught.value.hint


def test_accuracy_of_before_intervals() -> None:
    """Result files and exported files of earlier versions hold no interval."""
    old = dict.fromkeys(("ap", "ap50", "ap75", "ap_medium", "ap_large", "ar"), 0.5)
    accuracy = Accuracy.from_json(json.dumps({**old, "ap_by_keypoint": {}, "protocol": {}}))
    assert (accuracy.ap_interval, accuracy.resamples) == (None, 0)


def test_evaluate(float_runtime: TorchRuntime, drawn_data: KeypointData, tmp_path: Path) -> None:
    """The annotated boxes as a file of detections give what the annotations give."""
    accuracy, matches = evaluate(float_runtime, drawn_data, resamples=50)
    assert accuracy.ap == matches.stats[0] < 0.5
    assert accuracy.ap_interval == ap_interval(matches, resamples=50)
    assert accuracy.resamples == 50
    assert list(accuracy.ap_by_keypoint) == list(COCO17.keypoints)
    assert Accuracy.from_json(accuracy.to_json()) == accuracy
    stated = {
        "model": "small",
        "runtime": "torch",
        "precision": "fp32",
        "file": "small.safetensors",
        "annotations": "person_keypoints_val.json",
        "boxes": "ground truth",
        "flip_test": False,
        "images": 8,
        "people": len(drawn_data.people),
    }
    assert {k: accuracy.protocol[k] for k in stated} == stated

    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(annotated_boxes(drawn_data)))
    detected, again = evaluate(
        float_runtime, drawn_data, boxes=path, by_keypoint=False, resamples=0
    )
    assert detected.protocol["boxes"] == "boxes.json"
    assert (detected.ap_by_keypoint, detected.ap_interval) == ({}, None)
    np.testing.assert_array_equal(again.stats, matches.stats)
