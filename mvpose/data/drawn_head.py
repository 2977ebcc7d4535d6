"""Paints a head: an ellipsoid skull, hair where it grows, and the features that face the viewer."""

from __future__ import annotations

import cv2
import numpy as np

from mvpose.data.drawn_canvas import AMBIENT, DIFFUSE, Canvas, Floats, Mask, blend, claim, fabric
from mvpose.data.drawn_parts import Looks
from mvpose.data.drawn_pose import Figure
from mvpose.data.drawn_scene import Picture

SKULL = np.array([0.049, 0.068, 0.060])
HAIR_GROWTH = 1.1


def paint_head(
    canvas: Canvas, figure: Figure, looks: Looks, centre_px: Floats, height_px: float, person: int
) -> None:
    """Paint a head about ``centre_px`` (2,); ``height_px`` is the standing body."""
    radius = 1.35 * SKULL.max() * figure.head_scale * height_px
    height, width = canvas.owner.shape
    x0, y0 = np.maximum((centre_px - radius).astype(int), 0)
    x1, y1 = np.minimum((centre_px + radius).astype(int) + 2, (width, height))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float64)
    rays = np.stack([x - centre_px[0], y - centre_px[1]], -1) / height_px
    folds = canvas.folds[y0:y1, x0:x1]
    soft = 1.2 / (SKULL.min() * figure.head_scale * height_px)

    def layer(growth: float, color: Picture, hairline: float | None) -> Mask:
        axes = SKULL * figure.head_scale * growth
        hit, alpha = _ellipsoid(rays, figure.head, axes, soft)
        if hairline is not None:
            line = hairline + 1.1 * np.maximum(hit[..., 2] + 0.35, 0) + 0.15 * (folds - 0.5)
            alpha = alpha * np.clip((line - hit[..., 1]) / 0.12 + 0.5, 0, 1)
        normal = (hit / axes) @ figure.head.T
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
        lit = (AMBIENT + DIFFUSE * np.maximum(normal @ canvas.light, 0)) * (0.92 + 0.16 * folds)
        mask = (alpha * 255).astype(np.uint8)
        shaded = (color * lit[..., None]).astype(np.float32)
        blend(canvas, (y0, x0), mask, shaded, 0.006 * height_px)
        return mask

    skin = layer(1.0, looks.skin.color, None)
    _paint_features(canvas, figure, looks, centre_px, height_px)
    strands = fabric(
        looks.hair, rays[..., 0].astype(np.float32), rays[..., 1].astype(np.float32), folds
    )
    hair = layer(HAIR_GROWTH, strands, looks.hairline)
    claim(canvas, (y0, x0), np.maximum(skin, hair), person, "head")


def _ellipsoid(rays_xy: Floats, frame: Floats, axes: Floats, soft: float) -> tuple[Floats, Floats]:
    """Where rays along z first meet an ellipsoid.

    Args:
        rays_xy: (h, w, 2) positions relative to its centre.
        frame: (3, 3) its rotation.
        axes: (3,) its half axes.
        soft: width of the edge, as a share of the radius.

    Returns:
        (h, w, 3) points on the unit sphere of its own frame, and (h, w) coverage, 0..1.
    """
    origin = np.concatenate([rays_xy, np.zeros((*rays_xy.shape[:2], 1))], -1) @ frame / axes
    direction = frame[2] / axes
    a, b = direction @ direction, origin @ direction
    nearest = (origin**2).sum(-1) - b**2 / a
    t = -b / a - np.sqrt(np.maximum(1 - nearest, 0) / a)
    coverage = np.clip((1 - np.sqrt(np.maximum(nearest, 0))) / soft + 0.5, 0, 1)
    return origin + t[..., None] * direction, coverage


def _paint_features(
    canvas: Canvas, figure: Figure, looks: Looks, centre_px: Floats, height_px: float
) -> None:
    """Eyes, brows, nose, mouth and ears; those turned away are left out."""
    unit = figure.head_scale * height_px
    skin, dark = looks.skin.color, looks.hair.color
    roll = float(np.rad2deg(np.arctan2(figure.head[1, 0], figure.head[0, 0])))

    def oval(
        name: str, color: Picture, rx: float, ry: float, facing_from: float, dy: float = 0.0
    ) -> None:
        offset = figure.points[name] - figure.points["head"] + figure.head @ [0, dy, 0]
        facing = -float(offset[2] / np.linalg.norm(offset))
        if facing < facing_from:
            return
        x, y = centre_px + offset[:2] * height_px
        size = max(4, int(16 * rx * unit * max(0.4, facing))), max(4, int(16 * ry * unit))
        where = int(16 * x), int(16 * y)
        cv2.ellipse(canvas.picture, where, size, roll, 0, 360, color.tolist(), -1, cv2.LINE_AA, 4)

    white = np.full(3, 0.92, np.float32) * skin.max()
    for side in ("left", "right"):
        oval(f"{side}_ear", skin * 0.82, 0.013, 0.019, -0.35)
        oval(f"{side}_eye", white, 0.0105, 0.0062, 0.15)
        oval(f"{side}_eye", dark * 0.35, 0.0052, 0.0056, 0.15)
        oval(f"{side}_eye", dark * 0.7, 0.013, 0.0032, 0.15, -0.017)
    oval("nose", skin * 0.78, 0.0095, 0.008, -0.1)
    oval("nose", np.minimum(skin * 1.08, 1), 0.005, 0.013, -0.1, -0.012)
    oval("mouth", skin * np.array([0.8, 0.5, 0.5], np.float32), 0.0165, 0.005, 0.1)
