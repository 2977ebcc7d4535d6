"""TensorFlow Lite's and LiteRT's ``benchmark_model``: what to ask it, and what it prints.

Both print, for warming up and for the measurement, one line of the form

    count=3 first=98 curr=95 min=95 max=98 avg=96 std=1 p5=95 median=96 p95=98

in microseconds; older versions without the last three. No version prints single times. But of
three runs the smallest, the middle and the largest are all there are: so each process measures
three runs after warming up, and many processes give a true distribution.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mvpose.benchmark.phone.adb import last_line
from mvpose.errors import InputError

RUNS = 3
"""Per process; the most of which a summary tells every time."""
WARM_UP_S = 0.5
ASK = "--help --num_runs=none"
"""Prints the flags: TensorFlow Lite's knows --help, LiteRT's names them after a wrong value."""
XNNPACK = "XNNPACK"


class RunError(InputError):
    """One run failed; others may not."""


@dataclass(frozen=True)
class Summary:
    """One line of statistics, in milliseconds; ``middle_ms`` is the median, where told."""

    count: int
    first_ms: float
    last_ms: float
    low_ms: float
    high_ms: float
    mean_ms: float
    middle_ms: float | None = None

    def times_ms(self) -> list[float]:
        """Every time behind it, sorted.

        Raises:
            RunError: there are more than a summary tells.
        """
        if self.count > RUNS:
            raise RunError(
                f"benchmark_model ran {self.count} times where {RUNS} were asked for: its mean of"
                f" {self.mean_ms:.2f} ms says nothing of the distribution",
                "take a newer benchmark_model",
            )
        if self.count < RUNS:
            return sorted([self.first_ms, self.last_ms][: self.count])
        middle_ms = self.middle_ms
        if middle_ms is None:
            rest_ms = RUNS * self.mean_ms - self.low_ms - self.high_ms
            middle_ms = min(max(rest_ms, self.low_ms), self.high_ms)
        return [self.low_ms, middle_ms, self.high_ms]


@dataclass(frozen=True)
class Delegate:
    """What runs a part of the network.

    Attributes:
        name: as the runtime calls it.
        nodes: that it took over.
        of: of so many; None where an old version does not say.
        partitions: pieces of the graph that it runs.
    """

    name: str
    nodes: int
    of: int | None
    partitions: int


@dataclass(frozen=True)
class Output:
    """What one process of benchmark_model told.

    Attributes:
        warm_up, measured: statistics.
        init_ms: loading the file and preparing the delegate.
        memory_mb: that the process grew by.
        peak_mb: of its memory, where asked for.
        delegates: in the order they were applied.
    """

    warm_up: Summary
    measured: Summary
    init_ms: float | None
    memory_mb: float | None
    peak_mb: float | None
    delegates: tuple[Delegate, ...]


def known_flags(usage: str) -> frozenset[str]:
    """The flags that a benchmark_model has, by what it printed when asked with ``ASK``.

    Raises:
        InputError: it is another program, or cannot run on this phone.
    """
    flags = frozenset(re.findall(r"--(\w+)=", usage))
    if {"graph", "num_runs"} <= flags:
        return flags
    raise InputError(
        f"the program given as benchmark_model does not run as one: {last_line(usage)}",
        "give TensorFlow Lite's or LiteRT's, with the .so files it needs beside it;"
        " docs/devices.md says where to get it",
    )


def flags(
    accelerator: str, known: frozenset[str], folder: str, warm_up_s: float = WARM_UP_S
) -> list[str]:
    """The flags of one process.

    Args:
        accelerator: "cpu" and a number of threads, "gpu" or "npu".
        known: flags that this benchmark_model has.
        folder: on the phone, where libraries of NPUs lie.
        warm_up_s: load before the measured runs.

    Raises:
        RunError: this benchmark_model cannot use that accelerator.
    """
    wanted = {
        "num_runs": str(RUNS),
        "min_secs": "0",
        "warmup_runs": "1",
        "warmup_min_secs": f"{warm_up_s:g}",
        "max_secs": f"{max(150, 2 * warm_up_s):g}",
    }
    if accelerator.startswith("cpu"):
        needed = "num_threads"
        wanted[needed] = accelerator.removeprefix("cpu")
    else:
        needed = f"use_{accelerator}"
        wanted[needed] = "true"
    if accelerator == "npu":
        wanted |= {"dispatch_library_path": folder, "compiler_plugin_library_path": folder}
    if needed not in known:
        raise RunError(
            f"this benchmark_model has no --{needed}",
            "NPUs need LiteRT's benchmark_model" if accelerator == "npu" else "take a newer one",
        )
    return [f"--{name}={value}" for name, value in wanted.items() if name in known]


def parse(text: str) -> Output:
    """Read what one process printed.

    Raises:
        RunError: it is not what benchmark_model prints.
    """
    summaries = [_summary(line) for line in re.findall(r"\bcount=\d.*", text)]
    found = [summary for summary in summaries if summary is not None]
    if len(found) != 2 or len(summaries) != 2:
        raise RunError(
            f"the phone sent no result of benchmark_model: {last_line(text) or 'nothing'}",
            "run it by hand: adb shell",
        )
    init_us = _number(r"Inference timings in us: Init: ([\d.e+]+)", text)
    init_ms = _number(r"Model initialization:\s+([\d.]+) ms", text)
    return Output(
        warm_up=found[0],
        measured=found[1],
        init_ms=init_ms if init_us is None else init_us / 1e3,
        memory_mb=_number(r"Memory footprint delta.*overall=([\d.e+]+)", text)
        or _number(r"Overall footprint:\s+([\d.]+) MB", text),
        peak_mb=_number(r"Overall peak memory footprint.*: ([\d.e+]+)", text)
        or _number(r"Peak memory:\s+([\d.]+) MB", text),
        delegates=_delegates(text),
    )


def failure(status: int, text: str) -> RunError:
    """Why a process of benchmark_model ended with another status than 0."""
    if status == 137:
        return RunError(
            "the phone killed it (signal 9): most likely not enough memory",
            "close what runs on the phone, or take a smaller model",
        )
    if status > 128:
        return RunError(
            f"it crashed (signal {status - 128}): {last_line(text)}",
            "the accelerator's driver may not support this model",
        )
    reasons = re.findall(r"^(?:ERROR: |.*\berror: )(.+)$", text, re.MULTILINE | re.IGNORECASE)
    said = reasons[0][:200] if reasons else last_line(text)
    return RunError(f"it failed with status {status}: {said}", "run it by hand: adb shell")


def accelerated(accelerator: str, delegates: Sequence[Delegate]) -> Delegate | None:
    """The delegate that stands for the accelerator, where it took part."""
    cpu = accelerator.startswith("cpu")
    return next((d for d in delegates if cpu == (XNNPACK in d.name.upper())), None)


def _summary(line: str) -> Summary | None:
    fields = {key: float(value) / 1e3 for key, value in _FIELD.findall(line)}
    count = round(fields.pop("count") * 1e3) if "count" in fields else 0
    last = fields.get("curr")
    if not count or last is None:
        return None
    # with one run, or all alike, only count and curr are printed
    return Summary(
        count=count,
        first_ms=fields.get("first", last),
        last_ms=last,
        low_ms=fields.get("min", last),
        high_ms=fields.get("max", last),
        mean_ms=fields.get("avg", last),
        middle_ms=fields.get("median"),
    )


_FIELD = re.compile(r"(\w+)=(\d[\d.]*(?:e[+-]?\d+)?)")


def _delegates(text: str) -> tuple[Delegate, ...]:
    pattern = (
        r"Replacing (\d+)(?: out of (\d+))? node\(s\) with delegate \((\S+)\) node, yielding (\d+)"
    )
    return tuple(
        Delegate(name, int(nodes), int(of) if of else None, int(partitions))
        for nodes, of, name, partitions in re.findall(pattern, text)
    )


def _number(pattern: str, text: str) -> float | None:
    found = re.search(pattern, text)
    return float(found[1]) if found else None
