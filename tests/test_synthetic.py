"""Drawn people: repeatable, labelled where they are, varied, and readable as COCO."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mvpose.data import synthetic
from mvpose.data.coco import load_keypoints
from mvpose.data.contact_sheet import contact_sheet
from mvpose.data.images import read_image
from mvpose.data.pose_prior import shipped_prior
from mvpose.data.synthetic import (
    MOST_PEOPLE,
    draw_person,
    draw_scene,
    resolve_data,
    write_synthetic,
)
from mvpose.errors import InputError

Pictures = list[tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]]


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return [draw_person(np.random.default_rng(seed)) for seed in range(12)]


def test_same_seed_same_picture(pictures: Pictures) -> None:
    image, keypoints, box = draw_person(np.random.default_rng(3))
    np.testing.assert_array_equal(image, pictures[3][0])
    np.testing.assert_array_equal(keypoints, pictures[3][1])
    np.testing.assert_array_equal(box, pictures[3][2])
    assert image.shape != pictures[4][0].shape or (image != pictures[4][0]).any()


def test_labels_lie_in_picture_and_box(pictures: Pictures) -> None:
    for image, keypoints, (x, y, w, h) in pictures:
        height, width = image.shape[:2]
        labelled = keypoints[keypoints[:, 2] > 0]
        assert len(labelled) >= 5
        assert (labelled[:, :2] >= 0).all()
        assert (labelled[:, :2] <= [width - 1, height - 1]).all()
        assert (keypoints[keypoints[:, 2] == 0] == 0).all()
        assert x >= 0 and y >= 0 and w > 0 and h > 0 and x + w <= width and y + h <= height
        seen = keypoints[keypoints[:, 2] == 2][:, :2]
        assert (seen >= [x - 1, y - 1]).all()
        assert (seen <= [x + w, y + h]).all()


def test_pictures_spread_like_photographs(pictures: Pictures) -> None:
    means = [image.mean() for image, _, _ in pictures]
    darkest, brightest = zip(*(np.percentile(i, [1, 99]) for i, _, _ in pictures), strict=True)
    assert np.ptp(means) > 40
    assert np.median(darkest) < 20
    assert np.median(brightest) > 235
    assert np.median([image.std() for image, _, _ in pictures]) > 45


def test_scene_has_the_people_asked_for() -> None:
    _, people = draw_scene(np.random.default_rng(1), 3)
    assert len(people) == 3
    assert all(person.area_px > 0 for person in people)


def test_writes_coco(tmp_path: Path) -> None:
    write_synthetic(tmp_path, 3, seed=5, split="val")
    data = load_keypoints(tmp_path, "val")
    assert len({person.image for person in data.people}) == 3
    assert len(data.people) >= 3
    assert read_image(data.people[0].image).shape[2] == 3
    document = json.loads(data.annotations.read_text())
    (category,) = document["categories"]
    assert len(category["keypoints"]) == 17
    assert min(min(edge) for edge in category["skeleton"]) == 1
    for row in document["annotations"]:
        assert row["num_keypoints"] == sum(v > 0 for v in row["keypoints"][2::3])
        assert 0 < row["area"] <= row["bbox"][2] * row["bbox"][3]


def test_joints_in_space_project_to_the_keypoints(tmp_path: Path) -> None:
    write_synthetic(tmp_path, 6, seed=2, split="train")
    path = tmp_path / "annotations" / "person_keypoints_train.json"
    rows = json.loads(path.read_text())["annotations"]
    for row in rows:
        space = np.array(row["keypoints_3d"]).reshape(17, 4)
        flat = np.array(row["keypoints"]).reshape(17, 3)
        camera = row["camera"]
        projected = camera["scale_px"] * space[:, :2] + camera["offset_px"]
        labelled = flat[:, 2] > 0
        np.testing.assert_array_equal(space[:, 3], flat[:, 2])
        np.testing.assert_allclose(projected[labelled], flat[labelled, :2], atol=0.03)
        hips = space[11:13, :3]
        assert np.abs(hips.mean(0)).max() < 0.01
        thighs = np.linalg.norm(space[13:15, :3] - hips, axis=1)
        assert thighs[0] == pytest.approx(thighs[1], abs=1e-3)
    assert np.ptp([np.array(row["keypoints_3d"]).reshape(17, 4)[:, 2] for row in rows]) > 0.2


def drawn_bytes(folder: Path, workers: int) -> dict[Path, bytes]:
    write_synthetic(folder, 4, seed=5, split="val", workers=workers)
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.*")}


def test_same_seed_same_bytes_whatever_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic, "FEWEST_PER_WORKER", 2)
    first = drawn_bytes(tmp_path / "a", workers=1)
    assert len(first) == 5
    assert first == drawn_bytes(tmp_path / "b", workers=2)


def test_progress_counts_the_pictures(tmp_path: Path) -> None:
    seen: list[int] = []

    def track(numbers: Iterable[int]) -> Iterator[int]:
        for number in numbers:
            seen.append(number)
            yield number

    write_synthetic(tmp_path, 3, seed=0, split="val", track=track)
    assert seen == [1, 2, 3]


def test_contact_sheet_draws_every_second_skeleton() -> None:
    sheet = contact_sheet(2, 1, seed=0)
    assert sheet.shape == (208, 412, 3)
    for number, marked in enumerate((False, True)):
        rng = np.random.default_rng([0, number])
        image, people = draw_scene(rng, shipped_prior().sample_count(rng, MOST_PEOPLE))
        height, width = (round(side * 200 / max(image.shape)) for side in image.shape[:2])
        bare = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        top, left = 4 + (200 - height) // 2, 4 + 204 * number + (200 - width) // 2
        differs = (sheet[top : top + height, left : left + width] != bare).any(2)
        assert differs.any() == marked
        assert differs.mean() < 0.5 and people


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_resolve_draws_once(temporary: Path) -> None:
    folder = resolve_data("synthetic:2", "val")
    assert folder.is_relative_to(temporary)
    assert len(load_keypoints(folder, "val").people) >= 2
    before = (folder / "annotations" / "person_keypoints_val.json").stat().st_mtime_ns
    assert resolve_data("synthetic:2", "val") == folder
    assert (folder / "annotations" / "person_keypoints_val.json").stat().st_mtime_ns == before
    assert [path.name for path in temporary.iterdir()] == [folder.name]


def test_resolve_splits_differ(temporary: Path) -> None:
    train, val = (resolve_data("synthetic:1", split) for split in ("train", "val"))
    images = [load_keypoints(f, s).people[0].image for f, s in ((train, "train"), (val, "val"))]
    assert images[0].read_bytes() != images[1].read_bytes()


def test_resolve_folder() -> None:
    assert resolve_data("data/coco", "val") == Path("data/coco")


@pytest.mark.parametrize("text", ["synthetic:", "synthetic:0", "synthetic:-3", "synthetic:many",
                                  "synthetic:1.5", "synthetic:1000001", "synthetic:²"])  # fmt: skip
def test_resolve_refuses(text: str) -> None:
    with pytest.raises(InputError, match="how many pictures"):
        resolve_data(text, "val")
