"""Checkpoints: safetensors with the ModelSpec and the training record in their header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mvpose.errors import InputError
from mvpose.files import replacing
from mvpose.models.pose import PoseNet
from mvpose.spec import ModelSpec


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
        weights: the state dict of the ``PoseNet``.
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


def load_checkpoint(path: Path) -> tuple[PoseNet, ModelSpec, dict[str, Any]]:
    """Read a checkpoint: the network in float32 and eval mode, its spec, its training record.

    Raises:
        InputError: the file is missing, truncated, foreign, for another network, or holds NaN.
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
    model = PoseNet(spec.network)
    load_weights(model, weights, path)
    return model.eval(), spec, record


def read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The header and tensors of a safetensors file.

    Raises:
        InputError: the file is missing, truncated or no safetensors file.
    """
    if not path.is_file():
        raise InputError(f"no such checkpoint: {path}", "check the path, or name a zoo model")
    try:
        with safe_open(path, "pt") as file:
            names = file.offset_keys()
            return file.metadata() or {}, {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"cannot read {path} as a checkpoint: {error}",
            "the file is cut off, damaged or not safetensors; copy it again",
        ) from error


def load_weights(model: PoseNet, weights: dict[str, Tensor], path: Path) -> None:
    """Copy checked weights into a network.

    Raises:
        InputError: names or shapes differ, or a value is NaN or infinite.
    """
    own = model.state_dict()
    head = "head.final.weight"
    if head in weights and weights[head].shape[0] != own[head].shape[0]:
        raise InputError(
            f"{path} has {weights[head].shape[0]} keypoints, the network {own[head].shape[0]}",
            "use the spec that the checkpoint was trained with",
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
            "the training diverged; go back to an earlier checkpoint",
        )
    model.load_state_dict({name: t.to(own[name].dtype) for name, t in weights.items()})
