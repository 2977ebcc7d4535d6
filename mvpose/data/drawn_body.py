"""Paints a posed figure, from its farthest part to its nearest."""

from __future__ import annotations

import cv2
import numpy as np

from mvpose.data.drawn_canvas import Canvas, Floats, blend, claim, fabric, inflate
from mvpose.data.drawn_head import paint_head
from mvpose.data.drawn_parts import Looks, Part, body_parts, sample_cloth, seat
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
    rng: np.random.Generator,
    canvas: Canvas,
    figure: Figure,
    looks: Looks,
    height_px: float,
    pelvis_px: Floats,
    person: int,
) -> Floats:
    """Paint a person over what is there.

    Args:
        height_px: length of the standing body.
        pelvis_px: (2,) where the pelvis goes.
        person: number that marks the painted parts.

    Returns:
        (17, 3) x, y and visibility against the parts painted so far: 0 for a face that looks away
        or a point outside the picture, 1 hidden, 2 visible.
    """

    def place(points: Floats) -> Floats:
        return points[..., :2] * height_px + pelvis_px

    _paint_shadow(canvas, place(np.stack(list(figure.points.values()))))
    parts = body_parts(figure, looks, place)
    if figure.action == "sit" and rng.random() < 0.8:
        parts.append(seat(figure, sample_cloth(rng, 0.1), place))
    for part in sorted(parts, key=lambda p: -p.depth):
        if part.name == "head":
            paint_head(canvas, figure, looks, place(figure.points["head"]), height_px, person)
        else:
            _paint_part(canvas, part, height_px, person)
    return np.stack(
        [_keypoint(canvas, figure, k, place(figure.points[k]), person) for k in COCO17.keypoints]
    )


def _paint_shadow(canvas: Canvas, points_px: Floats) -> None:
    """A soft dark patch on the ground below the lowest point."""
    low, high = points_px.min(0), points_px.max(0)
    width = max(4.0, (high[0] - low[0]) * 0.6)
    centre = (int((low[0] + high[0]) / 2), int(high[1]))
    mask = np.zeros(canvas.owner.shape, np.float32)
    cv2.ellipse(mask, centre, (int(width), int(width * 0.22) + 1), 0, 0, 360, (0.6,), -1)
    canvas.picture *= 1 - cv2.GaussianBlur(mask, (0, 0), width * 0.12 + 1)[..., None]


def _paint_part(canvas: Canvas, part: Part, height_px: float, person: int) -> None:
    """Fill a part with its cloth, shaded as if inflated."""
    outline = np.concatenate(part.rings)
    margin = int(0.03 * height_px) + 3
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
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    folds = canvas.folds[y0:y1, x0:x1]
    position = (x - outline[0, 0]) / height_px, (y - outline[0, 1]) / height_px
    color = fabric(part.cloth, *position, folds)
    shade = inflate(mask, 0.055 * height_px, canvas.light) * (0.86 + 0.28 * folds)
    blend(canvas, (y0, x0), mask, color * shade[..., None], 0.008 * height_px)
    claim(canvas, (y0, x0), mask, person, part.name)


def _keypoint(canvas: Canvas, figure: Figure, name: str, point_px: Floats, person: int) -> Floats:
    """x, y and visibility (3,) of a COCO keypoint."""
    x, y = point_px
    height, width = canvas.owner.shape
    side, _, joint = name.rpartition("_")
    if joint not in COVERS:
        offset = figure.points[name] - figure.points["head"]
        if offset[2] > 0.3 * np.linalg.norm(offset):
            return np.zeros(3)
    if not (0 <= x <= width - 1 and 0 <= y <= height - 1):
        return np.zeros(3)
    covers = [cover.format(side=side) for cover in COVERS.get(joint, ("head",))]
    owner = canvas.owner[round(y), round(x)]
    visible = owner >= 0 and canvas.parts[owner][0] == person and canvas.parts[owner][1] in covers
    if visible and canvas.parts[owner][1] == "torso":
        visible = figure.points[name][2] - figure.points["chest"][2] < 0.06
    return np.array([x, y, 2.0 if visible else 1.0])
