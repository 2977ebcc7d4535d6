"""mvpose-export: a checkpoint into files for devices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from mvpose.cli import Flag, Many, Out, run

Format = Literal["tflite", "onnx", "openvino", "coreml"]


def export(
    model: str | None = None,
    *,
    target: Annotated[list[Format], Many],
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
    overwrite: Flag = False,
    json: Path | None = None,
) -> None:
    """Export a model to files for devices, each with a table of how far it is from the original.

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
    ```

    Args:
        model: zoo name or checkpoint; left out, the checkpoint that ships with the package.
        target: file formats: .tflite (phones), .onnx, OpenVINO IR (.xml and .bin; desktop CPUs) and
            Core ML (.mlpackage).
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
        overwrite: replace existing files.
        json: also write the result rows to this file.
    """
    from mvpose.cli import note, progress
    from mvpose.errors import InputError
    from mvpose.export.conversion import conversions
    from mvpose.export.jobs import check_options, choose_files, left_out
    from mvpose.export.targets.table import make_targets
    from mvpose.files import check_new, check_writable, write_json
    from mvpose.quantize.observers import find_calibrator
    from mvpose.runtime.load import load_float

    gate = bool(int8 and data and "tflite" in target)
    if max_drop is not None and not gate:
        raise InputError(
            "--max-drop asks for the AP of an INT8 .tflite file",
            "give --target tflite, --int8 and --data",
        )
    asked = {
        "fp32": fp32,
        "fp16": fp16,
        "static_wi8_ai8_mixed": int8 and not gate,
        "static_wi8_ai8": full_int8,
    }
    names = [name for name, wanted in asked.items() if wanted] + (recipe or [])
    how = find_calibrator(calibrator)
    reference = load_float(model, threads)
    spec = reference.spec
    with conversions(spec) as float_files:
        targets = make_targets(target, float_files, converter, io, dynamic_batch)
        files = [] if gate and not names else choose_files(targets, names, spec.name, out)
        check_options(files, io, gate or bool(qat), converter)
        gated = [out / f"{spec.name}.int8{t.suffix}" for t in targets] if gate else []
        paths = [*(file.path for file in files), *gated]
        for path in (*paths, *(Path(f"{p}.json") for p in paths), *([json] if json else [])):
            check_new(path, overwrite)
        for folder in {out, json.parent if json else out}:
            check_writable(folder)
        for line in left_out(targets, names):
            note(line)

        from mvpose.export.card import write_card
        from mvpose.export.gate import check_passed, pass_gate
        from mvpose.export.people import calibration_people, judging_people
        from mvpose.export.pipeline import Exporter, float_truth
        from mvpose.export.report import print_exports, result_row
        from mvpose.export.speed import time_files, without_gain
        from mvpose.export.trained import trained_from

        trained = trained_from(reference, qat or ())
        if data:
            note(f"evaluating the float network on {data}")
        truth = float_truth(reference, data, split, flip) if data else None
        evaluated = truth.data if truth else None
        people = calibration_people(
            reference, calib, calib_split, calib_count, seed, evaluated, how
        )
        exporter = Exporter(reference, targets, people, how, truth, threads, plain, trained)
        note(f"converting {spec.name}")
        jobs = progress(files, "exporting", len(files))
        exports = [exporter.export(file.recipe, file.path) for file in jobs]
        drop = 0.01 if max_drop is None else max_drop / 100
        tried = []
        if gate:
            judges = judging_people(spec, calib, calib_split)
            tried = pass_gate(exporter, gated[0], judges, drop, allow_slower, note)
            if tried[-1].holds:
                rung = tried[-1].rung
                exports += [exporter.export(rung.recipe, p, rung.plan()) for p in gated[1:]]
        timings = time_files(exporter, exports)
        rows = [result_row(file, timings.get(file.path)) for file in exports]
        if json:
            write_json(json, [*rows, *(rung.row for rung in tried)])
        if exports:
            print_exports(exports, timings, truth)
            for line in without_gain(exporter, exports):
                note(line)
        write_card(out)
    if gate:
        check_passed(tried, drop)


def main() -> None:
    """Entry point."""
    run(export)
