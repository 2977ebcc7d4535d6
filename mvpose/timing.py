"""Latency of several models side by side, in one interleaved run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from mvpose.runtime.base import Runtime
from mvpose.spec import FROZEN, Record

RESAMPLES = 1000


@dataclass(frozen=True, config=FROZEN)
class Timing(Record):
    """Time of one crop through one model: from the uint8 crop to float heatmaps.

    Attributes:
        median_ms, p90_ms: over the rounds.
        speedup: median time of the first model over that of this one.
        speedup_low, speedup_high: 95 % interval, by bootstrap over rounds.
        rounds: how many crops each model was given.
        protocol: what ran.
    """

    median_ms: float
    p90_ms: float
    speedup: float
    speedup_low: float
    speedup_high: float
    rounds: int
    protocol: dict[str, str | int]


def time_interleaved(
    runtimes: list[Runtime],
    rounds: int = 50,
    warm_up: int = 5,
    track: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> list[Timing]:
    """Give all models a crop in turn, round after round, so that disturbances hit them alike.

    Args:
        runtimes: the first is what the others' speed-ups refer to.
        rounds: measured crops per model.
        warm_up: crops before that.
        track: wraps the rounds, to show progress.
    """
    rng = np.random.default_rng(0)
    crops = []
    for runtime in runtimes:
        width, height = runtime.spec.preprocess.size_wh
        crops.append(rng.integers(0, 256, (1, height, width, 3), np.uint8))
        for _ in range(warm_up):
            runtime.heatmaps(crops[-1])
    times_ms = np.empty((rounds, len(runtimes)))
    for index in track(range(rounds)):
        for column, (runtime, crop) in enumerate(zip(runtimes, crops, strict=True)):
            start = time.perf_counter()
            runtime.heatmaps(crop)
            times_ms[index, column] = (time.perf_counter() - start) * 1e3
    return [_summary(times_ms, column, runtime) for column, runtime in enumerate(runtimes)]


def _summary(times_ms: NDArray[np.float64], column: int, runtime: Runtime) -> Timing:
    rounds = len(times_ms)
    rng = np.random.default_rng(0)
    draws = times_ms[rng.integers(rounds, size=(RESAMPLES, rounds))]
    medians = np.median(draws, axis=1)
    low, high = np.percentile(medians[:, 0] / medians[:, column], [2.5, 97.5])
    own = times_ms[:, column]
    return Timing(
        median_ms=float(np.median(own)),
        p90_ms=float(np.percentile(own, 90)),
        speedup=float(np.median(times_ms[:, 0]) / np.median(own)),
        speedup_low=float(low),
        speedup_high=float(high),
        rounds=rounds,
        protocol=runtime.protocol,
    )
