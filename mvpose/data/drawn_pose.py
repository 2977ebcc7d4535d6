"""The drawn body as joints in space: joint angles and proportions in, 3-D landmarks out.

Coordinates count body heights: x to the right of the picture, y down, z away from the viewer. A
person at rest faces the viewer (-z), so that their left is at +x.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Turn = tuple[str, Floats]
Frame = tuple[Floats, Floats, Floats]
"""A rotation as its three axes, each (..., 3)."""

SIDES = (("left", 1.0), ("right", -1.0))
FACE = {
    "nose": (0.0, 0.012, -0.066),
    "left_eye": (0.019, -0.008, -0.050),
    "right_eye": (-0.019, -0.008, -0.050),
    "left_ear": (0.049, 0.004, 0.004),
    "right_ear": (-0.049, 0.004, 0.004),
    "mouth": (0.0, 0.037, -0.052),
}
AXES = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}

_LIMBS = {
    "arm_out": (-15, 175), "arm_forward": (-70, 170), "arm_twist": (-50, 90), "elbow": (0, 150),
    "leg_out": (-20, 75), "hip": (-45, 130), "leg_twist": (-25, 45), "knee": (0, 150),
}  # fmt: skip
POSE = {
    "yaw": (-180, 180), "pitch": (-60, 75), "roll": (-180, 180),
    "lean": (-30, 100), "twist": (-50, 50), "side": (-35, 35), "hip_tilt": (-20, 20),
    "nod": (-60, 60), "head_turn": (-80, 80), "head_tilt": (-40, 40),
    **{f"{side}_{name}": limits for side, _ in SIDES for name, limits in _LIMBS.items()},
    "torso": (0.85, 1.15), "arms": (0.85, 1.15), "legs": (0.75, 1.15),
    "shoulders": (0.082, 0.135), "hips": (0.045, 0.07), "head_size": (0.9, 1.5),
}  # fmt: skip
"""What a pose vector holds, in order, and its limits.

Degrees: the camera (yaw, pitch, roll); the trunk forwards, about itself and sideways; the pelvis
sideways; the head; on each side the upper arm outwards and forwards from hanging and about itself,
the elbow, the thigh outwards, forwards and about itself, and the knee. Then proportions: lengths of
torso, arms, legs and head, 1 being average, and half the breadths of shoulders and hips in body
heights.
"""
INDEX = {name: i for i, name in enumerate(POSE)}
LOW, HIGH = np.array(list(POSE.values()), np.float64).T
_MIRRORED_NAMES = [
    name.replace("left_", "right_") if name.startswith("left_") else name.replace("right_", "left_")
    for name in POSE
]
MIRROR = np.array([INDEX[name] for name in _MIRRORED_NAMES])
MIRROR_SIGN = np.where(
    np.isin(list(POSE), ["yaw", "roll", "twist", "side", "hip_tilt", "head_turn", "head_tilt"]),
    -1.0,
    1.0,
)


@dataclass(frozen=True)
class Figure:
    """A posed person, or several with the same leading dimensions (...).

    Attributes:
        points: landmarks by name, each (..., 3) in body heights from the pelvis: the COCO
            keypoints, and hands, toes, heels, neck, pelvis, chest, head and mouth.
        trunk, hips, head: (..., 3, 3) rotations of chest, pelvis and head.
        head_scale: (...) size of the head; 1 is an adult's.
        seated: whether thighs and trunk are those of someone who sits.
    """

    points: dict[str, Floats]
    trunk: Floats
    hips: Floats
    head: Floats
    head_scale: Floats
    seated: NDArray[np.bool_]

    def keypoints(self, names: Sequence[str]) -> Floats:
        """The landmarks of these names, (..., len(names), 3)."""
        return np.stack([self.points[name] for name in names], -2)


def turned(frame: Frame, *turns: Turn) -> Frame:
    """A frame followed by turns about its own axes: ("x", degrees (...)), ..."""
    axes = list(frame)
    for axis, degrees in turns:
        i, j = AXES[axis]
        angle = np.deg2rad(degrees)[..., None]
        c, s = np.cos(angle), np.sin(angle)
        axes[i], axes[j] = c * axes[i] + s * axes[j], c * axes[j] - s * axes[i]
    return axes[0], axes[1], axes[2]


def along(frame: Frame, x: Floats | float, y: Floats | float, z: Floats | float) -> Floats:
    """The vector (..., 3) with these coordinates (...) in a frame."""
    point = np.zeros(3)
    for axis, value in zip(frame, (x, y, z), strict=True):
        if isinstance(value, np.ndarray) or value:
            point = point + axis * np.asarray(value)[..., None]
    return point


def _matrix(frame: Frame) -> Floats:
    return np.stack(np.broadcast_arrays(*frame), -1)


def mirrored(pose: Floats) -> Floats:
    """The pose vectors (..., P) of the mirror images."""
    return pose[..., MIRROR] * MIRROR_SIGN


def articulate(pose: Floats, ends_deg: Floats) -> Figure:
    """Forward kinematics.

    Args:
        pose: (..., P) as ``POSE`` says.
        ends_deg: (..., 6) for left and right: bend of the hand, bend of the foot, turn of the foot.
    """
    p = {name: pose[..., i] for name, i in INDEX.items()}
    straight = (np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), np.array([0, 0, 1.0]))
    view = turned(straight, ("z", p["roll"]), ("x", -p["pitch"]), ("y", p["yaw"]))
    hips = turned(view, ("x", 0.3 * p["lean"]), ("z", p["hip_tilt"]))
    trunk = turned(view, ("y", p["twist"]), ("z", p["side"]), ("x", p["lean"]))
    at = {"pelvis": np.zeros((*pose.shape[:-1], 3))}
    at["chest"] = along(trunk, 0, -0.19 * p["torso"], 0)
    at["neck"] = along(trunk, 0, -0.30 * p["torso"], 0.004)
    for i, (side, sign) in enumerate(SIDES):
        hand, foot_bend, foot_turn = np.moveaxis(ends_deg[..., 3 * i : 3 * i + 3], -1, 0)
        out, forward, twist, elbow = (
            p[f"{side}_{name}"] for name in ("arm_out", "arm_forward", "arm_twist", "elbow")
        )
        lift = 0.03 * np.sin(np.deg2rad(out) / 2) ** 2
        shoulder = along(trunk, sign * (p["shoulders"] - lift), -(0.285 + lift) * p["torso"], 0.004)
        upper = turned(trunk, ("z", -sign * out), ("x", -forward), ("y", sign * twist))
        fore = turned(upper, ("x", -elbow))
        at[f"{side}_shoulder"] = shoulder
        at[f"{side}_elbow"] = shoulder + along(upper, 0, 0.176 * p["arms"], 0)
        at[f"{side}_wrist"] = at[f"{side}_elbow"] + along(fore, 0, 0.15 * p["arms"], 0)
        palm = turned(fore, ("x", -hand))
        at[f"{side}_hand"] = at[f"{side}_wrist"] + along(palm, 0, 0.07 * p["arms"], 0)

        out, flexion, twist, knee = (
            p[f"{side}_{name}"] for name in ("leg_out", "hip", "leg_twist", "knee")
        )
        thigh = turned(view, ("z", -sign * out), ("x", -flexion), ("y", -sign * twist))
        shin = turned(thigh, ("x", knee))
        foot = turned(shin, ("x", foot_bend), ("y", -sign * foot_turn))
        at[f"{side}_hip"] = along(hips, sign * p["hips"], 0, 0)
        at[f"{side}_knee"] = at[f"{side}_hip"] + along(thigh, 0, 0.243 * p["legs"], 0)
        at[f"{side}_ankle"] = at[f"{side}_knee"] + along(shin, 0, 0.235 * p["legs"], 0)
        at[f"{side}_heel"] = at[f"{side}_ankle"] + along(foot, 0, 0.028, 0.018)
        at[f"{side}_toes"] = at[f"{side}_ankle"] + along(foot, 0, 0.034, -0.098)
    head = turned(
        trunk, ("x", p["nod"] - 0.6 * p["lean"]), ("y", p["head_turn"]), ("z", p["head_tilt"])
    )
    size = p["head_size"]
    at["head"] = at["neck"] + along(head, 0, -0.098 * size, -0.012)
    for landmark, (x, y, z) in FACE.items():
        at[landmark] = at["head"] + along(head, size * x, size * y, size * z)
    thighs = np.stack([p["left_hip"] - p["lean"] / 3, p["right_hip"] - p["lean"] / 3])
    bent = np.minimum(p["left_knee"], p["right_knee"]) < 115
    seated = (thighs.min(0) > 50) & (thighs.max(0) < 105) & (p["lean"] < 40) & bent
    return Figure(at, _matrix(trunk), _matrix(hips), _matrix(head), size, seated)


def looks_away(figure: Figure, name: str) -> NDArray[np.bool_]:
    """Whether a landmark (...) of the face lies on the far side of the head."""
    offset = figure.points[name] - figure.points["head"]
    return np.asarray(offset[..., 2] > 0.3 * np.linalg.norm(offset, axis=-1))
