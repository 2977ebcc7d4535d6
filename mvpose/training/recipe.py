"""Training recipes: what a run needs to be repeated, as data in YAML."""

from __future__ import annotations

import difflib
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass

from mvpose.data.augmentation import Augmentation
from mvpose.errors import InputError
from mvpose.spec import FROZEN, Preprocess, Record, first_problem

Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(gt=0, multiple_of=32)]
SHIPPED = Path(__file__).parent / "recipes"
R = TypeVar("R", bound=Record)


@dataclass(frozen=True, config=FROZEN)
class About(Record):
    """What a recipe is for.

    Attributes:
        source: where it comes from.
        published_ap: the figure it aims at, COCO val2017, 0..100; None where nobody published one.
        gpu_hours: expected length on one H100-class GPU; an estimate, not a measurement.
    """

    source: str = ""
    published_ap: float | None = None
    gpu_hours: float | None = None


@dataclass(frozen=True, config=FROZEN)
class Source(Record):
    """A data set to draw samples from.

    Attributes:
        folder: in COCO layout, or packed by ``mvpose-data pack``; relative paths count from the
            ``--data`` folder.
        split: which annotations.
        weight: its share of the samples, relative to the other sources.
        rename: keypoint names of the data set and what they are called here.
    """

    folder: str = "."
    split: str = "train"
    weight: PositiveFloat = 1.0
    rename: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, config=FROZEN)
class Stage(Record):
    """What holds from some epoch on.

    Attributes:
        from_epoch: the first epoch of the stage.
        input_width_px, input_height_px: size of the crops.
        batch_size: samples of a step, over all processes together.
        loss: "mse"; "softmax": cross-entropy of the spatial softmax with the normalised Gaussian;
            "softmax_mse": the same with the sharpened Gaussian, plus MSE.
        sigma_cells: of the target Gaussians, relative to a 64 x 64 heatmap.
        augmentation: replaces the recipe's from here on.
    """

    from_epoch: NonNegativeInt = 0
    input_width_px: Side = 256
    input_height_px: Side = 256
    batch_size: PositiveInt = 64
    loss: Literal["mse", "softmax", "softmax_mse"] = "mse"
    sigma_cells: PositiveFloat = 2.0
    augmentation: Augmentation | None = None


@dataclass(frozen=True, config=FROZEN)
class TeacherSource(Record):
    """A teacher: a zoo name, a checkpoint or an exported file, and its weight among teachers."""

    model: str
    weight: PositiveFloat = 1.0


@dataclass(frozen=True, config=FROZEN)
class Distillation(Record):
    """Learning from the heatmaps of other networks on the same augmented crops.

    Attributes:
        teachers: whose weighted mean is learnt from.
        share: of the loss that compares with the teachers; the rest compares with the labels.
        peak_floor: keypoints whose peak is lower in the teachers' heatmaps are left out.
        token_steps: steps in which the first teacher learns a knowledge token, which the student
            is then given (arXiv 2204.12484); both must be ViTPose. 0 does without.
    """

    teachers: tuple[TeacherSource, ...]
    share: Share = 0.5
    peak_floor: Share = 0.2
    token_steps: NonNegativeInt = 0


@dataclass(frozen=True, config=FROZEN)
class TrainRecipe(Record):
    """Everything that decides the weights.

    Attributes:
        model: zoo name.
        sources: the data sets and their mixture.
        epochs: length of the run.
        about: source, aim and cost.
        pretrained: begin with ImageNet weights of the backbone (``--backbone``, or downloaded).
        keypoints: "coco17", or "data": those of the first source. Other sources are mapped onto
            them by name.
        samples_per_epoch: crops drawn per epoch; None is as many as the sources have people.
        stages: input sizes, losses and augmentation by epoch.
        learning_rate: peak rate of AdamW.
        weight_decay: of AdamW.
        decay_norms: weight decay also on biases and the weights of normalisation.
        warmup_steps: linear warm-up.
        schedule: "flat_cosine" holds the rate until ``decay_from_epoch`` and then falls to 1 % of
            it along a cosine; "steps" divides it by 10 at each of ``milestones``.
        decay_from_epoch: start of the cosine.
        milestones: epochs of the steps.
        temperature: factor on the heatmaps before a softmax.
        mse_weight: share of the MSE in "softmax_mse".
        ema_decay: of the averaged weights; 0 turns averaging off.
        gradient_clip: largest norm of the gradient; 0 turns clipping off.
        precision: as in Lightning.
        sync_batchnorm: BatchNorm over all processes; CUDA only.
        compile: by ``torch.compile`` on CUDA; on CPUs it brings nothing.
        distillation: teachers; None trains on labels alone.
        augmentation: random changes to the crops.
        validate_every_epochs: how often to evaluate and save; divides ``epochs``.
        seed: of everything random.
    """

    model: str
    sources: tuple[Source, ...]
    epochs: PositiveInt
    about: About = About()
    pretrained: bool = False
    keypoints: Literal["coco17", "data"] = "coco17"
    samples_per_epoch: PositiveInt | None = None
    stages: tuple[Stage, ...] = (Stage(),)
    learning_rate: NonNegativeFloat = 5e-4
    weight_decay: NonNegativeFloat = 0.01
    decay_norms: bool = False
    warmup_steps: NonNegativeInt = 500
    schedule: Literal["flat_cosine", "steps"] = "flat_cosine"
    decay_from_epoch: NonNegativeInt = 0
    milestones: tuple[NonNegativeInt, ...] = ()
    temperature: PositiveFloat = 10.0
    mse_weight: NonNegativeFloat = 1.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    gradient_clip: NonNegativeFloat = 1.0
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    sync_batchnorm: bool = False
    compile: bool = False
    distillation: Distillation | None = None
    augmentation: Augmentation = Augmentation()
    validate_every_epochs: PositiveInt = 1
    seed: NonNegativeInt = 0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        starts = [stage.from_epoch for stage in self.stages]
        if not starts or starts[0] != 0 or starts != sorted(set(starts)):
            raise ValueError("stages must begin with epoch 0 and go on in order")
        if starts[-1] >= self.epochs:
            raise ValueError(f"a stage begins with epoch {starts[-1]}, of {self.epochs}")
        if self.epochs % self.validate_every_epochs:
            raise ValueError("validate_every_epochs must divide epochs")
        if not self.sources:
            raise ValueError("sources must name a data set")
        return self

    def stage(self, epoch: int) -> Stage:
        """The stage that an epoch belongs to."""
        return [stage for stage in self.stages if stage.from_epoch <= epoch][-1]

    def preprocess(self, epoch: int, base: Preprocess) -> Preprocess:
        """The preprocessing of an epoch: that of the model at the stage's input size."""
        from dataclasses import replace

        stage = self.stage(epoch)
        return replace(
            base, input_width_px=stage.input_width_px, input_height_px=stage.input_height_px
        )

    def steps_before(self, epoch: int) -> int:
        """Optimiser steps taken before an epoch begins; needs ``samples_per_epoch``."""
        assert self.samples_per_epoch is not None
        return sum(self.samples_per_epoch // self.stage(e).batch_size for e in range(epoch))


def find_recipe(text: str, folder: Path = SHIPPED) -> Path:
    """The file of a recipe given by path or by the name of one that ships.

    Args:
        text: path or name.
        folder: of those that ship.

    Raises:
        InputError: there is none.
    """
    path = Path(text)
    shipped = folder / f"{text}.yaml"
    if path.is_file():
        return path
    if path.name == text and shipped.is_file():
        return shipped
    known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
    raise InputError(f"no recipe {text!r}", f"give a YAML file or one of: {known}")


def read_recipe(path: Path, changes: tuple[str, ...] = ()) -> TrainRecipe:
    """Read and check a recipe, as ``read_yaml``."""
    return read_yaml(path, TrainRecipe, changes, "mvpose/training/recipe.py")


def read_yaml(path: Path, kind: type[R], changes: tuple[str, ...], explained: str) -> R:
    """Read and check a record.

    Args:
        path: YAML.
        kind: of record.
        changes: "field=value" each, put over what the file says; values are YAML.
        explained: where the user finds every field explained.

    Raises:
        InputError: the file is missing, is no YAML, or a field is missing, unknown or out of range.
    """
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"cannot read the recipe {path}: {reason}", "check the path") from error
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or not isinstance(content, dict):
            raise InputError(f"cannot set {change!r}", "write --set field=value")
        try:
            content[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise InputError(f"cannot set {change!r}", "the value must be YAML") from error
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        raise InputError(
            f"{path}: {first_problem(error)}", _advice(error, kind, explained)
        ) from error


def _advice(error: ValidationError, kind: type[Any], explained: str) -> str:
    """The nearest known field for an unknown one."""
    problem = error.errors()[0]
    known = [
        field.name
        for record in (kind, Stage, Source, Augmentation, Distillation, About, TeacherSource)
        for field in fields(record)
    ]
    name = str(problem["loc"][-1]) if problem["loc"] else ""
    near = difflib.get_close_matches(name, known, 1)
    if "unexpected" in problem["type"] and near:
        return f"did you mean {near[0]}?"
    return f"every field is explained in {explained}"


def differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """The fields in which two JSON forms of recipes differ, as "field: old -> new"."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted(old.keys() | new.keys())
        pairs = ((f"{prefix}{name}", old.get(name), new.get(name)) for name in names)
        return [line for name, a, b in pairs for line in differences(a, b, f"{name}.")]
    return [] if old == new else [f"{prefix.rstrip('.')}: {old} -> {new}"]
