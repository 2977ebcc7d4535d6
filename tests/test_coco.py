"""COCO annotations: what is kept, what is left out, what is refused."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mvpose.data.coco import load_keypoints
from mvpose.errors import InputError
from mvpose.spec import COCO17

KEYPOINTS = [value for k in range(17) for value in (10 + k, 20 + k, 2 if k % 2 else 1)]
PERSON = {
    "id": 7, "image_id": 3, "category_id": 1, "iscrowd": 0, "area": 300.0,
    "bbox": [5.0, 6.0, 20.0, 30.0], "keypoints": KEYPOINTS, "num_keypoints": 17,
}  # fmt: skip
DOCUMENT: dict[str, Any] = {
    "images": [{"id": 3, "file_name": "a.png", "width": 64, "height": 64}],
    "annotations": [PERSON],
    "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17.keypoints)}],
}


def write(folder: Path, document: dict[str, Any], year: str = "") -> Path:
    (folder / "annotations").mkdir(parents=True)
    (folder / f"val{year}").mkdir()
    Image.new("RGB", (64, 64)).save(folder / f"val{year}" / "a.png")
    path = folder / "annotations" / f"person_keypoints_val{year}.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def changed(edit: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    edit(document)
    return document


@pytest.mark.parametrize("year", ["", "2017"], ids=["plain names", "2017 names"])
def test_reads(tmp_path: Path, year: str) -> None:
    path = write(tmp_path, DOCUMENT, year)
    data = load_keypoints(tmp_path, "val")
    assert data.annotations == path
    (person,) = data.people
    assert person.image == tmp_path / f"val{year}" / "a.png"
    assert (person.image_id, person.annotation_id, person.area_px) == (3, 7, 300.0)
    np.testing.assert_array_equal(person.box_xywh_px, [5, 6, 20, 30])
    np.testing.assert_array_equal(person.keypoints_px, np.reshape(KEYPOINTS, (17, 3)))


def test_images_folder(tmp_path: Path) -> None:
    write(tmp_path, DOCUMENT)
    (tmp_path / "val").rename(tmp_path / "images")
    assert load_keypoints(tmp_path, "val").people[0].image.parent.name == "images"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"iscrowd": 1}, id="crowd"),
        pytest.param({"keypoints": [0] * 51}, id="nothing labelled"),
        pytest.param({"bbox": [5, 6, 0, 30]}, id="box of zero width"),
        pytest.param({"bbox": [5, 6, 20, -1]}, id="box of negative height"),
    ],
)
def test_leaves_out(tmp_path: Path, fields: dict[str, Any]) -> None:
    write(tmp_path, changed(lambda d: d["annotations"].append({**PERSON, "id": 8, **fields})))
    assert [person.annotation_id for person in load_keypoints(tmp_path, "val").people] == [7]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param(
            changed(lambda d: d["annotations"].clear()), "no person with labelled", id="no people"
        ),
        pytest.param(
            changed(lambda d: d.pop("annotations")), "annotations: Field required", id="no table"
        ),
        pytest.param(
            changed(lambda d: d["images"][0].pop("file_name")),
            "images.0.file_name: Field required",
            id="no file name",
        ),
        pytest.param(
            changed(lambda d: d["annotations"][0].update(keypoints=KEYPOINTS[:48])),
            "48 keypoint numbers, not 51",
            id="wrong keypoint count",
        ),
        pytest.param(
            changed(lambda d: d["categories"][0].update(keypoints=["nose", "tail"])),
            "has 2 keypoints, the model 17",
            id="other skeleton",
        ),
        pytest.param(
            changed(lambda d: d["categories"][0]["keypoints"].reverse()),
            "names its keypoints right_ankle",
            id="other order",
        ),
        pytest.param(
            changed(lambda d: d["annotations"][0].update(image_id=99)),
            "image 99, which is not listed",
            id="unknown image",
        ),
        pytest.param(
            changed(lambda d: d["annotations"][0].update(bbox=[5, 6, float("nan"), 3])),
            "annotations.0.bbox.2: Input should be a finite number",
            id="NaN box",
        ),
        pytest.param(
            changed(lambda d: d["annotations"][0].update(keypoints=None)),
            "annotations.0.keypoints: Input should be a valid list",
            id="no keypoints",
        ),
        pytest.param(
            changed(lambda d: d["images"].insert(0, 1)),
            "images.0: Input should be a valid dictionary",
            id="row is no object",
        ),
        pytest.param(
            changed(lambda d: d["images"][0].update(file_name="gone.png")),
            "1 annotated images are missing, the first is .*gone.png",
            id="missing image",
        ),
    ],
)
def test_refuses(tmp_path: Path, document: dict[str, Any], message: str) -> None:
    write(tmp_path, document)
    with pytest.raises(InputError, match=message):
        load_keypoints(tmp_path, "val")


def test_refuses_broken_json(tmp_path: Path) -> None:
    path = write(tmp_path, DOCUMENT)
    path.write_text(path.read_text()[:-30])
    with pytest.raises(InputError, match=r"cannot read .*person_keypoints_val\.json"):
        load_keypoints(tmp_path, "val")


@pytest.mark.parametrize(
    ("remove", "message"),
    [
        pytest.param("annotations", "no annotations of the split 'val'", id="annotations"),
        pytest.param("val", "no image folder for the split 'val'", id="images"),
    ],
)
def test_refuses_missing_folder(tmp_path: Path, remove: str, message: str) -> None:
    write(tmp_path, DOCUMENT)
    (tmp_path / remove).rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=message) as caught:
        load_keypoints(tmp_path, "val")
    assert caught.value.hint


def test_refuses_missing_data(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no annotations"):
        load_keypoints(tmp_path / "nowhere", "val")
