"""One run of the benchmark: what is measured in which order, and what is kept if it ends early."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

from pycocotools.cocoeval import COCOeval

from mvpose.benchmark.accuracy import judge_rows
from mvpose.benchmark.csv_table import write_csv
from mvpose.benchmark.document import Document, Row, write_document
from mvpose.benchmark.latency.subjects import Subject, subjects
from mvpose.benchmark.machine import check_quiet, machine, watch
from mvpose.benchmark.page.page import write_page
from mvpose.benchmark.page.pictures import Picture, chosen_pictures
from mvpose.benchmark.plan import Accuracies, Outputs, Plan, check_plan, seconds
from mvpose.benchmark.roofline import with_peak
from mvpose.benchmark.table import print_document
from mvpose.cli import note, progress
from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.data.synthetic import PREFIX, resolve_data
from mvpose.errors import InputError
from mvpose.evaluation import Accuracy, evaluate
from mvpose.peers.adapter import split_adapter
from mvpose.results import Boxes
from mvpose.runtime.base import Runtime
from mvpose.spec import COCO17


class Run:
    """What is known so far.

    Attributes:
        subjects: the models.
        rows: of these on this machine's CPU, in their order.
        elsewhere: of these on a GPU or a phone, any number of each.
        marks: what disturbed the measurement.
        pictures: of the page, drawn by a float network and by a rounded one.
        ended: why the run ended early, if it did.
    """

    def __init__(self, found: Sequence[Subject], plan: Plan) -> None:
        self.subjects = list(found)
        self.rows: list[Row] = [subject.row for subject in found]
        self.elsewhere: list[Row] = []
        self.marks: list[str] = []
        self.pictures: list[Picture] = []
        self.ended: str | None = None
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
            ended_early=self.ended,
            baseline=next((s.row.label for s in self.subjects if s.name == baseline), None),
        )


def perform(plan: Plan, outputs: Outputs) -> None:
    """Measure, print and write; where the run ends early, what there is so far.

    Raises:
        InputError: options that don't go together, no such device, or no model could be opened.
    """
    check_plan(plan)
    if plan.device == "cuda":
        from mvpose.benchmark.latency.cuda import check_cuda

        check_cuda()
    if plan.strict:
        check_quiet()
    measured = Run(subjects(plan.models, plan.threads), plan)
    if all(subject.row.error for subject in measured.subjects):
        raise InputError(f"no model could be opened: {measured.rows[0].error}")
    for subject in measured.subjects:
        if subject.name == plan.accuracies.baseline and subject.row.error:
            raise InputError(f"the baseline can't be opened: {subject.row.error}")
    with tempfile.TemporaryDirectory(prefix="mvpose-") as work:
        judged = _judged_data(plan.accuracies, plan.threads, Path(work))
        with _kept(measured, outputs):
            if plan.rounds:
                _time(measured, plan)
            if plan.rounds and plan.roofline:
                measured.rows = [with_peak(row) for row in measured.rows]
                measured.elsewhere = [with_peak(row) for row in measured.elsewhere]
            if judged is not None:
                _judge(measured, plan.accuracies, *judged, drawing=outputs.html is not None)


@contextmanager
def _kept(measured: Run, outputs: Outputs) -> Iterator[None]:
    """Print and write what there is, also where the block fails."""
    try:
        yield
    except BaseException as error:
        measured.ended = error.what if isinstance(error, InputError) else type(error).__name__
        _write(measured, outputs)
        raise
    _write(measured, outputs)


def _write(measured: Run, outputs: Outputs) -> None:
    """Print and write; a file that can't be written keeps none of the others from it."""
    document = measured.document()
    print_document(document)
    failures = []
    for path, write in (
        (outputs.json, partial(write_document, document)),
        (outputs.csv, partial(write_csv, document)),
        (outputs.html, partial(write_page, document, pictures=measured.pictures)),
    ):
        if path is None:
            continue
        try:
            write(path=path)
            print(f"written: {path}")
        except InputError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def _time(measured: Run, plan: Plan) -> None:
    if plan.device == "cpu":
        from mvpose.benchmark.latency.cpu import time_rows

        track = partial(progress, label="timing", total=plan.rounds)
        with watch(measured.marks):
            for rows in time_rows(measured.subjects, plan.rounds, track):
                measured.rows = rows
    elif plan.device == "cuda":
        from mvpose.benchmark.latency.cuda import time_on_cuda

        choices = plan.batches, plan.modes, plan.precisions
        track = partial(progress, label="variants")
        with watch(measured.marks):
            for row in time_on_cuda(measured.subjects, plan.rounds, *choices, track):
                measured.elsewhere.append(row)
    else:
        _time_on_phone(measured, plan)


def _time_on_phone(measured: Run, plan: Plan) -> None:
    from mvpose.benchmark.phone.run import measure_on_phone

    phone, files = plan.phone, []
    assert phone.binary is not None
    for subject in measured.subjects:
        _, path = split_adapter(subject.name)
        if path.suffix == ".tflite" and path.is_file():
            files.append(path)
        else:
            reason = subject.row.error or "only .tflite files run on a phone"
            measured.elsewhere.append(replace(subject.row, device=plan.device, error=reason))
    rows = measure_on_phone(
        files,
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
            subject = next(s for s in measured.subjects if s.row.file == row.file)
            known = {"complexity": subject.row.complexity, "operators": subject.row.operators}
            measured.elsewhere.append(replace(row, **known))  # type: ignore[arg-type]


def _judged_data(
    wanted: Accuracies, threads: int, work: Path
) -> tuple[KeypointData, Path | Boxes | None] | None:
    """Who AP is measured on, and their boxes; None where nobody asked."""
    if wanted.data is None:
        return None
    folder = resolve_data(wanted.data, wanted.split, partial(progress, label="drawing"))
    people = wanted.protocol.data(load_keypoints(folder, wanted.split, COCO17), work)
    return people, wanted.protocol.find_boxes(people, threads, partial(progress, label="detecting"))


def _judge(
    measured: Run,
    wanted: Accuracies,
    people: KeypointData,
    boxes: Path | Boxes | None,
    drawing: bool,
) -> None:
    protocol, data = wanted.protocol, str(wanted.data)
    name = data if data.startswith(PREFIX) else Path(data).resolve().name

    def judge(runtime: Runtime) -> tuple[Accuracy, COCOeval]:
        runtime = protocol.runtime(runtime)
        accuracy, matches = evaluate(runtime, people, boxes, protocol.flip)
        facts = {**accuracy.protocol, "data": name, **protocol.facts}
        return replace(accuracy, protocol=facts), matches

    track = partial(progress, label="evaluating", total=len(measured.subjects))
    for rows in judge_rows(measured.subjects, measured.rows, judge, wanted.baseline, track):
        measured.rows = rows
    if drawing:
        measured.pictures = chosen_pictures(measured.subjects, people)
