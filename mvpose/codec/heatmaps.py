"""Keypoints -> Gaussian heatmaps, in batches on any device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mvpose.codec.affine import input_to_cells
from mvpose.spec import ModelSpec


def encode_points(points_px: Tensor, spec: ModelSpec, sigma_cells: float) -> Tensor:
    """The heatmaps (..., h, w) that a network should give for keypoints (..., 2) in its crop.

    Args:
        points_px: x, y in crop pixels.
        spec: what the network's heatmaps mean.
        sigma_cells: standard deviation, relative to a 64 x 64 heatmap.
    """
    size, grid = spec.preprocess.size_wh, spec.decode.grid
    cells_per_px = input_to_cells(np.ones(2), spec.heatmap_wh, size, grid)
    cells = points_px * torch.tensor(cells_per_px, dtype=points_px.dtype, device=points_px.device)
    return encode(cells, spec.heatmap_wh, sigma_cells * spec.heatmap_wh[1] / 64)


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
