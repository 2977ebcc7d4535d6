"""Drawing poses on pictures."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mvpose.estimate import SCORE_FLOOR, Poses
from mvpose.spec import Skeleton

Color = tuple[int, int, int]

LEFT: Color = (255, 140, 26)
RIGHT: Color = (38, 170, 255)
CENTRE: Color = (130, 230, 90)
RIM: Color = (20, 20, 20)
SUBPIXEL_BITS = 4


def draw_poses(
    image: NDArray[np.uint8], poses: Poses, skeleton: Skeleton, score_floor: float = SCORE_FLOOR
) -> NDArray[np.uint8]:
    """Draw the skeletons of all people on a copy of the picture.

    Left limbs are orange, right ones blue, those of the middle green; a dark rim sets them off from
    any background.

    Args:
        image: (height, width, 3) RGB.
        poses: keypoints in pixels of the image.
        skeleton: which keypoints are joined.
        score_floor: keypoints with a lower score are left out.

    Returns:
        a new image of the same size.
    """
    canvas = image.copy()
    sides = _sides(skeleton)
    for points, scores in zip(poses.keypoints_px, poses.scores, strict=True):
        shown = (scores >= score_floor) & np.isfinite(points).all(1)
        if not shown.any():
            continue
        width = _line_width(points[shown], image.shape)
        edges = [(a, b) for a, b in skeleton.edges if shown[a] and shown[b]]
        for rim in (width, 0.0):
            for a, b in edges:
                color = RIM if rim else _color(sides[a], sides[b])
                thickness = max(1, round(width + rim))
                cv2.line(
                    canvas,
                    _at(points[a]),
                    _at(points[b]),
                    color,
                    thickness,
                    cv2.LINE_AA,
                    SUBPIXEL_BITS,
                )
        for k in np.flatnonzero(shown):
            _dot(canvas, points[k], 1.25 * width, RIM)
            _dot(canvas, points[k], 0.85 * width, _color(sides[k], sides[k]))
    return canvas


def _sides(skeleton: Skeleton) -> list[int]:
    """For each keypoint 1 (left), -1 (right) or 0, from the flip pairs."""
    sides = [0] * len(skeleton.keypoints)
    for a, b in skeleton.flip_pairs:
        left = a if skeleton.keypoints[a].startswith("left") else b
        sides[left], sides[a + b - left] = 1, -1
    return sides


def _color(first: int, second: int) -> Color:
    """A limb has its side's colour where neither end lies on the other side."""
    if first * second < 0 or first == second == 0:
        return CENTRE
    return LEFT if first + second > 0 else RIGHT


def _line_width(points_px: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    """Line width in pixels: by the person's extent, within bounds set by the image."""
    extent = float(np.ptp(points_px, axis=0).max())
    side = max(shape[:2])
    return float(np.clip(extent / 70, max(1.0, side / 500), max(1.5, side / 120)))


def _at(point_px: NDArray[np.float64]) -> tuple[int, int]:
    """A point in the fixed-point numbers that cv2 draws with, kept far from their overflow."""
    x, y = (point_px.clip(-1e5, 1e5) * 2**SUBPIXEL_BITS).round().astype(int).tolist()
    return x, y


def _dot(
    canvas: NDArray[np.uint8], point_px: NDArray[np.float64], radius_px: float, color: Color
) -> None:
    radius = max(1, round(radius_px * 2**SUBPIXEL_BITS))
    cv2.circle(canvas, _at(point_px), radius, color, -1, cv2.LINE_AA, SUBPIXEL_BITS)
