"""Training recipes: what a run needs to be repeated, read from YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from mvpose.data.samples import Augmentation
from mvpose.errors import InputError
from mvpose.spec import FROZEN, Record, first_problem


@dataclass(frozen=True, config=FROZEN)
class Source(Record):
    """A data set to draw samples from.

    Attributes:
        folder: in COCO layout; relative paths count from the ``--data`` folder.
        split: which annotations.
        weight: its share of the samples, relative to the other sources.
    """

    folder: str = "."
    split: str = "train"
    weight: float = 1.0


@dataclass(frozen=True, config=FROZEN)
class Stage(Record):
    """What holds from some epoch on.

    Attributes:
        from_epoch: the first epoch of the stage.
        input_width_px, input_height_px: size of the crops.
        batch_size: samples per step.
        loss: "mse"; "softmax": cross-entropy of the spatial softmax with the normalised Gaussian;
            "softmax_mse": the same with the sharpened Gaussian, plus MSE.
        sigma_cells: of the target Gaussians, relative to a 64 x 64 heatmap.
    """

    from_epoch: int = 0
    input_width_px: int = 256
    input_height_px: int = 256
    batch_size: int = 64
    loss: Literal["mse", "softmax", "softmax_mse"] = "mse"
    sigma_cells: float = 2.0


@dataclass(frozen=True, config=FROZEN)
class TrainRecipe(Record):
    """Everything that decides the weights.

    Attributes:
        model: zoo name.
        sources: the data sets and their mixture.
        epochs: length of the run.
        samples_per_epoch: crops drawn per epoch.
        stages: input sizes by epoch.
        learning_rate: peak rate of AdamW.
        weight_decay: on convolution and linear weights; norms and biases have none.
        warmup_steps: linear warm-up.
        schedule: "flat_cosine" holds the rate until ``decay_from_epoch`` and then falls to 1 % of
            it along a cosine; "steps" divides it by 10 at each of ``milestones``.
        decay_from_epoch: start of the cosine.
        milestones: epochs of the steps.
        temperature: factor on the heatmaps before a softmax.
        mse_weight: share of the MSE in "softmax_mse".
        ema_decay: of the averaged weights; 0 turns averaging off.
        gradient_clip: largest norm of the gradient.
        precision: as in Lightning.
        augmentation: random changes to the crops.
        validate_every_epochs: how often to evaluate.
        seed: of everything random.
    """

    model: str
    sources: tuple[Source, ...]
    epochs: int
    samples_per_epoch: int
    stages: tuple[Stage, ...] = (Stage(),)
    learning_rate: float = 5e-4
    weight_decay: float = 0.01
    warmup_steps: int = 500
    schedule: Literal["flat_cosine", "steps"] = "flat_cosine"
    decay_from_epoch: int = 0
    milestones: tuple[int, ...] = ()
    temperature: float = 10.0
    mse_weight: float = 1.0
    ema_decay: float = 0.0
    gradient_clip: float = 1.0
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    augmentation: Augmentation = Augmentation()
    validate_every_epochs: int = 1
    seed: int = 0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        starts = [stage.from_epoch for stage in self.stages]
        if not starts or starts[0] != 0 or starts != sorted(set(starts)):
            raise ValueError("stages must begin with epoch 0 and go on in order")
        return self

    def stage(self, epoch: int) -> Stage:
        """The stage that an epoch belongs to."""
        return [stage for stage in self.stages if stage.from_epoch <= epoch][-1]

    def steps_before(self, epoch: int) -> int:
        """Optimiser steps taken before an epoch begins."""
        return sum(self.samples_per_epoch // self.stage(e).batch_size for e in range(epoch))


def read_recipe(path: Path) -> TrainRecipe:
    """Read and check a recipe.

    Raises:
        InputError: the file is missing, is no YAML, or a field is missing, unknown or out of range.
    """
    try:
        return TypeAdapter(TrainRecipe).validate_python(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"cannot read the recipe {path}: {error}", "check the path") from error
    except ValidationError as error:
        raise InputError(
            f"{path}: {first_problem(error)}", "see mvpose/training/recipes"
        ) from error
