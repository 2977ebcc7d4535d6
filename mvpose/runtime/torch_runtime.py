"""Running a network in PyTorch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mvpose.spec import ModelSpec


class TorchRuntime:
    """A network of ``build_network`` as a Runtime.

    Args:
        model: in eval mode; it is used where it is, on its own device.
        spec: what it means.
        protocol: further facts for the protocol, such as the checkpoint's name and SHA-256.
    """

    def __init__(
        self, model: nn.Module, spec: ModelSpec, protocol: dict[str, str | int] | None = None
    ) -> None:
        self.model = model
        self.spec = spec
        self.protocol = {
            "runtime": "torch",
            "version": torch.__version__,
            "device": str(next(model.parameters()).device),
            "threads": torch.get_num_threads(),
            "precision": "fp32",
            **(protocol or {}),
        }

    @torch.inference_mode()
    def heatmaps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        device = next(self.model.parameters()).device
        x = normalise(torch.from_numpy(images).to(device).permute(0, 3, 1, 2), self.spec)
        return self.model(x).float().cpu().numpy()


def normalise(images: torch.Tensor, spec: ModelSpec) -> torch.Tensor:
    """Crops (N, 3, H, W) in 0..255 -> the network's input, float32."""
    mean = torch.tensor(spec.preprocess.mean, device=images.device)[:, None, None]
    std = torch.tensor(spec.preprocess.std, device=images.device)[:, None, None]
    return (images.float() - mean) / std
