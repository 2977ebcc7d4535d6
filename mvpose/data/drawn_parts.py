"""What a drawn person is made of: clothes, and body parts as stacks of cross-sections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvpose.data.drawn_canvas import Cloth
from mvpose.data.drawn_pose import SIDES, Figure
from mvpose.data.drawn_scene import hsv, random_color

Floats = NDArray[np.float64]
Place = Callable[[Floats], Floats]
Beads = Sequence[tuple[Floats, float]]

TORSO = (  # height, half width and half depth of the cross-sections, from the neck to the hem
    (-0.296, 0.045, 0.032), (-0.268, 0.108, 0.044), (-0.20, 0.100, 0.066), (-0.12, 0.084, 0.058),
    (-0.03, 0.093, 0.062), (0.03, 0.098, 0.064),
)  # fmt: skip
SHOULDER_HALF, NECK_HEIGHT = 0.108, 0.30
CIRCLE = np.array([(np.cos(a), np.sin(a), 0) for a in np.linspace(0, 2 * np.pi, 20, False)])
PELVIS = ((-0.06, 0.086, 0.060), (0.02, 0.096, 0.064), (0.065, 0.050, 0.050))


@dataclass(frozen=True)
class Part:
    """A piece of the body: the union of the hulls of consecutive rings of pixels (P, 2).

    Parts are painted from the greatest depth to the smallest.
    """

    name: str
    rings: Sequence[Floats]
    depth: float
    cloth: Cloth


@dataclass(frozen=True)
class Looks:
    """Colours and clothes of a person.

    Attributes:
        sleeves, legs: length of sleeves and trouser legs, as shares of upper arm and thigh; 2 is
            full length.
        hairline: where hair begins, -1 crown to 1 chin, seen from the front.
        width, waist: of the torso; 1 is average.
        build: thickness of the limbs; 1 is average.
        hat: what is worn on the head, if anything; ``brim`` is how far it juts out in front.
        glasses: darkness of spectacles, 0 for none.
    """

    skin: Cloth
    hair: Cloth
    top: Cloth
    bottom: Cloth
    shoes: Cloth
    sleeves: float
    legs: float
    skirt: bool
    long_hair: bool
    hairline: float
    width: float
    waist: float
    build: float
    hat: Cloth | None
    brim: float
    glasses: float


def sample_looks(rng: np.random.Generator) -> Looks:
    """Draw colours and clothes."""
    tone = rng.uniform(0, 1)
    skin = hsv(rng.normal(22, 4), 0.28 + 0.38 * tone, 0.97 - 0.68 * tone**1.3)
    hair = hsv(rng.normal(28, 9), rng.uniform(0.1, 0.7), rng.beta(1.2, 3.0))
    top = sample_cloth(rng, 0.45)
    skirt = bool(rng.random() < 0.13)
    return Looks(
        skin=Cloth(skin, skin),
        hair=Cloth(hair, hair * 0.75, "stripes", 0.004, rng.uniform(-0.4, 0.4)),
        top=top,
        bottom=top if skirt and rng.random() < 0.5 else sample_cloth(rng, 0.12),
        shoes=sample_cloth(rng, 0.0),
        sleeves=float(rng.choice([0.0, 0.55, 0.7, 2.0], p=[0.15, 0.3, 0.15, 0.4])),
        legs=float(rng.choice([0.55, 0.9, 2.0], p=[0.2, 0.15, 0.65])),
        skirt=skirt,
        long_hair=bool(rng.random() < 0.35),
        hairline=float(0.2 if rng.random() < 0.08 else rng.uniform(-0.66, -0.35)),
        width=float(rng.uniform(0.9, 1.12)),
        waist=float(rng.uniform(0.85, 1.12)),
        build=float(rng.uniform(0.82, 1.3)),
        hat=sample_cloth(rng, 0.15) if rng.random() < 0.22 else None,
        brim=float(rng.choice([0.0, 0.05], p=[0.4, 0.6])),
        glasses=float(rng.choice([0.0, 0.3, 1.0], p=[0.84, 0.06, 0.1])),
    )


def sample_cloth(rng: np.random.Generator, patterned: float) -> Cloth:
    """Draw a fabric; ``patterned`` is the probability that it isn't plain."""
    kinds = ("stripes", "checks", "dots", "blotches")
    kind = str(rng.choice(kinds)) if rng.random() < patterned else "plain"
    angle = float(rng.choice([0.0, np.pi / 2, np.pi / 4]) + rng.normal(0, 0.1))
    period = float(rng.uniform(0.02, 0.09))
    return Cloth(random_color(rng, 0.9), random_color(rng, 0.9), kind, period, angle)


def body_parts(figure: Figure, looks: Looks, place: Place) -> list[Part]:
    """The parts of a person, in no order.

    Args:
        place: maps points (..., 3) in body heights to pixels (..., 2).
    """
    at = figure.points
    neck = [(at["chest"], 0.02), (at["neck"], 0.03), (at["head"], 0.03)]
    parts = [
        Part("head", [], float(at["head"][2]), looks.skin),
        _limb("neck", neck, looks.skin, 0.0, looks.build, place),
        *_trunk(figure, looks, place),
    ]
    if looks.long_hair and looks.hairline < 0:
        strand = [
            (at["head"] + figure.head @ [0, y, z], radius)
            for y, z, radius in ((-0.02, 0.02, 0.05), (0.07, 0.03, 0.05), (0.16, 0.035, 0.03))
        ]
        parts.append(_limb("hair", strand, looks.hair, 0.02, looks.build, place))
    for side, _ in SIDES:
        parts += _arm(figure, looks, side, place) + _leg(figure, looks, side, place)
    return parts


def seat(figure: Figure, cloth: Cloth, place: Place) -> Part:
    """A block under a sitting person."""
    corners = [(x, y, z) for y in (0.06, 0.30) for x in (-0.15, 0.15) for z in (-0.13, 0.13)]
    points = place(np.array(corners) @ figure.hips.T)
    return Part("seat", [points[:4], points[4:]], 0.06, cloth)


def _trunk(figure: Figure, looks: Looks, place: Place) -> list[Part]:
    at, build, wide = figure.points, looks.build**0.5, looks.width * looks.build**0.5

    tall = float(np.linalg.norm(at["neck"])) / NECK_HEIGHT
    shoulders = float(np.linalg.norm(at["left_shoulder"] - at["right_shoulder"])) / 2
    broad = min(1.15, max(0.85, shoulders / SHOULDER_HALF))

    def ring(frame: Floats, y: float, half_width: float, half_depth: float) -> Floats:
        x, z = half_width * wide * CIRCLE[:, 0], half_depth * build * CIRCLE[:, 1]
        return place(np.stack([x, np.full_like(x, y), z], 1) @ frame.T)

    torso = [
        ring(
            figure.trunk if y < -0.05 else figure.hips,
            y * tall,
            width * (looks.waist if y == -0.12 else broad if y < -0.15 else 1),
            depth,
        )
        for y, width, depth in TORSO
    ]
    pelvis = [ring(figure.hips, *level) for level in PELVIS]
    parts = [
        Part("torso", torso, float(at["chest"][2]) - 0.06, looks.top),
        Part("pelvis", pelvis, -0.045, looks.bottom),
    ]
    if looks.skirt:
        hems = [0.25 * at[f"{side}_hip"] + 0.75 * at[f"{side}_knee"] for side, _ in SIDES]
        hem = np.concatenate([_disc(point, 0.062 * build, place) for point in hems])
        depth = min(float(point[2]) for point in hems) / 2 - 0.05
        parts.append(Part("skirt", [*pelvis[:2], hem], depth, looks.bottom))
    return parts


def _arm(figure: Figure, looks: Looks, side: str, place: Place) -> list[Part]:
    shoulder, elbow, wrist, hand = (
        figure.points[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist", "hand")
    )
    cloth = looks.top if looks.sleeves > 1 else looks.skin
    upper = [(shoulder, 0.031), (0.6 * shoulder + 0.4 * elbow, 0.030), (elbow, 0.023)]
    fore = [(elbow, 0.023), (0.7 * elbow + 0.3 * wrist, 0.025), (wrist, 0.016)]
    palm = [(wrist, 0.014), ((wrist + hand) / 2, 0.021), (hand, 0.011)]
    parts = _chain(f"{side}_arm", upper, fore, cloth, -0.09, looks.build, place)
    parts.append(_limb(f"{side}_hand", palm, looks.skin, -0.09, looks.build, place))
    if 0 < looks.sleeves < 1:
        hem = shoulder + looks.sleeves * (elbow - shoulder)
        sleeve = [(shoulder, 0.034), (hem, 0.036)]
        parts.append(_limb(f"{side}_arm", sleeve, looks.top, -0.1, looks.build, place))
    return parts


def _leg(figure: Figure, looks: Looks, side: str, place: Place) -> list[Part]:
    hip, knee, ankle, heel, toes = (
        figure.points[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "heel", "toes")
    )
    covered = looks.legs > 1 and not looks.skirt
    cloth = looks.bottom if covered else looks.skin
    calf = 0.7 * knee + 0.3 * ankle + 0.25 * (heel - ankle)
    thigh = [(hip, 0.052), (0.55 * hip + 0.45 * knee, 0.049), (knee, 0.036)]
    shin = [(knee, 0.036), (calf, 0.037), (ankle, 0.023)]
    foot = [(ankle, 0.022), (heel, 0.02), (toes, 0.014), (ankle, 0.022)]
    parts = _chain(f"{side}_leg", thigh, shin, cloth, 0.0, looks.build, place)
    parts.append(_limb(f"{side}_foot", foot, looks.shoes, -0.01, looks.build, place))
    if not covered and not looks.skirt:
        hem = hip + looks.legs * (knee - hip)
        shorts = [(hip, 0.055), (hem, 0.056)]
        parts.append(_limb(f"{side}_leg", shorts, looks.bottom, -0.004, looks.build, place))
    return parts


def _chain(
    name: str,
    upper: Beads,
    lower: Beads,
    cloth: Cloth,
    bias: float,
    build: float,
    place: Place,
) -> list[Part]:
    """A limb of two bones: one piece, or two where one bone points at the viewer or away."""
    parts = [
        _limb(name, upper, cloth, bias, build, place),
        _limb(name, lower, cloth, bias - 0.003, build, place),
    ]
    if abs(parts[0].depth - parts[1].depth) > 0.07:
        return parts
    return [_limb(name, [*upper, *lower], cloth, bias, build, place)]


def _limb(name: str, beads: Beads, cloth: Cloth, bias: float, build: float, place: Place) -> Part:
    """A part of round cross-sections: points (3,) and radii in body heights."""
    depth = float(np.mean([point[2] for point, _ in beads])) + bias
    rings = [_disc(point, build * radius, place) for point, radius in beads]
    return Part(name, rings, depth, cloth)


def _disc(point: Floats, radius: float, place: Place) -> Floats:
    return place(point + radius * CIRCLE)
