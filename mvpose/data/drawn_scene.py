"""Random backgrounds and the look of a camera: what surrounds drawn people."""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
SHEET = 1024


def random_color(rng: np.random.Generator, saturation: float = 0.5) -> Picture:
    """An RGB colour (3,), 0..1: mostly earth, sky and leaf hues, muted more often than not."""
    kind = rng.choice(4, p=[0.4, 0.22, 0.18, 0.2])
    hue = [rng.normal(30, 14), rng.normal(212, 16), rng.normal(92, 24), rng.uniform(0, 360)][kind]
    muted = rng.beta(1.1, 2.2) * 1.6 * saturation
    return hsv(hue, min(1.0, muted), rng.beta(1.15, 1.05))


def hsv(hue_deg: float, saturation: float, value: float) -> Picture:
    """HSV to RGB (3,), all but the hue 0..1."""
    pixel = np.array([[[hue_deg % 360, saturation, value]]], np.float32)
    return np.asarray(cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0], np.float32)


def noise(rng: np.random.Generator, height: int, width: int, cell_px: float) -> Picture:
    """Value noise (height, width), about 0..1, of octaves that halve in size and strength.

    A random window of a sheet that is made once, stretched to the cell size asked for.
    """
    sheet, cell = (_sheet(32, 5), 32) if cell_px >= 16 else (_sheet(4, 3), 4)
    rows, columns = (min(SHEET, math.ceil(side * cell / cell_px)) for side in (height, width))
    y, x = rng.integers(0, SHEET - rows + 1), rng.integers(0, SHEET - columns + 1)
    window = sheet[y : y + rows, x : x + columns]
    window = window[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
    return np.asarray(cv2.resize(np.ascontiguousarray(window), (width, height)), np.float32)


@cache
def _sheet(cell_px: int, octaves: int) -> Picture:
    rng = np.random.default_rng(0)
    total = np.zeros((SHEET, SHEET), np.float32)
    for octave in range(octaves):
        side = SHEET // max(1, cell_px >> octave) + 1
        grid = rng.random((side, side), np.float32)
        total += cv2.resize(grid, (SHEET, SHEET), interpolation=cv2.INTER_CUBIC) / 2**octave
    low, high = np.quantile(total, [0.001, 0.999])
    return np.asarray((total - low) / (high - low), np.float32)


@cache
def _grain() -> Picture:
    return np.random.default_rng(1).standard_normal((SHEET, SHEET, 3), np.float32)


def background(rng: np.random.Generator, height: int, width: int) -> Picture:
    """A background (height, width, 3), 0..1."""
    canvas = _gradient(rng, height, width)
    if rng.random() < 0.6:
        horizon = int(height * rng.uniform(0.35, 0.9))
        canvas[horizon:] = _gradient(rng, height, width)[horizon:]
    painters = (_panels, _tiles, _foliage, _lines, _blobs, _posts)
    for index in rng.permutation(len(painters))[: rng.integers(1, 4)]:
        canvas = painters[index](rng, canvas)
    coarse, fine = 0.1 + 0.8 * rng.beta(1, 1.5), 0.05 + rng.beta(1, 3)
    gain = coarse * noise(rng, height, width, rng.uniform(8, 120))
    gain += fine * noise(rng, height, width, rng.uniform(2, 8))
    canvas *= (gain + np.float32(1 - (coarse + fine) / 2))[..., None]
    sigma = rng.choice([0.0, 1.0, 3.0, 6.0], p=[0.5, 0.2, 0.15, 0.15])
    if sigma:
        canvas = soften(canvas, sigma * width / 480)
    return np.clip(canvas, 0, 1, out=canvas)


def soften(picture: Picture, sigma_px: float) -> Picture:
    """Blur (h, w) or (h, w, 3) about as a Gaussian of ``sigma_px`` does, at any width as fast."""
    side = 2 * max(1, round(2.45 * sigma_px - 1)) + 1
    return np.asarray(cv2.stackBlur(picture, (side, side)), picture.dtype)


def photograph(rng: np.random.Generator, picture: Picture) -> NDArray[np.uint8]:
    """Light, lens, sensor and JPEG: a picture (height, width, 3), 0..1 -> the bytes of a JPEG."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[-0.5:0.5:24j, -0.5:0.5:24j].astype(np.float32)  # type: ignore[misc]
    angle = rng.uniform(0, 2 * np.pi)
    ramp = 1 + rng.uniform(0, 0.5) * (np.cos(angle) * x + np.sin(angle) * y)
    light = (ramp * (1 - rng.uniform(0, 0.7) * (x**2 + y**2))).astype(np.float32)
    gain = cv2.resize(light, (width, height))
    if rng.random() < 0.15:
        gain *= _shade(rng, height, width)
    texture = 0.4 * rng.beta(1, 2)
    gain *= texture * noise(rng, height, width, rng.uniform(2, 6)) + np.float32(1 - texture / 2)
    picture = picture * gain[..., None] * rng.uniform(0.88, 1.12, 3).astype(np.float32)
    low, high = np.percentile(picture[::4, ::4], [1.5, 98.5])
    black, white = rng.uniform(-0.08, 0.06), rng.uniform(0.88, 1.2)
    slope = 255 * (white - black) / max(1e-3, high - low)
    linear = picture * np.float32(slope) + np.float32(255 * black - slope * low)
    pixels = linear.clip(0, 255).astype(np.uint8)
    tone = 255 * np.linspace(0, 1, 256) ** np.exp(rng.normal(0, 0.28))
    pixels = np.asarray(cv2.LUT(pixels, tone.round().astype(np.uint8)), np.uint8)
    kind = rng.random()
    if kind < 0.3:
        pixels = soften(pixels, rng.uniform(0.4, 1.4) * width / 480)  # type: ignore[assignment, arg-type]
    elif kind < 0.38:
        pixels = _shaken(rng, pixels)
    elif kind < 0.48:
        pixels = _coarse(rng, pixels)
    if rng.random() < 0.06:
        pixels = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    top, left = rng.integers(0, SHEET - height + 1), rng.integers(0, SHEET - width + 1)
    sensor = _grain()[top : top + height, left : left + width]
    noisy = pixels + np.float32(255 * rng.uniform(0, 0.03)) * sensor
    pixels = (noisy + 0.5).clip(0, 255).astype(np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 96))]
    return np.asarray(
        cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), quality)[1], np.uint8
    )


def _shade(rng: np.random.Generator, height: int, width: int) -> Picture:
    """The shadow of a building or a tree over a part of the picture: gains (height, width)."""
    mask = np.ones((height // 4 + 1, width // 4 + 1), np.float32)
    corners = rng.uniform(-0.3, 1.3, (int(rng.integers(3, 6)), 2)) * mask.shape[::-1]
    cv2.fillConvexPoly(
        mask, cv2.convexHull(corners.astype(np.float32)).astype(np.int32), (rng.uniform(0.35, 0.7),)
    )
    return np.asarray(cv2.resize(soften(mask, rng.uniform(0.5, 6)), (width, height)), np.float32)


def _shaken(rng: np.random.Generator, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Motion blur along a line."""
    length, angle = rng.uniform(2, 8) * pixels.shape[1] / 480, rng.uniform(0, np.pi)
    side = 2 * math.ceil(length / 2) + 1
    kernel = np.zeros((side, side), np.float32)
    middle, half = side // 2, length / 2 * np.array([np.cos(angle), np.sin(angle)])
    start, end = (tuple((middle + s * half).round().astype(int).tolist()) for s in (-1, 1))
    cv2.line(kernel, start, end, (1.0,))
    return np.asarray(cv2.filter2D(pixels, -1, kernel / kernel.sum()), np.uint8)


def _coarse(rng: np.random.Generator, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Few pixels, enlarged."""
    height, width = pixels.shape[:2]
    share = rng.uniform(0.35, 0.8)
    few = cv2.resize(
        pixels, (int(width * share), int(height * share)), interpolation=cv2.INTER_AREA
    )
    return np.asarray(cv2.resize(few, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _gradient(rng: np.random.Generator, height: int, width: int) -> Picture:
    first, second = random_color(rng), random_color(rng)
    y, x = np.mgrid[0:1:16j, 0:1:16j].astype(np.float32)  # type: ignore[misc]
    angle = rng.normal(np.pi / 2, 0.5)
    share = np.clip(np.cos(angle) * x + np.sin(angle) * y, 0, 1)[..., None]
    few = (first * (1 - share) + second * share).astype(np.float32)
    return np.asarray(cv2.resize(few, (width, height)), np.float32)


def _color(rng: np.random.Generator) -> tuple[float, float, float]:
    red, green, blue = random_color(rng).tolist()
    return red, green, blue


def _panels(rng: np.random.Generator, canvas: Picture) -> Picture:
    """Upright rectangles, some with rows of windows: walls, doors, shelves."""
    height, width = canvas.shape[:2]
    for _ in range(rng.integers(2, 9)):
        w, h = int(width * rng.uniform(0.08, 0.5)), int(height * rng.uniform(0.15, 0.9))
        x, y = int(rng.uniform(-w / 2, width - w / 2)), int(rng.uniform(-h / 2, height - h / 2))
        cv2.rectangle(canvas, (x, y), (x + w, y + h), _color(rng), -1)
        if rng.random() < 0.5:
            color, step = _color(rng), int(rng.integers(12, 60))
            for row in range(y + step // 3, y + h - step // 2, step):
                for column in range(x + step // 3, x + w - step // 2, step):
                    corner = (column + step // 2, row + step // 2)
                    cv2.rectangle(canvas, (column, row), corner, color, -1)
    return canvas


def _tiles(rng: np.random.Generator, canvas: Picture) -> Picture:
    """A grid in perspective over the lower part: floors, courts, paving."""
    height, width = canvas.shape[:2]
    top, color = int(height * rng.uniform(0.4, 0.8)), _color(rng)
    centre, thick = rng.uniform(0.2, 0.8) * width, int(rng.integers(1, 4))
    for x in np.linspace(-2 * width, 3 * width, rng.integers(10, 40)):
        start = (int(centre + (x - centre) * 0.25), top)
        cv2.line(canvas, start, (int(x), height), color, thick, cv2.LINE_AA)
    for depth in np.geomspace(0.03, 1, rng.integers(4, 14)):
        y = int(top + depth * (height - top))
        cv2.line(canvas, (0, y), (width, y), color, thick, cv2.LINE_AA)
    return canvas


def _foliage(rng: np.random.Generator, canvas: Picture) -> Picture:
    """Clusters of small leaves and tufts."""
    height, width = canvas.shape[:2]
    for _ in range(rng.integers(1, 5)):
        centre, spread = rng.uniform(0, 1, 2) * (width, height), width * rng.uniform(0.05, 0.25)
        count = int(rng.integers(60, 350))
        hue = rng.normal(95, 25) + rng.normal(0, 12, count)
        tints = np.stack(
            [hue % 360, rng.uniform(0.2, 0.7, count), rng.uniform(0.1, 0.75, count)], 1
        )
        colors = cv2.cvtColor(tints[None].astype(np.float32), cv2.COLOR_HSV2RGB)[0].tolist()
        points = rng.normal(centre, spread, (count, 2)).astype(int).tolist()
        sizes = rng.integers((2, 1), (12, 5), (count, 2)).tolist()
        angles = rng.uniform(0, 180, count).tolist()
        for point, size, angle, color in zip(points, sizes, angles, colors, strict=True):
            cv2.ellipse(canvas, point, size, angle, 0, 360, color, -1, cv2.LINE_AA)
    return canvas


def _lines(rng: np.random.Generator, canvas: Picture) -> Picture:
    """Rails, branches, cables: straight strokes of one or a few directions."""
    height, width = canvas.shape[:2]
    angle, color = rng.uniform(0, np.pi), _color(rng)
    for _ in range(rng.integers(2, 14)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        direction = angle + rng.choice([0, np.pi / 2]) + rng.normal(0, 0.1)
        dx, dy = np.cos(direction) * width, np.sin(direction) * width
        ends = (int(x - dx), int(y - dy)), (int(x + dx), int(y + dy))
        cv2.line(canvas, *ends, color, int(rng.integers(1, 9)), cv2.LINE_AA)
        if rng.random() < 0.3:
            color = _color(rng)
    return canvas


def _blobs(rng: np.random.Generator, canvas: Picture) -> Picture:
    """Soft-edged irregular patches: bushes, hills, clouds, furniture."""
    height, width = canvas.shape[:2]
    for _ in range(rng.integers(2, 10)):
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(4, 14)))
        radius = width * rng.uniform(0.03, 0.25) * rng.uniform(0.6, 1.2, len(angles))
        centre = rng.uniform(0, 1, 2) * (width, height)
        outline = centre + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        cv2.fillPoly(canvas, [outline.astype(np.int32)], _color(rng), cv2.LINE_AA)
    return canvas


def _posts(rng: np.random.Generator, canvas: Picture) -> Picture:
    """Rounded, shaded bars of any direction, some of skin: trunks, legs of tables, mannequins."""
    height, width = canvas.shape[:2]
    for _ in range(rng.integers(2, 7)):
        start = rng.uniform(0, 1, 2) * (width, height)
        angle = np.pi / 2 + rng.normal(0, 0.5) if rng.random() < 0.7 else rng.uniform(0, np.pi)
        end = start + rng.uniform(0.1, 0.7) * height * np.array([np.cos(angle), np.sin(angle)])
        skin = hsv(rng.normal(22, 4), rng.uniform(0.28, 0.66), rng.uniform(0.3, 0.97))
        color = skin if rng.random() < 0.3 else random_color(rng)
        thick, side = rng.uniform(0.015, 0.07) * width, rng.choice([-0.25, 0.25])
        (x0, y0), (x1, y1) = start.astype(int).tolist(), end.astype(int).tolist()
        for share in np.linspace(1, 0.2, 5):
            shift = int(side * thick * (1 - share))
            lit = (color * (1.15 - 0.6 * share)).clip(0, 1).tolist()
            ends = (x0 + shift, y0), (x1 + shift, y1)
            cv2.line(canvas, *ends, lit, max(1, int(thick * share)), cv2.LINE_AA)
    return canvas
