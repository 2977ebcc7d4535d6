"""Latency: ratios between models in one run, with intervals."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, islice, pairwise, permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from mvpose import timing
from mvpose.benchmark.machine import check_quiet, disturbances, machine
from mvpose.errors import InputError
from mvpose.spec import Preprocess
from mvpose.timing import Timing, orders, speedups, summaries, time_interleaved, warm_up
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
        return sleepers, time_interleaved(list(sleepers), ROUNDS)


def test_speedup(run: tuple[list[Sleeper], list[Timing]]) -> None:
    first, second = run[1]
    assert (first.speedup, first.speedup_low, first.speedup_high) == (1, 1, 1)
    assert second.speedup == pytest.approx(2, rel=0.2)
    assert second.speedup_low < second.speedup < second.speedup_high
    assert 1.5 < second.speedup_low < 2 < second.speedup_high < 2.5
    assert second.median_ms == pytest.approx(10, rel=0.1)
    assert second.median_ms < second.p90_ms < second.p99_ms < 12


def test_interval_holds_the_ratio_19_times_in_20() -> None:
    """Of noise that comes in bursts, as that of a machine does."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        bursts = np.repeat(rng.normal(0, 0.05, (20, 2)), 5, axis=0)
        times_ms = np.exp(bursts + rng.normal(0, 0.05, (100, 2))) * [3.0, 2.0]
        _, low, high = speedups(times_ms, groups=5)[1]
        held += low <= 1.5 <= high
    assert 0.92 < held / 400 < 0.98


def test_groups_carry_their_own_offsets() -> None:
    """Where the model lay in memory shifts whole groups: the interval must be wide enough."""
    rng = np.random.default_rng(1)
    offsets = np.repeat([0.0, 0.03, -0.02, 0.04, -0.04], 20)
    times_ms = np.exp(rng.normal(0, 0.001, (100, 2)))
    times_ms[:, 1] *= np.exp(offsets)
    _, low, high = speedups(times_ms, groups=5)[1]
    assert low < 0.98 and high > 1.02


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param([5.0] * 99, (10, True), id="steady"),
        pytest.param([9.0] * 7 + [5.0] * 99, (13, True), id="slow at first"),
        pytest.param([100 * 0.95**i for i in range(99)], (60, False), id="never"),
    ],
)
def test_warm_up(
    times: list[float], expected: tuple[int, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, left = Clock(), iter(times)
    monkeypatch.setattr(timing, "time", clock)

    def step() -> None:
        clock.now += next(left)

    assert warm_up(step) == expected


def test_drift() -> None:
    times_ms = np.stack([np.linspace(10, 20, 90), np.full(90, 5.0)], axis=1)
    slower, steady = summaries(times_ms, [{}, {}], [(5, True)] * 2)
    assert slower.drift == pytest.approx(0.5, abs=0.08)
    assert steady.drift == 0


def test_protocol(run: tuple[list[Sleeper], list[Timing]]) -> None:
    sleepers, timings = run
    assert [t.rounds for t in timings] == [ROUNDS, ROUNDS]
    assert [t.protocol for t in timings] == [s.protocol for s in sleepers]
    assert Timing.from_json(timings[1].to_json()) == timings[1]


def test_models_take_turns(run: tuple[list[Sleeper], list[Timing]]) -> None:
    """After warming up each once in every round, none twice in a row."""
    sleepers, timings = run
    slow, fast = (str(s.protocol["runtime"]) for s in sleepers)
    begun = sum(t.warm_up for t in timings)
    rounds = [sleepers[0].log[i : i + 2] for i in range(begun, begun + 2 * ROUNDS, 2)]
    assert {frozenset(turn) for turn in rounds} == {frozenset((slow, fast))}
    assert all(one[1] != other[0] for one, other in pairwise(rounds))
    assert len(sleepers[0].log) == begun + 2 * ROUNDS
    assert sleepers[0].images[0].shape == (1, 96, 64, 3)
    assert sleepers[1].images[0].shape == (1, 32, 32, 3)
    assert sleepers[1].images[0].dtype == np.uint8
    assert np.ptp(sleepers[1].images[0]) > 200


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_orders(count: int) -> None:
    """None twice in a row, and after as many others as there are."""
    taken = list(islice(orders(count), 60))
    assert all(sorted(order) == list(range(count)) for order in taken)
    line = list(chain.from_iterable(taken))
    after = {(one, other) for one, other in pairwise(line)}
    assert after == ({(0, 0)} if count == 1 else set(permutations(range(count), 2)))


def test_progress_sees_the_rounds() -> None:
    seen: list[int] = []

    def track(rounds: Iterable[int]) -> list[int]:
        seen.extend(rounds)
        return seen

    sleeper = Sleeper(1, (32, 32), [], Clock())
    time_interleaved([sleeper], 5, track=track, batch=3)
    assert seen == [0, 1, 2, 3, 4]
    assert sleeper.images[0].shape == (3, 32, 32, 3)


def test_machine() -> None:
    found = machine()
    assert int(found["cores"]) >= 1
    assert len(str(found["affinity"]).split(",")) <= int(found["cores"])
    assert all(str(value) for value in found.values())


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        pytest.param((0.05, 0.0), [], id="quiet"),
        pytest.param((0.8, 0.0), ["other programs used 0.8"], id="another program"),
        pytest.param((0.0, 0.1), ["hypervisor gave 10 %"], id="another machine"),
    ],
)
def test_disturbances(load: tuple[float, float], expected: list[str]) -> None:
    found = disturbances(*load)
    assert len(found) == len(expected)
    assert all(part in mark for part, mark in zip(expected, found, strict=True))


def test_other_programs_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real programs that keep every core busy; --strict refuses then."""
    monkeypatch.setattr("mvpose.benchmark.machine.LOOK_S", 0.4)
    script = "print(flush=True)\nwhile True: pass"
    busy = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        for program in busy:
            assert program.stdout and program.stdout.readline()
        with pytest.raises(InputError, match=r"not quiet: other programs used"):
            check_quiet()
    finally:
        for program in busy:
            program.kill()
            program.communicate()
