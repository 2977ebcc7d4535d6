"""Pseudo-labels: what views agree on, whom to believe, and a job that loses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dot_finder import DOT_FINDER, DOTS, dot_weights, draw_dots, write_dots, write_ncnn
from numpy.typing import NDArray

from mvpose.commands.pseudo_label import label, parse_teacher
from mvpose.data.coco import KeypointData, Person, load_keypoints
from mvpose.data.pseudo_job import Labelled, Labelling, pseudo_label
from mvpose.data.pseudo_labels import LabelSettings, Subject, fuse
from mvpose.data.teacher_views import Sightings, View, look, torso_tilt_deg, upright
from mvpose.errors import InputError
from mvpose.runtime.load import load_runtime
from mvpose.spec import COCO17, Skeleton

Floats = NDArray[np.float64]
pytest.importorskip("ncnn", reason="needs mvpose[ncnn]")

PEOPLE = [
    np.array([[[60.0, 30], [90, 70], [50, 120]], [[240.0, 25], [210, 80], [250, 110]]]),
    np.array([[[100.0, 40], [120, 75], [130, 125]]]),
    np.array([[[150.0, 35], [110, 60], [160, 120]]]),
    np.array([[[200.0, 45], [230, 60], [190, 130]]]),
    np.array([[[80.0, 30], [60, 90], [100, 115]]]),
    np.array([[[220.0, 40], [250, 95], [200, 120]]]),
]
VISIBLE = [[2, 2, 2], [2, 0, 1], [0, 0, 2], [2, 2, 0], [0, 0, 0], [2, 2, 2], [1, 0, 2]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures of seven people, one of them without labels."""
    write_dots(tmp_path / "dots", PEOPLE, VISIBLE)
    return tmp_path / "dots"


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("teacher") / "dots.ncnn.param"
    return str(write_ncnn(path, dot_weights(), DOT_FINDER))


def sightings(points: list[list[float]], peaks: list[float], weights: list[float]) -> Sightings:
    """Of one keypoint."""
    return Sightings(np.array(points)[:, None], np.array(peaks)[:, None], np.array(weights))


@pytest.mark.parametrize(
    ("points", "peaks", "weights", "place", "confidence"),
    [
        pytest.param([[0, 0], [2, 0]], [1, 1], [1, 1], [1, 0], 1.0, id="all-agree"),
        pytest.param([[0, 0], [2, 0]], [0.9, 0.3], [1, 1], [0.5, 0], 0.6, id="by-peak"),
        pytest.param([[0, 0], [2, 0], [9, 9]], [0.5, 0.5, 0.9], [1] * 3, [1, 0], 1 / 3, id="two"),
        pytest.param([[0, 0], [90, 0]], [0.5, 0.9], [1, 1], [90, 0], 0.45, id="higher-peak"),
        pytest.param([[0, 0], [90, 0]], [0.5, 0.9], [3, 1], [0, 0], 0.375, id="heavier-teacher"),
        pytest.param([[0, 0], [2, 0]], [0.8, -0.5], [1, 1], [0, 0], 0.4, id="negative-peak"),
        pytest.param([[4, 5], [2, 0]], [-1, -0.5], [1, 1], [4, 5], 0.0, id="nothing-seen"),
    ],
)  # fmt: skip
def test_consensus(
    points: list[list[float]],
    peaks: list[float],
    weights: list[float],
    place: list[float],
    confidence: float,
) -> None:
    found, sure = sightings(points, peaks, weights).consensus(np.array([4.0]))
    assert found[0] == pytest.approx(place)
    assert sure[0] == pytest.approx(confidence)


@pytest.mark.parametrize(
    ("keep", "human", "distance", "confidence", "expected", "source"),
    [
        pytest.param("human", True, 1, 0.9, [10, 20, 1], 1, id="human-stays"),
        pytest.param("human", True, 9, 0.9, [10, 20, 1], 1, id="human-stays-against-all"),
        pytest.param("human", False, 1, 0.4, [11, 20, 2], 2, id="new"),
        pytest.param("human", False, 1, 0.39, [0, 0, 0], 0, id="unsure"),
        pytest.param("teacher", True, 1, 0.4, [11, 20, 1], 2, id="teacher-agrees"),
        pytest.param("teacher", True, 3, 0.5, [10, 20, 1], 1, id="teacher-disagrees"),
        pytest.param("teacher", True, 3, 0.6, [0, 0, 0], 0, id="label-is-wrong"),
        pytest.param("teacher", True, 1, 0.3, [10, 20, 1], 1, id="teacher-unsure"),
        pytest.param("teacher", False, 1, 0.4, [11, 20, 2], 2, id="new-beside-rough"),
    ],
)
def test_fuse(
    keep: Any,
    human: bool,
    distance: float,
    confidence: float,
    expected: list[float],
    source: int,
) -> None:
    """The label lies at 10, 20, hidden; a unit is one pixel."""
    keypoints = np.array([[10.0, 20.0, 1.0]])
    person = Person(Path("x"), 1, 1, np.array([0.0, 0, 40, 40]), keypoints, 800.0)
    labels, sources = fuse(
        Subject(person, np.array([human])),
        np.array([[10.0 + distance, 20.0]]),
        np.array([confidence]),
        np.array([1.0]),
        LabelSettings(keep),
    )
    assert labels[0] == pytest.approx(expected)
    assert sources.tolist() == [source]


def standing(tilt_deg: float, torso_alone: bool = False) -> Person:
    """Someone whose torso leans by an angle, with all joints labelled or the torso's alone."""
    rng = np.random.default_rng(0)
    upright_px = np.stack([rng.uniform(-20, 20, 17), np.linspace(-80, 80, 17)], 1)
    upright_px[[5, 6, 11, 12]] = [[15, -40], [-15, -40], [10, 20], [-10, 20]]
    angle = np.deg2rad(tilt_deg)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = upright_px @ turn.T + [200, 150]
    visible = np.zeros((17, 1))
    visible[[5, 6, 11, 12] if torso_alone else slice(None)] = 2
    low, high = points.min(0), points.max(0)
    box = np.concatenate([low, high - low])
    return Person(Path("x"), 1, 1, box, np.hstack([points, visible]), 4000.0)


@pytest.mark.parametrize("tilt_deg", [0.0, 30.0, -70.0, 150.0])
def test_torso_tilt(tilt_deg: float) -> None:
    """Turning the picture clockwise by the tilt makes the person stand."""
    assert torso_tilt_deg(standing(tilt_deg), COCO17) == pytest.approx(tilt_deg)


def test_upright_box() -> None:
    """A tilted person's box is narrow again; a rough box stays where few keypoints are known."""
    person = standing(60)
    box, tilt = upright(person, COCO17, 25)
    assert tilt == pytest.approx(60)
    assert box[3] == pytest.approx(160 * 1.12 + 4)
    assert box[2] < 0.4 * box[3]
    assert box[:2] + box[2:] / 2 == pytest.approx([200, 150], abs=12)
    partly = standing(60, torso_alone=True)
    assert upright(partly, COCO17, 25)[0] == pytest.approx(partly.box_xywh_px)
    level, no_tilt = upright(standing(20), COCO17, 25)
    assert level == pytest.approx(standing(20).box_xywh_px)
    assert no_tilt == 0


def test_unlabelled_people_have_no_tilt() -> None:
    person = standing(60)
    assert torso_tilt_deg(replace(person, keypoints_px=np.zeros((17, 3))), COCO17) == 0
    assert torso_tilt_deg(person, DOTS) == 0


@dataclass
class Upright:
    """Says of every crop the same: keypoint 0 on the left, 1 on the right, 2 below."""

    spec = replace(DOT_FINDER, skeleton=replace(DOTS, flip_pairs=((0, 1),)))
    protocol: Any = None

    def heatmaps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        dots = draw_dots(np.array([[[4.0, 6], [12, 6], [8, 18]]]), (16, 24), 1.0) / 255
        return np.tile(dots.transpose(2, 0, 1).astype(np.float32), (len(images), 1, 1, 1))


def test_mirrored_views_exchange_left_and_right() -> None:
    person = Person(Path("x"), 1, 1, np.array([50.0, 50, 60, 90]), np.zeros((3, 3)), 3000.0)
    image = np.zeros((200, 200, 3), np.uint8)
    (seen,) = look([(Upright(), 1.0)], image, [person], (View(), View(mirror=True)))
    plain, mirrored = seen.points_px
    assert plain[0, 0] < 80 < plain[1, 0]
    assert mirrored[0, 0] < 80 < mirrored[1, 0]
    middle = 2 * person.box_xywh_px[0] + person.box_xywh_px[2]
    assert mirrored[[1, 0], 0] == pytest.approx(middle - plain[:2, 0])


def test_views_are_mapped_back(teacher: str) -> None:
    """Every view, turned, scaled or mirrored, finds the dots where they are."""
    runtime = load_runtime(teacher)
    dots = PEOPLE[0]
    image = draw_dots(dots, (320, 160)).round().astype(np.uint8)
    people = [
        Person(Path("x"), 1, 1, np.array([x, 15.0, 70, 120]), np.zeros((3, 3)), 4000.0)
        for x in (35, 195)
    ]
    found = look([(runtime, 1.0), (runtime, 2.0)], image, people)
    for seen, truth in zip(found, dots, strict=True):
        assert seen.points_px.shape == (8, 3, 2)
        assert np.abs(seen.points_px - truth).max() < 2  # a cell is seven pixels
        assert np.abs((seen.points_px - truth).mean((0, 1))).max() < 0.3
        assert seen.peaks.min() > 0.5
        assert seen.weights.tolist() == [1] * 4 + [2] * 4


def run(folder: Path, teacher: str, out: Path, **more: Any) -> Labelling:
    settings = more.pop("settings", LabelSettings())
    return pseudo_label(folder, "train", ((teacher, 1.0),), out, settings, **more)


def rows_of(out: Path) -> dict[int, dict[str, Any]]:
    path = out / "annotations" / "person_keypoints_train.json"
    return {row["id"]: row for row in json.loads(path.read_text())["annotations"]}


def errors_px(data: KeypointData) -> Floats:
    """How far the labels lie from the dots, NaN where unlabelled."""
    truth = {100 + i: person for i, person in enumerate(np.concatenate(PEOPLE))}
    apart = [
        np.where(
            p.keypoints_px[:, 2] > 0,
            np.linalg.norm(p.keypoints_px[:, :2] - truth[p.annotation_id], axis=1),
            np.nan,
        )
        for p in data.people
    ]
    return np.stack(apart)


def test_labels_are_filled_in(folder: Path, teacher: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(folder, teacher, out)
    data = load_keypoints(out, "train")
    assert data.skeleton.keypoints == DOTS.keypoints
    assert [p.annotation_id for p in data.people] == [100, 101, 102, 103, 105, 106]
    assert result.people == 6
    assert result.keypoints == {"human": 13, "teacher": 5, "unlabelled": 0}
    assert np.nanmax(errors_px(data)) < 4
    rows, before = rows_of(out), rows_of(folder)
    for number, visible in zip(range(100, 107), VISIBLE, strict=True):
        if number == 104:
            assert rows[number] == before[number]
            continue
        assert rows[number]["source"] == [1 if v else 2 for v in visible]
        old, new = np.reshape(before[number]["keypoints"], (3, 3)), rows[number]["keypoints"]
        human = np.array(visible) > 0
        assert np.reshape(new, (3, 3))[human] == pytest.approx(old[human], abs=0.01)
        assert min(rows[number]["teacher"][2::3]) > 0.4
    info = json.loads(result.annotations.read_text())["info"]["pseudo_labels"]
    assert info["teachers"][0]["model"] == "dot-finder"
    assert len(info["teachers"][0]["weights_sha256"]) == 64
    assert info["settings"]["threshold"] == 0.4
    assert (out / "train").resolve() == (folder / "train").resolve()
    assert not list((out / "annotations").glob(".*"))


def test_people_without_labels(folder: Path, teacher: str, tmp_path: Path) -> None:
    """Annotated ones and boxes; a box of someone known, or of nobody, adds nothing."""
    path = folder / "annotations" / "person_keypoints_train.json"
    document = json.loads(path.read_text())
    document["annotations"] = [r for r in document["annotations"] if r["image_id"] not in (2, 3)]
    path.write_text(json.dumps(document))
    boxes = {
        2: np.array([[85.0, 25, 60, 115], [240, 20, 60, 100]]),
        6: np.array([[195.0, 35, 60, 95]]),
    }
    settings = LabelSettings(unlabelled=True)
    out = tmp_path / "out"
    run(folder, teacher, out, settings=settings, boxes_xywh_px=boxes, copy_images=True)
    rows = rows_of(out)
    assert sorted(rows) == [100, 101, 104, 105, 106, 107]
    assert rows[104]["source"] == rows[107]["source"] == [2, 2, 2]
    assert rows[107]["image_id"] == 2
    found = np.reshape(rows[107]["keypoints"], (3, 3))[:, :2]
    assert np.abs(found - PEOPLE[1][0]).max() < 4
    assert not (out / "train").is_symlink()
    assert len(load_keypoints(out, "train").people) == 6


def test_only_boxes(folder: Path, teacher: str, tmp_path: Path) -> None:
    """A list of images without any annotation, as COCO has for its unlabelled pictures."""
    path = folder / "annotations" / "person_keypoints_train.json"
    document = json.loads(path.read_text())
    for category in document["categories"]:
        del category["keypoints"], category["skeleton"], category["sigmas"]
    path.write_text(json.dumps({**document, "annotations": []}))
    run(folder, teacher, tmp_path / "out", boxes_xywh_px={2: np.array([[85.0, 25, 60, 115]])})
    data = load_keypoints(tmp_path / "out", "train")
    assert data.skeleton == DOTS
    assert len(data.people) == 1


def test_labels_of_another_order(folder: Path, teacher: str, tmp_path: Path) -> None:
    """They are put into the teacher's order; keypoints that it lacks are left out."""
    path = folder / "annotations" / "person_keypoints_train.json"
    document = json.loads(path.read_text())
    document["categories"][0].update(keypoints=["foot", "tail", "head"], sigmas=[0.08] * 3)
    for row in document["annotations"]:
        head, _, foot = np.reshape(row["keypoints"], (3, 3)).tolist()
        row["keypoints"] = [*foot, 1, 1, 2, *head]
    path.write_text(json.dumps(document))
    run(folder, teacher, tmp_path / "out")
    data = load_keypoints(tmp_path / "out", "train")
    assert data.skeleton.keypoints == DOTS.keypoints
    assert np.nanmax(errors_px(data)) < 4
    assert rows_of(tmp_path / "out")[100]["source"] == [1, 2, 1]


def test_labels_of_an_earlier_teacher_are_made_anew(
    folder: Path, teacher: str, tmp_path: Path
) -> None:
    path = folder / "annotations" / "person_keypoints_train.json"
    document = json.loads(path.read_text())
    document["annotations"][0]["source"] = [1, 2, 1]
    document["annotations"][0]["keypoints"][3:5] = [0, 0]
    path.write_text(json.dumps(document))
    run(folder, teacher, tmp_path / "out")
    row = rows_of(tmp_path / "out")[100]
    assert row["source"] == [1, 2, 1]
    assert np.abs(np.array(row["keypoints"][3:5]) - PEOPLE[0][0][1]).max() < 4


class StopError(Exception):
    pass


def stop_after(chunks: int) -> Callable[[Iterable[Labelled], int], Iterable[Labelled]]:
    def track(items: Iterable[Labelled], _total: int) -> Iterable[Labelled]:
        for number, item in enumerate(items):
            if number == chunks:
                raise StopError
            yield item

    return track


def seen_chunks(counts: list[int]) -> Callable[[Iterable[Labelled], int], Iterable[Labelled]]:
    def track(items: Iterable[Labelled], total: int) -> Iterable[Labelled]:
        counts.append(total)
        return items

    return track


@pytest.mark.parametrize("torn", [False, True], ids=["stopped", "killed-while-writing"])
def test_resume(torn: bool, folder: Path, teacher: str, tmp_path: Path) -> None:
    """Nothing half-written counts, nothing done is done again, and the file is the same."""
    whole, out = run(folder, teacher, tmp_path / "whole"), tmp_path / "out"
    with pytest.raises(StopError):
        run(folder, teacher, out, track=stop_after(1))
    (journal,) = (out / "annotations").glob(".pseudo-*")
    assert not (out / "annotations" / "person_keypoints_train.json").exists()
    if torn:
        journal.write_bytes(journal.read_bytes() + b'[5, {"105": {"keypo')
    with pytest.raises(InputError, match="begun with other"):
        run(folder, teacher, out, settings=LabelSettings(threshold=0.5))
    counts: list[int] = []
    result = run(folder, teacher, out, track=seen_chunks(counts))
    assert counts == [1]
    assert result.annotations.read_bytes() == whole.annotations.read_bytes()
    assert not journal.exists()


def test_overwrite(folder: Path, teacher: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(folder, teacher, out)
    with pytest.raises(InputError, match="exists already"):
        run(folder, teacher, out)
    run(folder, teacher, out, settings=LabelSettings(threshold=1.0), overwrite=True)
    assert rows_of(out)[101]["source"] == [1, 0, 1]


def test_processes_write_the_same(folder: Path, teacher: str, tmp_path: Path) -> None:
    one = run(folder, teacher, tmp_path / "one")
    two = run(folder, teacher, tmp_path / "two", workers=2)
    assert one.annotations.read_bytes() == two.annotations.read_bytes()


def test_bad_images(folder: Path, teacher: str, tmp_path: Path) -> None:
    (folder / "train" / "002.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"002\.png"):
        run(folder, teacher, tmp_path / "out")
    result = run(folder, teacher, tmp_path / "out", skip_bad=True)
    assert len(result.skipped) == 1
    assert rows_of(tmp_path / "out")[102] == rows_of(folder)[102]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"out": "dots"}, "is the data set itself", id="into-itself"),
        pytest.param({"split": "val"}, "no annotations", id="no-split"),
        pytest.param(
            {"boxes_xywh_px": {77: np.ones((1, 4))}}, "image 77", id="box-of-unknown-image"
        ),
        pytest.param({"blank": True}, "nobody to label", id="nobody"),
        pytest.param({"other": True}, "other keypoints", id="teachers-differ"),
    ],
)
def test_bad_input(
    changes: dict[str, Any], message: str, folder: Path, teacher: str, tmp_path: Path
) -> None:
    out = tmp_path / changes.pop("out", "out")
    teachers: tuple[tuple[str, float], ...] = ((teacher, 1.0),)
    if changes.pop("blank", False):
        path = folder / "annotations" / "person_keypoints_train.json"
        document = json.loads(path.read_text())
        path.write_text(json.dumps({**document, "annotations": []}))
    if changes.pop("other", False):
        names = Skeleton(("a", "b", "c"), (), (), (0.1,) * 3)
        spec = replace(DOT_FINDER, skeleton=names)
        other = write_ncnn(tmp_path / "abc.ncnn.param", dot_weights(), spec)
        teachers = (*teachers, (str(other), 1.0))
    split = changes.pop("split", "train")
    with pytest.raises(InputError, match=message):
        pseudo_label(folder, split, teachers, out, LabelSettings(), **changes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("vitpose-b", ("vitpose-b", 1.0), id="name"),
        pytest.param("a.ncnn.param:2", ("a.ncnn.param", 2.0), id="weight"),
        pytest.param("c:/models/a.tflite", ("c:/models/a.tflite", 1.0), id="colon-in-path"),
        pytest.param("c:/a.tflite:0.5", ("c:/a.tflite", 0.5), id="both"),
        pytest.param("12", ("12", 1.0), id="number-without-colon"),
    ],
)
def test_parse_teacher(text: str, expected: tuple[str, float]) -> None:
    assert parse_teacher(text) == expected


@pytest.mark.parametrize("text", ["a:0", "a:-1", "a:nan", "a:inf"])
def test_parse_teacher_refuses(text: str) -> None:
    with pytest.raises(InputError, match="above 0"):
        parse_teacher(text)


def test_command(
    folder: Path, teacher: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes = tmp_path / "boxes.json"
    found = {"image_id": 2, "category_id": 1, "bbox": [250, 20, 60, 100], "score": 0.9}
    boxes.write_text(json.dumps([found, {**found, "image_id": 999}]))
    label(folder, teacher=[f"{teacher}:2"], out=tmp_path / "out", boxes=boxes, workers=1)
    assert "6 people; keypoints: 13 human, 5 teacher, 3 unlabelled" in capsys.readouterr().out
    boxes.write_text(json.dumps([{**found, "image_id": 999}]))
    with pytest.raises(InputError, match="no box for an image"):
        label(folder, teacher=[teacher], out=tmp_path / "new", boxes=boxes, workers=1)
