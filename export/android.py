"""Exported files into the assets of the Android app."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mvpose.artefact import Artefact
from mvpose.cli import note
from mvpose.errors import InputError
from mvpose.files import check_new, sha256, staging
from mvpose.live.usable import AGAIN, usable_file

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


def embed(files: Sequence[Path], app: Path, overwrite: bool) -> None:
    """Copy files, with their descriptions, into an app's assets and check them there.

    Args:
        files: ``.tflite`` files that mvpose-export wrote.
        app: folder of the project.
        overwrite: replace files of the same names.

    Raises:
        InputError: a file that the app can't run, several of one name, or one that exists or
            can't be written; none is embedded then.
    """
    models = app / MODELS
    texts = {path: check_runnable(path).to_json(indent=1) for path in files}
    for name, count in Counter(path.name for path in files).items():
        if count > 1:
            raise InputError(f"{count} of the files are named {name}", "rename all but one")
        check_new(models / name, overwrite)
    with staging(models) as folder:
        for path, text in texts.items():
            shutil.copyfile(path, folder / path.name)
            described = folder / f"{path.name}.json"
            described.write_text(text + "\n", encoding="utf-8")
    for path in files:
        embedded = models / path.name
        if sha256(embedded) != sha256(path):
            raise InputError(f"{embedded} differs from {path}", "the disk may be damaged")
        note(f"embedded {embedded}")


def check_runnable(path: Path) -> Artefact:
    """The description of a ``.tflite`` file that the app can run.

    Raises:
        InputError: it is not there, the app can't run what it describes, it does not load, or its
            input and output are not as described.
    """
    from mvpose.runtime.litert import file_tensors

    artefact = usable_file(path)
    if file_tensors(path) != (artefact.input, artefact.output):
        raise InputError(f"{path} has another input or output than its description says", AGAIN)
    return artefact
