"""The files of a Core ML package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mvpose.errors import InputError, require
from mvpose.quiet import quiet

HINT = "copy the whole folder again, with everything in it"
ITEM_IDS = "6d76706f-7365-5000-8000-{:012d}"
"""Of a manifest, in place of random ones."""


def read_package(path: Path) -> Any:
    """The model of an ``.mlpackage`` or ``.mlmodel``, as coremltools' ``Model_pb2.Model``.

    Raises:
        InputError: it can't be read, or the package coremltools is not installed.
    """
    _, file = model_file(path)
    require("coremltools", "coreml")
    with quiet():
        from coremltools.proto import Model_pb2
    model = Model_pb2.Model()
    refused = InputError(f"{path} is not a Core ML model, or is cut off", "copy or export it again")
    try:
        model.ParseFromString(file.read_bytes())
    except Exception as error:  # protobuf's own
        raise refused from error
    if model.WhichOneof("Type") is None:
        raise refused
    return model


def write_package(path: Path, model: Any) -> None:
    """Put another model into a package, in place and the same bytes each time."""
    manifest, file = model_file(path)
    file.write_bytes(model.SerializeToString(deterministic=True))
    text = (path / "Manifest.json").read_text("utf-8")
    by_path = sorted(manifest["itemInfoEntries"].items(), key=lambda item: item[1]["path"])
    for number, (name, _) in enumerate(by_path):
        text = text.replace(name, ITEM_IDS.format(number))
    ordered = json.dumps(json.loads(text), indent=4, sort_keys=True)
    (path / "Manifest.json").write_text(ordered + "\n", "utf-8")


def model_file(path: Path) -> tuple[dict[str, Any], Path]:
    """The manifest of a package, and the file that holds its model.

    A file stands for itself, with an empty manifest.

    Raises:
        InputError: there is none.
    """
    if path.is_file():
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty", "was the download or the export cut off?")
        if path.suffix == ".mlpackage":
            raise InputError(
                f"{path} is a file, but an .mlpackage is a folder", "unpack or copy it again"
            )
        return {}, path
    if not path.exists():
        raise InputError(f"no such file: {path}", "check the path")
    file = path / "Manifest.json"
    if not file.is_file():
        raise InputError(f"{path} holds no Manifest.json and so no Core ML model", HINT)
    try:
        manifest = json.loads(file.read_text("utf-8"))
        root = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["path"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InputError(f"{file} is damaged", HINT) from error
    if not (path / "Data" / root).is_file():
        raise InputError(f"{path} holds no {root}", HINT)
    return manifest, path / "Data" / root
