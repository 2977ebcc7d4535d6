"""Paints a posed figure, from its farthest part to its nearest."""

from __future__ import annotations

import cv2
import numpy as np

from mvpose.data.drawn_canvas import Canvas, Floats, blend, claim, fabric, inflate
from mvpose.data.drawn_head import paint_head
from mvpose.data.drawn_parts import Looks, Part, body_parts, sample_cloth, seat
from mvpose.data.drawn_people import Placed
from mvpose.data.drawn_pose import Figure
from mvpose.spec import COCO17

COVERS = {
    "shoulder": ("torso", "{side}_arm"),
    "elbow": ("{side}_arm",),
    "wrist": ("{side}_arm", "{side}_hand"),
    "hip": ("torso", "pelvis", "skirt", "{side}_leg"),
    "knee": ("skirt", "{side}_leg"),
    "ankle": ("{side}_leg", "{side}_foot"),
}


def paint_figure(
    rng: np.random.Generator, canvas: Canvas, placed: Placed, looks: Looks, person: int
) -> Floats:
    """Paint a person over what is there.

    Args:
        person: number that marks the painted parts.

    Returns:
        (17, 3) x, y and visibility against the parts painted so far: 0 for a face that looks away
        or a point outside the picture, 1 hidden, 2 visible.
    """
    figure = placed.figure
    _paint_shadow(canvas, placed.pixels(np.stack(list(figure.points.values()))))
    parts = body_parts(figure, looks, placed.pixels)
    if figure.seated and rng.random() < 0.7:
        parts.append(seat(figure, sample_cloth(rng, 0.1), placed.pixels))
    for part in sorted(parts, key=lambda p: -p.depth):
        if part.name == "head":
            paint_head(canvas, placed, looks, person)
        else:
            paint_part(canvas, part, placed.scale_px, person)
    height, width = canvas.owner.shape
    keypoints = placed.keypoints_px((width, height))
    for k in np.flatnonzero(keypoints[:, 2]):
        if not _is_seen(canvas, figure, COCO17.keypoints[k], keypoints[k, :2], person):
            keypoints[k, 2] = 1
    return keypoints


def _paint_shadow(canvas: Canvas, points_px: Floats) -> None:
    """A soft dark patch on the ground below the lowest point."""
    low, high = points_px.min(0), points_px.max(0)
    half = np.array([1.0, 0.22]) * max(4.0, (high[0] - low[0]) * 0.6)
    centre = np.array([(low[0] + high[0]) / 2, high[1]])
    size = canvas.owner.shape[::-1]
    x0, y0 = (int(v) for v in np.clip(centre - 1.35 * half, 0, size))
    x1, y1 = (int(v) for v in np.clip(centre + 1.35 * half + 1, 0, size))
    x, y = (np.arange(x0, x1) - centre[0]) / half[0], (np.arange(y0, y1) - centre[1]) / half[1]
    radius = np.sqrt(x**2 + y[:, None] ** 2)
    dark = 0.6 * np.clip((1.35 - radius) / 0.7, 0, 1)
    canvas.picture[y0:y1, x0:x1] *= (1 - dark)[..., None].astype(np.float32)


def paint_part(canvas: Canvas, part: Part, height_px: float, person: int) -> None:
    """Fill a part with its cloth, shaded as if inflated."""
    outline = np.concatenate(part.rings)
    margin = int(0.015 * height_px) + 3
    height, width = canvas.owner.shape
    x0, y0 = np.maximum(outline.min(0).astype(int) - margin, 0)
    x1, y1 = np.minimum(outline.max(0).astype(int) + margin, (width, height))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    for first, second in zip(part.rings[:-1], part.rings[1:], strict=True):
        hull = cv2.convexHull((np.concatenate([first, second]) - (x0, y0)).astype(np.float32))
        cv2.fillConvexPoly(mask, (hull * 16).round().astype(np.int32), (255,), cv2.LINE_AA, 4)
    if not mask.any():
        return
    folds = canvas.folds[y0:y1, x0:x1]
    x = ((np.arange(x0, x1) - outline[0, 0]) / height_px).astype(np.float32)
    y = ((np.arange(y0, y1) - outline[0, 1]) / height_px).astype(np.float32)
    color = fabric(part.cloth, x, y[:, None], folds)
    shade = inflate(mask, 0.055 * height_px, canvas.light)
    shade *= np.float32(0.86) + np.float32(0.28) * folds
    blend(canvas, (y0, x0), mask, color * shade[..., None], 0.006 * height_px)
    claim(canvas, (y0, x0), mask, person, part.name)


def _is_seen(canvas: Canvas, figure: Figure, name: str, point_px: Floats, person: int) -> bool:
    """Whether what is seen at a keypoint is the part of the body that it belongs to."""
    side, _, joint = name.rpartition("_")
    covers = [cover.format(side=side) for cover in COVERS.get(joint, ("head",))]
    owner = canvas.owner[round(point_px[1]), round(point_px[0])]
    if owner < 0 or canvas.parts[owner][0] != person or canvas.parts[owner][1] not in covers:
        return False
    behind = figure.points[name][2] - figure.points["chest"][2] >= 0.06
    return not (canvas.parts[owner][1] == "torso" and behind)
