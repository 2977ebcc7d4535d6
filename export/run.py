"""All files of one model, as mvpose-export was asked for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvpose.cli import note, progress
from mvpose.export.card import write_card
from mvpose.export.conversion import conversions
from mvpose.export.gate import Tried, check_passed, pass_gate
from mvpose.export.jobs import check_options, choose_files, left_out
from mvpose.export.options import Options
from mvpose.export.people import calibration_people, judging_people
from mvpose.export.pipeline import Exporter, float_truth
from mvpose.export.report import print_exports, result_row
from mvpose.export.speed import time_files, without_gain
from mvpose.export.targets.table import make_targets
from mvpose.export.trained import trained_from
from mvpose.files import check_new, check_writable
from mvpose.quantize.observers import find_calibrator
from mvpose.runtime.load import load_float


@dataclass(frozen=True)
class Made:
    """What became of one model.

    Attributes:
        rows: of the result file.
        tflite: the ``.tflite`` files; the gate's, where it passed, the last.
        tried: rungs of the gate.
    """

    rows: list[dict[str, Any]]
    tflite: list[Path]
    tried: list[Tried]

    def check_passed(self, drop: float) -> None:
        """Raise InputError where a gate was asked for and nothing passed it."""
        if self.tried:
            check_passed(self.tried, drop)


def export_model(options: Options, model: str | None) -> Made:
    """Write all files of one model.

    Args:
        options: what is asked for.
        model: zoo name or checkpoint; None is the shipped one.

    Raises:
        InputError: bad input; nothing is left half-written.
    """
    calibrator = find_calibrator(options.calibrator)
    reference = load_float(model, options.threads)
    spec, names, out = reference.spec, options.names, options.out
    with conversions(spec) as float_files:
        targets = make_targets(
            options.formats, float_files, options.converter, options.io, options.dynamic_batch
        )
        files = [] if options.gate and not names else choose_files(targets, names, spec.name, out)
        check_options(files, options.io, options.gate or bool(options.qat), options.converter)
        gated = [out / f"{spec.name}.int8{t.suffix}" for t in targets] if options.gate else []
        paths = [*(file.path for file in files), *gated]
        for path in (*paths, *(Path(f"{p}.json") for p in paths)):
            check_new(path, options.overwrite)
        check_writable(out)
        for line in left_out(targets, names):
            note(line)
        trained = trained_from(reference, options.qat or [])
        truth = None
        if options.data:
            note(f"evaluating the float network on {options.data}")
            truth = float_truth(reference, options.data, options.split, options.flip)
        people = calibration_people(
            reference,
            options.calib,
            options.calib_split,
            options.calib_count,
            options.seed,
            truth.data if truth else None,
            calibrator,
        )
        exporter = Exporter(
            reference,
            targets,
            people,
            calibrator,
            truth,
            options.threads,
            options.plain,
            trained,
        )
        note(f"converting {spec.name}")
        jobs = progress(files, "exporting", len(files))
        exports = [exporter.export(file.recipe, file.path) for file in jobs]
        tried = []
        if options.gate:
            judges = judging_people(spec, options.calib, options.calib_split)
            tried = pass_gate(exporter, gated[0], judges, options.drop, options.allow_slower, note)
            if tried[-1].holds:
                rung = tried[-1].rung
                exports += [exporter.export(rung.recipe, p, rung.plan()) for p in gated[1:]]
        timings = time_files(exporter, exports)
        rows = [result_row(file, timings.get(file.path)) for file in exports]
        if exports:
            print_exports(exports, timings, truth)
            for line in without_gain(exporter, exports):
                note(line)
        write_card(out)
    written = [file.path for file in exports] + gated[:1]
    tflite = [path for path in written if path.suffix == ".tflite"]
    return Made([*rows, *(rung.row for rung in tried)], tflite, tried)
