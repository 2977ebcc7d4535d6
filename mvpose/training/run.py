"""A training run: recipe and data in, checkpoints out."""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from mvpose.checkpoint import load_checkpoint
from mvpose.data.coco import load_keypoints
from mvpose.errors import InputError
from mvpose.files import check_writable
from mvpose.models.pose import PoseNet
from mvpose.training.module import PoseSamples, PoseTraining
from mvpose.training.recipe import TrainRecipe
from mvpose.zoo import zoo_spec


class PlainProgress(Callback):
    """One line per validated epoch, for logs."""

    def on_train_start(self, trainer: L.Trainer, _module: L.LightningModule) -> None:
        self.started = time.monotonic()

    def on_validation_end(self, trainer: L.Trainer, _module: L.LightningModule) -> None:
        figures = {k: f"{float(v):.4f}" for k, v in trainer.callback_metrics.items()}
        minutes = (time.monotonic() - self.started) / 60
        text = ", ".join(f"{name} {value}" for name, value in figures.items())
        print(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}: {text}, {minutes:.1f} min")


def train(
    recipe: TrainRecipe,
    data: Path,
    out: Path,
    validation: tuple[Path, str] | None = None,
    init: Path | None = None,
    workers: int = 2,
    devices: str = "auto",
) -> Path:
    """Train by a recipe; a run that was stopped goes on where it was.

    Args:
        recipe: what to do.
        data: the folder that the recipe's sources lie in.
        out: folder for checkpoints and logs.
        validation: folder and split to validate on.
        init: checkpoint to start from.
        workers: loader processes.
        devices: as in Lightning.

    Returns:
        The best checkpoint, or the last one without validation.

    Raises:
        InputError: data, labels, recipe or folder are not usable. Raised before training starts.
    """
    spec = zoo_spec(recipe.model)
    sources = [load_keypoints(data / s.folder, s.split, spec.skeleton) for s in recipe.sources]
    validation_data = load_keypoints(*validation, spec.skeleton) if validation else None
    check_writable(out)
    L.seed_everything(recipe.seed, workers=True, verbose=False)
    model = PoseNet(spec.network)
    if init is not None:
        start, start_spec, _ = load_checkpoint(init)
        if start_spec.network != spec.network:
            raise InputError(
                f"{init} holds {start_spec.name}, the recipe trains {spec.name}",
                "start from a checkpoint of the same model",
            )
        model.load_state_dict(start.state_dict())
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module = PoseTraining(model, spec, recipe, validation_data, out)
    trainer = make_trainer(recipe, out, devices)
    resume = out / "last.ckpt"
    trainer.fit(
        module,
        PoseSamples(sources, spec, recipe, workers),
        ckpt_path=resume if resume.is_file() else None,
        weights_only=True,
    )
    return out / ("best.safetensors" if validation else "last.safetensors")


def make_trainer(recipe: TrainRecipe, out: Path, devices: str) -> L.Trainer:
    """Lightning's trainer for a recipe."""
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*LeafSpec.*")
    warnings.filterwarnings("ignore", ".*smaller than the logging interval.*")
    warnings.filterwarnings("ignore", ".*Checkpoint directory.*exists and is not empty.*")
    callbacks: list[Callback] = [
        ModelCheckpoint(out, filename="last", save_last=False, save_top_k=1, enable_version_counter=False)
    ]
    if recipe.ema_decay:
        callbacks.append(EMAWeightAveraging(decay=recipe.ema_decay, use_buffers=True))
    if not sys.stdout.isatty():
        callbacks.append(PlainProgress())
    return L.Trainer(
        accelerator="auto",
        devices=devices,
        max_epochs=recipe.epochs,
        precision=recipe.precision,
        gradient_clip_val=recipe.gradient_clip,
        callbacks=callbacks,
        logger=CSVLogger(out, name="logs"),
        default_root_dir=out,
        check_val_every_n_epoch=recipe.validate_every_epochs,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        enable_progress_bar=sys.stdout.isatty(),
        enable_model_summary=False,
    )
