"""mvpose-export: a checkpoint into files for devices."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, get_args

from cyclopts import Parameter

from mvpose.cli import run
from mvpose.export.options import Options, Target


def export(
    *models: str,
    options: Annotated[Options, Parameter(name="*")],
    to_android: Path | None = None,
    json: Path | None = None,
) -> None:
    """Export models to files for devices, each with a table of how far it is from the original.

    All files come from one form of the network and, in INT8, one set of ranges. Each carries its
    preprocessing, skeleton, quantisation and parity, inside and in a `.json` beside it;
    `MODELCARD.md` tells of all files in the folder. Without a precision option files are in FP32,
    for Core ML in FP16. Recipes that one of the targets can't hold are written for the others.

    ```
    mvpose-export --target tflite --int8
    mvpose-export --target tflite onnx openvino coreml --fp16 --int8
    mvpose-export --target tflite --int8 --max-drop 1.0 --data coco --calib coco
    mvpose-export mobilevitpose-xxs --target tflite --fp32 --fp16 --full-int8 -o out
    mvpose-export runs/s/best.safetensors --target tflite --full-int8 --qat runs/qat/qat.safetensors
    mvpose-export mobilevitpose-xxs --target android --int8
    mvpose-export out/mine.tflite --target android --to-android ~/StudioProjects/android_demo
    ```

    Args:
        models: zoo names or checkpoints; left out, the checkpoint that ships with the package. For
            the target android also .tflite files that were exported before.
        options: for all models.
        to_android: the app's project, into whose assets the .tflite files go with their
            descriptions [default: android_demo, with the target android].
        json: also write the result rows to this file.
    """
    from mvpose.errors import InputError
    from mvpose.export.android import embed, find_app, split_exported
    from mvpose.export.run import export_model
    from mvpose.files import check_new, check_writable, write_json

    app = find_app(to_android) if to_android or "android" in options.target else None
    if app and "tflite" not in options.formats:
        raise InputError(
            "the app runs .tflite files, and none is asked for", "add android to --target"
        )
    ready, checkpoints = split_exported(models, app)
    if options.max_drop is not None and not options.gate:
        raise InputError(
            "--max-drop asks for the AP of an INT8 .tflite file",
            "give --target tflite, --int8 and --data",
        )
    if json:
        check_new(json, options.overwrite)
        check_writable(json.parent)
    if app:
        embed(ready, app, options.overwrite)
    rows = []
    for model in checkpoints:
        made = export_model(options, model)
        rows += made.rows
        if json:
            write_json(json, rows)
        made.check_passed(options.drop)
        if app:
            embed(made.tflite, app, options.overwrite)


def models_first(words: list[str]) -> list[str]:
    """The command line with models that stand behind the targets moved before them.

    The first word behind --target stays: it is a target, or refused as one.
    """
    moved: list[str] = []
    kept: list[str] = []
    among_targets = False
    for word in words:
        if word.startswith("-"):
            among_targets = word.partition("=")[0] == "--target"
        elif among_targets and kept[-1] != "--target" and word not in get_args(Target):
            moved.append(word)
            continue
        kept.append(word)
    return [*moved, *kept]


def main() -> None:
    """Entry point."""
    sys.argv[1:] = models_first(sys.argv[1:])
    run(export)
