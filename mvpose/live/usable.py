"""Which exported files the demos can run, told from their description alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from mvpose.artefact import Artefact, description
from mvpose.errors import InputError

SCHEMA = Artefact.schema_version
ELEMENTS = ("float32", "int8")
"""Of the tensors that the app on a phone reads and writes."""
AGAIN = "export the model again: mvpose-export --target tflite --int8"

Reason = Literal[
    "not_a_description",
    "newer_schema",
    "format",
    "layout",
    "batch",
    "element_type",
    "decode",
    "shapes",
]


class UnusableError(InputError):
    """A file that the demos can't run.

    Attributes:
        reason: the same word in Python, Kotlin and JavaScript.
    """

    def __init__(self, reason: Reason, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.reason = reason


def usable_file(path: Path, elements: tuple[str, ...] = ELEMENTS) -> Artefact:
    """The description in a ``.tflite`` file that the demos can run.

    Args:
        path, elements: as for ``usable``.

    Raises:
        InputError: there is no such file.
        UnusableError: they can't run it.
    """
    if not path.is_file():
        raise InputError(f"no such file: {path}", "check the path")
    return usable(description(path), path, elements)


def usable(text: str | bytes, path: Path, elements: tuple[str, ...] = ELEMENTS) -> Artefact:
    """The description of a file that the demos can run.

    Args:
        text: the description as JSON.
        path: of the file, for messages.
        elements: NumPy names of the element types that its input and output may have.

    Raises:
        UnusableError: it is no description, of a newer schema, or of a file that they can't run.
    """
    _check_schema(text, path)
    try:
        artefact = Artefact.from_json(text)
    except InputError as error:
        raise UnusableError(
            "not_a_description", f"the description of {path} is damaged: {error.what}", AGAIN
        ) from error
    objection = _objection(artefact, elements)
    if objection:
        reason, what, hint = objection
        raise UnusableError(reason, f"{path} {what}", hint)
    return artefact


def _check_schema(text: str | bytes, path: Path) -> None:
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = None
    version = found.get("schema_version") if isinstance(found, dict) else None
    if not isinstance(version, int):
        raise UnusableError(
            "not_a_description", f"{path} carries no description of mvpose-export", AGAIN
        )
    if version > SCHEMA:
        raise UnusableError(
            "newer_schema",
            f"the description of {path} has schema version {version}, this mvpose reads {SCHEMA}",
            "update mvpose, or export the model again with this one",
        )


def _objection(artefact: Artefact, elements: tuple[str, ...]) -> tuple[Reason, str, str] | None:
    """What keeps the demos from running a file: the reason, what it is, and what to do."""
    given, made, spec = artefact.input, artefact.output, artefact.model
    width, height = spec.preprocess.size_wh
    if artefact.format != "tflite":
        return "format", f"is of the format {artefact.format}", AGAIN
    if artefact.layout != "NHWC":
        return "layout", f"has the layout {artefact.layout}, not NHWC", AGAIN
    if spec.decode.method == "coordinates":
        return "decode", "gives coordinates, not heatmaps", AGAIN
    if given.shape[:1] != (1,) or made.shape[:1] != (1,):
        return "batch", "does not take one crop at a time", AGAIN
    if given.dtype not in elements or made.dtype not in elements:
        kinds = f"has input and output of {given.dtype} and {made.dtype}"
        return "element_type", kinds, f"export it with --io {elements[0]}"
    if given.shape != (1, height, width, 3) or len(made.shape) != 4 or min(made.shape[1:3]) < 2:
        return "shapes", f"has input and output {given.shape} and {made.shape}", AGAIN
    if made.shape[3] != len(spec.skeleton.keypoints):
        heatmaps = f"has {made.shape[3]} heatmaps for {len(spec.skeleton.keypoints)} keypoints"
        return "shapes", heatmaps, AGAIN
    return None
