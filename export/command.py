"""mvpose-export: a checkpoint into files for devices."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal, get_args

from cyclopts import Parameter
from cyclopts.validators import Number

from mvpose.cli import Flag, Many, Out, run

Target = Literal["tflite", "onnx", "openvino", "coreml", "android"]


def export(
    *models: str,
    target: Annotated[list[Target], Many],
    converter: Literal["litert", "onnx2tf"] = "litert",
    fp32: Flag = False,
    fp16: Flag = False,
    int8: Flag = False,
    full_int8: Flag = False,
    recipe: Annotated[list[str] | None, Many] = None,
    io: Literal["float32", "int8"] = "float32",
    dynamic_batch: Flag = False,
    max_drop: Annotated[float, Parameter(validator=Number(gte=0))] | None = None,
    allow_slower: Flag = False,
    qat: Annotated[list[Path] | None, Many] = None,
    calib: Path | None = None,
    calib_split: str = "train",
    calib_count: Annotated[int, Parameter(validator=Number(gte=1))] = 128,
    calibrator: str = "average",
    plain: Flag = False,
    data: str | None = None,
    split: str = "val",
    flip: Flag = False,
    threads: int = 1,
    seed: int = 0,
    out: Out = Path("out"),
    to_android: Path | None = None,
    overwrite: Flag = False,
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
        target: file formats: .tflite (phones), .onnx, OpenVINO IR (.xml and .bin; desktop CPUs) and
            Core ML (.mlpackage); android: .tflite, and into the app.
        converter: makes .tflite files: litert-torch, or onnx2tf with TensorFlow (fp32, fp16,
            dynamic_wi8 and static_wi8_ai8, calibrated by TensorFlow).
        fp32: the float file (recipe fp32).
        fp16: weights in half precision (recipe fp16).
        int8: INT8 with normalisation, softmax and attention products in float
            (static_wi8_ai8_mixed). With --data: the gate. Forms of INT8 are tried, from every
            operator integer to ever more blocks in float, up to the first whose AP is within
            --max-drop at 95 % confidence and that is not slower than the float files; it is
            written as <model>.int8.tflite, and for the other targets alike. Where none is: exit
            code 1 and no such file.
        full_int8: every operator in INT8 (static_wi8_ai8).
        recipe: further recipes by name.
        io: element type of the input and output of INT8 .tflite files.
        dynamic_batch: let .onnx files take any number of crops, not one.
        max_drop: AP points that --int8 may lose on --data; 1.0 where left out.
        allow_slower: let --int8 be slower than the float files.
        qat: checkpoints of mvpose-quantize --qat, trained from this model: what INT8 files of
            their recipe are made from; the gate tries them last.
        calib: folder in COCO layout whose people calibrate INT8; left out, drawn people do.
        calib_split: split of the calibration folder; its pictures must not be among the evaluated.
        calib_count: people to calibrate on.
        calibrator: how ranges follow from values: minmax, average, percentile:P, mse or entropy.
        plain: calibrate only; leave out the remedies against rounding.
        data: folder in COCO layout, or synthetic:N, to measure AP on.
        split: split to measure on.
        flip: average with mirrored crops when measuring AP.
        threads: CPU threads of the interpreters.
        seed: of the choice of calibration crops.
        out: folder for the files.
        to_android: the app's project, into whose assets the .tflite files go with their
            descriptions [default: android_demo, with the target android].
        overwrite: replace existing files.
        json: also write the result rows to this file.
    """
    from mvpose.errors import InputError
    from mvpose.export.android import embed, find_app, split_exported
    from mvpose.export.order import Order, export_model
    from mvpose.files import check_new, check_writable, write_json
    from mvpose.quantize.observers import find_calibrator

    app = find_app(to_android) if to_android or "android" in target else None
    ready, checkpoints = split_exported(models, app)
    order = Order(
        formats=["tflite" if name == "android" else name for name in target],
        fp32=fp32,
        fp16=fp16,
        int8=int8,
        full_int8=full_int8,
        recipes=recipe or [],
        converter=converter,
        io=io,
        dynamic_batch=dynamic_batch,
        drop=0.01 if max_drop is None else max_drop / 100,
        allow_slower=allow_slower,
        qat=qat or [],
        calib=calib,
        calib_split=calib_split,
        calib_count=calib_count,
        calibrator=find_calibrator(calibrator),
        plain=plain,
        data=data,
        split=split,
        flip=flip,
        threads=threads,
        seed=seed,
        out=out,
        overwrite=overwrite,
    )
    if max_drop is not None and not order.gate:
        raise InputError(
            "--max-drop asks for the AP of an INT8 .tflite file",
            "give --target tflite, --int8 and --data",
        )
    if json:
        check_new(json, overwrite)
        check_writable(json.parent)
    rows = []
    for model in checkpoints:
        made = export_model(order, model)
        rows += made.rows
        ready += made.tflite
        if json:
            write_json(json, rows)
        made.check_passed(order.drop)
    if app:
        embed(ready, app, overwrite)


def models_first(words: list[str]) -> list[str]:
    """The command line with models that stand behind the targets moved before them."""
    moved: list[str] = []
    kept: list[str] = []
    among_targets = False
    for word in words:
        if word.startswith("-"):
            among_targets = word == "--target"
        if among_targets and word != "--target" and word not in get_args(Target):
            moved.append(word)
        else:
            kept.append(word)
    return [*moved, *kept]


def main() -> None:
    """Entry point."""
    sys.argv[1:] = models_first(sys.argv[1:])
    run(export)
