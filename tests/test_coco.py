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
from mvpose.data.merge import merge_report
from mvpose.errors import InputError
from mvpose.spec import COCO17, Skeleton

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
    ("height", "said"),
    [
        pytest.param(0, "1 people whose box has no area", id="flat"),
        pytest.param(-3.5, "1 people whose box has no area", id="negative"),
        pytest.param(30, "", id="sound"),
    ],
)
def test_says_who_has_no_box(
    height: float, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = {**PERSON, "id": 8, "bbox": [5, 6, 20, height]}
    write(tmp_path, changed(lambda d: d["annotations"].append(flat)))
    load_keypoints(tmp_path, "val")
    printed = capsys.readouterr().err
    assert said in printed
    assert bool(printed) == bool(said)


@pytest.mark.parametrize(
    ("area", "expected"),
    [
        pytest.param(300.0, 300, id="given"),
        pytest.param(None, 600, id="null"),
        pytest.param(0, 600, id="zero"),
        pytest.param(-5.0, 600, id="negative"),
    ],
)
def test_area(area: float | None, expected: float, tmp_path: Path) -> None:
    write(tmp_path, changed(lambda d: d["annotations"][0].update(area=area)))
    assert load_keypoints(tmp_path, "val").people[0].area_px == expected


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
            changed(lambda d: d["annotations"][0]["keypoints"].__setitem__(4, float("nan"))),
            "annotations.0.keypoints.4: Input should be a finite number",
            id="NaN keypoint",
        ),
        pytest.param(
            changed(lambda d: d["annotations"][0]["keypoints"].__setitem__(3, float("inf"))),
            "annotations.0.keypoints.3: Input should be a finite number",
            id="infinite keypoint",
        ),
        pytest.param(
            changed(lambda d: d["annotations"][0]["keypoints"].__setitem__(2, 3)),
            "annotation 7 has a keypoint of visibility 3",
            id="visibility 3",
        ),
        pytest.param(
            changed(lambda d: d["annotations"][0]["keypoints"].__setitem__(2, -1)),
            "annotation 7 has a keypoint of visibility -1",
            id="visibility -1",
        ),
        pytest.param(
            changed(lambda d: d["annotations"].append(PERSON)),
            "2 entries of annotation 7",
            id="annotation twice",
        ),
        pytest.param(
            changed(lambda d: d["images"].append({"id": 3, "file_name": "b.png"})),
            "2 entries of image 3",
            id="image twice",
        ),
        pytest.param(
            changed(lambda d: d["annotations"][0].update(bbox=[5, 6, 20])),
            "annotations.0.bbox: List should have at least 4 items",
            id="box of three numbers",
        ),
        pytest.param(
            changed(lambda d: d["annotations"][0].update(bbox=[5, 6, 20, -1])),
            "none of 1 people has a box",
            id="nobody has a box",
        ),
        pytest.param(
            changed(lambda d: d["annotations"][0].update(keypoints=None)),
            "annotations.0.keypoints: Input should be a valid array",
            id="no keypoints",
        ),
        pytest.param(
            changed(lambda d: d["images"].insert(0, 1)),
            "images.0: Input should be an object",
            id="row is no object",
        ),
        pytest.param(
            changed(lambda d: d["images"][0].update(file_name="gone.png")),
            r"1 of 1 images are bad, with 1 of 1 people: .*gone.png \(missing\)",
            id="missing image",
        ),
    ],
)
def test_refuses(tmp_path: Path, document: dict[str, Any], message: str) -> None:
    write(tmp_path, document)
    with pytest.raises(InputError, match=message) as caught:
        load_keypoints(tmp_path, "val", COCO17)
    assert caught.value.hint


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


FISH = ["tip", "left fin", "right fin"]


def labelled(names: list[str], **changes: Any) -> dict[str, Any]:
    """One person whose keypoint k is at (10 + k, 20 + k)."""
    document = copy.deepcopy(DOCUMENT)
    document["categories"] = [{"id": 1, "name": "person", "keypoints": names}]
    document["annotations"][0].update(keypoints=KEYPOINTS[: 3 * len(names)], **changes)
    return document


def test_brings_its_own_skeleton(tmp_path: Path) -> None:
    document = labelled(FISH)
    document["categories"][0].update(skeleton=[[1, 2], [1, 3]], sigmas=[0.1, 0.2, 0.2])
    write(tmp_path, document)
    data = load_keypoints(tmp_path, "val")
    assert data.skeleton == Skeleton(tuple(FISH), ((1, 2),), ((0, 1), (0, 2)), (0.1, 0.2, 0.2))
    assert not data.mapped
    np.testing.assert_array_equal(
        data.people[0].keypoints_px, [[10, 20, 1], [11, 21, 2], [12, 22, 1]]
    )
    assert load_keypoints(tmp_path, "val", data.skeleton).people


@pytest.mark.parametrize(
    "category",
    [
        pytest.param({"id": 1, "name": "person"}, id="no names"),
        pytest.param({"id": 1, "name": "person", "keypoints": []}, id="empty names"),
        pytest.param({"id": 1, "keypoints": list(COCO17.keypoints)}, id="names alone"),
    ],
)
def test_coco_needs_nothing(category: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, changed(lambda d: d.update(categories=[category])))
    assert load_keypoints(tmp_path, "val").skeleton == COCO17


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        pytest.param(
            lambda d: d["categories"][0].pop("keypoints"),
            r"val.json: category 'person' does not name its keypoints, 3 a person",
            id="no names",
        ),
        pytest.param(
            lambda d: d["categories"][0].update(skeleton=[[0, 1]]),
            "val.json: category 'person': skeleton names keypoint 0",
            id="edges from 0",
        ),
        pytest.param(
            lambda d: d["categories"].append({"id": 2, "keypoints": ["stem", "root"]}),
            "categories with different keypoints",
            id="two keypoint sets",
        ),
    ],
)
def test_refuses_categories(
    edit: Callable[[dict[str, Any]], Any], message: str, tmp_path: Path
) -> None:
    document = labelled(FISH)
    edit(document)
    write(tmp_path, document)
    with pytest.raises(InputError, match=message) as caught:
        load_keypoints(tmp_path, "val")
    assert caught.value.hint


AIC = [
    *(f"{side} {name}" for side in ("right", "left") for name in ("shoulder", "elbow", "wrist")),
    *(f"{side} {name}" for side in ("right", "left") for name in ("hip", "knee", "ankle")),
    "head top", "neck",
]  # fmt: skip


def test_merges_a_subset(tmp_path: Path) -> None:
    write(tmp_path, labelled(AIC))
    data = load_keypoints(tmp_path, "val", COCO17, merge=True)
    assert data.skeleton == COCO17
    assert data.mapping is not None
    assert data.mapping.missing == COCO17.keypoints[:5]
    assert data.mapping.dropped == ("head top", "neck")
    keypoints = dict(zip(COCO17.keypoints, data.people[0].keypoints_px.tolist(), strict=True))
    assert keypoints["right_shoulder"] == [10, 20, 1]
    assert keypoints["left_shoulder"] == [13, 23, 2]
    assert keypoints["left_ankle"] == [21, 31, 2]
    assert all(keypoints[name] == [0, 0, 0] for name in COCO17.keypoints[:5])
    report = merge_report(data)
    assert "1 people in 1 images" in report
    assert "no labels for nose, left_eye, right_eye, left_ear, right_ear" in report
    assert report.endswith("not used: head top, neck")


@pytest.mark.parametrize(
    ("names", "mapped"),
    [
        pytest.param(list(COCO17.keypoints), False, id="the same"),
        pytest.param([n.replace("_", " ").title() for n in COCO17.keypoints], False, id="spelling"),
        pytest.param([], False, id="nameless"),
        pytest.param(list(COCO17.keypoints[::-1]), True, id="other order"),
    ],
)
def test_merge_is_told(names: list[str], mapped: bool, tmp_path: Path) -> None:
    write(tmp_path, changed(lambda d: d["categories"][0].update(keypoints=names)))
    data = load_keypoints(tmp_path, "val", COCO17, merge=True)
    assert data.mapped == mapped
    expected = np.reshape(KEYPOINTS, (17, 3))
    np.testing.assert_array_equal(
        data.people[0].keypoints_px, expected[::-1] if mapped else expected
    )
    assert merge_report(data).endswith("1 people in 1 images")


def test_coco_merges_into_fewer(tmp_path: Path) -> None:
    write(tmp_path, DOCUMENT)
    hands = Skeleton(("r_wrist", "l_wrist"), ((0, 1),), (), (0.1, 0.1))
    data = load_keypoints(tmp_path, "val", hands, merge=True)
    assert data.skeleton == hands
    np.testing.assert_array_equal(data.people[0].keypoints_px, [[20, 30, 1], [19, 29, 2]])
    assert data.mapping is not None
    assert len(data.mapping.dropped) == 15


def test_nameless_coco_merges_into_fewer(tmp_path: Path) -> None:
    write(tmp_path, changed(lambda d: d["categories"][0].pop("keypoints")))
    nose = Skeleton(("ear left", "nose"), (), (), (0.1, 0.1))
    data = load_keypoints(tmp_path, "val", nose, merge=True)
    np.testing.assert_array_equal(data.people[0].keypoints_px, [[13, 23, 2], [10, 20, 1]])


def test_rename(tmp_path: Path) -> None:
    write(tmp_path, labelled(["Snout", "tail"]))
    data = load_keypoints(tmp_path, "val", COCO17, merge=True, rename={"snout": "nose"})
    assert data.people[0].keypoints_px[0].tolist() == [10, 20, 1]
    assert merge_report(data).endswith("not used: tail")


def test_merge_leaves_out_people_without_a_wanted_keypoint(tmp_path: Path) -> None:
    document = labelled(["nose", "neck"])
    document["annotations"].append({**PERSON, "id": 8, "keypoints": [0, 0, 0, 5, 5, 2]})
    write(tmp_path, document)
    data = load_keypoints(tmp_path, "val", COCO17, merge=True)
    assert [person.annotation_id for person in data.people] == [7]
    document["annotations"] = document["annotations"][1:]
    path = tmp_path / "annotations" / "person_keypoints_val.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(
        InputError, match="none of 1 people has a box and a keypoint that is wanted"
    ):
        load_keypoints(tmp_path, "val", COCO17, merge=True)


@pytest.mark.parametrize(
    ("names", "rename", "message"),
    [
        pytest.param(
            ["tip", "tail"],
            {},
            r"no keypoint in common: the data set has tip, tail; wanted are nose",
            id="nothing in common",
        ),
        pytest.param(
            ["snout", "nose"], {"snout": "nose"}, "snout and nose are both", id="two noses"
        ),
        pytest.param(
            ["snout", "tip"], {"snuot": "nose"}, "no keypoint 'snuot'", id="unknown theirs"
        ),
        pytest.param(["snout", "tip"], {"snout": "noes"}, "no keypoint 'noes'", id="unknown ours"),
    ],
)
def test_refuses_to_merge(
    names: list[str], rename: dict[str, str], message: str, tmp_path: Path
) -> None:
    write(tmp_path, labelled(names))
    with pytest.raises(InputError, match=message) as caught:
        load_keypoints(tmp_path, "val", COCO17, merge=True, rename=rename)
    assert caught.value.hint


def test_skips_missing_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def lose(document: dict[str, Any]) -> None:
        for i in range(10, 18):
            document["images"].append({"id": i, "file_name": f"gone{i}.png"})
            document["annotations"] += [{**PERSON, "id": 2 * i + k, "image_id": i} for k in (0, 1)]

    write(tmp_path, changed(lose))
    with pytest.raises(InputError, match="8 of 9 images are bad, with 16 of 17 people") as caught:
        load_keypoints(tmp_path, "val")
    assert caught.value.what.count("(missing)") == 5
    assert "--skip-bad" in caught.value.hint
    data = load_keypoints(tmp_path, "val", skip_bad=True)
    assert [person.annotation_id for person in data.people] == [7]
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert "8 of 9 images are bad, with 16 of 17 people" in printed
