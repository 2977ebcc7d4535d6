"""Random people as joints in space: proportions and joint angles in, 3-D landmarks out.

Coordinates count body heights: x to the right of the picture, y down, z away from the viewer. A
person at rest faces the viewer (-z), so that their left is at +x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Range = tuple[float, float]
Sides = tuple[Range, Range]

SIDES = (("left", 1.0), ("right", -1.0))
FACE = {
    "nose": (0.0, 0.012, -0.066),
    "left_eye": (0.019, -0.008, -0.050),
    "right_eye": (-0.019, -0.008, -0.050),
    "left_ear": (0.049, 0.004, 0.004),
    "right_ear": (-0.049, 0.004, 0.004),
    "mouth": (0.0, 0.037, -0.052),
}


@dataclass(frozen=True)
class Action:
    """Ranges of joint angles in degrees; pairs are for the two sides, which are dealt at random.

    Attributes:
        weight: how often, relative to the others.
        lean: of the trunk, forwards.
        hips, knees: flexion.
        spread: of the legs, outwards.
        arms_forward, arms_out: of the upper arms, from hanging.
        elbows: flexion.
    """

    weight: float
    lean: Range
    hips: Sides
    knees: Sides
    spread: Range
    arms_forward: Sides
    arms_out: Sides
    elbows: Sides


def _both(low: float, high: float) -> Sides:
    return (low, high), (low, high)


_UPRIGHT = _both(-8, 12), _both(0, 14), (0.0, 11.0)
ACTIONS = {
    "stand": Action(3, (-4, 8), *_UPRIGHT, _both(-18, 30), _both(3, 22), _both(0, 90)),
    "walk": Action(
        3, (0, 10), ((10, 35), (-28, -6)), ((0, 25), (10, 55)), (0, 5), ((-35, -5), (5, 35)),
        _both(3, 15), _both(8, 50),
    ),
    "run": Action(
        1.5, (5, 22), ((30, 75), (-35, -5)), ((40, 105), (15, 80)), (0, 6), ((-55, -20), (15, 60)),
        _both(8, 25), _both(70, 115),
    ),
    "sit": Action(
        3, (-12, 25), _both(72, 98), _both(60, 105), (0, 22), _both(0, 55), _both(2, 30),
        _both(15, 100),
    ),
    "crouch": Action(
        1.2, (10, 45), _both(85, 122), _both(100, 140), (4, 30), _both(20, 85), _both(0, 25),
        _both(10, 90),
    ),
    "arms_up": Action(1.5, (-8, 8), *_UPRIGHT, _both(0, 30), _both(100, 172), _both(0, 70)),
    "wave": Action(
        1.5, (-5, 10), *_UPRIGHT, ((0, 60), (-15, 25)), ((60, 165), (4, 25)), ((10, 110), (0, 70))
    ),
    "reach": Action(
        1.5, (0, 25), ((-5, 30), (-15, 10)), ((0, 30), (0, 25)), (0, 14), ((50, 130), (-10, 90)),
        _both(0, 25), _both(0, 50),
    ),
    "bend": Action(
        1, (40, 85), _both(0, 25), _both(0, 35), (0, 18), _both(40, 95), _both(0, 20), _both(0, 60)
    ),
    "lunge": Action(
        1.2, (0, 25), ((45, 95), (-40, -10)), ((40, 100), (0, 45)), (0, 14), _both(-30, 80),
        _both(5, 80), _both(0, 100),
    ),
    "star": Action(
        0.8, (-6, 6), _both(-10, 10), _both(0, 20), (14, 40), _both(-15, 20), _both(60, 140),
        _both(0, 40),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """A posed person.

    Attributes:
        action: key of ``ACTIONS``.
        points: landmarks by name, each (3,) in body heights: the COCO keypoints, and hands, toes,
            heels, neck, pelvis, chest, head and mouth.
        trunk, hips, head: (3, 3) rotations of chest, pelvis and head.
        build: thickness of the limbs; 1 is average.
        head_scale: size of the head; 1 is an adult's.
    """

    action: str
    points: dict[str, Floats]
    trunk: Floats
    hips: Floats
    head: Floats
    build: float
    head_scale: float


def rotation(axis: str, degrees: float) -> Floats:
    """The (3, 3) rotation about "x", "y" or "z"."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[[i, i, j, j], [i, j, i, j]] = c, -s, s, c
    return matrix


def sample_figure(rng: np.random.Generator) -> Figure:
    """Draw a person: an action, its angles, a build and a direction of view."""
    names = list(ACTIONS)
    weights = np.array([ACTIONS[name].weight for name in names])
    name = names[rng.choice(len(names), p=weights / weights.sum())]
    action = ACTIONS[name]
    build, stature = rng.uniform(0.82, 1.3), rng.uniform(0.93, 1.07)
    head_scale = rng.choice([1.0, 1.25], p=[0.85, 0.15]) * rng.uniform(0.93, 1.1)
    order = rng.permutation(2)
    lean = rng.uniform(*action.lean)
    view = _view(rng)
    hips = view @ rotation("x", 0.3 * lean) @ rotation("z", rng.normal(0, 3))
    trunk = (
        view
        @ rotation("y", rng.normal(0, 10))
        @ rotation("z", rng.normal(0, 5))
        @ rotation("x", lean)
    )
    points = {"pelvis": np.zeros(3)}
    points["chest"] = trunk @ [0, -0.19 * stature, 0]
    points["neck"] = trunk @ [0, -0.30 * stature, 0.004]
    shoulder_half, hip_half = rng.uniform(0.095, 0.125) * build**0.3, rng.uniform(0.05, 0.062)
    for i, (side, sign) in enumerate(SIDES):
        k = order[i]
        out = rng.uniform(*action.arms_out[k])
        lift = 0.03 * np.sin(np.deg2rad(out) / 2) ** 2
        shoulder = trunk @ [sign * (shoulder_half - lift), -(0.285 + lift) * stature, 0.004]
        upper = (
            trunk
            @ rotation("z", -sign * out)
            @ rotation("x", -rng.uniform(*action.arms_forward[k]))
            @ rotation("y", sign * rng.uniform(-20, 55))
        )
        fore = upper @ rotation("x", -rng.uniform(*action.elbows[k]))
        elbow = shoulder + upper @ [0, 0.176 * stature, 0]
        wrist = elbow + fore @ [0, 0.15 * stature, 0]
        points[f"{side}_shoulder"], points[f"{side}_elbow"] = shoulder, elbow
        points[f"{side}_wrist"] = wrist
        points[f"{side}_hand"] = wrist + fore @ rotation("x", -rng.uniform(-20, 40)) @ [0, 0.07, 0]

        hip = hips @ [sign * hip_half, 0.0, 0.0]
        thigh = (
            view
            @ rotation("z", -sign * rng.uniform(*action.spread))
            @ rotation("x", -rng.uniform(*action.hips[k]))
            @ rotation("y", -sign * rng.uniform(-5, 20))
        )
        shin = thigh @ rotation("x", rng.uniform(*action.knees[k]))
        foot = shin @ rotation("x", rng.uniform(-22, 8)) @ rotation("y", -sign * rng.uniform(0, 18))
        knee = hip + thigh @ [0, 0.243 * stature, 0]
        ankle = knee + shin @ [0, 0.235 * stature, 0]
        points[f"{side}_hip"], points[f"{side}_knee"], points[f"{side}_ankle"] = hip, knee, ankle
        points[f"{side}_heel"] = ankle + foot @ [0, 0.028, 0.018]
        points[f"{side}_toes"] = ankle + foot @ [0, 0.034, -0.098]
    head = (
        trunk
        @ rotation("x", -0.6 * lean + rng.normal(2, 12))
        @ rotation("y", rng.normal(0, 24))
        @ rotation("z", rng.normal(0, 7))
    )
    points["head"] = points["neck"] + head @ [0, -0.098 * head_scale, -0.012]
    for landmark, offset in FACE.items():
        points[landmark] = points["head"] + head @ (head_scale * np.array(offset))
    return Figure(name, points, trunk, hips, head, build, head_scale)


def _view(rng: np.random.Generator) -> Floats:
    """Camera: mostly from the front, often from a side, sometimes from behind; a little tilted."""
    kind = rng.choice(3, p=[0.55, 0.3, 0.15])
    yaw = [rng.normal(0, 28), rng.choice([-90, 90]) + rng.normal(0, 22), 180 + rng.normal(0, 28)]
    roll = rng.normal(0, 5) if rng.random() < 0.92 else rng.uniform(-90, 90)
    return rotation("z", roll) @ rotation("x", -rng.normal(6, 9)) @ rotation("y", yaw[kind])
