"""The description that travels inside every exported file and, as JSON, beside it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from mvpose.errors import InputError
from mvpose.spec import FROZEN, ModelSpec, Record

ENTRY = "mvpose.json"
"""The name of the description: of a zip archive's entry, of a key among a file's metadata."""

Format = Literal["tflite", "onnx", "openvino", "coreml"]
Layout = Literal["NHWC", "NCHW"]


@dataclass(frozen=True, config=FROZEN)
class TensorInfo(Record):
    """An input or output of an exported file.

    Attributes:
        shape: with batch.
        dtype: NumPy name.
        scale, zero_point: real = (stored - zero_point) * scale; 0 and 0 for floats.
    """

    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0


@dataclass(frozen=True, config=FROZEN)
class Artefact(Record):
    """What an exported file is.

    Attributes:
        model: name, network, skeleton, preprocessing and decode rule.
        format: file format.
        layout: axes of input and output.
        input, output: RGB crops, 0..255, and heatmaps.
        recipe: name of the quantisation recipe.
        weights_sha256: of the checkpoint that the file was made from.
        toolchain: versions of the packages that made it.
        calibration: manifest of the calibration, where the recipe needed one.
        quantisation: what was done besides, and which modules stay in float beyond the recipe's.
        parity: difference from the float network.
        accuracy: COCO figures with their protocol, where measured.
        schema_version: of this description.
    """

    model: ModelSpec
    format: Format
    layout: Layout
    input: TensorInfo
    output: TensorInfo
    recipe: str
    weights_sha256: str
    toolchain: dict[str, str]
    calibration: dict[str, Any] | None = None
    quantisation: dict[str, Any] | None = None
    parity: dict[str, Any] | None = None
    accuracy: dict[str, Any] | None = None
    schema_version: Literal[1] = 1


def append_artefact(path: Path, artefact: Artefact) -> None:
    """Append the description to a ``.tflite`` file as a zip archive, which its readers ignore."""
    entry = zipfile.ZipInfo(ENTRY, (1980, 1, 1, 0, 0, 0))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(entry, artefact.to_json(indent=1))


def read_artefact(path: Path) -> Artefact:
    """Read the description out of a ``.tflite`` file.

    Raises:
        InputError: there is none, or the file is damaged.
    """
    return parse_artefact(description(path), path)


def description(path: Path) -> bytes:
    """The description in a ``.tflite`` file as JSON, unread; empty where there is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(ENTRY)
    except (OSError, KeyError, zipfile.BadZipFile):
        return b""


def parse_artefact(text: str | bytes | None, path: Path) -> Artefact:
    """The description that a file holds.

    Raises:
        InputError: there is none, or it is damaged.
    """
    if not text:
        raise InputError(
            f"{path} carries no description of mvpose-export",
            "the file is cut off, or was not written by mvpose-export; for a file of another maker "
            "write ADAPTER:FILE",
        )
    try:
        return Artefact.from_json(text)
    except InputError as error:
        raise InputError(
            f"the description in {path} is not readable: {error.what}",
            "the file is damaged, or was written by another version of mvpose",
        ) from error
