"""Losses between heatmaps (B, K, H, W) and their Gaussian targets, weighted per keypoint (B, K).

Each is a sum over keypoints, divided by ``count``: the sum of the weights, or its mean over the
processes of a distributed run, whose averaged gradients then equal those of one large batch.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def heatmap_mse(
    heatmaps: Tensor, targets: Tensor, weights: Tensor, count: Tensor | None = None
) -> Tensor:
    """Mean squared error over all cells of the labelled keypoints (SimpleBaseline)."""
    return _mean((heatmaps - targets).square().mean((2, 3)), weights, count)


def spatial_cross_entropy(
    heatmaps: Tensor,
    targets: Tensor,
    weights: Tensor,
    temperature: float,
    count: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of the spatial softmax of temperature * heatmap with the normalised target.

    It learns from the first steps, where plain MSE stays at predicting nothing for a long time on
    small data. The heatmaps then have the shape of the Gaussian's logarithm.
    """
    goal = targets.flatten(2)
    goal = goal / goal.sum(-1, keepdim=True).clamp(min=1e-6)
    per_keypoint = -(goal * F.log_softmax(temperature * heatmaps.flatten(2), -1)).sum(-1)
    return _mean(per_keypoint, weights, count)


def softmax_mse(
    heatmaps: Tensor,
    targets: Tensor,
    weights: Tensor,
    temperature: float,
    mse_weight: float,
    count: Tensor | None = None,
) -> Tensor:
    """Spatial cross-entropy with the sharpened target, plus MSE relative to the target's energy.

    The cross-entropy compares softmax(temperature * heatmap) with softmax(temperature * target), so
    that both terms have their minimum at the target itself: heatmaps of Gaussians up to 1, as
    decoding and 8-bit storage want them.
    """
    sharpened = (temperature * targets).flatten(2).softmax(-1).view_as(targets)
    cross_entropy = spatial_cross_entropy(heatmaps, sharpened, weights, temperature, count)
    energy = targets.square().sum((2, 3)).clamp(min=1e-6)
    error = (heatmaps - targets).square().sum((2, 3)) / energy
    return cross_entropy + mse_weight * _mean(error, weights, count)


def _mean(per_keypoint: Tensor, weights: Tensor, count: Tensor | None) -> Tensor:
    count = weights.sum() if count is None else count
    return (per_keypoint * weights).sum() / count.clamp(min=1)
