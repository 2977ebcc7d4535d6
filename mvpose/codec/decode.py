"""Heatmaps -> keypoints."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mvpose.spec import Decode

Heatmaps = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]


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
    else:
        cells = cells + quarter_offset(maps, cells)
    return cells.reshape(*lead, 2), scores.reshape(lead)


def argmax(maps: Heatmaps) -> tuple[Floats, Floats]:
    """The highest cell of each map: (M, 2) x, y and (M,) values of (M, height, width)."""
    flat = maps.reshape(len(maps), -1)
    index = flat.argmax(1)
    y, x = np.divmod(index, maps.shape[-1])
    return np.stack([x, y], 1).astype(np.float64), flat.max(1).astype(np.float64)


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
    size = 2 * round(2.5 * sigma_cells) + 1
    blurred = np.stack(
        [
            cv2.GaussianBlur(
                m.astype(np.float64), (size, size), sigma_cells, borderType=cv2.BORDER_CONSTANT
            )
            for m in maps
        ]
    )
    v = _neighbourhood(np.log(np.clip(blurred, 1e-3, 50)), cells)
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


def _neighbourhood(maps: Heatmaps, cells: Floats) -> Floats:
    """The 3 x 3 values about each cell; beyond the border the border is repeated."""
    x, y = cells.astype(int).T
    rows = (y[:, None] + [-1, 0, 1]).clip(0, maps.shape[-2] - 1)
    columns = (x[:, None] + [-1, 0, 1]).clip(0, maps.shape[-1] - 1)
    index = np.arange(len(maps))[:, None, None]
    return maps[index, rows[:, :, None], columns[:, None, :]].astype(np.float64)
