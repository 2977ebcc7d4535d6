"""Keypoints of whole pictures, with or without boxes, and their JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.estimate import SCORE_FLOOR, Poses, estimate
from mvpose.runtime.base import Runtime

Box = NDArray[np.float64]

CONFIDENT = 0.3
FEWEST_CONFIDENT = 4
NARROWEST = 0.25
"""The shorter side of a pose's box, of the longer one, at least."""
POSE_PADDING = 1.15
SMALLEST_PX = 2
ROUNDS = 3
SETTLED_IOU = 0.85


def predict_image(
    runtime: Runtime,
    image: NDArray[np.uint8],
    boxes_xywh_px: NDArray[np.floating[Any]] | None = None,
    flip: bool = False,
) -> Poses:
    """Find people in a picture.

    Args:
        runtime: any loaded model.
        image: (height, width, 3) RGB.
        boxes_xywh_px: (N, 4) left, top, width, height of each person. None finds one person:
            it starts with the whole picture and moves the box to the keypoints found there.
        flip: average with mirrored crops.

    Raises:
        InputError: a box has no area or lies outside the picture.
    """
    if boxes_xywh_px is not None:
        return estimate(runtime, image, boxes_xywh_px, flip)
    return follow(runtime, image, whole_image(image_size(image)), flip)


def follow(runtime: Runtime, image: NDArray[np.uint8], start: Box, flip: bool = False) -> Poses:
    """Find one person from a rough box (4,), which moves to the keypoints until it settles.

    Where the keypoints are too uncertain to make a box of, the last pose stands if it came from
    the whole picture; otherwise the search begins again there.
    """
    poses = estimate(runtime, image, start[None], flip)
    image_wh = image_size(image)
    for _ in range(ROUNDS):
        box = pose_box(poses, image_wh)
        if box is None:
            entire = whole_image(image_wh)
            if np.array_equal(poses.boxes_xywh_px[0], entire):
                break
            return estimate(runtime, image, entire[None], flip)
        if iou(box, poses.boxes_xywh_px[0]) > SETTLED_IOU:
            break
        poses = estimate(runtime, image, box[None], flip)
    return poses


def image_size(image: NDArray[np.uint8]) -> tuple[int, int]:
    """Width and height of a picture (height, width, 3)."""
    return image.shape[1], image.shape[0]


def whole_image(image_wh: tuple[int, int]) -> Box:
    """The box (4,) of a whole picture of this width and height."""
    return np.array([0, 0, *image_wh], np.float64)


def pose_box(poses: Poses, image_wh: tuple[int, int]) -> Box | None:
    """The box (4,) about the confident keypoints of the first person, within the picture.

    None where fewer than four keypoints are confident, or they lie on one spot or outside. It is
    grown to make room for what lies beyond the keypoints: crown, hands and feet.
    """
    points = poses.keypoints_px[0][poses.scores[0] > CONFIDENT]
    if len(points) < FEWEST_CONFIDENT:
        return None
    low, high = points.min(0), points.max(0)
    size = np.maximum(high - low, NARROWEST * (high - low).max()) * POSE_PADDING
    centre = (low + high) / 2
    limit = np.array(image_wh, np.float64)
    low, high = np.maximum(centre - size / 2, 0), np.minimum(centre + size / 2, limit)
    if ((high - low) < SMALLEST_PX).any():
        return None
    return np.asarray(np.concatenate([low, high - low]), np.float64)


def iou(first: Box, second: Box) -> float:
    """Intersection over union of two boxes x, y, w, h."""
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(first[:2] + first[2:], second[:2] + second[2:])
    shared = float(np.maximum(high - low, 0).prod())
    return shared / max(1e-9, float(first[2:].prod() + second[2:].prod()) - shared)


def no_poses(keypoints: int) -> Poses:
    """Poses of nobody."""
    return Poses(np.zeros((0, keypoints, 2)), np.zeros((0, keypoints)), np.zeros((0, 4)))


def people_json(poses: Poses, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """One JSON object a person; a keypoint with a score below 0.2 is there, but a guess."""
    return [
        {
            "box_xywh_px": box.round(2).tolist(),
            "score": round(float(score), 4),
            "keypoints": [
                {
                    "name": name,
                    "x_px": round(float(x), 2),
                    "y_px": round(float(y), 2),
                    "score": round(float(peak), 4),
                }
                for name, (x, y), peak in zip(names, points, scores, strict=True)
            ],
        }
        for points, scores, box, score in zip(
            poses.keypoints_px, poses.scores, poses.boxes_xywh_px, poses.pose_scores, strict=True
        )
    ]


def image_json(
    path: Path, image: NDArray[np.uint8], poses: Poses, names: tuple[str, ...]
) -> dict[str, Any]:
    """The JSON object of one picture."""
    height, width = image.shape[:2]
    return {
        "image": str(path),
        "width_px": width,
        "height_px": height,
        "people": people_json(poses, names),
    }


def document_json(
    runtime: Runtime, rows: list[dict[str, Any]], boxes: str, flip: bool
) -> dict[str, Any]:
    """The whole result: what ran and how, and the rows of images or frames.

    Args:
        boxes: where the boxes came from.
    """
    return {
        "schema": 1,
        "model": runtime.spec.name,
        "protocol": {
            **runtime.protocol,
            "decode": runtime.spec.decode.method,
            "boxes": boxes,
            "flip_test": flip,
            "score_floor": SCORE_FLOOR,
        },
        "results": rows,
    }
