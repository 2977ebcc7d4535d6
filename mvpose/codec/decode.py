"""Heatmaps -> keypoints."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mvpose.codec.affine import cells_to_input
from mvpose.spec import Decode

Heatmaps = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]


def decode_px(heatmaps: Heatmaps, rule: Decode, size_wh: tuple[int, int]) -> tuple[Floats, Floats]:
    """Keypoints in the crop's pixels, of whatever a ``Runtime`` gives.

    Args:
        heatmaps: (..., K, height, width), or (..., K, 1, 3) coordinates.
        rule: how.
        size_wh: width and height of the crop in pixels.

    Returns:
        (..., K, 2) x, y and (..., K) scores.
    """
    if rule.method == "coordinates":
        points = heatmaps[..., 0, :].astype(np.float64)
        return points[..., :2], points[..., 2]
    cells, scores = decode(heatmaps, rule)
    heatmap_wh = (heatmaps.shape[-1], heatmaps.shape[-2])
    return cells_to_input(cells, heatmap_wh, size_wh, rule.grid), scores


def decode(heatmaps: Heatmaps, rule: Decode) -> tuple[Floats, Floats]:
    """Read the keypoints off heatmaps.

    Args:
        heatmaps: (..., K, height, width).
        rule: how.

    Returns:
        (..., K, 2) x, y in heatmap cells, and (..., K) scores: the heights of the peaks.
    """
    lead = heatmaps.shape[:-2]
    maps = heatmaps.reshape(-1, *heatmaps.shape[-2:])
    cells, scores = argmax(maps)
    if rule.method == "dark":
        cells = cells + dark_offset(maps, cells, rule.sigma_cells * maps.shape[-2] / 64)
    elif rule.method == "quarter":
        cells = cells + quarter_offset(maps, cells)
    return cells.reshape(*lead, 2), scores.reshape(lead)


def argmax(maps: Heatmaps) -> tuple[Floats, Floats]:
    """The highest cell of each map: (M, 2) x, y and (M,) values of (M, height, width)."""
    flat = maps.reshape(len(maps), -1)
    index = flat.argmax(1)
    y, x = np.divmod(index, maps.shape[-1])
    peaks = flat[np.arange(len(flat)), index]
    return np.stack([x, y], 1).astype(np.float64), peaks.astype(np.float64)


def quarter_offset(maps: Heatmaps, cells: Floats) -> Floats:
    """A quarter of a cell towards the higher neighbour, along each axis; 0 on the border."""
    values = _neighbourhood(maps, cells)
    slope = np.stack([values[:, 1, 2] - values[:, 1, 0], values[:, 2, 1] - values[:, 0, 1]], 1)
    inner = (cells > 0) & (cells < np.array([maps.shape[2] - 1, maps.shape[1] - 1]))
    return np.where(inner, 0.25 * np.sign(slope), 0.0)


def dark_offset(maps: Heatmaps, cells: Floats, sigma_cells: float) -> Floats:
    """DARK's Newton step to the top of the Gaussian, on the logarithm of the blurred map.

    Equation 9 of Zhang et al., with UDP's order of operations: blur by a Gaussian of the training
    sigma, zeros beyond the border (the maximum is not restored: it cancels in the step), clip at
    1e-3, logarithm. Steps are limited to one cell; where the map is no maximum (flat or a saddle)
    the step is 0.
    """
    v = np.log(np.clip(_blurred_neighbourhood(maps, cells, sigma_cells), 1e-3, 50))
    dx, dy = (v[:, 1, 2] - v[:, 1, 0]) / 2, (v[:, 2, 1] - v[:, 0, 1]) / 2
    dxx = v[:, 1, 2] - 2 * v[:, 1, 1] + v[:, 1, 0]
    dyy = v[:, 2, 1] - 2 * v[:, 1, 1] + v[:, 0, 1]
    dxy = (v[:, 2, 2] - v[:, 2, 0] - v[:, 0, 2] + v[:, 0, 0]) / 4
    determinant = dxx * dyy - dxy**2
    peak = (determinant > 1e-12) & (dxx < 0)
    safe = np.where(peak, determinant, 1.0)
    step = np.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], 1) / safe[:, None]
    return np.where(peak[:, None], step.clip(-1, 1), 0.0)


def average_flipped(heatmaps: Heatmaps, mirrored: Heatmaps, flip_order: list[int]) -> Heatmaps:
    """The flip test: mean of the heatmaps and those of the mirrored crops, mirrored back.

    With UDP's affine no shift is needed.

    Args:
        heatmaps, mirrored: (N, K, height, width).
        flip_order: index of each keypoint's mirror image.
    """
    return (heatmaps + mirrored[:, flip_order, :, ::-1]) / 2


def average_flipped_points(
    points: Heatmaps, mirrored: Heatmaps, flip_order: list[int], width_px: int
) -> Heatmaps:
    """The flip test of coordinates (N, K, 1, 3): x, y in the crop's pixels and score."""
    back = mirrored[:, flip_order].copy()
    back[..., 0] = width_px - 1 - back[..., 0]
    return (points + back) / 2


def _neighbourhood(maps: Heatmaps, cells: Floats) -> Floats:
    """The 3 x 3 values about each cell; beyond the border the border is repeated."""
    x, y = cells.astype(int).T
    return _gather(maps, _three(y, maps.shape[-2]), _three(x, maps.shape[-1]))


def _blurred_neighbourhood(maps: Heatmaps, cells: Floats, sigma_cells: float) -> Floats:
    """The same of the maps blurred by a Gaussian of radius 2.5 sigma, zeros beyond the border.

    Only the window that these nine values come from is read.
    """
    x, y = cells.astype(int).T
    rows, down = _blur_weights(y, maps.shape[-2], sigma_cells)
    columns, across = _blur_weights(x, maps.shape[-1], sigma_cells)
    return down @ _gather(maps, rows, columns) @ across.swapaxes(1, 2)


def _blur_weights(
    cells: NDArray[np.int_], length: int, sigma_cells: float
) -> tuple[NDArray[np.int_], Floats]:
    """Along one axis, the (M, S) cells to read and their (M, 3, S) weights in the three values."""
    radius = round(2.5 * sigma_cells)
    kernel = cv2.getGaussianKernel(2 * radius + 1, sigma_cells, cv2.CV_64F)[:, 0]
    window = cells[:, None] + np.arange(-radius - 1, radius + 2)
    read = window.clip(0, length - 1)
    tap = window[:, None] - _three(cells, length)[:, :, None] + radius
    used = (tap >= 0) & (tap < len(kernel)) & (window == read)[:, None]
    return read, np.where(used, kernel.take(tap, mode="clip"), 0.0)


def _three(cells: NDArray[np.int_], length: int) -> NDArray[np.int_]:
    """Each of (M,) cells between its two neighbours, (M, 3), kept within the axis."""
    return (cells[:, None] + [-1, 0, 1]).clip(0, length - 1)


def _gather(maps: Heatmaps, rows: NDArray[np.int_], columns: NDArray[np.int_]) -> Floats:
    """Values (M, R, C) of maps (M, height, width) at rows (M, R) and columns (M, C)."""
    index = np.arange(len(maps))[:, None, None]
    return maps[index, rows[:, :, None], columns[:, None, :]].astype(np.float64)
