"""COCO AP of every model of a run, and what each loses against its float form and a baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from pycocotools.cocoeval import COCOeval

from mvpose.benchmark.document import Row
from mvpose.benchmark.latency.subjects import Subject
from mvpose.bootstrap import Comparison, compare
from mvpose.errors import InputError
from mvpose.evaluation import Accuracy
from mvpose.runtime.base import Runtime
from mvpose.spec import COCO17

Judge = Callable[[Runtime], tuple[Accuracy, COCOeval]]


def judge_rows(
    subjects: Sequence[Subject],
    rows: Sequence[Row],
    judge: Judge,
    baseline: str | None = None,
    track: Callable[[Iterable[Subject]], Iterable[Subject]] = iter,
) -> Iterator[list[Row]]:
    """Add accuracy and differences to the rows; gives all of them after each model.

    Args:
        subjects: what the rows are of, in their order.
        rows: with what is known so far; those of random weights have no accuracy.
        judge: evaluates a model, all of them on the same people.
        baseline: name of the subject that all others are compared with.
        track: wraps the subjects, to show progress.
    """
    found = list(rows)
    matches: dict[int, COCOeval] = {}
    for place, (subject, row) in enumerate(zip(track(subjects), rows, strict=True)):
        if subject.row.error is None and not row.random_weights:
            try:
                accuracy, matches[place] = judge(subject.open())
                found[place] = replace(row, accuracy=accuracy)
            except InputError as error:
                found[place] = replace(row, error=f"AP: {error.what}")
        yield found
    other = next((p for p, subject in enumerate(subjects) if subject.name == baseline), None)
    yield [
        replace(
            row,
            against_float=_difference(matches, float_of(subjects, place), place),
            against_baseline=_difference(matches, other, place),
        )
        for place, row in enumerate(found)
    ]


def float_of(subjects: Sequence[Subject], place: int) -> int | None:
    """The subject that holds the same weights in float: a checkpoint before an FP32 file."""
    same = [
        other
        for other, subject in enumerate(subjects)
        if subject.weights == subjects[place].weights != "" and subject.row.precision == "fp32"
    ]
    checkpoints = [other for other in same if subjects[other].row.format == "torch"]
    return next(iter(checkpoints + same), None)


def _difference(
    matches: dict[int, COCOeval], reference: int | None, place: int
) -> Comparison | None:
    if place not in matches or reference not in matches or reference == place:
        return None
    return compare(matches[reference], matches[place], COCO17)
