"""Latency of several models side by side, in one interleaved run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from mvpose.runtime.base import Runtime
from mvpose.spec import FROZEN, Record

GROUPS = 6
WINDOW = 5
"""Runs whose fastest is compared with that of as many before."""
SETTLED = 0.03
MOST_WARM_UP = 60

Step = Callable[[], object]
Track = Callable[[Iterable[int]], Iterable[int]]


@dataclass(frozen=True, config=FROZEN)
class Timing(Record):
    """Time of one batch of crops through one model: from uint8 crops to float heatmaps.

    Attributes:
        median_ms, p90_ms, p99_ms: over the rounds.
        speedup: how many times faster than the first model.
        speedup_low, speedup_high: 95 % interval of it.
        rounds: how many batches each model was given.
        protocol: what ran.
        warm_up: runs before the first measured one.
        settled: whether warming up ended because runs no longer became faster.
        drift: how much slower the last third of the rounds was than the first: 0.02 is 2 %.
    """

    median_ms: float
    p90_ms: float
    p99_ms: float
    speedup: float
    speedup_low: float
    speedup_high: float
    rounds: int
    protocol: dict[str, str | int]
    warm_up: int = 0
    settled: bool = True
    drift: float = 0.0


def time_interleaved(
    runtimes: Sequence[Runtime], rounds: int = 50, track: Track = iter, batch: int = 1
) -> list[Timing]:
    """Give all models crops in turn, round after round, so that disturbances hit them alike.

    Args:
        runtimes: the first is what the others' speed-ups refer to.
        rounds: measured batches per model, two or more.
        track: wraps the rounds, to show progress.
        batch: crops at a time.
    """
    steps = [inference(runtime, batch) for runtime in runtimes]
    begun = [warm_up(step) for step in steps]
    times_ms = interleave(steps, rounds, track)
    return summaries(times_ms, [runtime.protocol for runtime in runtimes], begun)


def inference(runtime: Runtime, batch: int = 1) -> Step:
    """A step that gives a model random crops."""
    width, height = runtime.spec.preprocess.size_wh
    crops = np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), np.uint8)
    return lambda: runtime.heatmaps(crops)


def warm_up(step: Step) -> tuple[int, bool]:
    """Repeat a step until it no longer becomes faster.

    Returns:
        How often it ran, and whether the fastest of the last runs was within 3 % of the fastest of
        those before; it is given up after 60.
    """
    times_ms: list[float] = []
    while len(times_ms) < MOST_WARM_UP:
        times_ms.append(_time_ms(step))
        last, before = times_ms[-WINDOW:], times_ms[-2 * WINDOW : -WINDOW]
        if len(before) == WINDOW and min(last) > (1 - SETTLED) * min(before):
            return len(times_ms), True
    return len(times_ms), False


def interleave(
    steps: Sequence[Step], rounds: int, track: Track = iter, seed: int = 0
) -> NDArray[np.float64]:
    """Times (rounds, N) of N steps in milliseconds, taken in turn, in changing order."""
    times_ms = np.empty((rounds, len(steps)))
    for index, order in zip(track(range(rounds)), orders(len(steps), seed), strict=False):
        for column in order:
            times_ms[index, column] = _time_ms(steps[column])
    return times_ms


def orders(count: int, seed: int = 0) -> Iterator[list[int]]:
    """Random orders of ``count`` things for ever, in which none comes twice in a row.

    A model that runs twice in a row finds its weights in the caches, which is worth five percent;
    one that always runs after the same other finds them in one and the same state.
    """
    rng = np.random.default_rng(seed)
    last = -1
    while True:
        order: list[int] = rng.permutation(count).tolist()
        if order[0] == last:
            order = [*order[1:], last]
        last = order[-1]
        yield order


def speedups(times_ms: NDArray[np.float64], groups: int) -> NDArray[np.float64]:
    """How many times faster each column is than the first, with its 95 % interval.

    Of each group of successive rounds, the median of the ratio of both times; of these, the
    geometric mean with Student's interval. Rounds of one group share what disturbs them, and the
    place in memory that a model got when it was opened; groups do not (Kalibera & Jones, "Rigorous
    Benchmarking in Reasonable Time", ISMM 2013).

    Args:
        times_ms: (rounds, N).
        groups: two or more.

    Returns:
        (N, 3) ratio, low, high.
    """
    from scipy.stats import t

    logs = np.log(times_ms[:, :1] / times_ms)
    medians = np.stack([np.median(part, axis=0) for part in np.array_split(logs, groups)])
    mean = medians.mean(0)
    error = t.ppf(0.975, groups - 1) * medians.std(0, ddof=1) / np.sqrt(groups)
    return np.exp(np.stack([mean, mean - error, mean + error], axis=1))


def summaries(
    times_ms: NDArray[np.float64],
    protocols: Sequence[dict[str, str | int]],
    begun: Sequence[tuple[int, bool]],
    groups: int = GROUPS,
) -> list[Timing]:
    """What interleaved times (rounds, N) say of N models.

    Args:
        protocols: what ran, by column.
        begun: how each was warmed up.
        groups: as in ``speedups``.
    """
    percentiles = np.percentile(times_ms, [50, 90, 99], axis=0).T
    third = max(1, len(times_ms) // 3)
    drifts = np.median(times_ms[-third:], axis=0) / np.median(times_ms[:third], axis=0) - 1
    found = []
    ratios = speedups(times_ms, min(groups, len(times_ms)))
    for column, (ratio, low, high) in enumerate(ratios.tolist()):
        median, p90, p99 = percentiles[column].tolist()
        found.append(
            Timing(
                median_ms=median,
                p90_ms=p90,
                p99_ms=p99,
                speedup=ratio,
                speedup_low=low,
                speedup_high=high,
                rounds=len(times_ms),
                protocol=protocols[column],
                warm_up=begun[column][0],
                settled=begun[column][1],
                drift=float(drifts[column]),
            )
        )
    return found


def _time_ms(step: Step) -> float:
    start = time.perf_counter()
    step()
    return (time.perf_counter() - start) * 1e3
