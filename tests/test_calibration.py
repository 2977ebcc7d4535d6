"""Calibration sets: who is in them, what they are proven apart from, and what they refuse."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.data.synthetic import write_synthetic
from mvpose.errors import InputError
from mvpose.quantize.calibration import (
    FEWEST,
    Calibration,
    crops_of,
    data_calibration,
    drawn_calibration,
)
from mvpose.quantize.calibration_file import (
    load_calibration,
    make_calibration,
    save_calibration,
)
from mvpose.quantize.disjoint import SAME_LOOK_BITS, Fingerprints, prove_disjoint
from mvpose.quantize.observers import Calibrator
from mvpose.quantize.strata import choose, luma_and_contrast, sizes_px, stratum_of
from mvpose.spec import ModelSpec, Preprocess

ALL = 1000


@pytest.fixture(scope="module")
def drawn_train(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn-train")
    write_synthetic(folder, 10, seed=5, split="train")
    return folder


@pytest.fixture
def train(drawn_train: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(drawn_train, tmp_path / "train-data"))


def read_labels(folder: Path) -> dict[str, Any]:
    path = folder / "annotations" / "person_keypoints_train.json"
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def write_labels(folder: Path, document: dict[str, Any]) -> None:
    (folder / "annotations" / "person_keypoints_train.json").write_text(json.dumps(document))


def test_drawn_people(small_spec: ModelSpec) -> None:
    first, again, other = (drawn_calibration(small_spec, 3, seed) for seed in (0, 0, 1))
    assert first.crops.shape == (3, 128, 64, 3)
    assert first.manifest == again.manifest
    assert np.array_equal(first.crops, again.crops)
    assert first.manifest.crops_sha256 != other.manifest.crops_sha256
    assert first.manifest.source == "drawn people"
    assert (first.manifest.sample_ids, first.manifest.strata) == ((), ())
    assert first.name(2) == "drawn person 2"


def test_people_of_a_data_set(
    drawn_train: Path, small_spec: ModelSpec, drawn_data: KeypointData
) -> None:
    found = data_calibration(drawn_train, "train", small_spec, 12, apart_from=drawn_data)
    people = {p.annotation_id: p for p in load_keypoints(drawn_train, "train").people}
    chosen = [people[number] for number in found.manifest.sample_ids]
    assert len(set(found.manifest.sample_ids)) == found.manifest.count == 12
    assert np.array_equal(found.crops, crops_of(chosen, small_spec))
    assert found.manifest.preprocess == small_spec.preprocess
    assert found.pictures is not None
    assert found.pictures.names == tuple(person.image.name for person in chosen)
    assert found.name(4) == f"annotation {chosen[4].annotation_id} in {chosen[4].image.name}"
    proof = found.manifest.apart_from
    assert proof is not None
    assert proof.images == len({person.image for person in chosen})
    assert proof.evaluation_images == 8
    assert proof.evaluation == drawn_data.annotations.name
    assert proof.nearest_bits > SAME_LOOK_BITS
    assert sum(stratum.chosen for stratum in found.manifest.strata) == 12
    assert sum(stratum.people for stratum in found.manifest.strata) == len(people)
    assert Calibration.from_json(found.manifest.to_json()) == found.manifest


def test_seed_decides(drawn_train: Path, small_spec: ModelSpec) -> None:
    first, again, other = (
        data_calibration(drawn_train, "train", small_spec, 8, seed).manifest for seed in (0, 0, 1)
    )
    assert first == again
    assert set(first.sample_ids) != set(other.sample_ids)
    assert first.crops_sha256 != other.crops_sha256


def test_sets_without_each_other(drawn_train: Path, small_spec: ModelSpec) -> None:
    first = data_calibration(drawn_train, "train", small_spec, 4)
    second = data_calibration(drawn_train, "train", small_spec, 4, without=[first.manifest])
    assert first.pictures is not None
    assert second.pictures is not None
    assert not set(first.pictures.sha256) & set(second.pictures.sha256)
    whole = data_calibration(drawn_train, "train", small_spec, ALL)
    with pytest.raises(InputError, match="has nobody left: all of its 10 pictures"):
        data_calibration(drawn_train, "train", small_spec, 4, without=[whole.manifest])


def test_photographs(shared_data: Path, small_spec: ModelSpec) -> None:
    """Sizes and brightnesses are the split's, and nothing of it looks like the validation split."""
    folder = shared_data / "coco_mini"
    val = load_keypoints(folder, "val")
    found = data_calibration(folder, "train", small_spec, 128, apart_from=val).manifest
    people = load_keypoints(folder, "train").people
    assert sum(stratum.people for stratum in found.strata) == len(people)
    assert len(found.strata) == 16
    for stratum in found.strata:
        assert stratum.chosen >= 1
        assert abs(stratum.chosen - stratum.people * 128 / len(people)) < 1
    assert found.apart_from is not None
    assert found.apart_from.evaluation_images == 90
    assert found.apart_from.nearest_bits > 10
    chosen = np.isin([p.annotation_id for p in people], found.sample_ids)
    for of_all in (sizes_px(people), luma_and_contrast(people)[:, 0]):
        quarters = np.percentile(of_all, [25, 50, 75])
        below = (of_all[chosen, None] < quarters).mean(0)
        assert below == pytest.approx([0.25, 0.5, 0.75], abs=0.1)


@pytest.mark.parametrize(
    ("strata", "count", "expected"),
    [
        pytest.param([40, 20, 0, 20], 8, [4, 2, 0, 2], id="shares"),
        pytest.param([1, 96, 3], 10, [1, 8, 1], id="one of each"),
        pytest.param([1, 96, 3], 2, [0, 1, 1], id="fewer than strata"),
        pytest.param([2, 3], 9, [2, 3], id="more than people"),
        pytest.param([1, 100], 101, [1, 100], id="everybody"),
        pytest.param([7], 3, [3], id="one stratum"),
    ],
)
def test_choose(strata: list[int], count: int, expected: list[int]) -> None:
    of = np.random.default_rng(3).permutation(np.repeat(np.arange(len(strata)), strata))
    chosen = choose(of, count, np.random.default_rng(0))
    assert len(set(chosen)) == len(chosen)
    assert np.bincount(of[chosen], minlength=len(strata)).tolist() == expected
    assert np.array_equal(chosen, choose(of, count, np.random.default_rng(0)))


def test_strata_by_hand() -> None:
    sizes = np.array([63.9, 64.0, 200.0, 999.0])
    assert stratum_of(sizes, np.array([0.0, 64.0, 127.0, 255.0])).tolist() == [0, 5, 10, 15]


def copied(path: Path, to: Path) -> None:
    shutil.copyfile(path, to)


def reencoded(path: Path, to: Path) -> None:
    Image.open(path).save(to, "JPEG", quality=35)


def shrunk(path: Path, to: Path) -> None:
    picture = Image.open(path)
    picture.resize((picture.width * 2 // 5, picture.height * 2 // 5)).save(to, "PNG")


def turned(path: Path, to: Path) -> None:
    """Stored lying down, shown upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(path).transpose(Image.Transpose.ROTATE_90).save(to, "JPEG", exif=exif)


@pytest.mark.parametrize(
    ("copy", "kind"),
    [
        pytest.param(copied, "the files are the same", id="copy under another name"),
        pytest.param(reencoded, "looks the same as", id="JPEG of low quality"),
        pytest.param(shrunk, "looks the same as", id="smaller PNG"),
        pytest.param(turned, "looks the same as", id="rotation in EXIF"),
    ],
)
def test_overlap_is_refused(
    copy: Callable[[Path, Path], None],
    kind: str,
    train: Path,
    small_spec: ModelSpec,
    drawn_data: KeypointData,
    tmp_path: Path,
) -> None:
    picture = drawn_data.people[0].image
    document = read_labels(train)
    row = document["images"][3]
    copy(picture, train / "train" / row["file_name"])
    (row["width"], row["height"]) = Image.open(picture).size
    for person in document["annotations"]:
        person["bbox"] = [20.0, 20.0, 160.0, 160.0]
    write_labels(train, document)
    with pytest.raises(InputError, match=kind) as caught:
        data_calibration(train, "train", small_spec, ALL, apart_from=drawn_data)
    assert row["file_name"] in caught.value.what
    assert picture.name in caught.value.what
    apart = data_calibration(train, "train", small_spec, ALL)
    save_calibration(apart, tmp_path / "set.npz")
    with pytest.raises(InputError, match=kind):
        load_calibration(tmp_path / "set.npz", small_spec, drawn_data)


@pytest.mark.parametrize("quality", [30, 60, 90])
@pytest.mark.parametrize("scale", [0.2, 0.5, 1.0, 2.0])
def test_copies_of_photographs_are_known(
    shared_data: Path, scale: float, quality: int, tmp_path: Path
) -> None:
    pictures = sorted((shared_data / "coco_mini" / "val").iterdir())[::15]
    for path in pictures:
        picture = cv2.imread(str(path))
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        cv2.imwrite(str(tmp_path / path.name), small, [cv2.IMWRITE_JPEG_QUALITY, quality])
        with pytest.raises(InputError, match=r"looks the same|are the same"):
            prove_disjoint(
                Fingerprints.of([tmp_path / path.name]), Fingerprints.of(pictures), "a", "b"
            )


def test_photographs_are_not_taken_for_each_other(shared_data: Path) -> None:
    looks = Fingerprints.of(sorted((shared_data / "coco_mini").glob("*/*.jpg"))).looks
    bits = (looks[:, None] != looks).sum(2)[np.triu_indices(len(looks), 1)]
    assert len(bits) > 15_000
    assert bits.min() > 2 * SAME_LOOK_BITS


def test_split_that_evaluates(drawn_data: KeypointData, small_spec: ModelSpec) -> None:
    folder = drawn_data.annotations.parents[1]
    with pytest.raises(InputError, match="would calibrate and evaluate") as caught:
        data_calibration(folder, "val", small_spec, apart_from=drawn_data)
    assert "--calib-split train" in caught.value.hint


@pytest.mark.parametrize(
    "value",
    [pytest.param(0, id="black"), pytest.param(180, id="grey"), pytest.param(255, id="white")],
)
def test_picture_that_shows_nothing(value: int, train: Path, small_spec: ModelSpec) -> None:
    document = read_labels(train)
    row = document["images"][2]
    name, person = (
        row["file_name"],
        next(p for p in document["annotations"] if p["image_id"] == row["id"]),
    )
    Image.new("RGB", (row["width"], row["height"]), (value,) * 3).save(train / "train" / name)
    document["annotations"] = [
        p for p in document["annotations"] if p["image_id"] != row["id"] or p is person
    ]
    write_labels(train, document)
    with pytest.raises(InputError, match="shows nothing") as caught:
        data_calibration(train, "train", small_spec, ALL)
    assert f"annotation {person['id']} in {train / 'train' / name}" in caught.value.what
    assert f"is {value} throughout" in caught.value.what


@pytest.mark.parametrize(
    "content", [pytest.param(b"", id="empty"), pytest.param(b"no picture" * 90, id="text")]
)
def test_unreadable_picture(content: bytes, train: Path, small_spec: ModelSpec) -> None:
    picture = train / "train" / read_labels(train)["images"][0]["file_name"]
    picture.write_bytes(content)
    with pytest.raises(InputError, match="as an image") as caught:
        data_calibration(train, "train", small_spec, ALL)
    assert str(picture) in caught.value.what


def test_picture_that_is_cut_off(train: Path, small_spec: ModelSpec) -> None:
    picture = train / "train" / read_labels(train)["images"][0]["file_name"]
    picture.write_bytes(picture.read_bytes()[:2000])
    with pytest.raises(InputError, match="as an image") as caught:
        data_calibration(train, "train", small_spec, ALL)
    assert str(picture) in caught.value.what


@pytest.mark.parametrize("count", [0, -1])
def test_empty_set(count: int, drawn_train: Path, small_spec: ModelSpec) -> None:
    with pytest.raises(InputError, match="is empty"):
        drawn_calibration(small_spec, count)
    with pytest.raises(InputError, match="is empty"):
        data_calibration(drawn_train, "train", small_spec, count)


def test_few_people_are_said_so(drawn_train: Path, small_spec: ModelSpec) -> None:
    few = data_calibration(drawn_train, "train", small_spec, 5)
    assert few.warning is not None
    assert few.warning.startswith("only 5 people of person_keypoints_train.json")
    assert replace(few, crops=few.crops.repeat(7, 0)[: FEWEST - 1]).warning is not None
    assert replace(few, crops=few.crops.repeat(7, 0)[:FEWEST]).warning is None


def test_plain_pictures(drawn_train: Path, small_spec: ModelSpec) -> None:
    with pytest.raises(InputError, match=r"holds 10 pictures .*crops of 64 x 128") as caught:
        data_calibration(drawn_train / "train", "train", small_spec)
    assert "COCO layout" in caught.value.hint


def test_missing_folder(tmp_path: Path, small_spec: ModelSpec) -> None:
    with pytest.raises(InputError, match="no annotations of the split 'train'"):
        data_calibration(tmp_path / "nowhere", "train", small_spec)


def test_saved_set(
    drawn_train: Path, small_spec: ModelSpec, drawn_data: KeypointData, tmp_path: Path
) -> None:
    made = data_calibration(drawn_train, "train", small_spec, 5, apart_from=drawn_data)
    save_calibration(made, tmp_path / "set.npz")
    read = make_calibration(tmp_path / "set.npz", "train", small_spec, apart_from=drawn_data)
    assert read.manifest == made.manifest
    assert np.array_equal(read.crops, made.crops)
    assert read.name(3) == made.name(3)
    untested = load_calibration(tmp_path / "set.npz", small_spec)
    assert untested.manifest.apart_from is None, "proven only against what is evaluated now"


def test_what_calib_means(drawn_train: Path, small_spec: ModelSpec, tmp_path: Path) -> None:
    drawn = make_calibration(None, "train", small_spec, 2)
    assert drawn.manifest.source == "drawn people"
    save_calibration(drawn, tmp_path / "drawn.npz")
    assert make_calibration(tmp_path / "drawn.npz", "train", small_spec).name(1) == drawn.name(1)
    of_data = make_calibration(drawn_train, "train", small_spec, 2)
    assert of_data.manifest.source == "person_keypoints_train.json"


@pytest.mark.parametrize(
    ("preprocess", "field"),
    [
        pytest.param({"input_width_px": 96}, "input_width_px is 64, but small has 96", id="size"),
        pytest.param({"box_padding": 1.1}, "box_padding is 1.25, but small has 1.1", id="padding"),
        pytest.param({"std": (1.0, 1.0, 1.0)}, r"std is \(60.0, 65.0, 70.0\)", id="normalisation"),
    ],
)
def test_set_of_another_preprocessing(
    preprocess: dict[str, Any], field: str, small_spec: ModelSpec, tmp_path: Path
) -> None:
    save_calibration(drawn_calibration(small_spec, 2), tmp_path / "set.npz")
    other: Preprocess = replace(small_spec.preprocess, **preprocess)
    with pytest.raises(InputError, match=field):
        load_calibration(tmp_path / "set.npz", replace(small_spec, preprocess=other))


def test_set_that_was_changed(small_spec: ModelSpec, tmp_path: Path) -> None:
    made = drawn_calibration(small_spec, 2)
    save_calibration(replace(made, crops=made.crops[::-1]), tmp_path / "set.npz")
    with pytest.raises(InputError, match="are not those of its manifest"):
        load_calibration(tmp_path / "set.npz", small_spec)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-300])


def other_arrays(path: Path) -> None:
    np.savez(path, images=np.zeros((2, 4, 4, 3)))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(cut, "or is damaged", id="cut off"),
        pytest.param(other_arrays, "is no calibration set", id="other arrays"),
        pytest.param(lambda path: path.write_bytes(b""), "is no calibration set", id="empty"),
        pytest.param(lambda path: path.write_bytes(b"x" * 99), "is no calibration set", id="text"),
        pytest.param(lambda path: path.unlink(), "no such calibration set", id="missing"),
    ],
)
def test_file_that_is_no_set(
    spoil: Callable[[Path], None], message: str, small_spec: ModelSpec, tmp_path: Path
) -> None:
    path = tmp_path / "set.npz"
    save_calibration(drawn_calibration(small_spec, 1), path)
    spoil(path)
    with pytest.raises(InputError, match=message) as caught:
        load_calibration(path, small_spec)
    assert str(path) in caught.value.what


def test_manifest_names_the_calibrator(small_spec: ModelSpec) -> None:
    manifest = drawn_calibration(small_spec, 1).manifest
    assert manifest.ranges == Calibrator("average", 0.95)
    other = replace(manifest, ranges=Calibrator("percentile", 99.9))
    ranges = json.loads(other.to_json())["ranges"]
    assert ranges == {"method": "percentile", "parameter": 99.9}
    assert Calibration.from_json(other.to_json()) == other
