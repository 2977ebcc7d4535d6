"""Deploy form -> float ``.tflite``, by litert-torch."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from mvpose.errors import InputError, require
from mvpose.models.deploy import DeployNet
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


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the converters' logs off the terminal; Python errors still come through."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    null = os.open(os.devnull, os.O_WRONLY)
    saved = os.dup(2)
    os.dup2(null, 2)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)
        logging.disable(level)
