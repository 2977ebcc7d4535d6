"""Finds the 3-D figures whose projections are real labelled keypoints.

Each person starts from the hand-written figures that look most like them; joint angles,
proportions, scale and place are then fitted by damped Gauss-Newton steps, held within the limits of
the joints and near the start where the picture says nothing (depth, hidden limbs).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.data.drawn_actions import guess_poses
from mvpose.data.drawn_pose import HIGH, INDEX, LOW, POSE, Floats, articulate, looks_away
from mvpose.errors import InputError
from mvpose.spec import COCO17

PIXEL_NOISE = 0.02
GUESSES = 25_000
STARTS = 2
STEPS = 12
FACE_POINTS = 5
GHOST, FACING = 1.5, 0.0015
"""What it costs a figure to show a joint in the picture that has no label, or a face that looks the
other way: squared errors as shares of the noise, and of the body height."""
ROUND = np.isin(list(POSE), ["yaw", "roll"])
SHAPE = np.arange(len(POSE)) >= INDEX["torso"]
LOOSE = np.where(SHAPE, 0.05, 25.0) * np.where(np.isin(list(POSE), ["shoulders", "hips"]), 0.15, 1)
STIFF = np.where(SHAPE, 0.01, 4.0) * np.where(np.isin(list(POSE), ["shoulders", "hips"]), 0.2, 1)
STEP = np.where(SHAPE, 0.002, 0.2)
_BY_LIMB = [[f"{s}_{name}" for s in ("left", "right") for name in pair] for pair in (
    ("arm_out", "leg_out"), ("arm_forward", "hip"), ("arm_twist", "leg_twist"), ("elbow", "knee"),
)]  # fmt: skip
TOGETHER = [
    ["yaw"], ["pitch"], ["roll"], ["lean"], ["twist"], ["side"], ["torso", "hip_tilt"],
    ["shoulders", "hips"], ["arms", "legs"],
    *([*limbs, face] for limbs, face in zip(
        _BY_LIMB, ("nod", "head_turn", "head_tilt", "head_size"), strict=True
    )),
]  # fmt: skip
"""Entries of the pose that move different keypoints, so that one difference serves them all."""


def _moves() -> NDArray[np.bool_]:
    """Which keypoints each entry of the pose moves, (P, 17)."""
    rng = np.random.default_rng(0)
    pose = guess_poses(rng, 1)
    points = []
    for shift in (np.zeros(len(POSE)), *np.diag(20 * STEP)):
        figure = articulate(pose + shift, np.zeros((1, 6)))
        points.append(figure.keypoints(COCO17.keypoints)[0])
    return np.asarray((np.abs(np.stack(points[1:]) - points[0]) > 1e-7).any(2))


MOVES = _moves()

Track = Callable[[Sequence[Any]], Iterable[Any]]


@dataclass(frozen=True)
class People:
    """Labelled people of photographs.

    Attributes:
        keypoints_px: (N, 17, 3) x, y and visibility.
        box_xywh_px: (N, 4).
        size_wh: (N, 2) of their images.
        image: (N,) ids of their images.
    """

    keypoints_px: Floats
    box_xywh_px: Floats
    size_wh: Floats
    image: NDArray[np.int64]

    def chosen(self, which: NDArray[Any]) -> People:
        """The people of a mask or of numbers."""
        return People(*(a[which] for a in vars(self).values()))


@dataclass(frozen=True)
class Fits:
    """Figures fitted to people.

    Attributes:
        pose: (N, P).
        scale_px: (N,) pixels per body height.
        pelvis_px: (N, 2).
        error: (N,) root mean square distance of labelled joints, body heights.
    """

    pose: Floats
    scale_px: Floats
    pelvis_px: Floats
    error: Floats


def read_people(path: Path, leave_out: frozenset[int] = frozenset()) -> People:
    """The people of train2017 that the COCO protocol counts: medium and large ones.

    Args:
        path: ``.npz`` with ``keypoints`` (N, 17, 3), ``bbox_xywh`` (N, 4), ``start`` (M + 1),
            ``image_id``, ``is_val2017``, ``width`` and ``height`` (M).
        leave_out: ids of images not to use.

    Raises:
        InputError: the file can't be read, or lacks one of these.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            image = np.repeat(np.arange(len(file["start"]) - 1), np.diff(file["start"]))
            boxes = file["bbox_xywh"].astype(np.float64)
            ids = file["image_id"].astype(np.int64)
            wanted = ~file["is_val2017"] & ~np.isin(ids, list(leave_out))
            big = 0.53 * boxes[:, 2] * boxes[:, 3] > 32**2
            use = wanted[image] & big
            size = np.stack([file["width"], file["height"]], 1).astype(np.float64)
            keypoints = file["keypoints"].astype(np.float64)
            return People(keypoints[use], boxes[use], size[image[use]], ids[image[use]])
    except (OSError, ValueError, KeyError, IndexError, EOFError) as error:
        raise InputError(
            f"cannot read poses from {path}: {error}",
            "give a .npz with keypoints, bbox_xywh, start, image_id, is_val2017, width and height",
        ) from error


def fit_figures(people: People, seed: int = 0, track: Track = iter) -> Fits:
    """Fit a figure to each person.

    Args:
        track: wraps the batches, to show progress.
    """
    rng = np.random.default_rng(seed)
    guesses = guess_poses(rng, GUESSES, wider=1.2)
    figure = articulate(guesses, np.zeros((GUESSES, 6)))
    joints = figure.keypoints(COCO17.keypoints)[..., :2]
    faces = np.stack([~looks_away(figure, name) for name in COCO17.keypoints[:FACE_POINTS]], 1)
    batches = np.array_split(np.arange(len(people.image)), max(1, len(people.image) // 100))
    parts = [_fit(people.chosen(rows), guesses, joints, faces) for rows in track(batches)]
    return Fits(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _fit(
    people: People, guesses: Floats, joints: Floats, faces: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats, Floats]:
    labelled = people.keypoints_px[..., 2] > 0
    starts = _nearest(people.keypoints_px[..., :2], labelled, joints, faces).ravel()
    count = len(labelled)
    weight = np.repeat(labelled, STARTS, 0).astype(np.float64)
    pixels = np.repeat(people.keypoints_px[..., :2], STARTS, 0)
    start_scale, offset = _aligned(pixels, weight, joints[starts])
    target = pixels / start_scale[:, None, None]
    frame = np.column_stack([np.zeros(len(starts)), offset / start_scale[:, None]])
    pose, frame, loss = _descend(guesses[starts], frame, target, weight)
    points = _projected(pose, frame)
    distance = ((points - target) ** 2).sum(-1)
    placed = points * start_scale[:, None, None]
    size = np.repeat(people.size_wh, STARTS, 0)[:, None]
    ghost = ((placed >= 0) & (placed < size)).all(-1) & (weight == 0)
    best = (loss + GHOST * ghost[:, FACE_POINTS:].sum(1)).reshape(count, STARTS).argmin(1)
    best = best + STARTS * np.arange(count)
    error = np.sqrt((distance * weight).sum(1) / weight.sum(1)) / np.exp(frame[:, 0])
    scale_px = start_scale * np.exp(frame[:, 0])
    pelvis_px = frame[:, 1:] * start_scale[:, None]
    return pose[best], scale_px[best], pelvis_px[best], error[best]


def _aligned(points: Floats, weight: Floats, joints: Floats) -> tuple[Floats, Floats]:
    """Scales (N,) and offsets (N, 2) that lay figures' joints (N, 17, 2) on labelled points."""
    w = (weight / weight.sum(1, keepdims=True))[..., None]
    there, here = (w * points).sum(1), (w * joints).sum(1)
    centred = w * (joints - here[:, None])
    cross = (centred * (points - there[:, None])).sum((1, 2))
    scale = np.maximum(cross, 1e-6) / (centred * (joints - here[:, None])).sum((1, 2))
    return scale, there - scale[:, None] * here


def _nearest(
    points: Floats, labelled: NDArray[np.bool_], joints: Floats, faces: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """The figures (N, STARTS) of M that fit each of N people best at any scale and place."""
    w = (labelled / labelled.sum(1, keepdims=True)).astype(np.float32)
    mean = (w[..., None] * points).sum(1, keepdims=True)
    unit = points - mean
    unit = unit / np.sqrt((w[..., None] * unit**2).sum((1, 2), keepdims=True))
    centred = (w[..., None] * unit).astype(np.float32)
    x, y = np.ascontiguousarray(joints.transpose(2, 1, 0), np.float32)
    cross = centred[..., 0] @ x + centred[..., 1] @ y
    size = w @ (x**2 + y**2) - (w @ x) ** 2 - (w @ y) ** 2
    size = np.maximum(size, 1e-6)
    wrong = size * (size / np.maximum(cross, 1e-6) ** 2 - 1)
    seen = labelled[:, :FACE_POINTS].astype(np.float32)
    facing = faces.T.astype(np.float32)
    wrong += FACING * (seen @ (1 - facing) + 0.5 * (1 - seen) @ facing)
    return np.argpartition(wrong, STARTS, 1)[:, :STARTS]


def _projected(pose: Floats, frame: Floats) -> Floats:
    """Keypoints (N, 17, 2) of figures at log scale, x and y (N, 3)."""
    points = articulate(pose, np.zeros((len(pose), 6))).keypoints(COCO17.keypoints)[..., :2]
    return points * np.exp(frame[:, :1, None]) + frame[:, None, 1:]


def _descend(
    start: Floats, frame: Floats, target: Floats, weight: Floats
) -> tuple[Floats, Floats, Floats]:
    """Levenberg-Marquardt over poses and places at once; derivatives by differences."""
    low, high = np.where(ROUND, -np.inf, LOW), np.where(ROUND, np.inf, HIGH)
    count, angles = start.shape
    masks = np.repeat(weight, 2, axis=1) / PIXEL_NOISE

    def errors(pose: Floats, frame: Floats) -> tuple[Floats, Floats, Floats]:
        """Of the keypoints, of leaving the start, and of leaving the limits."""
        data = (_projected(pose, frame) - target).reshape(count, -1) * masks
        return data, (pose - start) / LOOSE, (pose - pose.clip(low, high)) / STIFF

    pose, damping = start.clip(low, high), np.full(count, 0.1)
    now = errors(pose, frame)
    loss = _total(now)
    entry = np.arange(angles)
    for _ in range(STEPS):
        slope = _slope(pose, frame) * masks[..., None]
        transposed = np.ascontiguousarray(slope.transpose(0, 2, 1))
        normal = transposed @ slope
        normal[:, entry, entry] += 1 / LOOSE**2 + (now[2] != 0) / STIFF**2
        downhill = (transposed @ now[0][..., None])[..., 0]
        downhill[:, :angles] += now[1] / LOOSE + now[2] / STIFF
        diagonal = np.einsum("nii->ni", normal)
        diagonal *= 1 + damping[:, None]
        diagonal += 1e-6
        step = -np.linalg.solve(normal, downhill[..., None])[..., 0]
        next_pose, next_frame = pose + step[:, :angles], frame + step[:, angles:]
        tried = errors(next_pose, next_frame)
        next_loss = _total(tried)
        better = next_loss < loss
        take = better[:, None]
        pose, frame = np.where(take, next_pose, pose), np.where(take, next_frame, frame)
        now = (
            np.where(take, tried[0], now[0]),
            np.where(take, tried[1], now[1]),
            np.where(take, tried[2], now[2]),
        )
        loss, damping = np.where(better, next_loss, loss), damping * np.where(better, 0.4, 4)
    return pose, frame, loss


def _total(errors: tuple[Floats, ...]) -> Floats:
    return np.sum([(error**2).sum(1) for error in errors], axis=0)


def _slope(pose: Floats, frame: Floats) -> Floats:
    """Derivatives (N, 34, P + 3) of the keypoints."""
    count, angles = pose.shape
    here = _projected(pose, frame)
    slope = np.zeros((count, 17, 2, angles + 3))
    for names in TOGETHER:
        moved = pose.copy()
        for name in names:
            moved[:, INDEX[name]] += STEP[INDEX[name]]
        change = _projected(moved, frame) - here
        for name in names:
            k = INDEX[name]
            slope[..., k] = change * (MOVES[k, :, None] / STEP[k])
    slope[..., angles] = here - frame[:, None, 1:]
    slope[:, :, [0, 1], [angles + 1, angles + 2]] = 1
    return slope.reshape(count, 34, -1)
