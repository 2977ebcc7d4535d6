"""COCO results of a data set: the same whatever the batches, threads and processes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import annotated_boxes
from numpy.typing import NDArray
from sharded_evaluation import BATCH_SIZES, PROCESSES, evaluate_shard, evaluated

from mvpose.data.coco import KeypointData
from mvpose.errors import InputError
from mvpose.results import (
    BoxedImage,
    ahead,
    detected_boxes,
    ground_truth_boxes,
    group,
    predict_dataset,
)
from mvpose.runtime.base import Runtime
from mvpose.runtime.torch_runtime import TorchRuntime


def boxes_file(folder: Path, rows: object) -> Path:
    path = folder / "boxes.json"
    path.write_text(rows if isinstance(rows, str) else json.dumps(rows), encoding="utf-8")
    return path


def test_detected_boxes(drawn_data: KeypointData, tmp_path: Path) -> None:
    """A cat, a box without area and an image of another split are left out."""
    rows = annotated_boxes(drawn_data)
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


class Watched:
    """A runtime that remembers how many crops it was given at a time."""

    def __init__(self, runtime: Runtime, device: str) -> None:
        self.runtime = runtime
        self.spec = runtime.spec
        self.protocol = {**runtime.protocol, "device": device}
        self.batches: list[int] = []

    def heatmaps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.batches.append(len(images))
        return self.runtime.heatmaps(images)


@pytest.mark.parametrize(
    ("device", "batch_size", "expected"),
    [
        pytest.param("cpu", None, [2, 3, 1, 32, 1], id="CPU: an image at a time"),
        pytest.param("cuda:0", None, [6, 32, 1], id="GPU: 32 crops at most"),
        pytest.param("cpu", 5, [5, 1, *[5] * 6, 3], id="5 crops at most"),
        pytest.param("cuda:0", 64, [39], id="all at once"),
    ],
)
def test_batches(
    device: str,
    batch_size: int | None,
    expected: list[int],
    float_runtime: TorchRuntime,
    drawn_data: KeypointData,
) -> None:
    """Images of 2, 3, 1 and 33 boxes; an image with more than a batch is cut."""
    image = ground_truth_boxes(drawn_data)[0]
    images = []
    for number, count in enumerate((2, 3, 1, 33)):
        boxes = image.boxes_xywh_px[:1] + np.arange(count)[:, None] * [3, 2, 1, 1]
        images.append(BoxedImage(number, image.path, boxes, np.ones(count)))
    runtime = Watched(float_runtime, device)
    rows = predict_dataset(runtime, images, batch_size=batch_size)
    assert runtime.batches == expected
    alone = predict_dataset(float_runtime, images)
    assert [row["image_id"] for row in rows] == [row["image_id"] for row in alone]
    for row, same in zip(rows, alone, strict=True):
        assert row["score"] == pytest.approx(same["score"], abs=1e-5)
        np.testing.assert_allclose(row["keypoints"], same["keypoints"], atol=0.02)


def test_progress_sees_every_image_once(
    float_runtime: TorchRuntime, drawn_data: KeypointData
) -> None:
    images = ground_truth_boxes(drawn_data)
    seen = []

    def track(items: Iterable[BoxedImage]) -> Iterator[BoxedImage]:
        for item in items:
            seen.append(item.image_id)
            yield item

    predict_dataset(float_runtime, images, track=track, batch_size=6)
    assert seen == [item.image_id for item in images]


def test_unreadable_image(
    float_runtime: TorchRuntime, drawn_data: KeypointData, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    images = ground_truth_boxes(drawn_data)
    images[3] = replace(images[3], path=broken)
    with pytest.raises(InputError, match=r"broken\.jpg"):
        predict_dataset(float_runtime, images)


def test_groups_lose_nobody() -> None:
    path = Path("x.jpg")
    images = [BoxedImage(n, path, np.ones((n % 5 + 1, 4)), np.ones(n % 5 + 1)) for n in range(40)]
    for size in (1, 4, 7, 1000):
        batches = list(group(images, size))
        assert [item.image_id for batch in batches for item in batch] == list(range(40))
        counts = [[len(item.boxes_xywh_px) for item in batch] for batch in batches]
        assert all(sum(batch) <= size or len(batch) == 1 for batch in counts)
        assert all(sum(batch) + after[0] > size for batch, after in pairwise(counts))


def test_ahead_keeps_the_order_and_looks_ahead() -> None:
    """The first call waits for the second, which therefore must have begun before it ended."""
    begun = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert begun.wait(timeout=30)
        begun.set()
        return number

    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(9):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(2) as pool:
        results = ahead(pool, work, items(), depth=3)
        assert next(results) == 0
        assert taken == [0, 1, 2, 3]
        assert list(results) == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.usefixtures("one_thread")
def test_two_processes_give_the_same(
    float_runtime: TorchRuntime, drawn_data: KeypointData, checkpoint: Path, tmp_path: Path
) -> None:
    """Accuracy to the last digit and results in the same order; an error reaches both."""
    folder = drawn_data.annotations.parents[1]
    torch.multiprocessing.spawn(evaluate_shard, (checkpoint, folder, tmp_path), nprocs=PROCESSES)
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(PROCESSES)]
    for batch_size in BATCH_SIZES:
        alone = evaluated(float_runtime, drawn_data, batch_size)
        assert len(alone["results"]) == len(drawn_data.people)
        for part in found:
            assert part["evaluated"][str(batch_size)] == alone
    assert sum(part["own"] for part in found) == len(drawn_data.people)
    assert all("no such image" in part["error"] for part in found)
