"""Which files a run writes: targets times precisions, as far as the formats go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mvpose.errors import InputError
from mvpose.export.targets.base import Target
from mvpose.quantize.recipes import Recipe, find_recipe

DEFAULTS = {"coreml": "fp16"}
"""Of targets that are not written in fp32 where no precision is asked for."""


@dataclass(frozen=True)
class File:
    """One file to write."""

    path: Path
    recipe: Recipe


def choose_files(
    targets: Sequence[Target], recipes: Iterable[str], model: str, out: Path
) -> list[File]:
    """The files of a run, target by target.

    A recipe is left out for targets that can't hold it, as long as one of them can.

    Args:
        targets: the formats.
        recipes: their names; none stands for each target's default.
        model: name that the files begin with.
        out: their folder.

    Raises:
        InputError: a recipe that does not exist, or that none of the targets can hold.
    """
    asked = list(dict.fromkeys(recipes))
    for name in asked:
        find_recipe(name)
        if not any(name in target.recipes for target in targets):
            formats = ", ".join(target.format for target in targets)
            raise InputError(f"{formats}: no file in {name} can be written", supported(targets))
    return [
        File(out / f"{model}.{name}{target.suffix}", find_recipe(name))
        for target in targets
        for name in asked or [DEFAULTS.get(target.format, "fp32")]
        if name in target.recipes
    ]


def check_options(files: Iterable[File], io: str, own_scales: bool, converter: str) -> None:
    """Refuse what doesn't go together.

    Args:
        files: that are to be written.
        io: element type of the input and output of ``.tflite`` files.
        own_scales: the gate or --qat is asked for, which decide the scales themselves.
        converter: of ``.tflite`` files.

    Raises:
        InputError: INT8 ends for a file that has none, or scales for a converter that has its own.
    """
    if own_scales and converter == "onnx2tf":
        raise InputError(
            "onnx2tf calibrates INT8 itself: neither the gate nor --qat can tell it the scales",
            "leave --converter out",
        )
    floats = [f for f in files if f.path.suffix == ".tflite" and not f.recipe.needs_calibration]
    if io == "int8" and floats:
        raise InputError("--io int8 is for static INT8 recipes", "export the others apart")


def left_out(targets: Sequence[Target], recipes: Iterable[str]) -> list[str]:
    """A line for each recipe that some of the targets can't hold."""
    return [
        f"{name}: not for {', '.join(t.format for t in targets if name not in t.recipes)}"
        for name in dict.fromkeys(recipes)
        if not all(name in target.recipes for target in targets)
    ]


def supported(targets: Sequence[Target]) -> str:
    """What can be written, for messages."""
    return "; ".join(f"{target.format} has {', '.join(target.recipes)}" for target in targets)
