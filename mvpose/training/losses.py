"""Losses between heatmaps (B, K, H, W) and their Gaussian targets, weighted per keypoint (B, K)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def heatmap_mse(heatmaps: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Mean squared error over all cells of the labelled keypoints (SimpleBaseline)."""
    per_keypoint = (heatmaps - targets).square().mean((2, 3))
    return (per_keypoint * weights).sum() / weights.sum().clamp(min=1)


def spatial_cross_entropy(
    heatmaps: Tensor, targets: Tensor, weights: Tensor, temperature: float
) -> Tensor:
    """Cross-entropy of the spatial softmax of temperature * heatmap with the normalised target.

    It learns from the first steps, where plain MSE stays at predicting nothing for a long time on
    small data. The heatmaps then have the shape of the Gaussian's logarithm.
    """
    goal = targets.flatten(2)
    goal = goal / goal.sum(-1, keepdim=True).clamp(min=1e-6)
    per_keypoint = -(goal * F.log_softmax(temperature * heatmaps.flatten(2), -1)).sum(-1)
    return (per_keypoint * weights).sum() / weights.sum().clamp(min=1)


def softmax_mse(
    heatmaps: Tensor, targets: Tensor, weights: Tensor, temperature: float, mse_weight: float
) -> Tensor:
    """Spatial cross-entropy with the sharpened target, plus MSE relative to the target's energy.

    The cross-entropy compares softmax(temperature * heatmap) with softmax(temperature * target), so
    that both terms have their minimum at the target itself: heatmaps of Gaussians up to 1, as
    decoding and 8-bit storage want them.
    """
    sharpened = (temperature * targets).flatten(2).softmax(-1).view_as(targets)
    cross_entropy = spatial_cross_entropy(heatmaps, sharpened, weights, temperature)
    energy = targets.square().sum((2, 3)).clamp(min=1e-6)
    error = (heatmaps - targets).square().sum((2, 3)) / energy
    return cross_entropy + mse_weight * (error * weights).sum() / weights.sum().clamp(min=1)
