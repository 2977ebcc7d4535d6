"""A hand-written table of what people do: the guesses that the pose prior's fit starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mvpose.data.drawn_pose import HIGH, INDEX, LOW, POSE, SIDES, Floats

Range = tuple[float, float]
Sides = tuple[Range, Range]


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


def guess_poses(rng: np.random.Generator, count: int, wider: float = 1.0) -> Floats:
    """Draw pose vectors (count, P): an action each, its angles, a body and a direction of view.

    Args:
        wider: stretches the ranges of the table about their middles.
    """
    actions = list(ACTIONS.values())
    weights = np.array([action.weight for action in actions])
    kinds = rng.choice(len(actions), count, p=weights / weights.sum())
    swap = rng.integers(0, 2, count)
    pose = np.zeros((count, len(POSE)))

    def uniform(low: Floats, high: Floats) -> Floats:
        middle, half = (low + high) / 2, wider * (high - low) / 2
        return rng.uniform(middle - half, middle + half)

    def fill(name: str, table: Floats) -> None:
        pose[:, INDEX[name]] = uniform(*table[kinds].T)

    fill("lean", np.array([action.lean for action in actions], np.float64))
    columns = {
        "arm_out": "arms_out", "arm_forward": "arms_forward", "elbow": "elbows",
        "hip": "hips", "knee": "knees",
    }  # fmt: skip
    for i, (side, _) in enumerate(SIDES):
        for name, column in columns.items():
            table = np.array([getattr(action, column) for action in actions], np.float64)
            chosen = table[kinds, (swap + i) % 2]
            pose[:, INDEX[f"{side}_{name}"]] = uniform(*chosen.T)
        fill(f"{side}_leg_out", np.array([action.spread for action in actions], np.float64))
        pose[:, INDEX[f"{side}_arm_twist"]] = rng.uniform(-20, 55, count)
        pose[:, INDEX[f"{side}_leg_twist"]] = rng.uniform(-5, 20, count)
    normals = {
        "twist": (0, 10), "side": (0, 5), "hip_tilt": (0, 3),
        "nod": (2, 12), "head_turn": (0, 24), "head_tilt": (0, 7), "pitch": (6, 9),
        "torso": (1, 0.04), "arms": (1, 0.04), "legs": (1, 0.04),
        "shoulders": (0.11, 0.009), "hips": (0.056, 0.004), "head_size": (1.06, 0.1),
    }  # fmt: skip
    for name, (mean, spread) in normals.items():
        pose[:, INDEX[name]] = rng.normal(mean, spread, count)
    side_on = rng.choice([-90, 90], count) + rng.normal(0, 22, count)
    ahead, behind = rng.normal(0, 28, count), 180 + rng.normal(0, 28, count)
    facing = rng.choice(3, count, p=[0.5, 0.3, 0.2])
    pose[:, INDEX["yaw"]] = np.choose(facing, [ahead, side_on, behind])
    tilted = rng.random(count) < 0.1
    pose[:, INDEX["roll"]] = np.where(
        tilted, rng.uniform(-120, 120, count), rng.normal(0, 5, count)
    )
    return pose.clip(np.where(LOW == -180, -np.inf, LOW), np.where(HIGH == 180, np.inf, HIGH))
