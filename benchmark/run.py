"""One run of the benchmark: what to measure, in which order, and what is kept if it ends early."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

from pycocotools.cocoeval import COCOeval

from mvpose.benchmark.accuracy import judge_rows
from mvpose.benchmark.document import Document, Row, write_document
from mvpose.benchmark.latency.subjects import Subject, subjects
from mvpose.benchmark.machine import check_quiet, machine, watch
from mvpose.benchmark.page.pictures import Picture, chosen_pictures
from mvpose.benchmark.roofline import with_peak
from mvpose.benchmark.table import print_document
from mvpose.cli import note, progress
from mvpose.data.coco import load_keypoints
from mvpose.data.synthetic import PREFIX, resolve_data
from mvpose.errors import InputError
from mvpose.evaluation import Accuracy, evaluate
from mvpose.protocol import Protocol
from mvpose.runtime.base import Runtime
from mvpose.spec import COCO17

FEWEST_ROUNDS = 10
ADB = "adb"


@dataclass(frozen=True)
class Phone:
    """How to measure on a phone; see ``mvpose-benchmark --help``."""

    binary: Path | None
    accelerators: tuple[str, ...]
    sustained: str | None
    cool_c: float


@dataclass(frozen=True)
class Accuracies:
    """Where to measure AP, and how; see ``mvpose-benchmark --help``."""

    data: str | None
    split: str
    baseline: str | None
    protocol: Protocol


@dataclass(frozen=True)
class Plan:
    """What to measure; see ``mvpose-benchmark --help``."""

    models: tuple[str, ...]
    device: str
    threads: int
    rounds: int
    strict: bool
    roofline: bool
    batches: tuple[int, ...]
    modes: tuple[str, ...]
    precisions: tuple[str, ...]
    phone: Phone
    accuracies: Accuracies


@dataclass(frozen=True)
class Outputs:
    """Files to write; None where there is to be none."""

    json: Path | None
    csv: Path | None
    html: Path | None


class Run:
    """What is known so far.

    Attributes:
        subjects: the models.
        rows: of these on this machine's CPU, in their order.
        elsewhere: of these on a GPU or a phone, any number of each.
        marks: what disturbed the measurement.
        pictures: of the page, drawn by a float network and by a rounded one.
    """

    def __init__(self, found: Sequence[Subject], plan: Plan) -> None:
        self.subjects = list(found)
        self.rows: list[Row] = [subject.row for subject in found]
        self.elsewhere: list[Row] = []
        self.marks: list[str] = []
        self.pictures: list[Picture] = []
        self.plan = plan

    def document(self) -> Document:
        """What is known."""
        here = self.plan.device == "cpu" or self.plan.accuracies.data is not None
        rows = [*(self.rows if here or not self.elsewhere else ()), *self.elsewhere]
        timed = [row.label for row in rows if row.timing]
        baseline = self.plan.accuracies.baseline
        return Document(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            version=version("mvpose"),
            machine=machine(),
            reference=timed[0] if timed else rows[0].label,
            rows=tuple(rows),
            marks=tuple(self.marks),
            baseline=next((s.row.label for s in self.subjects if s.name == baseline), None),
        )


def perform(plan: Plan, outputs: Outputs) -> None:
    """Measure, print and write; where the run ends early, what there is so far.

    Raises:
        InputError: options that don't go together, no such device, or no model could be opened.
    """
    _check(plan)
    if plan.strict:
        check_quiet()
    measured = Run(subjects(plan.models, plan.threads), plan)
    if all(subject.row.error for subject in measured.subjects):
        raise InputError(f"no model could be opened: {measured.rows[0].error}")
    with _kept(measured, outputs):
        if plan.rounds:
            _time(measured, plan)
        if plan.rounds and plan.roofline:
            measured.rows = [with_peak(row) for row in measured.rows]
            measured.elsewhere = [with_peak(row) for row in measured.elsewhere]
        if plan.accuracies.data is not None:
            _judge(measured, plan.accuracies, drawing=outputs.html is not None)


def _check(plan: Plan) -> None:
    if 0 < plan.rounds < FEWEST_ROUNDS:
        raise InputError(
            f"--rounds {plan.rounds} tells nothing", f"give {FEWEST_ROUNDS} or more, or 0"
        )
    if plan.device not in ("cpu", "cuda", ADB) and not plan.device.startswith(f"{ADB}:"):
        raise InputError(f"no device {plan.device!r}", "give cpu, cuda, adb or adb:SERIAL")
    plan.accuracies.protocol.check()
    baseline = plan.accuracies.baseline
    if baseline and baseline not in plan.models:
        raise InputError(f"--baseline {baseline} is not among the models", "name it there too")


@contextmanager
def _kept(measured: Run, outputs: Outputs) -> Iterator[None]:
    """Print and write what there is, also where the block fails."""
    try:
        yield
    except (InputError, KeyboardInterrupt) as error:
        reason = error.what if isinstance(error, InputError) else "interrupted"
        measured.marks.append(f"the run ended early: {reason}")
        _write(measured, outputs)
        raise
    _write(measured, outputs)


def _write(measured: Run, outputs: Outputs) -> None:
    document = measured.document()
    print_document(document)
    if outputs.json:
        write_document(document, outputs.json)
    if outputs.csv:
        from mvpose.benchmark.csv_table import write_csv

        write_csv(document, outputs.csv)
    if outputs.html:
        from mvpose.benchmark.page.page import write_page

        write_page(document, outputs.html, measured.pictures)
    for path in (outputs.json, outputs.csv, outputs.html):
        if path:
            print(f"written: {path}")


def _time(measured: Run, plan: Plan) -> None:
    if plan.device == "cpu":
        from mvpose.benchmark.latency.cpu import time_rows

        track = partial(progress, label="timing", total=plan.rounds)
        with watch(measured.marks):
            measured.rows = time_rows(measured.subjects, plan.rounds, track)
    elif plan.device == "cuda":
        from mvpose.benchmark.latency.cuda import time_on_cuda

        choices = plan.batches, plan.modes, plan.precisions
        track = partial(progress, label="variants")
        measured.elsewhere += time_on_cuda(measured.subjects, plan.rounds, *choices, track)
    else:
        _time_on_phone(measured, plan)


def _time_on_phone(measured: Run, plan: Plan) -> None:
    from mvpose.benchmark.phone.run import measure_on_phone

    phone = plan.phone
    if phone.binary is None:
        raise InputError(
            "a phone needs the program that runs files there",
            "give --benchmark-binary; docs/devices.md tells where to get it",
        )
    rows = measure_on_phone(
        [Path(name) for name in plan.models],
        serial=plan.device.partition(":")[2] or None,
        binary=phone.binary,
        accelerators=phone.accelerators,
        runs=plan.rounds,
        sustained_s=seconds(phone.sustained) if phone.sustained else 0.0,
        cool_c=phone.cool_c,
    )
    with closing(rows):
        for row in rows:
            note(f"{row.label}: {row.error or 'measured'}")
            subject = next((s for s in measured.subjects if s.row.file == row.file), None)
            known = subject.row.complexity if subject else None
            measured.elsewhere.append(replace(row, complexity=known))


def _judge(measured: Run, wanted: Accuracies, drawing: bool) -> None:
    assert wanted.data is not None
    protocol, threads = wanted.protocol, measured.plan.threads
    folder = resolve_data(wanted.data, wanted.split, partial(progress, label="drawing"))
    name = wanted.data if wanted.data.startswith(PREFIX) else folder.name
    with tempfile.TemporaryDirectory(prefix="mvpose-") as work:
        people = protocol.data(load_keypoints(folder, wanted.split, COCO17), Path(work))
        boxes = protocol.find_boxes(people, threads, partial(progress, label="detecting"))

        def judge(runtime: Runtime) -> tuple[Accuracy, COCOeval]:
            runtime = protocol.runtime(runtime)
            accuracy, matches = evaluate(runtime, people, boxes, protocol.flip)
            facts = {**accuracy.protocol, "data": name, **protocol.facts}
            return replace(accuracy, protocol=facts), matches

        track = partial(progress, label="evaluating", total=len(measured.subjects))
        measured.rows = judge_rows(measured.subjects, measured.rows, judge, wanted.baseline, track)
        if drawing:
            measured.pictures = chosen_pictures(measured.subjects, people)


def seconds(text: str) -> float:
    """A duration as 10m, 90s or 1h.

    Raises:
        InputError: it is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not found:
        raise InputError(f"{text!r} is no duration", "write 90s, 10m or 1h")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
