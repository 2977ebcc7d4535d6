"""Models on the CPU, interleaved and opened several times."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mvpose.benchmark.document import Row, Spread
from mvpose.benchmark.latency.subjects import Subject
from mvpose.estimate import make_crops, read_poses
from mvpose.runtime.base import Runtime
from mvpose.timing import GROUPS, Timing, interleave, summaries, warm_up

STAGES = ("crop", "inference", "decode", "together")
PICTURE_HW = (480, 640)
BOX_XYWH_PX = np.array([[200.0, 40.0, 180.0, 400.0]])
DRIFT = 0.05
"""Change over a run above which its times are doubtful."""
EVALUATED = "latency needs macOS: elsewhere the program is evaluated, not run by Core ML"


def time_rows(
    subjects: Sequence[Subject],
    rounds: int,
    track: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Iterator[list[Row]]:
    """Time what can be timed; gives all rows, in their order, after each part of the rounds.

    All models are opened anew for each of six parts of the rounds, in changing order:
    where a model lies in memory changes its speed by a percent or so, and the intervals hold that.

    Args:
        subjects: speed-ups refer to the first that can be timed.
        rounds: of all parts together.
        track: wraps the rounds, to show progress.
    """
    timed = [s for s in subjects if s.row.error is None and not s.evaluated]
    rows = {id(s): s.row for s in subjects}
    for subject in subjects:
        if subject.evaluated:
            rows[id(subject)] = replace(subject.row, error=EVALUATED)
    yield [rows[id(subject)] for subject in subjects]
    for measured in _measure(timed, rounds, iter(track(range(rounds)))) if timed else ():
        rows.update({id(s): row for s, row in zip(timed, measured, strict=True)})
        yield [rows[id(subject)] for subject in subjects]


class OnePerson:
    """A step: a person in a picture, from the picture to keypoints; keeps the stages' times.

    Attributes:
        taken_ms: (4,) of ``STAGES`` for each run.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.picture = np.random.default_rng(0).integers(0, 256, (*PICTURE_HW, 3), np.uint8)
        self.taken_ms: list[NDArray[np.float64]] = []

    def __call__(self) -> None:
        clock = [time.perf_counter()]
        crops, matrices = make_crops(self.picture, BOX_XYWH_PX, self.runtime.spec)
        clock.append(time.perf_counter())
        maps = self.runtime.heatmaps(crops)
        clock.append(time.perf_counter())
        read_poses(maps, matrices, BOX_XYWH_PX, self.runtime.spec)
        clock.append(time.perf_counter())
        self.taken_ms.append(1e3 * np.array([*np.diff(clock), clock[-1] - clock[0]]))


def _measure(subjects: list[Subject], rounds: int, ticks: Iterable[int]) -> Iterator[list[Row]]:
    """Of all parts so far, after each from the second on."""
    taken: list[NDArray[np.float64]] = []
    for number, part in enumerate(np.array_split(range(rounds), GROUPS)):
        opened = {place: _opened(subjects[place]) for place in opening_order(len(subjects), number)}
        steps = [opened[place][0] for place in range(len(subjects))]
        begun = [opened[place][1] for place in range(len(subjects))]
        interleave(steps, len(part), lambda numbers: _ticked(numbers, ticks), number)
        taken.append(np.stack([step.taken_ms[-len(part) :] for step in steps], axis=1))
        protocols = [step.runtime.protocol for step in steps]
        del opened, steps
        gc.collect()
        if len(taken) > 1:
            yield _timed(subjects, taken, protocols, begun)


def _timed(
    subjects: list[Subject],
    taken: list[NDArray[np.float64]],
    protocols: list[dict[str, str | int]],
    begun: list[tuple[int, bool]],
) -> list[Row]:
    """The rows with their times.

    Args:
        taken: of each part, (rounds, models, stages) milliseconds.
    """
    taken_ms = np.concatenate(taken)
    times_ms = taken_ms[..., STAGES.index("inference")]
    timings = summaries(times_ms, protocols, begun, groups=len(taken))
    return [
        replace(
            subject.row,
            timing=timing,
            samples_ms=tuple(times_ms[:, column].round(4).tolist()),
            stages=spreads(taken_ms[:, column]),
            marks=(*subject.row.marks, *doubts(timing)),
        )
        for column, (subject, timing) in enumerate(zip(subjects, timings, strict=True))
    ]


def opening_order(count: int, number: int) -> list[int]:
    """At random for even numbers; for odd ones that of the number before, backwards.

    What is opened and warmed up later has another place in memory, and is faster by a percent.
    """
    order: list[int] = np.random.default_rng(number // 2).permutation(count).tolist()
    return order if number % 2 == 0 else order[::-1]


def _opened(subject: Subject) -> tuple[OnePerson, tuple[int, bool]]:
    step = OnePerson(subject.open())
    return step, warm_up(step)


def _ticked(numbers: Iterable[int], ticks: Iterable[int]) -> Iterable[int]:
    """``numbers``, each with a tick of the whole run's progress."""
    return (number for number, _ in zip(numbers, ticks, strict=False))


def spreads(taken_ms: NDArray[np.float64]) -> dict[str, Spread]:
    """Of (rounds, 4)."""
    percentiles = np.percentile(taken_ms, [50, 90, 99], axis=0).T
    return {name: Spread(*map(float, row)) for name, row in zip(STAGES, percentiles, strict=True)}


def doubts(timing: Timing) -> list[str]:
    """Marks of a row."""
    found = [] if timing.settled else ["became faster until the end of warming up"]
    if abs(timing.drift) > DRIFT:
        found.append(f"drifted by {100 * timing.drift:+.0f} % while it was timed")
    return found
