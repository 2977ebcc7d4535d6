"""Losses between heatmaps (B, K, H, W) and their Gaussian targets, weighted per keypoint (B, K)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def heatmap_mse(heatmaps: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Mean squared error over all cells of the labelled keypoints (SimpleBaseline)."""
    per_keypoint = (heatmaps - targets).square().mean((2, 3))
    return (per_keypoint * weights).sum() / weights.sum().clamp(min=1)


def softmax_mse(
    heatmaps: Tensor, targets: Tensor, weights: Tensor, temperature: float, mse_weight: float
) -> Tensor:
    """Spatial cross-entropy at a temperature, plus MSE relative to the target's energy.

    The cross-entropy compares softmax(temperature * heatmap) with softmax(temperature * target), so
    that both terms have their minimum at the target itself. Its gradient does not vanish where the
    network predicts nothing, which is where plain MSE stays for a long time on small data.
    """
    logits = (temperature * heatmaps).flatten(2)
    goal = (temperature * targets).flatten(2).softmax(-1)
    cross_entropy = -(goal * F.log_softmax(logits, -1)).sum(-1)
    energy = targets.square().sum((2, 3)).clamp(min=1e-6)
    error = (heatmaps - targets).square().sum((2, 3)) / energy
    per_keypoint = cross_entropy + mse_weight * error
    return (per_keypoint * weights).sum() / weights.sum().clamp(min=1)
