"""Lightning's trainer for a recipe: devices, checkpoints, averaging, logs."""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from mvpose.errors import InputError
from mvpose.files import replacing
from mvpose.training.recipe import TrainRecipe

QUIET = (
    ".*does not have many workers.*",
    ".*LeafSpec.*",
    ".*smaller than the logging interval.*",
    ".*Checkpoint directory.*exists and is not empty.*",
    ".*recommended to use `self.log.*sync_dist=True`.*",
)


class WholeCheckpoints(TorchCheckpointIO):  # type: ignore[misc]
    """Checkpoints that replace the previous one only once they are written."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        with replacing(Path(path)) as temporary:
            try:
                torch.save(checkpoint, temporary)
            except RuntimeError as error:  # what torch makes of a full disk
                raise OSError(str(error).splitlines()[0]) from error


class PlainProgress(Callback):  # type: ignore[misc]
    """One line per epoch, for logs."""

    def on_train_start(self, _trainer: L.Trainer, _module: L.LightningModule) -> None:
        self.started = time.monotonic()

    def on_train_epoch_end(self, trainer: L.Trainer, _module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            figures = {k: f"{float(v):.4f}" for k, v in trainer.callback_metrics.items()}
            text = ", ".join(f"{name} {value}" for name, value in figures.items())
            minutes = (time.monotonic() - self.started) / 60
            done = f"{trainer.current_epoch + 1}/{trainer.max_epochs}"
            print(f"epoch {done}: {text}, {minutes:.1f} min", flush=True)


class Throughput(Callback):  # type: ignore[misc]
    """Logs images per second, and the share of the time that was spent waiting for data."""

    def on_train_epoch_start(self, _trainer: L.Trainer, _module: L.LightningModule) -> None:
        self.begun = self.ready = time.monotonic()
        self.waited, self.images = 0.0, 0

    def on_train_batch_start(
        self, _trainer: L.Trainer, _module: L.LightningModule, _batch: Any, _index: int
    ) -> None:
        self.waited += time.monotonic() - self.ready

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, _outputs: Any, batch: Any, _index: int
    ) -> None:
        self.ready = time.monotonic()
        self.images += len(batch["images"]) * trainer.world_size
        if trainer.is_last_batch:
            seconds = self.ready - self.begun
            module.log_dict(
                {"images_per_second": self.images / seconds, "waiting": self.waited / seconds}
            )


def make_trainer(
    recipe: TrainRecipe,
    out: Path,
    devices: str = "auto",
    nodes: int = 1,
    accelerator: str = "auto",
) -> L.Trainer:
    """The trainer of a run.

    Under ``torchrun`` the numbers of processes and machines are the launcher's.

    Args:
        recipe: what to train.
        out: folder for checkpoints and logs.
        devices: "auto", a number, or indices as in "0,2".
        nodes: machines.
        accelerator: "auto", "cpu" or "gpu".

    Raises:
        InputError: there are no such devices.
    """
    quieten()
    callbacks: list[Callback] = [
        ModelCheckpoint(
            out, filename="last", save_last=False, save_top_k=1, enable_version_counter=False
        ),
        Throughput(),
    ]
    if recipe.ema_decay:
        callbacks.append(EMAWeightAveraging(decay=recipe.ema_decay, use_buffers=True))
    if not sys.stdout.isatty():
        callbacks.append(PlainProgress())
    if "TORCHELASTIC_RUN_ID" in os.environ:
        devices = os.environ["LOCAL_WORLD_SIZE"]
        nodes = int(os.environ["WORLD_SIZE"]) // int(devices)
    try:
        return L.Trainer(
            accelerator=accelerator,
            devices=devices,
            num_nodes=nodes,
            max_epochs=recipe.epochs,
            precision=recipe.precision,
            gradient_clip_val=recipe.gradient_clip or None,
            sync_batchnorm=recipe.sync_batchnorm and torch.cuda.is_available(),
            callbacks=callbacks,
            plugins=[WholeCheckpoints()],
            logger=[CSVLogger(out, name="logs"), TensorBoardLogger(out, name="tensorboard")],
            default_root_dir=out,
            check_val_every_n_epoch=recipe.validate_every_epochs,
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            enable_progress_bar=sys.stdout.isatty(),
            enable_model_summary=False,
        )
    except (MisconfigurationException, ValueError, TypeError) as error:
        raise InputError(
            f"cannot train on --devices {devices}: {str(error).strip().splitlines()[0]}",
            "auto takes what is there",
        ) from error


def quieten() -> None:
    """Keep Lightning's advice to its own developers off the user's screen."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in QUIET:
        warnings.filterwarnings("ignore", message)
