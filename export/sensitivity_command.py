"""mvpose-quantize --sensitivity: the map of what INT8 costs, as tables, JSON and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from mvpose.cli import Flag, Many, Out

EXTRA = ("litert_torch", "ai_edge_quantizer", "ai_edge_litert")
AGREEMENT_CROPS = 64


def sensitivity(
    model: str | None = None,
    /,
    *,
    sensitivity: Annotated[Flag, Parameter(show_default=False)] = True,
    data: str = "synthetic:64",
    split: str = "val",
    limit: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    leave_out: Annotated[list[str] | None, Many] = None,
    calib: Path | None = None,
    calib_split: str = "train",
    calib_count: Annotated[int, Parameter(validator=Number(gte=1))] = 128,
    calibrator: str = "average",
    threads: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    seed: int = 0,
    out: Out = Path("out"),
    overwrite: Flag = False,
) -> None:
    """Put one block at a time into INT8 and measure what that costs in AP, OKS and pixels.

    INT8 is simulated; where mvpose[tflite] is installed, the simulation is held against files.
    Writes MODEL.sensitivity.json and a picture of the network, MODEL.sensitivity.png.

    ```
    mvpose-quantize --sensitivity
    mvpose-quantize mobilevitpose-xxs --sensitivity --data coco --limit 100 -o map
    mvpose-quantize --sensitivity --data coco --calib coco --leave-out static_wi8_ai8
    ```

    Args:
        model: a zoo name or a checkpoint; left out, the checkpoint that ships with the package.
        sensitivity: this mode of mvpose-quantize.
        data: folder in COCO layout, or synthetic:N for N drawn pictures, to measure on.
        split: split to measure on.
        limit: only the first so many images.
        leave_out: recipes (static_wi8_ai8, static_wi8_ai8_mixed) whose blocks are also left in
            float one at a time, to see what each gains.
        calib: folder in COCO layout whose people calibrate; left out, drawn people do.
        calib_split: split of the calibration folder; its pictures must not be among the measured.
        calib_count: people to calibrate on.
        calibrator: how ranges follow from values: minmax, average, percentile:P, mse or entropy.
        threads: CPU threads; 0 takes all cores.
        seed: of the choice of calibration crops.
        out: folder for the files.
        overwrite: replace existing files.
    """
    import os
    import tempfile
    import time
    from dataclasses import asdict, replace
    from functools import partial
    from importlib.util import find_spec

    from mvpose.cli import note, progress
    from mvpose.data.coco import load_keypoints
    from mvpose.data.synthetic import PREFIX, resolve_data
    from mvpose.files import check_new, check_writable, replacing, write_text
    from mvpose.models.deploy import deploy
    from mvpose.protocol import first_images
    from mvpose.quantize.calibration_file import make_calibration
    from mvpose.quantize.diagram import draw_map
    from mvpose.quantize.observers import find_calibrator
    from mvpose.quantize.plan import plan_int8
    from mvpose.quantize.sensitivity import FULL, MIXED, Sensitivity, int8_recipe
    from mvpose.quantize.sensitivity_report import print_map
    from mvpose.quantize.stability import describe_stability
    from mvpose.runtime.load import load_float

    recipes = [int8_recipe(name) for name in dict.fromkeys(leave_out or ())]
    how = find_calibrator(calibrator)
    reference = load_float(model, threads or os.cpu_count() or 1)
    spec = reference.spec
    text, picture = (out / f"{spec.name}.sensitivity{end}" for end in (".json", ".png"))
    for path in (text, picture):
        check_new(path, overwrite)
    check_writable(out)
    folder = resolve_data(data, split, partial(progress, label="drawing"))
    began, used = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory(prefix="mvpose-") as work:
        people = load_keypoints(folder, split, spec.skeleton)
        if limit:
            people = first_images(people, limit, Path(work))
        calibration = make_calibration(calib, calib_split, spec, calib_count, seed, people)
        network = deploy(reference.model, spec.preprocess)
        plan = plan_int8(network, spec.preprocess, calibration.crops, how)
        if warning := describe_stability(plan.graph, calibration, how):
            note(warning)
        measured = Sensitivity(plan, spec, people, progress)
        found = measured.measure(calibration.crops, recipes)
        facts = {
            "data": data if data.startswith(PREFIX) else folder.name,
            "file": reference.protocol["file"],
            "sha256": reference.protocol["sha256"],
            "calibrator": calibrator,
            "calibration": asdict(calibration.manifest),
            "seconds": round(time.monotonic() - began),
            "cpu_seconds": round(time.process_time() - used),
        }
    found = replace(found, protocol={**found.protocol, **facts})
    if all(find_spec(module) for module in EXTRA):
        from mvpose.export.agreement import measure_agreement
        from mvpose.export.conversion import conversions
        from mvpose.export.pipeline import Exporter
        from mvpose.export.targets.tflite import TFLiteTarget

        note("holding the simulation against .tflite files")
        with conversions(spec) as float_files:
            exporter = Exporter(reference, [TFLiteTarget(float_files)], lambda: calibration, how)
            crops = measured.people.crops[:AGREEMENT_CROPS]
            proofs = tuple(
                measure_agreement(exporter, plan, recipe, crops, str(facts["data"]))
                for recipe in (FULL, MIXED)
            )
        found = replace(found, agreement=proofs)
    else:
        note("not held against files: pip install 'mvpose[tflite]'")
    print_map(found)
    write_text(text, found.to_json(indent=1) + "\n")
    with replacing(picture) as temporary:
        draw_map(found).save(temporary, optimize=True)
    note(f"wrote {text} and {picture}")
