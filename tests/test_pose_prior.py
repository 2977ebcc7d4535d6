"""The pose prior: figures, their fit to labels, the mixture, and how near it is to real people."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mvpose.data.drawn_actions import guess_poses
from mvpose.data.drawn_fit import People, fit_figures, read_people
from mvpose.data.drawn_mixture import fit_mixture
from mvpose.data.drawn_people import place_people
from mvpose.data.drawn_pose import HIGH, INDEX, LOW, POSE, articulate, mirrored
from mvpose.data.drawn_prior import (
    compare,
    drawn_keypoints,
    energy_distance,
    fit_prior,
    pose_distances,
    split_people,
)
from mvpose.data.pose_prior import (
    SHIPPED,
    crowd_of,
    from_features,
    load_prior,
    shipped_prior,
    to_features,
)
from mvpose.errors import InputError
from mvpose.spec import COCO17

SIZE = (640, 480)


def guessed(count: int, seed: int = 0) -> NDArray[np.float64]:
    return guess_poses(np.random.default_rng(seed), count).clip(LOW, HIGH)


def people_of(keypoints_px: NDArray[np.float64], first_image: int = 1) -> People:
    """Drawn keypoints (N, 17, 3) as if they had been labelled, two to an image."""
    count = len(keypoints_px)
    boxes = np.tile([0.0, 0.0, 300.0, 300.0], (count, 1))
    image = np.arange(count) // 2 + first_image
    return People(keypoints_px, boxes, np.tile(np.array(SIZE, np.float64), (count, 1)), image)


def write_npz(path: Path, people: People) -> Path:
    image_id, counts = np.unique(people.image, return_counts=True)
    np.savez(
        path,
        keypoints=people.keypoints_px.round().astype(np.int16),
        bbox_xywh=people.box_xywh_px.astype(np.float32),
        start=np.concatenate([[0], np.cumsum(counts)]),
        image_id=image_id,
        is_val2017=image_id > 10_000,
        width=np.full(len(image_id), SIZE[0]),
        height=np.full(len(image_id), SIZE[1]),
    )
    return path


def test_mirrored_pose_is_the_mirror_image() -> None:
    pose, ends = guessed(50), np.random.default_rng(1).uniform(-10, 10, (50, 6))
    one = articulate(pose, ends)
    other = articulate(mirrored(pose), ends[:, [3, 4, 5, 0, 1, 2]])
    for name, points in one.points.items():
        side, _, rest = name.partition("_")
        partner = {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side, name)
        np.testing.assert_allclose(other.points[partner], points * [-1, 1, 1], atol=1e-9)


def test_figures_are_people_and_not_their_mirror_images() -> None:
    figure = articulate(guessed(200), np.zeros((200, 6)))
    at = figure.points
    across = at["left_shoulder"] - at["right_shoulder"]
    forward = np.cross(across, at["neck"] - at["pelvis"])
    assert (np.einsum("ni,ni->n", forward, -figure.trunk[:, :, 2]) > 0).all()
    for upper, lower in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow")):
        left, right = (
            np.linalg.norm(at[f"{side}_{lower}"] - at[f"{side}_{upper}"], axis=1)
            for side in ("left", "right")
        )
        np.testing.assert_allclose(left, right)


@pytest.mark.parametrize(
    ("name", "landmark", "axis", "sign"),
    [
        pytest.param("left_hip", "left_knee", 2, -1, id="thigh forwards"),
        pytest.param("left_knee", "left_ankle", 2, 1, id="shin backwards"),
        pytest.param("left_arm_out", "left_elbow", 0, 1, id="left arm to the right of the picture"),
        pytest.param("right_arm_out", "right_elbow", 0, -1, id="right arm to the left"),
        pytest.param("right_elbow", "right_wrist", 2, -1, id="forearm forwards"),
        pytest.param("lean", "nose", 2, -1, id="trunk forwards"),
        pytest.param("yaw", "nose", 0, -1, id="turned to their right"),
    ],
)
def test_angles_turn_the_right_way(name: str, landmark: str, axis: int, sign: int) -> None:
    pose = np.zeros((2, len(POSE)))
    for proportion, value in {"torso": 1, "arms": 1, "legs": 1, "head_size": 1}.items():
        pose[:, INDEX[proportion]] = value
    pose[1, INDEX[name]] = 40
    rest, bent = articulate(pose, np.zeros((2, 6))).points[landmark]
    assert sign * (bent - rest)[axis] > 0.04


def test_features_and_back() -> None:
    pose, frame = guessed(30), np.random.default_rng(0).normal(size=(30, 3))
    again, same_frame = from_features(to_features(pose, frame))
    turns = (again - pose + 180) % 360 - 180
    np.testing.assert_allclose(turns, 0, atol=1e-9)
    np.testing.assert_allclose(same_frame, frame)


def test_fit_finds_the_figures_again() -> None:
    figure = articulate(guessed(12, seed=3), np.zeros((12, 6)))
    points = figure.keypoints(COCO17.keypoints)[..., :2] * 200 + [320, 200]
    keypoints = np.concatenate([points, np.full((12, 17, 1), 2.0)], 2)
    keypoints[::2, 15:] = 0
    fits = fit_figures(people_of(keypoints))
    assert np.median(fits.error) < 0.012
    assert np.median(np.abs(np.log(fits.scale_px / 200))) < 0.1
    assert np.median(np.linalg.norm(fits.pelvis_px - [320, 200], axis=1)) < 8
    found = articulate(fits.pose, np.zeros((12, 6))).keypoints(COCO17.keypoints)[..., :2]
    placed = found * fits.scale_px[:, None, None] + fits.pelvis_px[:, None]
    distance = np.linalg.norm(placed - keypoints[..., :2], axis=2)[keypoints[..., 2] > 0]
    assert np.quantile(distance, 0.9) < 0.03 * 200


def test_mixture_finds_two_clouds() -> None:
    rng = np.random.default_rng(0)
    mix = np.array([[2.0, 0.0], [1.5, 0.5]])
    samples = np.concatenate(
        [rng.normal(size=(3000, 2)) @ mix.T, rng.normal([20, 5], 1, (1000, 2))]
    )
    weights, means, factors, shares = fit_mixture(samples, 2, np.full(2, 1e-4))
    first = int(means[:, 0].argmin())
    assert weights[first] == pytest.approx(0.75, abs=0.01)
    np.testing.assert_allclose(means[[first, 1 - first]], [[0, 0], [20, 5]], atol=0.15)
    covariance = factors[first] @ factors[first].T
    np.testing.assert_allclose(covariance, mix @ mix.T, atol=0.4)
    np.testing.assert_allclose(shares.sum(1), 1)


def test_shipped_prior_draws_within_limits() -> None:
    prior, rng = shipped_prior(), np.random.default_rng(0)
    for count in (1, 2, 4, 9):
        scales = prior.sample_log_scales(rng, count)
        assert (np.diff(scales) >= 0).all()
        for scale in scales:
            pose, place = prior.sample(rng, count, float(scale))
            assert ((pose >= LOW) & (pose <= HIGH)).all()
            assert np.isfinite(place).all()
    assert SHIPPED.stat().st_size < 500_000


def test_scale_asked_for_changes_the_framing() -> None:
    """Small people are whole, near ones are cut by the border."""
    prior, labelled = shipped_prior(), {}
    for log_scale in (-1.0, 1.0):
        fixed = replace(prior, log_scales=np.full_like(prior.log_scales, log_scale))
        rng = np.random.default_rng(0)
        people = [place_people(rng, fixed, 1, SIZE)[0].keypoints_px(SIZE) for _ in range(60)]
        labelled[log_scale] = (np.stack(people)[:, 11:, 2] > 0).mean()
    assert labelled[-1.0] > 0.9
    assert labelled[1.0] < 0.35


@pytest.mark.parametrize(("count", "row"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (13, 3)])
def test_crowds(count: int, row: int) -> None:
    assert crowd_of(count) == row


@pytest.fixture(scope="module")
def drawn_labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keypoints, _ = drawn_keypoints(shipped_prior(), 700)
    return write_npz(tmp_path_factory.mktemp("labels") / "poses.npz", people_of(keypoints))


def test_fit_command_is_repeatable(drawn_labels: Path, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("once.npz", "again.npz")]
    for out in files:
        command = [sys.executable, "-m", "mvpose.data.pose_prior", str(drawn_labels), str(out)]
        run = subprocess.run([*command, "--people", "220"], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        assert "missed" in run.stdout
    assert files[0].read_bytes() == files[1].read_bytes()
    assert 9 <= len(load_prior(files[0]).means) <= 11


def test_reads_only_whom_it_may(tmp_path: Path) -> None:
    keypoints, _ = drawn_keypoints(shipped_prior(), 12)
    people = people_of(keypoints)
    image = np.array([1, 1, 2, 2, 3, 3, 4, 4, 10_001, 10_001, 10_002, 10_002])
    boxes = people.box_xywh_px.copy()
    boxes[0, 2:] = 20
    path = write_npz(tmp_path / "poses.npz", replace(people, image=image, box_xywh_px=boxes))
    read = read_people(path, frozenset({3}))
    assert read.image.tolist() == [1, 2, 2, 4, 4]
    np.testing.assert_array_equal(read.keypoints_px, keypoints[[1, 2, 3, 6, 7]].round())


@pytest.mark.parametrize("content", [None, b"", b"not a zip", "zip"])
def test_refuses_what_holds_no_poses(content: bytes | str | None, tmp_path: Path) -> None:
    path = tmp_path / "poses.npz"
    if content == "zip":
        np.savez(path, keypoints=np.zeros((1, 17, 3)))
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(InputError, match="cannot read poses"):
        read_people(path)
    with pytest.raises(InputError, match="cannot read the pose prior"):
        load_prior(path)


def test_refuses_too_few_people() -> None:
    keypoints, _ = drawn_keypoints(shipped_prior(), 50)
    with pytest.raises(InputError, match="labelled well enough"):
        fit_prior(people_of(keypoints), 50)


def test_refuses_a_prior_of_other_angles(tmp_path: Path) -> None:
    with np.load(SHIPPED) as file:
        arrays = dict(file)
    arrays["names"] = np.array(["yaw", "pitch"])
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(InputError, match="other joint angles"):
        load_prior(tmp_path / "other.npz")


def test_distance_of_poses() -> None:
    rng = np.random.default_rng(0)
    shapes = rng.normal(size=(20, 12, 2))
    assert pose_distances(shapes, shapes) == pytest.approx((0, 0), abs=1e-6)
    shifted = shapes + np.array([0.3, 0.4])
    assert pose_distances(shapes, shifted)[0] == pytest.approx(0.5)
    missed, odd = pose_distances(shapes, np.repeat(shapes[:1], 20, 0))
    assert missed > 0.5
    assert odd == pytest.approx(0, abs=1e-6)


def test_energy_distance_tells_distributions_apart() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 400, 12, 2))
    assert abs(energy_distance(first, second)) < 0.005
    assert energy_distance(first, 1.3 * second) > 0.02
    assert energy_distance(first, second + 0.5) > 0.1


def test_nearer_to_real_people_than_the_table(shared_data: Path) -> None:
    known, held_out = split_people(read_people(shared_data / "coco2017_person_poses.npz"))
    rows = compare(shipped_prior(), known, held_out, count=600)
    real, prior, table = (
        {name: float(value) for name, value in row.items() if name != "poses"} for row in rows
    )
    assert prior["energy"] < 0.4 * table["energy"]
    assert prior["missed"] < table["missed"]
    assert prior["odd"] < table["odd"]
    assert prior["missed"] < 1.15 * real["missed"]
    assert prior["odd"] < 1.15 * real["odd"]
    for quartile in ("height_25", "height_50", "height_75"):
        assert prior[quartile] == pytest.approx(real[quartile], abs=0.1)
