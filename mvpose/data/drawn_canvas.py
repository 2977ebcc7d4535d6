"""The sheet that people are painted on: picture, fabrics, shading, and who is seen where."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from mvpose.data.drawn_scene import Picture, noise, soften

Floats = NDArray[np.float64]
Mask = NDArray[np.uint8]

AMBIENT, DIFFUSE = 0.42, 0.72
FINEST_PX = 12.0


@dataclass(frozen=True)
class Cloth:
    """A fabric: two RGB colours (3,), 0..1, mixed by a pattern; lengths in body heights."""

    color: Picture
    second: Picture
    kind: str = "plain"
    period: float = 0.04
    angle_rad: float = 0.0


@dataclass
class Canvas:
    """What has been painted.

    Attributes:
        picture: (H, W, 3) RGB, 0..1.
        owner: (H, W) index into ``parts`` of what is seen; -1 is background.
        folds: (H, W) noise, 0..1, for wrinkles and skin.
        light: (3,) unit vector towards the light.
        parts: person and name of each painted part.
    """

    picture: Picture
    owner: NDArray[np.int32]
    folds: Picture
    light: Floats
    parts: list[tuple[int, str]] = field(default_factory=list)


def new_canvas(rng: np.random.Generator, picture: Picture) -> Canvas:
    """An empty canvas over a background (H, W, 3)."""
    height, width = picture.shape[:2]
    light = np.array([rng.normal(0, 0.6), rng.uniform(-1, -0.2), -0.9])
    folds = noise(rng, height, width, width / 12)
    owner = np.full((height, width), -1, np.int32)
    return Canvas(picture.copy(), owner, folds, light / np.linalg.norm(light))


def fabric(cloth: Cloth, x: Picture, y: Picture, folds: Picture) -> Picture:
    """Colours of a cloth at positions in body heights.

    Args:
        x, y: the columns (1, w) and rows (h, 1).
        folds: (h, w) of the canvas.

    Returns:
        (h, w, 3), or (3,) where it is of one colour.
    """
    if cloth.kind == "plain":
        return cloth.color
    c, s = np.cos(cloth.angle_rad), np.sin(cloth.angle_rad)
    u, v = (c * x + s * y) / cloth.period, (c * y - s * x) / cloth.period
    if cloth.kind == "stripes":
        mix = 0.5 + 0.5 * np.tanh(3 * np.sin(2 * np.pi * u))
    elif cloth.kind == "checks":
        mix = (np.sin(2 * np.pi * u) > 0) * 0.5 + (np.sin(2 * np.pi * v) > 0) * 0.5
    elif cloth.kind == "dots":
        mix = 1.0 * (np.hypot(u % 1 - 0.5, v % 1 - 0.5) < 0.28)
    else:
        mix = 0.5 + 0.5 * np.tanh(14 * (folds - 0.5))
    mix = mix[..., None]
    return np.asarray(cloth.color * (1 - mix) + cloth.second * mix, np.float32)


def inflate(mask: Mask, thickness_px: float, light: Floats) -> Picture:
    """Brightness (h, w) of a mask swollen into a rounded body."""
    shrink = min(8, int(thickness_px / FINEST_PX) + 1)
    if shrink > 1:
        size = [max(2, side // shrink) for side in mask.shape[::-1]]
        few = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
        shade = inflate(np.asarray(few, np.uint8), min(thickness_px / shrink, FINEST_PX - 1), light)
        return np.asarray(cv2.resize(shade, mask.shape[::-1]), np.float32)
    solid = cv2.threshold(mask, 127, 1, cv2.THRESH_BINARY)[1]
    distance = cv2.distanceTransform(solid, cv2.DIST_L2, 3)
    radius = max(1.0, min(float(distance.max()), thickness_px))
    profile = 1 - (1 - np.minimum(distance / radius, 1)) ** 2
    surface = cv2.GaussianBlur(radius * np.sqrt(profile), (0, 0), 0.5 + 0.2 * radius)
    dx = cv2.Sobel(surface, cv2.CV_32F, 1, 0, ksize=1, scale=0.5)
    dy = cv2.Sobel(surface, cv2.CV_32F, 0, 1, ksize=1, scale=0.5)
    x, y, z = light.astype(np.float32)
    facing = (-dx * x - dy * y - z) / np.sqrt(1 + dx**2 + dy**2)
    return np.asarray(AMBIENT + DIFFUSE * np.maximum(facing, 0), np.float32)


def blend(
    canvas: Canvas, corner_yx: tuple[int, int], mask: Mask, color: Picture, halo_px: float
) -> None:
    """Lay colour (h, w, 3) over the canvas, with a faint contact shadow around it."""
    y, x = corner_yx
    window = canvas.picture[y : y + mask.shape[0], x : x + mask.shape[1]]
    alpha = mask * np.float32(1 / 255)
    halo = soften(alpha, max(0.8, halo_px))
    window *= ((1 - np.float32(0.3) * halo) * (1 - alpha))[..., None]
    window += alpha[..., None] * color


def claim(canvas: Canvas, corner_yx: tuple[int, int], mask: Mask, person: int, name: str) -> None:
    """Note that a part is what is now seen under the mask."""
    y, x = corner_yx
    canvas.owner[y : y + mask.shape[0], x : x + mask.shape[1]][mask > 127] = len(canvas.parts)
    canvas.parts.append((person, name))
