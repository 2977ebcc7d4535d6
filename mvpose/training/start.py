"""What a run begins with: fresh weights, a checkpoint, or the state of a run that was stopped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from torch import nn

from mvpose.checkpoint import load_checkpoint
from mvpose.errors import InputError
from mvpose.models.build import build_network
from mvpose.spec import ModelSpec, Record
from mvpose.training.recipe import differences

MAY_CHANGE = ("about.", "epochs:", "validate_every_epochs:")


def start_from(model: nn.Module, checkpoint: Path, spec: ModelSpec) -> str:
    """Copy the weights of a checkpoint of the same network, whatever its keypoints are.

    Where the keypoints differ, the last layer is new but for the keypoints of the same name.

    Returns:
        What was done about the last layer; empty where nothing was.

    Raises:
        InputError: it is unreadable, or of another network.
    """
    start, start_spec, _ = load_checkpoint(checkpoint)
    ours, theirs = spec.network.__dict__, start_spec.network.__dict__
    if {**theirs, "keypoints": 0} != {**ours, "keypoints": 0}:
        raise InputError(
            f"{checkpoint} holds {start_spec.name}, the recipe trains {spec.name}",
            "start from a checkpoint of the same model",
        )
    names, known = spec.skeleton.keypoints, start_spec.skeleton.keypoints
    weights, said = start.state_dict(), ""
    if names != known:
        kept = [(i, known.index(name)) for i, name in enumerate(names) if name in known]
        layer = [name for name, m in model.named_modules() if isinstance(m, nn.Conv2d)][-1]
        own = model.state_dict()
        for part in (f"{layer}.weight", f"{layer}.bias"):
            fresh = own[part].clone()
            for i, j in kept:
                fresh[i] = weights[part][j]
            weights[part] = fresh
        said = (
            f"the last layer is replaced: {len(known)} keypoints there, {len(names)} here, "
            f"{len(kept)} of the same name keep their weights"
        )
    model.load_state_dict(weights)
    return said


def epochs_done(resume: Path, recipe: Record) -> int:
    """How many epochs of a stopped run are done.

    Args:
        resume: the run's ``last.ckpt``.
        recipe: of the run that would go on.

    Raises:
        InputError: its state can't be read, or another recipe made it.
    """
    another = "choose another folder with --out, or remove this one"
    try:
        state = torch.load(resume, map_location="cpu", weights_only=True)
        epochs, made_by = int(state["epoch"]) + 1, json.loads(state["recipe"])
    except Exception as error:  # a damaged pickle can fail in any way
        raise InputError(f"cannot read {resume} to go on from it", another) from error
    changed = [
        line
        for line in differences(made_by, json.loads(recipe.to_json()))
        if not line.startswith(MAY_CHANGE)
    ]
    if changed:
        raise InputError(
            f"{resume.parent} holds a run of another recipe ({'; '.join(changed[:3])})", another
        )
    return epochs


def claim(out: Path) -> FileLock:
    """Keep other runs out of a folder until the process ends or the lock is released.

    Raises:
        InputError: another run writes into it.
    """
    lock = FileLock(out / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"another run is writing into {out}", "wait for it, or choose another folder with --out"
        ) from error
    return lock


def check_space(out: Path, spec: ModelSpec) -> None:
    """Fail before training where the disk has no room for the checkpoints.

    They hold weights, averaged weights and AdamW's two moments, and the new one is written beside
    the old one.

    Raises:
        InputError: there is less free space than that.
    """
    with torch.device("meta"):
        numbers = sum(p.numel() for p in build_network(spec.network).parameters())
    needed = 4 * numbers * (2 * 4 + 2 * 2)
    free = shutil.disk_usage(out).free
    if free < needed:
        raise InputError(
            f"{out} has {free / 1e6:.0f} MB free, the checkpoints need {needed / 1e6:.0f} MB",
            "make room, or choose another folder with --out",
        )
