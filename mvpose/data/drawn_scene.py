"""Random backgrounds and the look of a camera: what surrounds drawn people."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]


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


def noise(
    rng: np.random.Generator, height: int, width: int, cell_px: float, octaves: int = 4
) -> Picture:
    """Value noise (height, width), 0..1, of octaves that halve in size and strength."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        cell = max(1.0, cell_px / 2**octave)
        grid = rng.random((int(height / cell) + 3, int(width / cell) + 3), np.float32)
        rows, columns = int(grid.shape[0] * cell), int(grid.shape[1] * cell)
        layer = cv2.resize(
            grid, (max(columns, width), max(rows, height)), interpolation=cv2.INTER_CUBIC
        )
        total += layer[:height, :width] / 2**octave
    low, high = total.min(), total.max()
    return np.asarray((total - low) / max(1e-6, high - low), np.float32)


def background(rng: np.random.Generator, height: int, width: int) -> Picture:
    """A background (height, width, 3), 0..1."""
    canvas = _gradient(rng, height, width)
    if rng.random() < 0.6:
        horizon = int(height * rng.uniform(0.35, 0.9))
        canvas[horizon:] = _gradient(rng, height, width)[horizon:]
    painters = (_panels, _tiles, _foliage, _lines, _blobs)
    for index in rng.permutation(len(painters))[: rng.integers(1, 4)]:
        canvas = painters[index](rng, canvas)
    grain = noise(rng, height, width, rng.uniform(8, 120), 5)[..., None]
    fine = noise(rng, height, width, rng.uniform(2, 8), 3)[..., None]
    canvas = canvas * (
        1 + rng.uniform(0.1, 0.9) * (grain - 0.5) + rng.uniform(0.1, 1.6) * (fine - 0.5)
    )
    sigma = rng.choice([0.0, 1.0, 3.0, 6.0], p=[0.5, 0.25, 0.15, 0.1])
    if sigma:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), sigma * width / 480), np.float32)
    return np.clip(canvas, 0, 1).astype(np.float32, copy=False)


def photograph(rng: np.random.Generator, picture: Picture) -> NDArray[np.uint8]:
    """Light, lens, sensor and JPEG: a picture (height, width, 3), 0..1 -> 8-bit RGB."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    ramp = (np.cos(angle) * (x / width - 0.5) + np.sin(angle) * (y / height - 0.5))[..., None]
    picture = picture * (1 + rng.uniform(0, 0.5) * ramp)
    corner = ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2)[..., None]
    picture = picture * (1 - rng.uniform(0, 0.7) * corner)
    picture = picture * rng.uniform(0.88, 1.12, 3).astype(np.float32)
    fine = noise(rng, height, width, rng.uniform(2, 6), 3)[..., None]
    picture = picture * (1 + rng.uniform(0, 0.5) * (fine - 0.5))
    low, high = np.percentile(picture[::4, ::4], [1.5, 98.5])
    stretched = np.clip((picture - low) / max(1e-3, high - low), -0.1, 1.2)
    black, white = rng.uniform(-0.08, 0.06), rng.uniform(0.88, 1.2)
    toned = np.clip(black + (white - black) * stretched, 0, 1) ** np.exp(rng.normal(0, 0.28))
    if rng.random() < 0.35:
        toned = cv2.GaussianBlur(toned, (0, 0), rng.uniform(0.4, 1.4) * width / 480)
    sensor = rng.normal(0, rng.uniform(0, 0.03), toned.shape)
    if rng.random() < 0.06:
        toned = np.repeat(toned.mean(2, keepdims=True), 3, axis=2)
    pixels = np.clip((toned + sensor) * 255, 0, 255).round().astype(np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 96))]
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", pixels, quality)[1], -1), np.uint8)


def _gradient(rng: np.random.Generator, height: int, width: int) -> Picture:
    first, second = random_color(rng), random_color(rng)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.normal(np.pi / 2, 0.5)
    share = np.cos(angle) * x / width + np.sin(angle) * y / height
    share = np.clip(share, 0, 1)[..., None]
    return np.asarray(first * (1 - share) + second * share, np.float32)


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
        hue = rng.normal(95, 25)
        for point in rng.normal(centre, spread, (rng.integers(60, 350), 2)):
            color = hsv(hue + rng.normal(0, 12), rng.uniform(0.2, 0.7), rng.uniform(0.1, 0.75))
            x, y = int(point[0]), int(point[1])
            size = (int(rng.integers(2, 12)), int(rng.integers(1, 5)))
            angle = float(rng.uniform(0, 180))
            cv2.ellipse(canvas, (x, y), size, angle, 0, 360, color.tolist(), -1, cv2.LINE_AA)
    return canvas


def _lines(rng: np.random.Generator, canvas: Picture) -> Picture:
    """Rails, branches, cables: straight strokes of one or a few directions."""
    height, width = canvas.shape[:2]
    angle, color = rng.uniform(0, np.pi), _color(rng)
    for _ in range(rng.integers(3, 30)):
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
