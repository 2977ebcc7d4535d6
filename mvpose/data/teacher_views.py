"""What teachers see of a person in several views, and what they agree on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveFloat
from pydantic.dataclasses import dataclass as record

from mvpose.codec.affine import box_to_region, crop, crop_matrix
from mvpose.data.coco import Person
from mvpose.estimate import read_poses
from mvpose.runtime.base import Runtime
from mvpose.spec import FROZEN, Record, Skeleton

Floats = NDArray[np.float64]
Voters = Sequence[tuple[Runtime, float]]
"""Teachers and their weights."""

TORSO = (("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"))
SHORTEST_TORSO_PX = 8
BATCH = 64


@record(frozen=True, config=FROZEN)
class View(Record):
    """A way to look at a person.

    Attributes:
        rotation_deg: clockwise rotation of the picture within the crop.
        scale: the region is grown by this factor, beyond the teacher's own padding.
        mirror: exchange left and right.
    """

    rotation_deg: float = 0.0
    scale: PositiveFloat = 1.0
    mirror: bool = False


VIEWS = (View(), View(mirror=True), View(15, 1.12), View(-15, 0.95, mirror=True))


@dataclass(frozen=True)
class Sightings:
    """Keypoints of one person in V views (of each teacher in turn).

    Attributes:
        points_px: (V, K, 2) x, y in the image.
        peaks: (V, K) heights of the peaks, about 0..1.
        weights: (V,) of the views.
    """

    points_px: Floats
    peaks: Floats
    weights: Floats

    def __add__(self, other: Self) -> Self:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return type(self)(*(np.concatenate(pair) for pair in pairs))

    def consensus(self, unit_px: Floats) -> tuple[Floats, Floats]:
        """What the views agree on.

        For each keypoint, the view with the most support is sought: the sum of the weighted peaks
        of all views within one unit of it. These views are averaged by weighted peak.

        Args:
            unit_px: (K,) distance within which views agree.

        Returns:
            (K, 2) points, and (K,) confidence: the agreeing views' weighted peaks over all views'
            weights; about 1 where every view is sure of the same place.
        """
        votes = self.peaks.clip(min=0) * self.weights[:, None]
        apart = np.linalg.norm(self.points_px[:, None] - self.points_px[None], axis=-1)
        near = apart < unit_px  # [V, V, K]
        best = (near * votes).sum(1).argmax(0)
        counted = np.take_along_axis(near, best[None, None], 0)[0] * votes
        total = counted.sum(0)
        mean = (counted[..., None] * self.points_px).sum(0) / np.maximum(total, 1e-9)[:, None]
        return np.where(total[:, None] > 0, mean, self.points_px[0]), total / self.weights.sum()


def look(
    voters: Voters,
    image: NDArray[np.uint8],
    people: Sequence[Person],
    views: Sequence[View] = VIEWS,
    upright_deg: float = 25.0,
) -> list[Sightings]:
    """Show the people of an image to all teachers in all views.

    Args:
        voters: teachers with one skeleton, and their weights.
        image: (height, width, 3) RGB.
        people: those in the image.
        views: of each person.
        upright_deg: people whose labelled torso is tilted by more are first turned upright.
    """
    if not people:
        return []
    skeleton = voters[0][0].spec.skeleton
    poses = [upright(person, skeleton, upright_deg) for person in people]
    found = [_look_by(runtime, weight, image, poses, views) for runtime, weight in voters]
    return [sum(rest, first) for first, *rest in zip(*found, strict=True)]


def _look_by(
    runtime: Runtime,
    weight: float,
    image: NDArray[np.uint8],
    poses: Sequence[tuple[Floats, float]],
    views: Sequence[View],
) -> list[Sightings]:
    spec = runtime.spec
    size = spec.preprocess.size_wh
    matrices = []
    for box, tilt_deg in poses:
        centre, region = box_to_region(box, size, spec.preprocess.box_padding)
        matrices += [
            crop_matrix(centre, region * v.scale, size, tilt_deg + v.rotation_deg, v.mirror)
            for v in views
        ]
    crops = np.stack([crop(image, matrix, size) for matrix in matrices])
    maps = np.concatenate(
        [runtime.heatmaps(crops[i : i + BATCH]) for i in range(0, len(crops), BATCH)]
    )
    boxes = np.repeat([box for box, _ in poses], len(views), 0)
    found = read_poses(maps, matrices, boxes, spec)
    points = found.keypoints_px.reshape(len(poses), len(views), -1, 2)
    peaks = found.scores.reshape(len(poses), len(views), -1)
    order = spec.skeleton.flip_order
    for number, view in enumerate(views):
        if view.mirror:
            points[:, number], peaks[:, number] = points[:, number, order], peaks[:, number, order]
    weights = np.full(len(views), weight)
    return [Sightings(p, s, weights) for p, s in zip(points, peaks, strict=True)]


def upright(person: Person, skeleton: Skeleton, least_deg: float) -> tuple[Floats, float]:
    """The box to crop and the rotation that turns a tilted person's torso upright.

    The box is about the turned keypoints, in the turned image's axes and about a centre in the
    image's. Where the labelled keypoints span less than half of the annotated box, it is that box
    as it is.

    Args:
        person: with or without labels.
        skeleton: names the torso.
        least_deg: people who are tilted less stay as they are.

    Returns:
        (4,) left, top, width, height in pixels, and the clockwise rotation in degrees.
    """
    tilt_deg = torso_tilt_deg(person, skeleton)
    if abs(tilt_deg) <= least_deg:
        return person.box_xywh_px, 0.0
    angle = np.deg2rad(tilt_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = person.keypoints_px[person.keypoints_px[:, 2] > 0, :2]
    if np.ptp(points, axis=0).prod() < 0.5 * person.box_xywh_px[2:].prod():
        return person.box_xywh_px, tilt_deg
    turned = points @ turn.T
    low, high = turned.min(0), turned.max(0)
    centre, size = (low + high) / 2 @ turn, (high - low) * 1.12 + 4
    return np.concatenate([centre - size / 2, size]), tilt_deg


def torso_tilt_deg(person: Person, skeleton: Skeleton) -> float:
    """How far the labelled torso must be turned clockwise to stand; 0 where it isn't labelled."""
    names: list[str] = [name for pair in TORSO for name in pair]
    if not set(names) <= set(skeleton.keypoints):
        return 0.0
    joints = person.keypoints_px[[skeleton.keypoints.index(name) for name in names]]
    x, y = joints[2:, :2].mean(0) - joints[:2, :2].mean(0)
    seen: Any = (joints[:, 2] > 0).all()
    long_enough = np.hypot(x, y) > SHORTEST_TORSO_PX
    return float(np.rad2deg(np.arctan2(x, y))) if seen and long_enough else 0.0
