"""mvpose-export: a checkpoint into files for devices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from mvpose.cli import Flag, Many, Out, run

Target = Literal["tflite"]


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
    calib: Path | None = None,
    calib_split: str = "train",
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
    mvpose-export mobilevitpose-xxs --target tflite --fp32 --fp16 --int8 --full-int8 -o out
    mvpose-export runs/s/best.safetensors --target tflite --int8 --calib coco --data coco
    ```

    Args:
        model: zoo name or checkpoint; left out, the checkpoint that ships with the package.
        target: file formats.
        fp32: the float file (recipe fp32).
        fp16: weights in half precision (recipe fp16).
        int8: INT8 with normalisation, softmax and attention products in float
            (static_wi8_ai8_mixed).
        full_int8: every operator in INT8 (static_wi8_ai8).
        recipe: further recipes by name.
        io: element type of the input and output of INT8 files.
        calib: folder in COCO layout whose people calibrate INT8; left out, drawn people do.
        calib_split: split of the calibration folder; never the one that is evaluated.
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
    from mvpose.quantize.recipes import find_recipe

    asked = {"fp32": fp32, "fp16": fp16, "static_wi8_ai8_mixed": int8, "static_wi8_ai8": full_int8}
    names = [name for name, wanted in asked.items() if wanted] + (recipe or [])
    recipes = [find_recipe(name) for name in dict.fromkeys(names or ["fp32"])]
    if io == "int8" and not all(found.needs_calibration for found in recipes):
        raise InputError("--io int8 is for static INT8 recipes", "export the others apart")

    for module in ("litert_torch", "ai_edge_quantizer", "ai_edge_litert"):
        require(module, "tflite")

    from mvpose.cli import note, progress
    from mvpose.export.pipeline import TFLiteExport, converted, float_truth
    from mvpose.export.report import print_exports, result_rows
    from mvpose.files import check_new, check_writable, write_json
    from mvpose.quantize.calibration import CalibrationSet, data_calibration, drawn_calibration
    from mvpose.runtime.load import load_float

    reference = load_float(model, threads)
    paths = [out / f"{reference.spec.name}.{r.name}.tflite" for r in recipes]
    descriptions = [path.with_suffix(".json") for path in paths]
    for path in (*paths, *descriptions, *([json] if json else [])):
        check_new(path, overwrite)
    for folder in {out, json.parent if json else out}:
        check_writable(folder)

    def calibration() -> CalibrationSet:
        if calib is None:
            return drawn_calibration(reference.spec, seed=seed)
        return data_calibration(calib, calib_split, reference.spec, seed=seed)

    if data:
        note(f"evaluating the float network on {data}")
    truth = float_truth(reference, data, split, flip) if data else None
    note(f"converting {reference.spec.name}")
    with converted(reference) as float_file:
        exporter = TFLiteExport(reference, float_file, calibration, truth, threads, io)
        jobs = progress(zip(recipes, paths, strict=True), "exporting", len(paths))
        exports = [exporter.export(recipe, path) for recipe, path in jobs]
    print_exports(exports, truth)
    if json:
        write_json(json, result_rows(exports))


def main() -> None:
    """Entry point."""
    run(export)
