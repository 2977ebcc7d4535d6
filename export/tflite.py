"""Deploy form -> float ``.tflite``, by litert-torch."""

from __future__ import annotations

from pathlib import Path

from mvpose.errors import InputError, require
from mvpose.export.names import shorten_names
from mvpose.models.deploy import DeployNet
from mvpose.quiet import quiet
from mvpose.spec import Preprocess


def convert(network: DeployNet, preprocess: Preprocess, path: Path) -> None:
    """Write the float file: (1, H, W, 3) RGB in 0..255 -> (1, h, w, K), both float32.

    Args:
        network: the deploy form.
        preprocess: for the input size.
        path: where to; the caller provides a temporary name.

    Raises:
        InputError: litert-torch is not installed, or fails.
    """
    require("litert_torch", "tflite")
    with quiet():
        import litert_torch
        import torch

        channels_last = litert_torch.to_channel_last_io(network, args=[0], outputs=[0])
        width, height = preprocess.size_wh
        example = (torch.zeros(1, height, width, 3),)
        try:
            litert_torch.convert(channels_last, example).export(str(path))
        except RuntimeError as error:
            raise InputError(
                f"litert-torch could not convert the network: {str(error).splitlines()[0]}",
                "check its version against pyproject.toml's range",
            ) from error
    shorten_names(path)
