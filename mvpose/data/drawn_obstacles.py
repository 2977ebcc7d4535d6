"""What stands between people and the camera, and what they hold."""

from __future__ import annotations

import numpy as np

from mvpose.data.drawn_body import paint_part
from mvpose.data.drawn_canvas import Canvas, Floats
from mvpose.data.drawn_parts import CIRCLE, Part, sample_cloth
from mvpose.data.drawn_people import Placed
from mvpose.spec import COCO17

HOLDS, STANDS_BEFORE = 0.2, 0.06
BY_THINGS = 0.6
HANDS = ("left_hand", "right_hand")
KNEES = ("left_knee", "right_knee")


def paint_obstacles(
    rng: np.random.Generator, canvas: Canvas, placed: Placed, legs_hidden: float
) -> None:
    """Now and then paint something over a person.

    Args:
        legs_hidden: share of people whose legs are hidden; most of them by a table, a wall or the
            like, the others by people.
    """
    if rng.random() < HOLDS:
        names = HANDS if rng.random() < 0.6 else COCO17.keypoints[5:]
        point = placed.figure.points[names[rng.integers(len(names))]]
        _paint(rng, canvas, placed.pixels(point), placed.scale_px * rng.uniform(0.02, 0.1, 2))
    if rng.random() < BY_THINGS * legs_hidden:
        knees = placed.pixels(placed.figure.keypoints(KNEES)).mean(0)
        tall = placed.scale_px * rng.uniform(0.25, 0.6)
        top = knees[1] - placed.scale_px * rng.uniform(-0.04, 0.16)
        half = np.array([placed.scale_px * rng.uniform(0.1, 0.45), tall])
        middle = [knees[0] + rng.normal(0, 0.3) * half[0], top + tall]
        _paint(rng, canvas, np.array(middle), half)
    if rng.random() < STANDS_BEFORE:
        height, width = canvas.owner.shape
        half = np.array([rng.uniform(0.01, 0.035) * width, height])
        _paint(rng, canvas, np.array([rng.uniform(0, width), height / 2]), half)


def _paint(rng: np.random.Generator, canvas: Canvas, centre_px: Floats, half_px: Floats) -> None:
    """A box, a ball or something irregular, somewhat turned."""
    kind = rng.integers(3)
    if kind == 0:
        outline = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float64)
    elif kind == 1:
        outline = np.sign(CIRCLE[:, :2]) * np.abs(CIRCLE[:, :2]) ** rng.uniform(0.3, 1)
    else:
        outline = CIRCLE[::3, :2] * rng.uniform(0.7, 1.1, (len(CIRCLE[::3]), 1))
    angle = rng.normal(0, 0.12)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    ring = outline * half_px @ turn + centre_px
    part = Part("obstacle", [ring, ring], 0.0, sample_cloth(rng, 0.4))
    paint_part(canvas, part, 4 * float(half_px.min()) + 8, person=-1)
