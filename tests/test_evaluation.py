"""Evaluation: perfect answers score 1, spoiled ones lose where they were spoiled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import perfect_results

from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.errors import InputError
from mvpose.evaluation import (
    Accuracy,
    detected_boxes,
    evaluate,
    ground_truth_boxes,
    oks,
    oks_nms,
    predict_dataset,
    score_results,
)
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
    results = spoil(drawn_data, perfect_results(drawn_data), WRIST)
    whole = score_results(drawn_data, results).stats[0]
    alone = [score_results(drawn_data, results, k).stats[0] for k in range(17)]
    assert 0 < whole < 1
    assert alone[WRIST] < 0.5
    assert [a for k, a in enumerate(alone) if k != WRIST] == [1] * 16


@pytest.mark.parametrize(
    ("factor", "ap"), [(1, 0), (100, 1)], ids=["COCO's sigmas", "lenient sigmas"]
)
def test_sigmas_of_the_skeleton_count(factor: float, ap: float, drawn_data: KeypointData) -> None:
    results = perfect_results(drawn_data)
    for k in range(17):
        results = spoil(drawn_data, results, k)
    lenient = replace(COCO17, sigmas=tuple(factor * sigma for sigma in COCO17.sigmas))
    matches = score_results(replace(drawn_data, skeleton=lenient), results)
    assert matches.stats[0] == pytest.approx(ap, abs=0.02)


def test_oks_by_hand() -> None:
    """One keypoint off by its own COCO distance: e^-1/2; the others exact."""
    a = np.zeros((17, 2))
    b = a.copy()
    b[WRIST] = 2 * COCO17.sigmas[WRIST] * 100, 0
    expected = np.exp(-0.5)
    assert oks(a, b, 100**2, COCO17) == pytest.approx((16 + expected) / 17)
    only = np.arange(17) == WRIST
    assert oks(a, b, 100**2, COCO17, only) == pytest.approx(expected)


def test_oks_nms_drops_duplicates() -> None:
    poses = np.random.default_rng(0).uniform(0, 100, (3, 17, 2))
    poses = np.concatenate([poses, poses + 0.5])  # each once more, half a pixel away
    scores = np.array([0.5, 0.9, 0.2, 0.4, 0.1, 0.3])
    areas = np.full(6, 100.0**2)
    assert oks_nms(poses, scores, areas, COCO17) == [1, 0, 5]
    assert oks_nms(poses, scores, areas, COCO17, threshold=1.0) == [1, 0, 3, 5, 2, 4]
    assert oks_nms(poses[:0], scores[:0], areas[:0], COCO17) == []


def boxes_file(folder: Path, rows: object) -> Path:
    path = folder / "boxes.json"
    path.write_text(rows if isinstance(rows, str) else json.dumps(rows), encoding="utf-8")
    return path


def annotated(data: KeypointData) -> list[dict[str, Any]]:
    return [
        {"image_id": p.image_id, "category_id": 1, "bbox": p.box_xywh_px.tolist(), "score": 0.5}
        for p in data.people
    ]


def test_detected_boxes(drawn_data: KeypointData, tmp_path: Path) -> None:
    """A cat, a box without area and an image of another split are left out."""
    rows = annotated(drawn_data)
    extra = [
        {**rows[0], "category_id": 17},
        {**rows[0], "bbox": [1, 2, 0, 9]},
        {**rows[0], "image_id": 999},
    ]
    path = boxes_file(tmp_path, [*extra, *reversed(rows)])
    found = {item.image_id: item for item in detected_boxes(drawn_data, path)}
    truth = {item.image_id: item for item in ground_truth_boxes(drawn_data)}
    assert set(found) == set(truth)
    for image_id, item in truth.items():
        assert found[image_id].path == item.path
        np.testing.assert_allclose(found[image_id].boxes_xywh_px[::-1], item.boxes_xywh_px)
        assert set(found[image_id].scores) == {0.5}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param("[{", "cannot read .*boxes.json", id="broken JSON"),
        pytest.param("", "cannot read .*boxes.json", id="empty file"),
        pytest.param({"annotations": []}, "cannot read .*boxes.json", id="annotations"),
        pytest.param([{"category_id": 1, "image_id": 1}], "cannot read .*bbox", id="no boxes"),
        pytest.param(
            [{"category_id": 1, "image_id": 1, "bbox": [1, 2, 3], "score": 1}],
            "cannot read .*boxes.json",
            id="three numbers",
        ),
        pytest.param([], "holds no person box", id="empty list"),
        pytest.param(
            [{"category_id": 3, "image_id": 1, "bbox": [1, 2, 3, 4], "score": 1}],
            "holds no person box",
            id="only a car",
        ),
        pytest.param(
            [{"category_id": 1, "image_id": 999, "bbox": [1, 2, 3, 4], "score": 1}],
            "holds no person box",
            id="other images",
        ),
        pytest.param(
            [{"category_id": 1, "image_id": 1, "bbox": [1, 2, 0, 4], "score": 1}],
            "holds no person box",
            id="no area",
        ),
    ],
)
def test_refuses_boxes(
    drawn_data: KeypointData, rows: object, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        detected_boxes(drawn_data, boxes_file(tmp_path, rows))
    assert caught.value.hint


def test_refuses_missing_boxes_file(drawn_data: KeypointData, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*gone\.json"):
        detected_boxes(drawn_data, tmp_path / "gone.json")


def test_evaluate_refuses_other_keypoints(
    float_runtime: TorchRuntime, drawn_data: KeypointData
) -> None:
    hand = replace(
        COCO17, keypoints=("wrist", "thumb"), flip_pairs=(), edges=(), sigmas=(0.05, 0.05)
    )
    with pytest.raises(InputError, match="the data has 2 keypoints, the model 17"):
        evaluate(float_runtime, replace(drawn_data, skeleton=hand))


def test_evaluate(float_runtime: TorchRuntime, drawn_data: KeypointData, tmp_path: Path) -> None:
    """The annotated boxes as a file of detections give what the annotations give."""
    accuracy, matches = evaluate(float_runtime, drawn_data)
    assert accuracy.ap == matches.stats[0] < 0.5
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

    path = boxes_file(tmp_path, annotated(drawn_data))
    detected, again = evaluate(float_runtime, drawn_data, boxes=path, by_keypoint=False)
    assert detected.protocol["boxes"] == "boxes.json"
    assert detected.ap_by_keypoint == {}
    np.testing.assert_array_equal(again.stats, matches.stats)


def test_predictions_are_coco_results(
    float_runtime: TorchRuntime, drawn_data: KeypointData
) -> None:
    images = ground_truth_boxes(drawn_data)
    rows = predict_dataset(float_runtime, images)
    flipped = predict_dataset(float_runtime, images, flip=True)
    assert len(rows) == len(drawn_data.people)
    for row in rows:
        assert set(row) == {"image_id", "category_id", "keypoints", "score"}
        assert len(row["keypoints"]) == 51
    assert rows != flipped
