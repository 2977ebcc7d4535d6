"""Prediction: geometry with a runtime that really looks at the picture, boxes, JSON, video."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mvpose.codec.affine import input_to_cells
from mvpose.commands.boxes import BoxSource
from mvpose.errors import InputError
from mvpose.prediction import document_json, image_json, iou, pose_box, predict_image
from mvpose.spec import COCO17, ModelSpec, Network
from mvpose.video import predict_video

Floats = NDArray[np.float64]

HUES = np.array([[[k * 180 // 17, 255, 255] for k in range(17)]], np.uint8)
COLORS = cv2.cvtColor(HUES, cv2.COLOR_HSV2RGB)[0]
TOLERANCE = 45
POSE = np.array([
    (50, 20), (57, 8), (43, 8), (66, 14), (34, 14), (68, 30), (32, 30), (82, 48), (18, 48),
    (92, 68), (8, 68), (60, 80), (40, 80), (66, 115), (34, 115), (70, 150), (30, 150),
], np.float64)  # fmt: skip


class DotRuntime:
    """Finds dots: the heatmap of a keypoint is a Gaussian about the pixels of its colour.

    Attributes:
        crops: number of crops it has seen.
    """

    def __init__(self) -> None:
        self.spec = ModelSpec("dots", Network(), COCO17)
        self.protocol: dict[str, str | int] = {"runtime": "dots"}
        self.crops = 0

    def heatmaps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.crops += len(images)
        width, height = self.spec.heatmap_wh
        maps = np.zeros((len(images), 17, height, width), np.float32)
        y, x = np.mgrid[:height, :width]
        for n, image in enumerate(images):
            for k, color in enumerate(COLORS):
                near = np.linalg.norm(image - color.astype(float), axis=-1) < TOLERANCE
                if not near.any():
                    continue
                centre = np.argwhere(near).mean(0)[::-1]
                cell = input_to_cells(centre, (width, height), self.spec.preprocess.size_wh)
                distance = (x - cell[0]) ** 2 + (y - cell[1]) ** 2
                maps[n, k] = np.exp(-distance / (2 * 2.0**2))
        return maps


def moved(x_px: float, y_px: float) -> Floats:
    return np.asarray(POSE + np.array([x_px, y_px]), np.float64)


def dotted(
    places: Floats, size_wh: tuple[int, int] = (640, 480), radius: float = 3
) -> NDArray[np.uint8]:
    image = np.full((size_wh[1], size_wh[0], 3), 90, np.uint8)
    for k, (x, y) in enumerate(places * 16):
        centre = round(float(x)), round(float(y))
        cv2.circle(image, centre, int(radius * 16), COLORS[k % 17].tolist(), -1, cv2.LINE_AA, 4)
    return image


@pytest.mark.parametrize(
    ("offset", "scale"),
    [
        pytest.param((20, 15), 1.0, id="top left"),
        pytest.param((500, 300), 1.0, id="bottom right"),
        pytest.param((200, 30), 2.6, id="fills the height"),
    ],
)
def test_refines_from_the_whole_picture(offset: tuple[int, int], scale: float) -> None:
    places = POSE * scale + np.array(offset)
    poses = predict_image(DotRuntime(), dotted(places, radius=3 * scale))
    np.testing.assert_allclose(poses.keypoints_px[0], places, atol=0.6)
    assert (poses.scores > 0.8).all()
    extent = np.concatenate([places.min(0), np.ptp(places, axis=0)])
    assert iou(poses.boxes_xywh_px[0], extent) > 0.7


def test_refining_sharpens() -> None:
    places = POSE * 0.8 + np.array([37.3, 210.7])
    image = dotted(places)
    whole = np.array([[0, 0, 640, 480]])
    rough = predict_image(DotRuntime(), image, whole)
    fine = predict_image(DotRuntime(), image)
    errors = [np.abs(p.keypoints_px[0] - places).mean() for p in (rough, fine)]
    assert errors[1] < errors[0] / 2


def test_stops_when_the_box_settles() -> None:
    runtime = DotRuntime()
    predict_image(runtime, dotted(POSE * 2.9 + np.array([170, 5])))
    assert runtime.crops <= 3


@pytest.mark.parametrize("shown", [0, 3], ids=["nothing", "three keypoints"])
def test_keeps_the_whole_picture_when_unsure(shown: int) -> None:
    places = moved(20, 15)
    places[shown:] = -100
    poses = predict_image(DotRuntime(), dotted(places))
    np.testing.assert_array_equal(poses.boxes_xywh_px, [[0, 0, 640, 480]])


def test_given_boxes_keep_their_people_apart() -> None:
    left, right = moved(40, 100), moved(400, 200)
    image = dotted(np.concatenate([left, right]))
    boxes = np.array([[40, 100, 100, 160], [400, 200, 100, 160]])
    poses = predict_image(DotRuntime(), image, boxes)
    np.testing.assert_allclose(poses.keypoints_px[0], left, atol=0.6)
    np.testing.assert_allclose(poses.keypoints_px[1], right, atol=0.6)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        pytest.param((10, 10, 0, 50), "has no area", id="no width"),
        pytest.param((10, 10, 50, -5), "has no area", id="negative height"),
        pytest.param((10, 10, float("nan"), 5), "has no area", id="NaN"),
        pytest.param((640, 10, 50, 50), "outside the 640 x 480", id="right of the picture"),
        pytest.param((-60, 10, 50, 50), "outside the 640 x 480", id="left of the picture"),
        pytest.param((10, 500, 50, 50), "outside the 640 x 480", id="below the picture"),
    ],
)
def test_refuses_boxes(box: tuple[float, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        predict_image(DotRuntime(), dotted(POSE), np.array([box]))


def test_pose_box_stays_in_the_picture() -> None:
    image = dotted(POSE)
    poses = predict_image(DotRuntime(), image, np.array([[0, 0, 100, 160]]))
    box = pose_box(poses, (640, 480))
    assert box is not None
    assert (box[:2] >= 0).all()
    assert pose_box(replace(poses, scores=poses.scores * 0.2), (640, 480)) is None


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        pytest.param((0, 0, 10, 10), 1.0, id="same"),
        pytest.param((5, 0, 10, 10), 1 / 3, id="half"),
        pytest.param((20, 0, 10, 10), 0.0, id="apart"),
    ],
)
def test_iou(second: tuple[int, ...], expected: float) -> None:
    assert iou(np.array([0.0, 0, 10, 10]), np.array(second, float)) == pytest.approx(expected)


def test_json() -> None:
    runtime, image = DotRuntime(), dotted(moved(20, 15))
    poses = predict_image(runtime, image)
    row = image_json(Path("a.jpg"), image, poses, COCO17.keypoints)
    document = json.loads(json.dumps(document_json(runtime, [row], "given", flip=False)))
    assert document["protocol"]["boxes"] == "given"
    assert (document["results"][0]["width_px"], document["results"][0]["height_px"]) == (640, 480)
    (person,) = document["results"][0]["people"]
    wrist = person["keypoints"][9]
    assert wrist["name"] == "left_wrist"
    assert (wrist["x_px"], wrist["y_px"]) == pytest.approx((112, 83), abs=0.6)
    assert 0 < person["score"] <= 1


def test_video_follows(tmp_path: Path) -> None:
    path = tmp_path / "walk.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), 10, (640, 480))
    steps = [moved(30 + 25 * t, 150) for t in range(6)]
    for places in steps:
        writer.write(np.ascontiguousarray(dotted(places)[..., ::-1]))
    writer.release()
    runtime = DotRuntime()
    row = predict_video(runtime, path, tmp_path / "drawn.mp4")
    assert [frame["frame"] for frame in row["frames"]] == list(range(6))
    for frame, places in zip(row["frames"], steps, strict=True):
        found = [(k["x_px"], k["y_px"]) for k in frame["people"][0]["keypoints"]]
        np.testing.assert_allclose(found, places, atol=0.6)
    assert runtime.crops < 2 * len(steps) + 3
    capture = cv2.VideoCapture(str(tmp_path / "drawn.mp4"))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 6


@pytest.mark.parametrize("content", [None, b"", b"no video"], ids=["missing", "empty", "text"])
def test_refuses_video(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.mp4"):
        predict_video(DotRuntime(), path, tmp_path / "b.mp4")


@pytest.mark.parametrize(
    ("rows", "picture", "expected"),
    [
        pytest.param(
            [{"file_name": "a.jpg", "bbox": [1, 2, 3, 4]}], "x/a.jpg", [[1, 2, 3, 4]], id="by name"
        ),
        pytest.param(
            [{"image_id": 139, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.9}],
            "000000000139.jpg",
            [[1, 2, 3, 4]],
            id="by COCO id",
        ),
        pytest.param(
            [{"image_id": 139, "bbox": [1, 2, 3, 4], "score": 0.1}], "139.jpg", [], id="low score"
        ),
        pytest.param(
            [{"image_id": 139, "category_id": 18, "bbox": [1, 2, 3, 4]}], "139.jpg", [], id="a dog"
        ),
        pytest.param([{"file_name": "a.jpg", "bbox": [1, 2, 3, 4]}], "b.jpg", [], id="other"),
    ],
)
def test_boxes_file(tmp_path: Path, rows: list[Any], picture: str, expected: list[Any]) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(rows))
    boxes = BoxSource.read(None, path).of(Path(picture))
    assert boxes is not None
    np.testing.assert_array_equal(boxes, np.reshape(expected, (-1, 4)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("[{", "cannot read", id="broken"),
        pytest.param("[]", "no list of boxes", id="empty"),
        pytest.param('{"a": 1}', "no list of boxes", id="object"),
        pytest.param('[{"bbox": [1, 2, 3, 4]}]', "names no picture", id="nameless"),
        pytest.param('[{"file_name": "a", "bbox": [1, 2]}]', "not four numbers", id="two numbers"),
        pytest.param('[{"file_name": "a"}]', "not four numbers", id="no box"),
        pytest.param('[{"file_name": "a", "bbox": [1, 2, 3, 4], "score": "high"}]', "score",
                     id="score in words"),
    ],
)  # fmt: skip
def test_refuses_boxes_file(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        BoxSource.read(None, path)


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,4,5", "a,b,c,d", "", "1,2,nan,4"])
def test_refuses_box_text(text: str) -> None:
    with pytest.raises(InputError, match="not four numbers"):
        BoxSource.read([text], None)
