"""Checkpoints: safetensors with the ModelSpec and the training record in their header."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mvpose.errors import InputError
from mvpose.files import replacing
from mvpose.models.build import build_network
from mvpose.spec import ModelSpec

QAT_HEADER = "mvpose_qat"
"""Where checkpoints of ``mvpose-quantize --qat`` keep what they are."""


def save_checkpoint(
    path: Path,
    weights: dict[str, Tensor],
    spec: ModelSpec,
    record: dict[str, Any] | None = None,
    half: bool = False,
) -> None:
    """Write a checkpoint in one step.

    Args:
        path: ends in ``.safetensors``.
        weights: the state dict of the network that ``spec.network`` describes.
        spec: what the network means.
        record: how it was trained; any JSON.
        half: store floating point weights as float16.
    """
    tensors = {
        name: tensor.half() if half and tensor.is_floating_point() else tensor
        for name, tensor in weights.items()
    }
    header = {"mvpose": spec.to_json(), "record": json.dumps(record or {})}
    with replacing(path) as temporary:
        try:
            save_file({name: t.contiguous() for name, t in tensors.items()}, temporary, header)
        except SafetensorError as error:  # what safetensors makes of a full disk
            raise OSError(str(error)) from error


def load_checkpoint(path: Path) -> tuple[nn.Module, ModelSpec, dict[str, Any]]:
    """Read a checkpoint: the network in float32 and eval mode, its spec, its training record.

    Raises:
        InputError: the file is missing, truncated, foreign, for another network, or holds NaN; or
            a package that the network needs is missing.
    """
    header, weights = read_safetensors(path)
    if "mvpose" not in header:
        raise InputError(
            f"{path} is not an mvpose checkpoint: its header names no network",
            "backbone weights of other projects go into mvpose-train --backbone",
        )
    try:
        spec = ModelSpec.from_json(header["mvpose"])
        record = json.loads(header.get("record", "{}"))
    except (InputError, ValueError) as error:
        raise InputError(
            f"the header of {path} is damaged: {error}", "copy the checkpoint again"
        ) from error
    model = build_network(spec.network)
    load_weights(model, weights, path)
    return model.eval(), spec, record


def is_checkpoint(path: Path) -> bool:
    """Whether a safetensors file is one of mvpose's, by its header alone.

    Raises:
        InputError: the file is missing, truncated or no safetensors file, or was trained with
            rounding.
    """
    with _opened(path) as file:
        header = file.metadata() or {}
    if QAT_HEADER in header:
        raise InputError(
            f"{path} was trained with rounding already",
            "give the float checkpoint that it comes from; this one goes into mvpose-export --qat",
        )
    return "mvpose" in header


def read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The header and tensors of a safetensors file.

    Raises:
        InputError: the file is missing, truncated or no safetensors file.
    """
    with _opened(path) as file:
        names = file.offset_keys()
        return file.metadata() or {}, {name: file.get_tensor(name) for name in names}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise InputError(f"no such checkpoint: {path}", "check the path, or name a zoo model")
    try:
        with safe_open(path, "pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"cannot read {path} as a checkpoint: {error}",
            "the file is cut off, damaged or not safetensors; copy it again",
        ) from error


def load_weights(model: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    """Copy checked weights into a network.

    Raises:
        InputError: names or shapes differ, or a value is NaN or infinite.
    """
    own = model.state_dict()
    final = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)][-1]
    there, here = (w.get(f"{final}.bias", torch.empty(0)).numel() for w in (weights, own))
    if there and there != here:
        raise InputError(
            f"{path} has {there} keypoints, the network {here}",
            "the weights belong to another set of keypoints",
        )
    wrong = sorted(set(own) ^ set(weights)) or sorted(
        name for name in own if own[name].shape != weights[name].shape
    )
    if wrong:
        raise InputError(
            f"{path} does not fit the network: {len(wrong)} tensors differ, first {wrong[0]!r}",
            "the checkpoint belongs to another backbone or head",
        )
    sick = [n for n, t in weights.items() if t.is_floating_point() and not t.isfinite().all()]
    if sick:
        raise InputError(
            f"{path} holds NaN or infinite weights, first in {sick[0]!r}",
            "the training diverged; take an earlier checkpoint",
        )
    model.load_state_dict({name: t.to(own[name].dtype) for name, t in weights.items()})
