"""The losses: unlabelled keypoints count for nothing, and the target itself is the least loss."""

import pytest
import torch

from mvpose.training.losses import heatmap_mse, softmax_mse, spatial_cross_entropy


def value(loss: str, *maps: torch.Tensor, count: torch.Tensor | None = None) -> torch.Tensor:
    if loss == "mse":
        return heatmap_mse(*maps, count)
    if loss == "softmax":
        return spatial_cross_entropy(*maps, 10.0, count)
    return softmax_mse(*maps, 10.0, 1.0, count)


@pytest.mark.parametrize("loss", ["mse", "softmax", "softmax_mse"])
def test_unlabelled_keypoints_get_no_gradient(loss: str) -> None:
    torch.manual_seed(0)
    heatmaps = torch.randn(2, 3, 8, 8, requires_grad=True)
    targets, weights = torch.rand(2, 3, 8, 8), torch.tensor([[1.0, 0, 1], [0, 0, 1]])
    torch.autograd.backward(value(loss, heatmaps, targets, weights))
    assert heatmaps.grad is not None
    moved = heatmaps.grad.abs().sum((2, 3)) > 0
    assert torch.equal(moved, weights > 0)


@pytest.mark.parametrize("loss", ["mse", "softmax_mse"])
def test_least_at_the_target(loss: str) -> None:
    torch.manual_seed(0)
    targets, weights = torch.rand(1, 2, 8, 8), torch.ones(1, 2)
    least = value(loss, targets, targets, weights)
    for _ in range(20):
        moved = targets + 0.05 * torch.randn_like(targets)
        assert value(loss, moved, targets, weights) > least


@pytest.mark.parametrize("loss", ["mse", "softmax", "softmax_mse"])
def test_no_labels_no_loss(loss: str) -> None:
    maps, weights = torch.rand(1, 2, 8, 8), torch.zeros(1, 2)
    assert value(loss, maps, maps + 1, weights) == 0


@pytest.mark.parametrize("loss", ["mse", "softmax", "softmax_mse"])
def test_parts_of_a_batch_average_to_the_whole(loss: str) -> None:
    torch.manual_seed(0)
    maps, targets = torch.randn(4, 3, 8, 8), torch.rand(4, 3, 8, 8)
    weights = torch.tensor([[1.0, 1, 1], [1, 0, 1], [0, 0, 0], [0, 1, 0]])
    count = weights.sum() / 2
    halves = [
        value(loss, maps[half], targets[half], weights[half], count=count)
        for half in (slice(0, 2), slice(2, 4))
    ]
    torch.testing.assert_close(sum(halves) / 2, value(loss, maps, targets, weights))
