"""Puts people from the pose prior into a picture, before anything is painted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mvpose.data.drawn_pose import Figure, Floats, articulate, looks_away
from mvpose.data.pose_prior import PosePrior
from mvpose.spec import COCO17

FEWEST_KEYPOINTS = 5
TRIES = 40
ENDS_LOW, ENDS_HIGH = np.array([-20, -22, 0] * 2), np.array([40, 8, 18] * 2)
FACE_POINTS = 5


@dataclass(frozen=True)
class Placed:
    """A figure in a picture, seen without perspective: pixels = scale * x, y + pelvis.

    Attributes:
        figure: the person.
        scale_px: pixels per body height.
        pelvis_px: (2,) where the pelvis lies.
    """

    figure: Figure
    scale_px: float
    pelvis_px: Floats

    def pixels(self, points: Floats) -> Floats:
        """Where points (..., 3) in body heights lie in the picture (..., 2)."""
        return np.asarray(points[..., :2] * self.scale_px + self.pelvis_px)

    def keypoints_px(self, size_wh: tuple[int, int]) -> Floats:
        """(17, 3): x, y and 2, or zeros where COCO has no label: outside, or a face turned away."""
        points = self.pixels(self.figure.keypoints(COCO17.keypoints))
        inside = np.asarray((points >= 0) & (points <= np.subtract(size_wh, 1)))
        faces = [
            k >= FACE_POINTS or not looks_away(self.figure, name)
            for k, name in enumerate(COCO17.keypoints)
        ]
        labelled = np.asarray(inside.all(1) & np.array(faces))
        return np.concatenate([points, np.full((17, 1), 2.0)], 1) * labelled[:, None]


def place_people(
    rng: np.random.Generator, prior: PosePrior, count: int, size_wh: tuple[int, int]
) -> list[Placed]:
    """Draw ``count`` people and where they are, from the farthest to the nearest.

    Each has at least five keypoints in the picture.
    """
    people: list[Placed] = []
    boxes: list[Floats] = []
    for log_scale in prior.sample_log_scales(rng, count):
        crowding = rng.uniform(0.1, 0.5)
        for attempt in range(TRIES):
            placed = _place(rng, prior, count, float(log_scale), size_wh)
            keypoints = placed.keypoints_px(size_wh)
            seen = keypoints[keypoints[:, 2] > 0, :2]
            if len(seen) < FEWEST_KEYPOINTS:
                log_scale -= 0.02
                continue
            box = np.concatenate([seen.min(0), seen.max(0)])
            if all(_overlap(box, other) < crowding for other in boxes) or attempt > TRIES // 2:
                people.append(placed)
                boxes.append(box)
                break
    return people


def _place(
    rng: np.random.Generator,
    prior: PosePrior,
    count: int,
    log_scale: float,
    size_wh: tuple[int, int],
) -> Placed:
    pose, place = prior.sample(rng, count, log_scale)
    figure = articulate(pose, rng.uniform(ENDS_LOW, ENDS_HIGH))
    scale = float(np.exp(log_scale) * np.sqrt(size_wh[0] * size_wh[1]))
    return Placed(figure, scale, place * size_wh)


def _overlap(a: Floats, b: Floats) -> float:
    """Intersection over union of two boxes of left, top, right, bottom."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared + 1e-9)
