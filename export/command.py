"""mvpose-export: a checkpoint into files for devices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from mvpose.cli import Flag, Many, Out, run

Target = Literal["tflite"]

JUDGES = 64
DRAWN_JUDGES = "synthetic:40"
"""People who tell which blocks cost most, where no others are given for calibration."""


def export(
    model: str | None = None,
    *,
    target: Annotated[list[Target], Many],
    fp32: Flag = False,
    fp16: Flag = False,
    int8: Flag = False,
    full_int8: Flag = False,
    recipe: Annotated[list[str] | None, Many] = None,
    io: Literal["float32", "int8"] = "float32",
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
    """Export a model to files for phones, each with a table of how far it is from the original.

    Every file carries its preprocessing, skeleton, quantisation and parity, inside and in a `.json`
    beside it. Without a precision option the float file is written.

    ```
    mvpose-export --target tflite --int8
    mvpose-export --target tflite --int8 --max-drop 1.0 --data coco --calib coco
    mvpose-export mobilevitpose-xxs --target tflite --fp32 --fp16 --full-int8 -o out
    mvpose-export runs/s/best.safetensors --target tflite --full-int8 --qat runs/qat/qat.safetensors
    ```

    Args:
        model: zoo name or checkpoint; left out, the checkpoint that ships with the package.
        target: file formats.
        fp32: the float file (recipe fp32).
        fp16: weights in half precision (recipe fp16).
        int8: INT8 with normalisation, softmax and attention products in float
            (static_wi8_ai8_mixed). With --data: the gate. Forms of INT8 are tried, from every
            operator integer to ever more blocks in float, up to the first whose AP is within
            --max-drop at 95 % confidence and that is not slower than the float files; it is
            written as <model>.int8.tflite. Where none is: exit code 1 and no such file.
        full_int8: every operator in INT8 (static_wi8_ai8).
        recipe: further recipes by name.
        io: element type of the input and output of INT8 files.
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
    from mvpose.errors import InputError, require
    from mvpose.quantize.observers import find_calibrator
    from mvpose.quantize.recipes import find_recipe

    gate = bool(int8 and data)
    if max_drop is not None and not gate:
        raise InputError("--max-drop asks for the AP of an INT8 file", "give --int8 and --data")
    asked = {
        "fp32": fp32,
        "fp16": fp16,
        "static_wi8_ai8_mixed": int8 and not gate,
        "static_wi8_ai8": full_int8,
    }
    names = [name for name, wanted in asked.items() if wanted] + (recipe or [])
    default = [] if gate else ["fp32"]
    recipes = [find_recipe(name) for name in dict.fromkeys(names or default)]
    if io == "int8" and not all(found.needs_calibration for found in recipes):
        raise InputError("--io int8 is for static INT8 recipes", "export the others apart")
    how = find_calibrator(calibrator)

    for module in ("litert_torch", "ai_edge_quantizer", "ai_edge_litert"):
        require(module, "tflite")

    from dataclasses import replace

    from mvpose.cli import note, progress
    from mvpose.data.coco import KeypointData, load_keypoints
    from mvpose.data.synthetic import resolve_data
    from mvpose.export.conversion import conversions
    from mvpose.export.gate import Tried, check_passed, pass_gate
    from mvpose.export.pipeline import TFLiteExport, float_truth
    from mvpose.export.report import print_exports, result_row
    from mvpose.export.trained import trained_from
    from mvpose.files import check_new, check_writable, write_json
    from mvpose.quantize.calibration import CalibrationSet
    from mvpose.quantize.calibration_file import make_calibration
    from mvpose.quantize.network import capture
    from mvpose.quantize.stability import describe_stability
    from mvpose.runtime.load import load_float

    reference = load_float(model, threads)
    spec = reference.spec
    trained = trained_from(reference, qat or ())
    paths = [out / f"{spec.name}.{found.name}.tflite" for found in recipes]
    gated = out / f"{spec.name}.int8.tflite"
    files = [*paths, gated] if gate else paths
    for path in (*files, *(p.with_suffix(".json") for p in files), *([json] if json else [])):
        check_new(path, overwrite)
    for folder in {out, json.parent if json else out}:
        check_writable(folder)
    if data:
        note(f"evaluating the float network on {data}")
    truth = float_truth(reference, data, split, flip) if data else None

    def calibration() -> CalibrationSet:
        evaluated = truth.data if truth else None
        found = make_calibration(calib, calib_split, spec, calib_count, seed, evaluated)
        if found.warning:
            graph = capture(exporter.network, spec.preprocess)
            note(str(describe_stability(graph, found, how)))
        return found

    def judges() -> KeypointData:
        folder = calib if calib and calib.is_dir() else resolve_data(DRAWN_JUDGES, "train")
        people = load_keypoints(folder, calib_split if calib else "train", spec.skeleton)
        return replace(people, people=people.people[:JUDGES])

    note(f"converting {spec.name}")
    with conversions(spec) as float_files:
        exporter = TFLiteExport(
            reference, float_files, calibration, how, truth, threads, io, plain, trained
        )
        jobs = progress(zip(recipes, paths, strict=True), "exporting", len(paths))
        exports = [exporter.export(found, path) for found, path in jobs]
        drop = 0.01 if max_drop is None else max_drop / 100
        tried: list[Tried] = []
        if gate:
            tried = pass_gate(exporter, gated, judges, drop, allow_slower, note)
        if json:
            write_json(
                json,
                [*map(result_row, exports), *(rung.row for rung in tried)],
            )
    if exports:
        print_exports(exports, truth)
    if gate:
        check_passed(tried, drop)


def main() -> None:
    """Entry point."""
    run(export)
