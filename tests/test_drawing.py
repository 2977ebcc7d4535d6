"""Drawn poses: the right colours in the right places, and nothing else."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mvpose.drawing import CENTRE, LEFT, RIGHT, draw_poses
from mvpose.estimate import Poses
from mvpose.spec import COCO17

NAMES = COCO17.keypoints
PLACES = {
    "left_shoulder": (150, 60), "left_elbow": (170, 110), "left_wrist": (180, 160),
    "right_shoulder": (90, 60), "right_elbow": (70, 110), "right_wrist": (60, 160),
}  # fmt: skip


def poses(scale: float = 1.0, score: float = 0.9) -> Poses:
    points, scores = np.zeros((1, 17, 2)), np.zeros((1, 17))
    for name, place in PLACES.items():
        points[0, NAMES.index(name)] = np.multiply(place, scale)
        scores[0, NAMES.index(name)] = score
    return Poses(points, scores, np.array([[50, 40, 140, 130]]) * scale)


def blank(value: int = 128, scale: int = 1) -> NDArray[np.uint8]:
    return np.full((200 * scale, 240 * scale, 3), value, np.uint8)


@pytest.mark.parametrize(
    ("between", "color"),
    [
        pytest.param(("left_elbow", "left_wrist"), LEFT, id="left"),
        pytest.param(("right_elbow", "right_wrist"), RIGHT, id="right"),
        pytest.param(("left_shoulder", "right_shoulder"), CENTRE, id="centre"),
    ],
)
@pytest.mark.parametrize("background", [0, 128, 255])
def test_limb_has_the_colour_of_its_side(
    between: tuple[str, str], color: tuple[int, int, int], background: int
) -> None:
    drawn = draw_poses(blank(background), poses(), COCO17)
    x, y = np.mean([PLACES[name] for name in between], axis=0).astype(int)
    np.testing.assert_array_equal(drawn[y, x], color)


def test_lines_stand_out_on_their_own_colour() -> None:
    image = np.full((200, 240, 3), LEFT, np.uint8)
    drawn = draw_poses(image, poses(), COCO17)
    row = drawn[135].astype(int)
    assert (np.abs(row - LEFT).sum(1) > 200).any()


def test_input_is_left_alone_and_far_pixels_too() -> None:
    image = blank()
    drawn = draw_poses(image, poses(), COCO17)
    assert (image == 128).all()
    assert drawn.shape == image.shape
    assert (drawn[180:] == 128).all()


@pytest.mark.parametrize(
    "nothing",
    [
        pytest.param(poses(score=0.1), id="low scores"),
        pytest.param(Poses(np.zeros((0, 17, 2)), np.zeros((0, 17)), np.zeros((0, 4))), id="nobody"),
        pytest.param(
            Poses(np.full((1, 17, 2), np.nan), np.ones((1, 17)), np.ones((1, 4))), id="NaN"
        ),
    ],
)
def test_nothing_to_draw(nothing: Poses) -> None:
    np.testing.assert_array_equal(draw_poses(blank(), nothing, COCO17), blank())


def test_score_floor() -> None:
    assert (draw_poses(blank(), poses(score=0.1), COCO17, score_floor=0.05) != 128).any()


def test_width_grows_with_the_person() -> None:
    def stroke(scale: int) -> int:
        drawn = draw_poses(blank(scale=scale), poses(scale), COCO17)
        return int((drawn[:, 120 * scale] != 128).any(1).sum())

    assert stroke(4) >= 2 * stroke(1)


def test_points_far_outside() -> None:
    far = Poses(np.full((1, 17, 2), 1e12), np.ones((1, 17)), np.ones((1, 4)))
    draw_poses(blank(), far, COCO17)
