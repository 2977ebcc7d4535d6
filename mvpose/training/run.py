"""A training run: recipe and data in, checkpoints out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import lightning as L
import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from pydantic import ValidationError
from torch import nn

from mvpose.data.coco import KeypointData
from mvpose.data.crops import Cut
from mvpose.data.samples import Batch, CropSource, loader_errors
from mvpose.errors import InputError
from mvpose.files import check_writable
from mvpose.models.build import build_network
from mvpose.models.pose import PoseNet
from mvpose.models.weights import load_backbone
from mvpose.spec import COCO17, ModelSpec, Skeleton, first_problem
from mvpose.training.data import PoseSamples, TrainingSource, open_source, open_validation
from mvpose.training.module import PoseTraining, spec_for
from mvpose.training.recipe import TrainRecipe
from mvpose.training.start import check_space, claim, epochs_done, start_from
from mvpose.training.trainer import make_trainer
from mvpose.zoo import zoo_spec

if TYPE_CHECKING:
    from mvpose.training.teachers import Teachers


@dataclass(frozen=True)
class Machine:
    """What a run may use.

    Attributes:
        workers: processes that load data, for each training process.
        devices: "auto", a number, or indices as in "0,2".
        nodes: machines.
        accelerator: "auto", "cpu" or "gpu".
    """

    workers: int = 2
    devices: str = "auto"
    nodes: int = 1
    accelerator: str = "auto"


def train(
    recipe: TrainRecipe,
    data: Path,
    out: Path,
    validation: tuple[Path, str] | None = None,
    init: Path | None = None,
    backbone: Path | None = None,
    machine: Machine = Machine(),
    skip_bad: bool = False,
) -> Path:
    """Train by a recipe; a run that was stopped goes on where it was, with the same result.

    Args:
        recipe: what to do.
        data: the folder that the recipe's sources lie in.
        out: folder for checkpoints and logs.
        validation: folder and split to validate on.
        init: checkpoint to start from.
        backbone: ImageNet weights for the backbone alone, as ``load_backbone`` reads them.
        machine: what to train on.
        skip_bad: leave out missing and damaged images of the training data.

    Returns:
        The best checkpoint, or the last one without validation.

    Raises:
        InputError: data, labels, recipe, weights or folder are not usable, raised before training
            starts; or the loss is no number.
        KeyboardInterrupt: the user stopped it; the same call goes on from the last epoch.
    """
    cut = kept_about_people(recipe, zoo_spec(recipe.model).preprocess.box_padding)
    skeleton = COCO17 if recipe.keypoints == "coco17" else None
    sources: list[TrainingSource] = []
    for source in recipe.sources:
        sources.append(open_source(data, source, skeleton, cut, skip_bad))
        skeleton = sources[0].crops.skeleton
    assert skeleton is not None
    spec = trained_spec(recipe, skeleton)
    held_out = open_validation(*validation, skeleton) if validation else None
    if recipe.samples_per_epoch is None:
        recipe = replace(recipe, samples_per_epoch=sum(len(s.crops) for s in sources))
    check_writable(out)
    check_space(out, spec)
    lock = claim(out) if is_first_process() else None
    try:
        L.seed_everything(recipe.seed, workers=True, verbose=False)
        model = build_network(spec.network)
        if init is not None and (said := start_from(model, init, spec)):
            _say(said)
        if backbone is not None:
            _load_backbone(model, backbone, recipe.model)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        resume = out / "last.ckpt"
        done = epochs_done(resume, recipe) if resume.is_file() else 0
        announce(recipe, sources, held_out and held_out[1], out)
        if done:
            unused = "" if init is backbone is None else "; --init and --backbone are not used"
            announce_resuming(recipe, out, done, unused)
        crops = [source.crops for source in sources]
        people = held_out[0] if held_out else None
        _fit(model, spec, recipe, crops, people, out, machine, resume if done else None)
    finally:
        if lock is not None:
            lock.release()
    return out / ("best.safetensors" if validation else "last.safetensors")


def trained_spec(recipe: TrainRecipe, skeleton: Skeleton) -> ModelSpec:
    """The spec of the recipe's model for a keypoint set.

    Raises:
        InputError: the model can't take the input size of a stage.
    """
    spec = zoo_spec(recipe.model)
    network = replace(spec.network, keypoints=len(skeleton.keypoints))
    spec = replace(spec, network=network, skeleton=skeleton)
    try:
        for stage in recipe.stages:
            spec_for(spec, recipe, stage.from_epoch)
    except ValidationError as error:
        raise InputError(
            f"{recipe.model} can't be trained like this: {first_problem(error)}",
            "change the input size in the recipe's stages",
        ) from error
    return spec


def _fit(
    model: nn.Module,
    spec: ModelSpec,
    recipe: TrainRecipe,
    sources: list[CropSource],
    validation: KeypointData | None,
    out: Path,
    machine: Machine,
    resume: Path | None,
) -> None:
    teachers = None
    if recipe.distillation:
        from mvpose.training.teachers import Teachers

        teachers = Teachers.load(recipe.distillation)
    samples = PoseSamples(sources, recipe, machine.workers)
    if teachers is not None and recipe.distillation and recipe.distillation.token_steps:
        batches = samples.batches(recipe.distillation.token_steps)
        spec = _with_token(model, spec, recipe, teachers, None if resume else batches)
    module = PoseTraining(model, spec, recipe, validation, out, teachers, samples.names)
    fit(module, samples, machine, resume)


def fit(module: PoseTraining, samples: PoseSamples, machine: Machine, resume: Path | None) -> None:
    """Train, after a rehearsal; ``resume`` is the state to go on from.

    Raises:
        InputError: the loss is no number, images can't be read, or memory runs out.
        KeyboardInterrupt: the user stopped it.
    """
    rehearse(module, samples)
    recipe, out = module.recipe, module.out
    trainer = make_trainer(recipe, out, machine.devices, machine.nodes, machine.accelerator)
    try:
        with loader_errors():
            trainer.fit(module, samples, ckpt_path=resume, weights_only=True)
    except SystemExit as stopped:
        if isinstance(stopped.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from stopped
        raise
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"the device is out of memory: {str(error).splitlines()[0]}",
            "lower batch_size in the recipe's stages",
        ) from error


def _with_token(
    model: nn.Module,
    spec: ModelSpec,
    recipe: TrainRecipe,
    teachers: Teachers,
    batches: Iterable[Batch] | None,
) -> ModelSpec:
    """Give a ViTPose the first teacher's knowledge token; None leaves the values to a checkpoint.

    Raises:
        InputError: student or teacher is no ViTPose, or their tokens have other widths.
    """
    from mvpose.models.vitpose import ViTPose
    from mvpose.training.augment import BatchAugment
    from mvpose.training.teachers import hand_over_token

    if batches is not None:
        augment = BatchAugment(recipe.augmentation, spec.preprocess, spec.skeleton)
        hand_over_token(teachers.runtimes[0][0], model, batches, augment)
    assert isinstance(model, ViTPose)
    if batches is None:
        model.add_knowledge_token().requires_grad_(False)
    return replace(spec, network=model.network)


def _load_backbone(model: nn.Module, backbone: Path, name: str) -> None:
    if not isinstance(model, PoseNet):
        raise InputError(
            f"no backbone weights are known for {name}", "use --init with a checkpoint"
        )
    load_backbone(model, backbone)


@torch.no_grad()
def rehearse(module: PoseTraining, samples: PoseSamples) -> None:
    """Two people through every stage's loader, augmentation, network and loss.

    Raises:
        InputError: the loss is no number: weights or labels are not usable.
    """
    for stage in module.recipe.stages:
        module.eval()
        loss = module.loss(samples.first(2, stage.from_epoch), stage.from_epoch)
        module.train()
        if not bool(loss.isfinite()):
            raise InputError(
                f"the loss is {float(loss)} before training begins",
                "the weights or labels hold values that are no numbers",
            )


def is_first_process() -> bool:
    """Of those that train together."""
    return rank_zero_only.rank in (0, None)


def _say(text: str) -> None:
    if is_first_process():
        print(text)


def kept_about_people(recipe: TrainRecipe, padding: float) -> Cut:
    """As much of a picture as the recipe's augmentations reach, and as fine as its crops are.

    Args:
        recipe: augmentations and input sizes.
        padding: of the boxes, as in ``Preprocess``.
    """
    used = [recipe.augmentation, *(s.augmentation for s in recipe.stages if s.augmentation)]
    margin = padding * max((1 + a.scale) * (1 + 2 * a.shift) for a in used)
    side = max(max(s.input_width_px, s.input_height_px) for s in recipe.stages)
    return Cut(round(side * margin / padding), margin)


def announce(
    recipe: TrainRecipe, sources: list[TrainingSource], validation: str | None, out: Path
) -> None:
    """Say what is trained, on what, for how long."""
    _say(f"training {recipe.model}: {recipe.epochs} epochs of {recipe.samples_per_epoch} samples")
    total = sum(source.weight for source in recipe.sources)
    for source, opened in zip(recipe.sources, sources, strict=True):
        _say(f"data: {opened.summary}; {source.weight / total:.0%} of the samples")
    _say(f"validation: {validation or 'none'}")
    _say(f"output: {out}")


def announce_resuming(recipe: TrainRecipe, out: Path, done: int, unused: str = "") -> None:
    """Say where a stopped run goes on, and which options that leaves without use."""
    verb = "resuming" if done < recipe.epochs else "nothing left to do in"
    _say(f"{verb} {out} after epoch {done} of {recipe.epochs}{unused}")
