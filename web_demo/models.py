"""Which exported files the page offers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mvpose.cli import note
from mvpose.errors import InputError
from mvpose.files import check_writable
from mvpose.live.usable import usable_file

ELEMENTS = ("float32",)
"""LiteRT.js takes no INT8 input or output."""
DEFAULT_RECIPE = "static_wi8_ai8_mixed"


def find_models(given: Sequence[Path], folder: Path) -> list[Path]:
    """The files to serve, the one to start with first.

    Args:
        given: files; none means all in ``folder`` that the page can run.
        folder: where exported files lie; gets one where it has none.

    Raises:
        InputError: a given file can't be run, or the export fails.
    """
    if given:
        for path in given:
            check_model(path)
        return list(given)
    found = _usable_in(folder)
    if found:
        return found
    if any(folder.glob("*.tflite")):
        raise InputError(
            f"the page can run none of the .tflite files in {folder}",
            "name another, or export one: mvpose-export --target tflite --int8 --out FOLDER",
        )
    try:
        check_writable(folder)
    except InputError as error:
        hint = "start mvpose-demo in a folder of yours, or name an exported file"
        raise InputError(error.what, hint) from error
    note(f"no exported files in {folder}: exporting the shipped checkpoint in INT8 first")
    from mvpose.export.options import Options
    from mvpose.export.run import export_model

    export_model(Options(target=["tflite"], int8=True, out=folder), None)
    return _usable_in(folder)


def check_model(path: Path) -> None:
    """Check that the page can run a file.

    Raises:
        InputError: it is missing, or its description tells that it can't be run.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder", "name the .tflite files in it")
    if path.exists() and path.suffix != ".tflite":
        raise InputError(f"{path} is no .tflite file", "mvpose-export --target tflite makes them")
    usable_file(path, ELEMENTS)


def _usable_in(folder: Path) -> list[Path]:
    """The files that can be run, the usual INT8 first; the others are said to be left out."""
    found = []
    for path in sorted(folder.glob("*.tflite")):
        try:
            check_model(path)
        except InputError as error:
            note(f"left out: {error.what}")
            continue
        found.append(path)
    return sorted(found, key=lambda path: DEFAULT_RECIPE not in path.name)
