"""What one run of mvpose-export is asked for, and its fulfilment for a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvpose.artefact import Format
from mvpose.cli import note, progress
from mvpose.export.card import write_card
from mvpose.export.conversion import conversions
from mvpose.export.gate import Tried, check_passed, pass_gate
from mvpose.export.jobs import check_options, choose_files, left_out
from mvpose.export.people import calibration_people, judging_people
from mvpose.export.pipeline import Exporter, float_truth
from mvpose.export.report import print_exports, result_row
from mvpose.export.speed import time_files, without_gain
from mvpose.export.targets.table import make_targets
from mvpose.export.trained import trained_from
from mvpose.files import check_new, check_writable
from mvpose.quantize.observers import Calibrator
from mvpose.runtime.load import load_float


@dataclass(frozen=True)
class Order:
    """The options of mvpose-export; ``drop`` is a share of AP, 0..1."""

    formats: Sequence[Format]
    fp32: bool
    fp16: bool
    int8: bool
    full_int8: bool
    recipes: Sequence[str]
    converter: str
    io: str
    dynamic_batch: bool
    drop: float
    allow_slower: bool
    qat: Sequence[Path]
    calib: Path | None
    calib_split: str
    calib_count: int
    calibrator: Calibrator
    plain: bool
    data: str | None
    split: str
    flip: bool
    threads: int
    seed: int
    out: Path
    overwrite: bool

    @property
    def gate(self) -> bool:
        """INT8 is chosen by its AP."""
        return bool(self.int8 and self.data and "tflite" in self.formats)

    @property
    def names(self) -> list[str]:
        """The recipes asked for."""
        asked = {
            "fp32": self.fp32,
            "fp16": self.fp16,
            "static_wi8_ai8_mixed": self.int8 and not self.gate,
            "static_wi8_ai8": self.full_int8,
        }
        return [name for name, wanted in asked.items() if wanted] + list(self.recipes)


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


def export_model(order: Order, model: str | None) -> Made:
    """Write all files of one model.

    Args:
        order: what is asked for.
        model: zoo name or checkpoint; None is the shipped one.

    Raises:
        InputError: bad input; nothing is left half-written.
    """
    reference = load_float(model, order.threads)
    spec, names, out = reference.spec, order.names, order.out
    with conversions(spec) as float_files:
        targets = make_targets(
            order.formats, float_files, order.converter, order.io, order.dynamic_batch
        )
        files = [] if order.gate and not names else choose_files(targets, names, spec.name, out)
        check_options(files, order.io, order.gate or bool(order.qat), order.converter)
        gated = [out / f"{spec.name}.int8{t.suffix}" for t in targets] if order.gate else []
        paths = [*(file.path for file in files), *gated]
        for path in (*paths, *(Path(f"{p}.json") for p in paths)):
            check_new(path, order.overwrite)
        check_writable(out)
        for line in left_out(targets, names):
            note(line)
        trained = trained_from(reference, order.qat)
        if order.data:
            note(f"evaluating the float network on {order.data}")
        truth = float_truth(reference, order.data, order.split, order.flip) if order.data else None
        people = calibration_people(
            reference,
            order.calib,
            order.calib_split,
            order.calib_count,
            order.seed,
            truth.data if truth else None,
            order.calibrator,
        )
        exporter = Exporter(
            reference,
            targets,
            people,
            order.calibrator,
            truth,
            order.threads,
            order.plain,
            trained,
        )
        note(f"converting {spec.name}")
        jobs = progress(files, "exporting", len(files))
        exports = [exporter.export(file.recipe, file.path) for file in jobs]
        tried = []
        if order.gate:
            judges = judging_people(spec, order.calib, order.calib_split)
            tried = pass_gate(exporter, gated[0], judges, order.drop, order.allow_slower, note)
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
