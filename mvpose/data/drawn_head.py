"""Paints a head: an ellipsoid skull, hair where it grows, and the features that face the viewer."""

from __future__ import annotations

import cv2
import numpy as np

from mvpose.data.drawn_canvas import AMBIENT, DIFFUSE, Canvas, Mask, blend, claim, fabric
from mvpose.data.drawn_parts import Looks
from mvpose.data.drawn_people import Placed
from mvpose.data.drawn_scene import Picture

SKULL = np.array([0.049, 0.068, 0.060], np.float32)
HAIR_GROWTH, HAT_GROWTH = 1.1, 1.17


def paint_head(canvas: Canvas, placed: Placed, looks: Looks, person: int) -> None:
    """Paint the head of a figure."""
    figure, height_px = placed.figure, placed.scale_px
    centre_px, size = placed.pixels(figure.points["head"]), float(figure.head_scale)
    radius = 1.35 * SKULL.max() * size * height_px
    height, width = canvas.owner.shape
    x0, y0 = np.maximum((centre_px - radius).astype(int), 0)
    x1, y1 = np.minimum((centre_px + radius).astype(int) + 2, (width, height))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    x = ((np.arange(x0, x1) - centre_px[0]) / height_px).astype(np.float32)
    y = ((np.arange(y0, y1) - centre_px[1]) / height_px).astype(np.float32)[:, None]
    folds = canvas.folds[y0:y1, x0:x1]
    frame = figure.head.astype(np.float32)
    light = canvas.light.astype(np.float32)
    soft = 1.2 / (SKULL.min() * size * height_px)

    def layer(growth: float, color: Picture, hairline: float, back: float) -> Mask:
        axes = SKULL * np.float32(size * growth)
        hit, alpha = _ellipsoid(x, y, frame, axes, soft)
        if np.isfinite(hairline):
            line = hairline + back * np.maximum(hit[..., 2] + 0.35, 0) + 0.15 * (folds - 0.5)
            alpha = alpha * np.clip((line - hit[..., 1]) / 0.12 + 0.5, 0, 1)
        normal = hit / axes
        facing = (normal @ (frame.T @ light)) / np.maximum(np.linalg.norm(normal, axis=-1), 1e-9)
        lit = (AMBIENT + DIFFUSE * np.maximum(facing, 0)) * (0.92 + 0.16 * folds)
        mask = np.asarray(alpha * 255, np.uint8)
        shaded = (color * lit[..., None]).astype(np.float32)
        blend(canvas, (y0, x0), mask, shaded, 0.006 * height_px)
        return mask

    toward = figure.head[2, 2] > 0
    if looks.hat is not None and not toward:
        _paint_brim(canvas, placed, looks.brim, looks.hat.color)
    head = layer(1.0, looks.skin.color, np.inf, 0)
    _paint_features(canvas, placed, looks)
    strands = fabric(looks.hair, x, y, folds)
    head = np.maximum(head, layer(HAIR_GROWTH, strands, looks.hairline, 1.1))
    if looks.hat is not None:
        head = np.maximum(head, layer(HAT_GROWTH, fabric(looks.hat, x, y, folds), -0.42, 0.4))
        if toward:
            _paint_brim(canvas, placed, looks.brim, looks.hat.color)
    claim(canvas, (y0, x0), head, person, "head")


def _paint_brim(canvas: Canvas, placed: Placed, length: float, color: Picture) -> None:
    """The peak of a cap, a curved flap in front of the forehead."""
    figure = placed.figure
    bend = np.linspace(-1, 1, 9)[:, None]
    edge = np.array([[0.05, 0.0, 0.0]]) * bend + [0, -0.028, -0.02]
    edge = edge + np.array([[0, 0, -0.035 - length]]) * np.sqrt(1 - 0.98 * bend**2)
    outline = placed.pixels(figure.points["head"] + float(figure.head_scale) * edge @ figure.head.T)
    hull = (cv2.convexHull(outline.astype(np.float32)) * 16).round().astype(np.int32)
    cv2.fillConvexPoly(canvas.picture, hull, (0.75 * color).tolist(), cv2.LINE_AA, 4)


def _ellipsoid(
    x: Picture, y: Picture, frame: Picture, axes: Picture, soft: float
) -> tuple[Picture, Picture]:
    """Where rays along z first meet an ellipsoid.

    Args:
        x, y: columns (w,) and rows (h, 1) relative to its centre.
        frame: (3, 3) its rotation.
        axes: (3,) its half axes.
        soft: width of the edge, as a share of the radius.

    Returns:
        (h, w, 3) points on the unit sphere of its own frame, and (h, w) coverage, 0..1.
    """
    origin = x[:, None] * (frame[0] / axes) + y[..., None] * (frame[1] / axes)
    direction = frame[2] / axes
    a, b = direction @ direction, origin @ direction
    nearest = (origin**2).sum(-1) - b**2 / a
    t = -b / a - np.sqrt(np.maximum(1 - nearest, 0) / a)
    coverage = np.clip((1 - np.sqrt(np.maximum(nearest, 0))) / soft + 0.5, 0, 1)
    return origin + t[..., None] * direction, coverage


def _paint_features(canvas: Canvas, placed: Placed, looks: Looks) -> None:
    """Eyes, brows, nose, mouth, ears and spectacles; those turned away are left out."""
    figure = placed.figure
    centre_px = placed.pixels(figure.points["head"])
    unit = float(figure.head_scale) * placed.scale_px
    skin, dark = looks.skin.color, looks.hair.color
    roll = float(np.rad2deg(np.arctan2(figure.head[1, 0], figure.head[0, 0])))

    def oval(
        name: str, color: Picture, rx: float, ry: float, facing_from: float, dy: float = 0.0
    ) -> None:
        offset = figure.points[name] - figure.points["head"] + figure.head @ [0, dy, 0]
        facing = -float(offset[2] / np.linalg.norm(offset))
        if facing < facing_from:
            return
        x, y = centre_px + offset[:2] * placed.scale_px
        size = max(4, int(16 * rx * unit * max(0.4, facing))), max(4, int(16 * ry * unit))
        where = int(16 * x), int(16 * y)
        cv2.ellipse(canvas.picture, where, size, roll, 0, 360, color.tolist(), -1, cv2.LINE_AA, 4)

    white = np.full(3, 0.92, np.float32) * skin.max()
    for side in ("left", "right"):
        oval(f"{side}_ear", skin * 0.82, 0.013, 0.019, -0.35)
        oval(f"{side}_eye", white, 0.0105, 0.0062, 0.15)
        oval(f"{side}_eye", dark * 0.35, 0.0052, 0.0056, 0.15)
        oval(f"{side}_eye", dark * 0.7, 0.013, 0.0032, 0.15, -0.017)
        if looks.glasses:
            oval(f"{side}_eye", skin * (1 - looks.glasses), 0.0165, 0.0125, 0.1)
    oval("nose", skin * 0.78, 0.0095, 0.008, -0.1)
    oval("nose", np.minimum(skin * 1.08, 1), 0.005, 0.013, -0.1, -0.012)
    oval("mouth", skin * np.array([0.8, 0.5, 0.5], np.float32), 0.0165, 0.005, 0.1)
