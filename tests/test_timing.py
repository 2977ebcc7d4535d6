"""Latency: ratios between models in one run, with intervals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from mvpose import timing
from mvpose.benchmark.machine import machine
from mvpose.spec import Preprocess
from mvpose.timing import Timing, time_interleaved
from mvpose.zoo import zoo_spec

ROUNDS = 40


class Clock:
    """Time that passes only while a model runs, so that the load of the machine does not matter."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now


class Sleeper:
    """A runtime that takes its time, give or take a fifth."""

    def __init__(
        self, milliseconds: float, size_wh: tuple[int, int], log: list[str], clock: Clock
    ) -> None:
        self.seconds = milliseconds / 1e3
        self.clock = clock
        spec = zoo_spec("mobilevitpose-xxs")
        self.spec = replace(spec, preprocess=Preprocess(*size_wh))
        self.protocol: dict[str, str | int] = {"runtime": f"sleeper {milliseconds}"}
        self.log = log
        self.images: list[NDArray[np.uint8]] = []
        self.rng = np.random.default_rng(int(milliseconds))

    def heatmaps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.log.append(str(self.protocol["runtime"]))
        self.images.append(images)
        self.clock.now += self.seconds * self.rng.uniform(0.8, 1.2)
        return np.zeros((1, 17, 4, 4), np.float32)


@pytest.fixture(scope="module")
def run() -> tuple[list[Sleeper], list[Timing]]:
    log: list[str] = []
    clock = Clock()
    sleepers = [Sleeper(20, (64, 96), log, clock), Sleeper(10, (32, 32), log, clock)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "time", clock)
        return sleepers, time_interleaved(list(sleepers), ROUNDS, warm_up=2)


def test_speedup(run: tuple[list[Sleeper], list[Timing]]) -> None:
    first, second = run[1]
    assert (first.speedup, first.speedup_low, first.speedup_high) == (1, 1, 1)
    assert second.speedup == pytest.approx(first.median_ms / second.median_ms)
    assert second.speedup == pytest.approx(2, rel=0.2)
    assert second.speedup_low < second.speedup < second.speedup_high
    assert 1.5 < second.speedup_low < 2 < second.speedup_high < 2.5
    assert second.median_ms == pytest.approx(10, rel=0.1)
    assert second.median_ms < second.p90_ms < 12


def test_protocol(run: tuple[list[Sleeper], list[Timing]]) -> None:
    sleepers, timings = run
    assert [t.rounds for t in timings] == [ROUNDS, ROUNDS]
    assert [t.protocol for t in timings] == [s.protocol for s in sleepers]
    assert Timing.from_json(timings[1].to_json()) == timings[1]


def test_models_take_turns(run: tuple[list[Sleeper], list[Timing]]) -> None:
    """Two warm-up crops each, then one crop each, round after round."""
    sleepers, _ = run
    slow, fast = (str(s.protocol["runtime"]) for s in sleepers)
    assert sleepers[0].log == [slow] * 2 + [fast] * 2 + [slow, fast] * ROUNDS
    assert sleepers[0].images[0].shape == (1, 96, 64, 3)
    assert sleepers[1].images[0].shape == (1, 32, 32, 3)
    assert sleepers[1].images[0].dtype == np.uint8
    assert np.ptp(sleepers[1].images[0]) > 200


def test_progress_sees_the_rounds() -> None:
    seen: list[int] = []

    def track(rounds: Iterable[int]) -> list[int]:
        seen.extend(rounds)
        return seen

    time_interleaved([Sleeper(1, (32, 32), [], Clock())], 3, warm_up=0, track=track)
    assert seen == [0, 1, 2]


def test_machine() -> None:
    found = machine()
    assert set(found) == {"processor", "cores", "system", "python"}
    assert int(found["cores"]) >= 1
    assert all(str(value) for value in found.values())
