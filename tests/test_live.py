"""Following one person: geometry of screens, tracking and smoothing by their properties."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mvpose.codec.affine import invert, transform
from mvpose.errors import InputError
from mvpose.estimate import Poses
from mvpose.live.session import LiveSession
from mvpose.live.smoothing import PoseSmoother
from mvpose.live.tracking import PersonTracker
from mvpose.live.view import Rotation, compose, upright_matrix, upright_wh, view_matrix

Floats = NDArray[np.float64]
SCORES = np.full(4, 0.9)
CROSS = np.array([(0, -60), (-25, 0), (25, 0), (0, 60)], float)
ROTATIONS: tuple[Rotation, ...] = (0, 90, 180, 270)


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_upright_turns_as_numpy_turns(rotation: Rotation) -> None:
    buffer = np.arange(12).reshape(3, 4)
    upright = np.rot90(buffer, -rotation // 90)
    assert upright_wh((4, 3), rotation) == (upright.shape[1], upright.shape[0])
    matrix = upright_matrix((4, 3), rotation)
    for y, x in np.ndindex(buffer.shape):
        column, row = transform(matrix, np.array([x, y])).astype(int)
        assert upright[row, column] == buffer[y, x]


def test_other_turns_are_refused() -> None:
    with pytest.raises(InputError, match="not 45"):
        upright_matrix((4, 3), 45)  # type: ignore[arg-type]


@pytest.mark.parametrize("mirror", [False, True], ids=["back", "front"])
@pytest.mark.parametrize(
    ("fill", "corner"), [(False, (0.0, 150.0)), (True, (-100.0, 0.0))], ids=["fit", "fill"]
)
def test_view_shows_the_picture_in_its_middle(
    mirror: bool, fill: bool, corner: tuple[float, float]
) -> None:
    matrix = view_matrix((200, 100), (200, 400) if not fill else (100, 150), mirror, fill)
    edges = transform(matrix, np.array([(-0.5, -0.5), (199.5, 99.5)]))
    assert edges.min(0) == pytest.approx(corner)
    assert (edges[0, 0] > edges[1, 0]) == mirror


def test_composed_matrices_apply_one_after_the_other() -> None:
    turn, show = upright_matrix((64, 48), 90), view_matrix((48, 64), (300, 500), True, False)
    points = np.array([(3.0, 5.0), (60.5, 40.25)])
    both = compose(show, turn)
    np.testing.assert_allclose(transform(both, points), transform(show, transform(turn, points)))
    np.testing.assert_allclose(transform(invert(both), transform(both, points)), points)


def at(x_px: float, y_px: float) -> Floats:
    return np.asarray(CROSS + np.array([x_px, y_px]), np.float64)


def session(image_wh: tuple[int, int] = (400, 300)) -> LiveSession:
    return LiveSession(PersonTracker(image_wh), PoseSmoother(4, 0.2))


def see(live: LiveSession, points: Floats, time_s: float, scores: Floats = SCORES) -> Floats:
    poses = Poses(points[None], scores[None], live.look()[None])
    return live.read(poses, time_s).keypoints_px[0]


def test_looks_at_all_then_at_the_person_then_at_all_again() -> None:
    live = session()
    np.testing.assert_array_equal(live.look(), [0, 0, 400, 300])
    see(live, at(200, 150), 0.0)
    left, top, width, height = live.look()
    assert left < 175 < 225 < left + width
    assert top < 90 < 210 < top + height
    see(live, at(200, 150), 0.1, SCORES * 0.1)
    np.testing.assert_array_equal(live.look(), [0, 0, 400, 300])


def test_a_chosen_box_comes_first_and_its_person_is_a_new_one() -> None:
    live = session()
    see(live, at(100, 150), 0.0)
    see(live, at(100, 150), 0.03)
    live.tracker.choose(np.array([250.0, 50.0, 100.0, 200.0]))
    np.testing.assert_array_equal(live.look(), [250, 50, 100, 200])
    moved = at(300, 150)
    np.testing.assert_array_equal(see(live, moved, 0.06), moved)


def test_smoothing_calms_one_who_stands_and_follows_one_who_runs() -> None:
    rng = np.random.default_rng(0)
    still, moving = session(), session()
    trembles, lags = [], []
    for frame in range(60):
        noise = rng.normal(0, 1.0, CROSS.shape)
        shown = see(still, at(200, 150) + noise, frame / 30)
        place = at(80 + 4.0 * frame, 150)
        lag = np.linalg.norm(see(moving, place, frame / 30) - place, axis=1).max()
        if frame > 10:
            trembles.append(shown - at(200, 150))
            lags.append(lag)
    assert np.std(trembles) < 0.7
    assert max(lags) < 8


@pytest.mark.parametrize("step_s", [0.0, -0.1, 0.6], ids=["same time", "back", "after a gap"])
def test_smoothing_begins_anew(step_s: float) -> None:
    live = session()
    see(live, at(200, 150), 5.0)
    see(live, at(200, 150), 5.03)
    moved = at(210, 150)
    np.testing.assert_array_equal(see(live, moved, 5.03 + step_s), moved)


def test_an_uncertain_keypoint_comes_out_as_found() -> None:
    live = session()
    see(live, at(200, 150), 0.0)
    see(live, at(200, 150), 0.03)
    moved, scores = at(206, 150), np.array([0.9, 0.1, 0.9, 0.9])
    shown = see(live, moved, 0.06, scores)
    np.testing.assert_array_equal(shown[1], moved[1])
    assert (shown[0] != moved[0]).any()
