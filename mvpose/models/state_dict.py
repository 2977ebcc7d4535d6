"""Weights as other projects write them: a state dict, bare or in a training checkpoint."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mvpose.checkpoint import read_safetensors
from mvpose.errors import InputError

Renames = tuple[tuple[str, str], ...]

WRAPPERS = (
    "ema_model_state_dict",
    "model_ema",
    "state_dict_ema",
    "model_state_dict",
    "state_dict",
    "model",
)
SCALAR = np.float64(0).__reduce__()[0]
# the numbers of NumPy in the records of mmcv, under NumPy 1's and 2's name; none runs code
PLAIN_VALUES: list[Any] = [
    (SCALAR, "numpy.core.multiarray.scalar"),
    (SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8")),
]


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, taken out of a training checkpoint's wrappers.

    Raises:
        InputError: the file is missing, damaged, or holds more than tensors and plain values.
    """
    if not path.is_file():
        raise InputError(f"no such backbone weights: {path}", "check the path")
    if path.suffix == ".safetensors":
        return read_safetensors(path)[1]
    try:
        with torch.serialization.safe_globals(PLAIN_VALUES):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can fail in any way
        reason = (str(error) or repr(error)).splitlines()[0]
        raise InputError(
            f"cannot read {path} as weights: {reason}",
            "the file is cut off, damaged or holds more than tensors; save its state dict alone",
        ) from error
    return _tensors(content)


def _tensors(content: Any) -> dict[str, Tensor]:
    if not isinstance(content, dict):
        return {}
    for wrapper in WRAPPERS:
        if isinstance(content.get(wrapper), dict):
            return _tensors(content[wrapper])
    return {n: t for n, t in content.items() if isinstance(n, str) and isinstance(t, Tensor)}


def rename(name: str, renames: Renames) -> str:
    """Apply regular expressions and their replacements in order."""
    for pattern, replacement in renames:
        name = re.sub(pattern, replacement, name)
    return name
