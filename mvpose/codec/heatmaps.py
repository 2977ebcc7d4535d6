"""Keypoints -> Gaussian heatmaps, in batches on any device."""

from __future__ import annotations

import torch
from torch import Tensor


def encode(cells_xy: Tensor, heatmap_wh: tuple[int, int], sigma_cells: float) -> Tensor:
    """Unnormalised Gaussians with their peak of 1 exactly on each keypoint, between cells too.

    Args:
        cells_xy: (..., 2) keypoints in heatmap cells.
        heatmap_wh: width and height of the heatmaps in cells.
        sigma_cells: standard deviation.

    Returns:
        (..., height, width) heatmaps.
    """

    def bell(centre: Tensor, cells: int) -> Tensor:
        grid = torch.arange(cells, device=cells_xy.device, dtype=cells_xy.dtype)
        return torch.exp(-((grid - centre[..., None]) ** 2) / (2 * sigma_cells**2))

    width, height = heatmap_wh
    x, y = bell(cells_xy[..., 0], width), bell(cells_xy[..., 1], height)
    return y[..., :, None] * x[..., None, :]
