"""Recipes of quantisation-aware training, as data in YAML."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)
from pydantic.dataclasses import dataclass

from mvpose.data.augmentation import Augmentation
from mvpose.quantize.calibration import DEFAULT_COUNT
from mvpose.quantize.observers import find_calibrator
from mvpose.spec import FROZEN, ModelSpec, Record
from mvpose.training.recipe import (
    Distillation,
    Share,
    Source,
    Stage,
    TrainRecipe,
    find_recipe,
    read_yaml,
)

SHIPPED = Path(__file__).parent / "qat_recipes"
DEFAULT = "qat-coco"
MILD = Augmentation(scale=0.25, rotation_deg=20, rotation_probability=0.5, half_body=0.2)


@dataclass(frozen=True, config=FROZEN)
class QatRecipe(Record):
    """Everything that decides the weights, scales and zero points.

    Attributes:
        quantisation: which operators are integer, as in ``mvpose.quantize.recipes``.
        sources: the data sets and their mixture.
        epochs: length of the run.
        samples_per_epoch: crops drawn per epoch; None is as many as the sources have people.
        batch_size: samples of a step, over all processes together.
        loss: between heatmaps, as in ``mvpose.training.recipe.Stage``; of "mse" and "softmax_mse"
            the least is at the float network's own heatmaps.
        sigma_cells: of the labels' Gaussians, relative to a 64 x 64 heatmap.
        temperature: factor on the heatmaps before a softmax.
        float_share: of the loss that compares with the float network's heatmaps, for which people
            need no labels; the rest compares with the labels.
        peak_floor: keypoints whose peak is lower in the float network's heatmaps are left out.
        calibrator: of the ranges to begin with: average, minmax, percentile:99.99, mse, entropy.
        calibration_crops: from the first epoch's samples, unchanged.
        learning_rate: peak rate of Adam for weights and biases, relative to the root mean square of
            each tensor: folding leaves them of very different sizes.
        range_rate: peak rate of Adam for ranges, relative: 0.001 moves a scale by up to 0.1 % in a
            step, and a zero point by up to 0.1 % of the 255 levels.
        learn_zero_points: False leaves the zero points as calibrated.
        warmup_steps: linear warm-up.
        decay_from_epoch: the rates fall along a cosine from here on, to 1 %.
        ema_decay: of averaged weights and scales, which are what is validated and saved; 0 turns
            averaging off.
        gradient_clip: largest norm of the gradient; 0 turns clipping off.
        augmentation: random changes to the crops; mild, since the network is trained already.
        validate_every_epochs: how often to evaluate and save; divides ``epochs``.
        seed: of everything random.
        checkpoint_sha256: of the float checkpoint to begin with. The run fills it in; given, it
            refuses another.
    """

    quantisation: Literal["static_wi8_ai8", "static_wi8_ai8_mixed"] = "static_wi8_ai8"
    sources: tuple[Source, ...] = (Source(),)
    epochs: PositiveInt = 10
    samples_per_epoch: PositiveInt | None = None
    batch_size: PositiveInt = 32
    loss: Literal["mse", "softmax", "softmax_mse"] = "softmax_mse"
    sigma_cells: PositiveFloat = 2.0
    temperature: PositiveFloat = 10.0
    float_share: Share = 1.0
    peak_floor: Share = 0.0
    calibrator: str = "average"
    calibration_crops: PositiveInt = DEFAULT_COUNT
    learning_rate: NonNegativeFloat = 3e-4
    range_rate: NonNegativeFloat = 3e-4
    learn_zero_points: bool = True
    warmup_steps: NonNegativeInt = 100
    decay_from_epoch: NonNegativeInt = 0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    gradient_clip: NonNegativeFloat = 0.0
    augmentation: Augmentation = MILD
    validate_every_epochs: PositiveInt = 1
    seed: NonNegativeInt = 0
    checkpoint_sha256: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.epochs % self.validate_every_epochs:
            raise ValueError("validate_every_epochs must divide epochs")
        if not self.sources:
            raise ValueError("sources must name a data set")
        return self

    def training(self, spec: ModelSpec) -> TrainRecipe:
        """The same for the training engine, for a network of this spec."""
        stage = Stage(
            input_width_px=spec.preprocess.input_width_px,
            input_height_px=spec.preprocess.input_height_px,
            batch_size=self.batch_size,
            loss=self.loss,
            sigma_cells=self.sigma_cells,
        )
        return TrainRecipe(
            model=spec.name,
            sources=self.sources,
            epochs=self.epochs,
            samples_per_epoch=self.samples_per_epoch,
            stages=(stage,),
            learning_rate=self.learning_rate,
            warmup_steps=self.warmup_steps,
            decay_from_epoch=self.decay_from_epoch,
            temperature=self.temperature,
            ema_decay=self.ema_decay,
            gradient_clip=self.gradient_clip,
            distillation=Distillation((), self.float_share, self.peak_floor),
            augmentation=self.augmentation,
            validate_every_epochs=self.validate_every_epochs,
            seed=self.seed,
        )

    def of(self, checkpoint_sha256: str, samples_per_epoch: int) -> QatRecipe:
        """The recipe with what a run fills in."""
        return replace(
            self, checkpoint_sha256=checkpoint_sha256, samples_per_epoch=samples_per_epoch
        )


def read_qat_recipe(text: str | None = None, changes: tuple[str, ...] = ()) -> QatRecipe:
    """Read and check a recipe.

    Args:
        text: YAML file, or the name of a recipe that ships; None is "qat-coco".
        changes: "field=value" each, put over what the file says; values are YAML.

    Raises:
        InputError: there is no such recipe, it is no YAML, or a field is missing, unknown or out of
            range.
    """
    path = find_recipe(text or DEFAULT, SHIPPED)
    recipe = read_yaml(path, QatRecipe, changes, "mvpose/quantize/qat_recipe.py")
    find_calibrator(recipe.calibrator)
    return recipe
