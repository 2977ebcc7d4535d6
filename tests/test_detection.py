"""Detectors of people: from a picture to boxes, from boxes to evaluation and prediction."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import random_pose_net
from numpy.typing import NDArray
from small_onnx import write_boxes, write_coordinates

from mvpose.checkpoint import save_checkpoint
from mvpose.commands.predict import predict
from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.data.images import read_image
from mvpose.detection.dataset import detect_people
from mvpose.detection.detector import Detections, Facts, FileDetector, load_detector
from mvpose.errors import InputError
from mvpose.estimate import estimate
from mvpose.evaluation import box_ap, evaluate
from mvpose.peers.adapter import DetectorAdapter, NetworkInput
from mvpose.prediction import iou
from mvpose.protocol import first_images, keep_images
from mvpose.results import Boxes, all_images, ground_truth_boxes
from mvpose.runtime.load import load_runtime
from mvpose.runtime.torch_runtime import TorchRuntime
from mvpose.spec import ModelSpec

INPUT = NetworkInput(64, 64, "NCHW")
CORNERS = DetectorAdapter(
    "detector", "mine", INPUT, "dets", ("x1", "y1", "x2", "y2", "score"), classes="labels"
)
PICTURE = np.full((320, 640, 3), 100, np.uint8)
RTMDET = "peers/rtmdet_nano_person.onnx"


def table(*rows: tuple[float, ...]) -> NDArray[np.float32]:
    return np.array([rows], np.float32)


def detector(
    folder: Path, adapter: DetectorAdapter, tables: dict[str, NDArray[np.float32]]
) -> FileDetector:
    return FileDetector(write_boxes(folder / "boxes.onnx", tables), adapter)


@pytest.mark.parametrize(
    ("change", "tables"),
    [
        pytest.param({}, {"dets": table((10, 5, 30, 15, 0.9))}, id="corner"),
        pytest.param({"letterbox": "centre"}, {"dets": table((10, 21, 30, 31, 0.9))}, id="centre"),
        pytest.param(
            {"letterbox": "stretch"}, {"dets": table((10, 10, 30, 30, 0.9))}, id="stretch"
        ),
        pytest.param(
            {"columns": ("cx", "cy", "w", "h", "score")},
            {"dets": table((20, 10, 20, 10, 0.9, 7, 7))},
            id="centre-and-size",
        ),
        pytest.param(
            {"columns": ("y1", "x1", "y2", "x2"), "unit": "fraction", "scores": "scores"},
            {"dets": table((5 / 64, 10 / 64, 15 / 64, 30 / 64)), "scores": table((0.9,))[0]},
            id="fractions-and-own-scores",
        ),
        pytest.param(
            {"columns_first": True},
            {"dets": table((10, 5, 30, 15, 0.9)).transpose(0, 2, 1)},
            id="columns-first",
        ),
    ],
)
def test_box_in_the_picture(
    change: dict[str, Any], tables: dict[str, NDArray[np.float32]], tmp_path: Path
) -> None:
    """A picture of 640 x 320 in 64 x 64, by every way to say the same box."""
    adapter = replace(CORNERS, classes=None, **change)
    found = detector(tmp_path, adapter, tables).detect(PICTURE)
    np.testing.assert_allclose(found.boxes_xywh_px, [[100, 50, 200, 100]], atol=1e-3)
    assert found.scores == pytest.approx([0.9])


def test_best_people_remain(tmp_path: Path) -> None:
    """Neither doubtful boxes, other classes, doubles nor what lies outside; the best one first."""
    rows = table(
        (10, 5, 30, 15, 0.5),
        (40, 5, 50, 25, 0.8),
        (41, 5, 50, 25, 0.7),
        (0, 0, 9, 9, 0.2),
        (0, 0, 9, 9, 0.9),
        (10, 40, 30, 60, 0.9),
        (55, 20, 80, 40, 0.4),
    )
    labels = np.array([[0, 0, 0, 0, 1, 0, 0]], np.float32)
    found = detector(tmp_path, CORNERS, {"dets": rows, "labels": labels}).detect(PICTURE)
    expected = [[400, 50, 100, 200], [100, 50, 200, 100], [550, 200, 90, 120]]
    np.testing.assert_allclose(found.boxes_xywh_px, expected, atol=1e-3)
    assert found.scores == pytest.approx([0.8, 0.5, 0.4])


@pytest.mark.parametrize("letterbox", ["corner", "centre", "stretch"])
@pytest.mark.parametrize("size", [(320, 640), (333, 201), (1, 500)], ids=str)
def test_letterbox(letterbox: str, size: tuple[int, int], tmp_path: Path) -> None:
    """The matrix says where the picture lies: there is its colour, and grey elsewhere."""
    adapter = replace(CORNERS, letterbox=letterbox, fill=7)
    tables = {"dets": table((0, 0, 1, 1, 1)), "labels": table((0,))[0]}
    picture, matrix = detector(tmp_path, adapter, tables).letterbox(
        np.full((*size, 3), 200, np.uint8)
    )
    low = matrix @ [0, 0, 1]
    high = matrix @ [size[1], size[0], 1]
    inside = np.zeros((64, 64), bool)
    inside[int(low[1]) : round(high[1]), int(low[0]) : round(high[0])] = True
    assert (picture[inside] == 200).all()
    assert (picture[~inside] == 7).all()
    assert max(high - low) == pytest.approx(64)


@dataclass
class Listed:
    """Finds the same people in every picture."""

    found: Detections
    protocol: Facts = field(
        default_factory=lambda: {"detector_file": "listed.onnx", "detector_score_floor": 0.3}
    )

    def detect(self, image: NDArray[np.uint8]) -> Detections:
        return self.found


def with_empty_image(data: KeypointData, folder: Path) -> KeypointData:
    """The same, with one more image, in which nobody is annotated."""
    document = json.loads(data.annotations.read_text())
    document["images"].append({**document["images"][0], "id": 12345})
    path = folder / data.annotations.name
    path.write_text(json.dumps(document))
    return replace(data, annotations=path)


def test_all_images_are_looked_at(drawn_data: KeypointData, tmp_path: Path) -> None:
    """False people in an empty image count, as in all published figures."""
    data = with_empty_image(drawn_data, tmp_path)
    images = all_images(data)
    assert images[12345] == images[data.people[0].image_id]
    assert {p.image_id: p.image for p in data.people}.items() <= images.items()
    found = detect_people(Listed(Detections(np.array([[5.0, 5, 50, 90]]), np.ones(1))), data)
    assert [item.image_id for item in found.images] == list(images)
    assert found.protocol["detector_images"] == 9
    assert found.protocol["detector_images_with_nobody"] == 0


def test_nobody_found(drawn_data: KeypointData) -> None:
    nobody = Listed(Detections(np.zeros((0, 4)), np.zeros(0)))
    with pytest.raises(InputError, match=r"finds nobody in any of 8 images.*--detector-score"):
        detect_people(nobody, drawn_data)


def test_scores_order_the_people(float_runtime: TorchRuntime, drawn_data: KeypointData) -> None:
    """Boxes of people are worth more than those of nobody, and the figures say where from."""
    truth = ground_truth_boxes(drawn_data)
    stray = [
        replace(
            item,
            boxes_xywh_px=np.concatenate([item.boxes_xywh_px, [[0, 0, 9, 9]]]),
            scores=np.append(item.scores, 0.01),
        )
        for item in truth
    ]
    assert box_ap(drawn_data, truth) == box_ap(drawn_data, stray) == 1
    boxes = Boxes(stray, {"boxes": "detector", "detector_score_floor": 0.01})
    accuracy, _ = evaluate(float_runtime, drawn_data, boxes, by_keypoint=False, resamples=0)
    stated = {"boxes": "detector", "detector_score_floor": 0.01, "box_ap": 1.0, "images": 8}
    assert {key: accuracy.protocol[key] for key in stated} == stated
    assert accuracy.protocol["people"] == len(drawn_data.people) + 8


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("{}", "names no adapter of a detector.*rtmdet:FILE", id="no-adapter"),
        pytest.param("movenet:{}", "movenet is a pose network, no detector", id="pose-adapter"),
        pytest.param("rtmdet:{}", "takes 1 x 3 x 96 x 64, its adapter says", id="other-size"),
        pytest.param("{adapter}:{}", "has no output 'dets' .it has 0: points", id="pose-network"),
        pytest.param("rtmdet:gone.onnx", "no such file: gone.onnx", id="gone"),
        pytest.param("rtmdet:{adapter}", "can't be run with an adapter", id="other-format"),
    ],
)
def test_no_detector(name: str, message: str, tmp_path: Path) -> None:
    adapter, file = tmp_path / "mine.json", write_coordinates(tmp_path / "pose.onnx")
    adapter.write_text(replace(CORNERS, input=NetworkInput(64, 96, "NCHW")).to_json())
    with pytest.raises(InputError, match=message) as caught:
        load_detector(name.format(file, adapter=adapter))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param(table((1, 2, 3, np.nan, 0.5)), "gives NaN or infinity", id="nan"),
        pytest.param(table((1, 2, 3)), "the output 1x3, 1 of .* is not what the", id="three"),
        pytest.param(table((1, 2, 3, 4, 1), (1, 2, 3, 4, 1)), "is not what the", id="labels"),
    ],
)
def test_bad_output(rows: NDArray[np.float32], message: str, tmp_path: Path) -> None:
    tables = {"dets": rows, "labels": np.zeros((1, 1), np.float32)}
    with pytest.raises(InputError, match=message):
        detector(tmp_path, CORNERS, tables).detect(PICTURE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"columns": ("x1", "y1", "w", "h", "score")}, "x1, y1, x2, y2", id="columns"),
        pytest.param({"scores": "s"}, "scores come from", id="two-scores"),
        pytest.param({"columns": ("x1", "y1", "x2", "y2")}, "scores come from", id="no-score"),
        pytest.param({"score_floor": 1.5}, "score_floor", id="floor"),
        pytest.param({"letterbox": "left"}, "letterbox", id="letterbox"),
    ],
)
def test_bad_adapters(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**json.loads(CORNERS.to_json()), **change}))
    with pytest.raises(InputError, match=f"mine.json is no adapter: .*{message}"):
        load_detector(f"{path}:boxes.onnx")


@pytest.fixture
def model(small_spec: ModelSpec, tmp_path: Path) -> str:
    path = tmp_path / "small.safetensors"
    save_checkpoint(path, random_pose_net(small_spec).state_dict(), small_spec)
    return str(path)


@pytest.mark.parametrize(
    ("score", "people"),
    [
        pytest.param(None, 1, id="adapter"),
        pytest.param(0.1, 2, id="lower"),
        pytest.param(1.0, 0, id="nobody"),
    ],
)
def test_predict_command(
    score: float | None,
    people: int,
    model: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from PIL import Image

    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    rows = table((10, 5, 30, 15, 0.9), (40, 5, 50, 25, 0.2))
    tables = {"dets": rows, "labels": np.zeros((1, 2), np.float32)}
    file, adapter = write_boxes(tmp_path / "boxes.onnx", tables), tmp_path / "mine.json"
    adapter.write_text(CORNERS.to_json())
    out = tmp_path / "out"
    predict(model, tmp_path / "a.png", detector=f"{adapter}:{file}", detector_score=score, out=out)
    document = json.loads((out / "predictions.json").read_text())
    found = [person["box_xywh_px"] for person in document["results"][0]["people"]]
    assert found == [[100, 50, 200, 100], [400, 50, 100, 200]][:people]
    assert document["protocol"]["boxes"].startswith("mine boxes.onnx, SHA-256 ")
    assert ("nobody" in capsys.readouterr().out) == (people == 0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"box": ["1,2,3,4"], "detector": "rtmdet:x.onnx"}, "exclude", id="box"),
        pytest.param({"boxes": Path("b.json"), "detector": "d"}, "exclude", id="boxes"),
        pytest.param({"detector_score": 0.2}, "needs a detector", id="score-alone"),
    ],
)
def test_predict_refuses(given: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(InputError, match=message):
        predict("mobilevitpose-xxs", tmp_path / "a.png", out=tmp_path, **given)


def test_rtmdet_finds_people(shared_data: Path) -> None:
    """Large people of photographs, each by one box."""
    found = load_detector(f"rtmdet:{shared_data / RTMDET}")
    data = load_keypoints(shared_data / "coco_mini", "val")
    large = [p for p in data.people if p.box_xywh_px[2:].min() > 150][:12]
    best = []
    for person in large:
        boxes = found.detect(read_image(person.image)).boxes_xywh_px
        best.append(max((iou(box, person.box_xywh_px) for box in boxes), default=0))
    assert len(best) == 12
    assert np.median(best) > 0.85


def test_evaluation_without_boxes(shared_data: Path, tmp_path: Path) -> None:
    """Photographs, detector, peer, AP."""
    pytest.importorskip("ai_edge_litert", reason="needs mvpose[litert]")
    runtime = load_runtime(f"movenet:{shared_data}/peers/movenet_lightning_int8.tflite")
    data = first_images(load_keypoints(shared_data / "coco_mini", "val"), 12, tmp_path)
    boxes = detect_people(load_detector(f"rtmdet:{shared_data / RTMDET}"), data)
    accuracy, _ = evaluate(runtime, data, boxes, by_keypoint=False, resamples=0)
    assert accuracy.protocol["detector_file"] == "rtmdet_nano_person.onnx"
    assert accuracy.ap > 0.25
    assert float(accuracy.protocol["box_ap"]) > 0.35


def test_people_of_one_picture(shared_data: Path, tmp_path: Path) -> None:
    """Every box gets its own person."""
    data = load_keypoints(shared_data / "coco_mini", "val")
    alone = keep_images(data, [data.people[0].image_id], tmp_path)
    runtime = load_runtime()
    image = read_image(alone.people[0].image)
    boxes = load_detector(f"rtmdet:{shared_data / RTMDET}", 1, 0.05).detect(image).boxes_xywh_px
    assert len(boxes) > 1
    assert estimate(runtime, image, boxes).keypoints_px.shape == (len(boxes), 17, 2)
