"""Keypoint sets from COCO categories: names, sides, edges, sigmas."""

from pathlib import Path
from typing import Any

import pytest

from mvpose.data.coco import load_keypoints
from mvpose.data.skeletons import OTHER_SIGMA, mirrored_name, plain_name, skeleton_of
from mvpose.errors import InputError
from mvpose.spec import COCO17


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        pytest.param("left_shoulder", "left_shoulder", id="COCO"),
        pytest.param("Left Shoulder", "left_shoulder", id="spaces"),
        pytest.param("LEFT-SHOULDER", "left_shoulder", id="capitals and hyphen"),
        pytest.param("leftShoulder", "left_shoulder", id="camel case"),
        pytest.param("LShoulder", "left_shoulder", id="OpenPose"),
        pytest.param("L Shoulder", "left_shoulder", id="letter"),
        pytest.param("l.shoulder", "left_shoulder", id="letter and dot"),
        pytest.param("shoulder_l", "left_shoulder", id="letter at the end"),
        pytest.param("shoulder (right)", "right_shoulder", id="word at the end"),
        pytest.param("front_left_paw", "left_front_paw", id="word in the middle"),
        pytest.param("R_F_Elbow", "right_f_elbow", id="AP-10K"),
        pytest.param("head top", "head_top", id="no side"),
        pytest.param("leftover", "leftover", id="word that begins with a side"),
        pytest.param("thumb1", "thumb_1", id="number"),
        pytest.param("left_to_right", "left_to_right", id="two sides"),
        pytest.param("a_l_b", "a_l_b", id="letter in the middle"),
        pytest.param("左肩", "左肩", id="other script"),
    ],
)
def test_plain_name(name: str, plain: str) -> None:
    assert plain_name(name) == plain


@pytest.mark.parametrize(
    ("plain", "mirrored"),
    [("left_eye", "right_eye"), ("right_eye", "left_eye"), ("nose", "nose"), ("left", "right")],
)
def test_mirrored_name(plain: str, mirrored: str) -> None:
    assert mirrored_name(plain) == mirrored


def category(names: str, **fields: Any) -> dict[str, Any]:
    return {"id": 1, "name": "thing", "keypoints": names.split(), **fields}


@pytest.mark.parametrize(
    ("fields", "pairs"),
    [
        pytest.param(category("nose left_eye right_eye"), ((1, 2),), id="left and right"),
        pytest.param(category("RKnee LKnee RHip LHip"), ((0, 1), (2, 3)), id="OpenPose"),
        pytest.param(category("eye_r tail eye_l"), ((0, 2),), id="suffixes"),
        pytest.param(category("left_eye right_ear"), (), id="no partners"),
        pytest.param(category("left right top"), ((0, 1),), id="sides alone"),
        pytest.param(category("a b c", flip_pairs=[[0, 2]]), ((0, 2),), id="given by index"),
        pytest.param(category("a b c", flip_pairs=[["C", "a"]]), ((2, 0),), id="given by name"),
        pytest.param(category("left_a right_a", flip_pairs=[]), (), id="given none"),
    ],
)
def test_flip_pairs(fields: dict[str, Any], pairs: tuple[tuple[int, int], ...]) -> None:
    assert skeleton_of(fields).flip_pairs == pairs


@pytest.mark.parametrize(
    ("fields", "sigmas"),
    [
        pytest.param(category("nose LHip"), (0.026, 0.107), id="COCO's"),
        pytest.param(category("neck nose"), (OTHER_SIGMA, 0.026), id="one that COCO lacks"),
        pytest.param(category("neck nose", sigmas=[0.05, 0.1]), (0.05, 0.1), id="given"),
        pytest.param(category("nose", sigmas=None), (0.026,), id="null"),
    ],
)
def test_sigmas(fields: dict[str, Any], sigmas: tuple[float, ...]) -> None:
    assert skeleton_of(fields).sigmas == sigmas


def test_other_sigma_is_the_median() -> None:
    assert sorted(COCO17.sigmas)[len(COCO17.sigmas) // 2] == OTHER_SIGMA


@pytest.mark.parametrize(
    ("fields", "edges"),
    [
        pytest.param(category("a b c", skeleton=[[1, 2], [3, 2]]), ((0, 1), (2, 1)), id="from 1"),
        pytest.param(category("RWrist neck RElbow"), ((2, 0),), id="COCO's between known names"),
        pytest.param(category("a b", skeleton=[]), (), id="none"),
    ],
)
def test_edges(fields: dict[str, Any], edges: tuple[tuple[int, int], ...]) -> None:
    assert skeleton_of(fields).edges == edges


def test_without_names_17_are_coco() -> None:
    assert skeleton_of({"id": 1}, 17) is COCO17


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param(
            {"id": 4}, "category 4 does not name its keypoints, 14 a person", id="no names"
        ),
        pytest.param(category("a b", sigmas=[0.1]), "2 keypoints but 1 sigmas", id="sigma count"),
        pytest.param(
            category("a", sigmas=[0.0]), "sigmas.0: Input should be greater", id="sigma 0"
        ),
        pytest.param(category("a b A"), "the keypoint A twice", id="same name"),
        pytest.param(
            category("a b", skeleton=[[0, 1]]), "skeleton names keypoint 0", id="edge from 0"
        ),
        pytest.param(category("a b", skeleton=[[1, 3]]), "keypoint 3 of 2", id="edge out of range"),
        pytest.param(
            category("a b", skeleton=[[1]]), "skeleton.0: List should have", id="edge of one"
        ),
        pytest.param(
            category("a b", flip_pairs=[[0, 2]]), "keypoint 2, which", id="pair out of range"
        ),
        pytest.param(
            category("a b", flip_pairs=[["a", "d"]]), "keypoint 'd', which", id="unknown name"
        ),
        pytest.param(category("a b", flip_pairs=[[0, 0]]), "names a twice", id="pair with itself"),
        pytest.param(
            category("a b c", flip_pairs=[[0, 1], [1, 2]]), "names b twice", id="overlapping pairs"
        ),
        pytest.param(
            category("nose left_eye right_eye left_ear right_ear", flip_pairs=[[2, 3]]),
            "exchanges right_eye and left_ear",
            id="pairs counted from 1",
        ),
        pytest.param(
            category("a b", keypoints=[1, 2]), "keypoints.0: Input should be", id="numbers"
        ),
    ],
)
def test_refuses(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        skeleton_of(fields, 14)
    assert caught.value.hint


def test_real_data_is_coco17(shared_data: Path) -> None:
    assert load_keypoints(shared_data / "coco_mini", "train").skeleton == COCO17
