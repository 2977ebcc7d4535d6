"""The data options that all training commands have."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from mvpose.cli import progress
from mvpose.errors import InputError


def training_folders(
    data: str, val: str | None, no_val: bool, val_split: str
) -> tuple[Path, tuple[Path, str] | None]:
    """The folder to train on, and folder and split to validate on; None for no validation.

    Args:
        data: a folder, or synthetic:N, which is drawn.
        val: the same for validation; None takes ``data``.
        no_val: train without validation.
        val_split: annotations to validate on.

    Raises:
        InputError: --val and --no-val together, or people can't be drawn.
    """
    if val and no_val:
        raise InputError("--val and --no-val exclude each other", "leave one out")
    from mvpose.data.synthetic import resolve_data

    track = partial(progress, label="drawing")
    folder = resolve_data(data, "train", track)
    return folder, None if no_val else (resolve_data(val or data, val_split, track), val_split)
