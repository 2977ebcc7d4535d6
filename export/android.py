"""Exported files into the assets of the Android app."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from mvpose.artefact import description, parse_artefact
from mvpose.cli import note
from mvpose.errors import InputError
from mvpose.files import check_new, sha256, staging
from mvpose.live.usable import usable

PROJECT = Path("android_demo")
MAIN = Path("app/src/main")
MODELS = MAIN / "assets/models"
SUFFIX = ".tflite"


def find_app(project: Path | None) -> Path:
    """The folder of an app's project.

    Args:
        project: None stands for ``android_demo`` here.

    Raises:
        InputError: there is no such project.
    """
    found = project or PROJECT
    if not (found / MAIN / "AndroidManifest.xml").is_file():
        raise InputError(
            f"{found} is no project of the Android app: it has no {MAIN}/AndroidManifest.xml",
            "name its folder with --to-android",
        )
    return found


def split_exported(models: Sequence[str], app: Path | None) -> tuple[list[Path], list[str | None]]:
    """The models that are ``.tflite`` files already, and those to export.

    Args:
        models: as the user named them; none stands for the shipped checkpoint.
        app: that the files go into.

    Raises:
        InputError: there is a file and no app.
    """
    ready = [Path(model) for model in models if model.endswith(SUFFIX)]
    if ready and app is None:
        raise InputError(
            f"{ready[0]} is exported already",
            "embed it with --target android, or give a checkpoint",
        )
    rest: list[str | None] = [model for model in models if not model.endswith(SUFFIX)]
    return ready, rest if models else [None]


def embed(files: Iterable[Path], app: Path, overwrite: bool) -> None:
    """Copy files, with their descriptions, into an app's assets and check them there.

    Args:
        files: ``.tflite`` files that mvpose-export wrote.
        app: folder of the project.
        overwrite: replace files of the same names.

    Raises:
        InputError: a file that the app could not run, that does not load, or can't be written.
    """
    from mvpose.runtime.litert import open_interpreter

    models = app / MODELS
    chosen = list(files)
    texts = {}
    for path in chosen:
        text = description(path)
        found = usable(text, path) if text else parse_artefact(text, path)
        texts[path] = found.to_json(indent=1)
        open_interpreter(path)
        check_new(models / path.name, overwrite)
    with staging(models) as folder:
        for path in chosen:
            shutil.copyfile(path, folder / path.name)
            described = folder / f"{path.name}.json"
            described.write_text(texts[path] + "\n", encoding="utf-8")
    for path in chosen:
        embedded = models / path.name
        if sha256(embedded) != sha256(path):
            raise InputError(f"{embedded} differs from {path}", "the disk may be damaged")
        note(f"embedded {embedded}")
