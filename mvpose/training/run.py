"""A training run: recipe and data in, checkpoints out."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from mvpose.checkpoint import load_checkpoint
from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.errors import InputError
from mvpose.files import check_writable
from mvpose.models.pose import PoseNet
from mvpose.models.weights import load_backbone
from mvpose.spec import ModelSpec
from mvpose.training.module import PoseSamples, PoseTraining
from mvpose.training.recipe import TrainRecipe
from mvpose.zoo import zoo_spec

QUIET = (
    ".*does not have many workers.*",
    ".*LeafSpec.*",
    ".*smaller than the logging interval.*",
    ".*Checkpoint directory.*exists and is not empty.*",
)


class PlainProgress(Callback):  # type: ignore[misc]
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
    backbone: Path | None = None,
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
        backbone: ImageNet weights for the backbone alone, as ``load_backbone`` reads them.

    Returns:
        The best checkpoint, or the last one without validation.

    Raises:
        InputError: data, labels, recipe, weights or folder are not usable. Raised before training
            starts.
        KeyboardInterrupt: the user stopped it; the same call goes on from the last epoch.
    """
    spec = zoo_spec(recipe.model)
    sources = [load_keypoints(data / s.folder, s.split, spec.skeleton) for s in recipe.sources]
    validation_data = load_keypoints(*validation, spec.skeleton) if validation else None
    check_writable(out)
    L.seed_everything(recipe.seed, workers=True, verbose=False)
    model = PoseNet(spec.network)
    if init is not None:
        start_from(model, init, spec)
    if backbone is not None:
        load_backbone(model, backbone)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module = PoseTraining(model, spec, recipe, validation_data, out)
    trainer = make_trainer(recipe, out, devices)
    resume = out / "last.ckpt"
    done = epochs_done(resume, recipe) if resume.is_file() else 0
    announce(recipe, sources, validation_data, out)
    if done:
        fresh = "" if init is None and backbone is None else "; --init and --backbone are not used"
        verb = "resuming" if done < recipe.epochs else "nothing left to do in"
        print(f"{verb} {out} after epoch {done} of {recipe.epochs}{fresh}")
    try:
        trainer.fit(
            module,
            PoseSamples(sources, spec, recipe, workers),
            ckpt_path=resume if done else None,
            weights_only=True,
        )
    except SystemExit as stopped:
        if isinstance(stopped.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from stopped
        raise
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"the device is out of memory: {str(error).splitlines()[0]}",
            "lower batch_size in the recipe's stages",
        ) from error
    return out / ("best.safetensors" if validation else "last.safetensors")


def start_from(model: PoseNet, checkpoint: Path, spec: ModelSpec) -> None:
    """Copy the weights of a checkpoint of the same network.

    Raises:
        InputError: it is unreadable, or of another network.
    """
    start, start_spec, _ = load_checkpoint(checkpoint)
    if start_spec.network != spec.network:
        raise InputError(
            f"{checkpoint} holds {start_spec.name}, the recipe trains {spec.name}",
            "start from a checkpoint of the same model",
        )
    model.load_state_dict(start.state_dict())


def epochs_done(resume: Path, recipe: TrainRecipe) -> int:
    """How many epochs of a stopped run are done.

    Raises:
        InputError: its state can't be read, or it trained another model.
    """
    another = "choose another folder with --out, or remove this one"
    try:
        epochs = int(torch.load(resume, map_location="cpu", weights_only=True)["epoch"]) + 1
    except Exception as error:  # a damaged pickle can fail in any way
        raise InputError(f"cannot read {resume} to go on from it", another) from error
    written = resume.with_name("last.safetensors")
    if written.is_file():
        name = load_checkpoint(written)[1].name
        if name != recipe.model:
            raise InputError(f"{resume.parent} holds a run of {name}, not {recipe.model}", another)
    return epochs


def announce(
    recipe: TrainRecipe, sources: list[KeypointData], validation: KeypointData | None, out: Path
) -> None:
    """Say what is trained, on what, for how long."""
    print(f"training {recipe.model}: {recipe.epochs} epochs of {recipe.samples_per_epoch} samples")
    total = sum(source.weight for source in recipe.sources)
    for source, found in zip(recipe.sources, sources, strict=True):
        print(f"data: {_size(found)}, {source.weight / total:.0%} of the samples")
    print(f"validation: {_size(validation) if validation else 'none'}")
    print(f"output: {out}")


def _size(data: KeypointData) -> str:
    images = len({person.image_id for person in data.people})
    return f"{data.annotations}, {len(data.people)} people in {images} images"


def make_trainer(recipe: TrainRecipe, out: Path, devices: str) -> L.Trainer:
    """Lightning's trainer for a recipe."""
    quieten()
    callbacks: list[Callback] = [
        ModelCheckpoint(
            out, filename="last", save_last=False, save_top_k=1, enable_version_counter=False
        )
    ]
    if recipe.ema_decay:
        callbacks.append(EMAWeightAveraging(decay=recipe.ema_decay, use_buffers=True))
    if not sys.stdout.isatty():
        callbacks.append(PlainProgress())
    try:
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
