"""What is measured of one file with one accelerator of a phone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from math import ceil
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from mvpose.artefact import read_artefact
from mvpose.benchmark.document import Row
from mvpose.benchmark.phone.adb import Phone, PhoneGoneError, PhoneSlowError
from mvpose.benchmark.phone.benchmark_model import (
    RUNS,
    WARM_UP_S,
    Output,
    accelerated,
    failure,
    flags,
    parse,
)
from mvpose.benchmark.phone.folder import Folder
from mvpose.benchmark.phone.state import About, Condition, condition, cool_down, energy_j
from mvpose.errors import InputError
from mvpose.files import sha256
from mvpose.timing import SETTLED, Timing, summaries

RUN_S = 300.0
LOAD_S = 4.0
"""Uninterrupted load before every three measured runs of a sustained run."""
PEAK = "report_peak_memory_footprint"


@dataclass
class Session:
    """Rows of one phone; the first that succeeds is what ratios refer to."""

    folder: Folder
    facts: About
    known: frozenset[str]
    processes: int
    sustained_s: float
    cool_c: float
    reference_ms: list[float] = field(default_factory=list)

    @property
    def phone(self) -> Phone:
        return self.folder.phone

    def rows(self, file: Path, accelerator: str, model: str | InputError) -> Iterator[Row]:
        """The row of one job; also where the phone goes away once it is timed."""
        row = _blank(file, accelerator, self.facts)
        try:
            if isinstance(model, InputError):
                raise model
            row = self._timed(row, accelerator, model)
        except PhoneGoneError:
            raise
        except InputError as error:
            yield replace(row, error=str(error))
            return
        if not self.sustained_s:
            yield row
            return
        minutes: list[dict[str, Any]] = []
        facts = {**(row.device_facts or {}), "sustained": minutes}
        ended: InputError | None = None
        try:
            before = condition(self.phone)
            for minute in self._sustained(accelerator, model):
                minutes.append(minute)
            facts["sustained_energy_j"] = energy_j(before, condition(self.phone))
        except InputError as error:
            ended = error
            row = replace(row, marks=(*row.marks, f"the sustained run ended early: {error.what}"))
        yield replace(row, device_facts=facts)
        if isinstance(ended, PhoneGoneError):
            raise ended

    def _timed(self, row: Row, accelerator: str, model: str) -> Row:
        options = flags(accelerator, self.known, self.folder.path)
        before, warm = cool_down(self.phone, self.cool_c)
        watch = [f"--{PEAK}=true"] if PEAK in self.known else []
        cold = self._run([*options, *watch], model)
        outputs = [self._run(options, model) for _ in range(self.processes)]
        after = condition(self.phone)
        times_ms = [taken for output in outputs for taken in output.measured.times_ms()]
        self.reference_ms = self.reference_ms or times_ms
        return replace(
            row,
            timing=_timing(times_ms, self.reference_ms, outputs, self._protocol(accelerator)),
            samples_ms=tuple(times_ms),
            marks=tuple(
                mark for mark in (warm, _doubt(accelerator, cold), *_hot(before, after)) if mark
            ),
            device_facts={**(row.device_facts or {}), **_told(accelerator, cold, before, after)},
        )

    def _sustained(self, accelerator: str, model: str) -> Iterator[dict[str, Any]]:
        """Figures of each minute."""
        options = flags(accelerator, self.known, self.folder.path, LOAD_S)
        start = time.monotonic()
        for minute in range(1, ceil(self.sustained_s / 60) + 1):
            end = start + min(60 * minute, self.sustained_s)
            outputs: list[Output] = []
            while not outputs or time.monotonic() < end:
                outputs.append(self._run(options, model))
            times_ms = [taken for output in outputs for taken in output.measured.times_ms()]
            now = condition(self.phone)
            yield {
                "minute": minute,
                "median_ms": float(np.median(times_ms)),
                "p90_ms": float(np.percentile(times_ms, 90)),
                "measured_runs": len(times_ms),
                "all_runs": sum(o.warm_up.count + o.measured.count for o in outputs),
                "temperature_c": now.temperature_c,
                "thermal_status": now.thermal_status,
            }

    def _run(self, options: list[str], model: str) -> Output:
        words = [f"--graph={model}", *options]
        try:
            answer = self.folder.run(" ".join(map(quote, words)), RUN_S)
        except PhoneSlowError:
            self.folder.stop()
            raise
        if answer.status != 0:
            raise failure(answer.status, answer.output)
        return parse(answer.output)

    def _protocol(self, accelerator: str) -> dict[str, str | int]:
        maker = "LiteRT" if "use_npu" in self.known else "TensorFlow Lite"
        return {
            "runtime": f"benchmark_model ({maker})",
            "device": self.facts.name,
            "accelerator": accelerator,
            "sampling": f"{self.processes} processes of {RUNS} runs, each after {WARM_UP_S:g} s"
            " of warming up; every time is known",
            "input": "random values",
            "order": "one file and accelerator after the other",
            "cooled_below_c": f"{self.cool_c:g}",
        }


def _blank(file: Path, accelerator: str, facts: About) -> Row:
    """A row with what is known before the measurement."""
    model, precision = file.stem, "unknown"
    try:
        artefact = read_artefact(file)
        model, precision = artefact.model.name, artefact.recipe
    except InputError:
        pass
    return Row(
        label=f"{file.name} on {facts.name} {accelerator}",
        model=model,
        format="tflite",
        precision=precision,
        file=file.name,
        sha256=sha256(file),
        size_bytes=file.stat().st_size,
        random_weights=".random." in file.name,
        device=facts.name,
        device_facts={
            "accelerator": accelerator,
            "android": facts.android,
            "soc": facts.soc,
            "abi": facts.abis[0] if facts.abis else "unknown",
            "governor": facts.governor,
        },
    )


def _timing(
    times_ms: list[float],
    reference_ms: list[float],
    outputs: list[Output],
    protocol: dict[str, str | int],
) -> Timing:
    rounds = min(len(times_ms), len(reference_ms))
    columns = np.stack([reference_ms[:rounds], times_ms[:rounds]], axis=1)
    warm_up = sum(output.warm_up.count for output in outputs)
    last_ms = np.median([output.warm_up.last_ms for output in outputs])
    begun = warm_up, bool(np.median(times_ms) > (1 - SETTLED) * last_ms)
    groups = min(len(outputs), 5)
    return summaries(columns, [protocol, protocol], [begun, begun], groups)[1]


def _told(accelerator: str, cold: Output, before: Condition, after: Condition) -> dict[str, Any]:
    """The facts of a row."""
    own = accelerated(accelerator, cold.delegates)
    return {
        "temperature_before_c": before.temperature_c,
        "temperature_after_c": after.temperature_c,
        "thermal_status": after.thermal_status,
        "init_ms": cold.init_ms,
        "first_run_ms": cold.warm_up.first_ms,
        "memory_mb": cold.memory_mb,
        "peak_memory_mb": cold.peak_mb,
        "delegates": [asdict(delegate) for delegate in cold.delegates],
        "delegated_nodes": own.nodes if own else None,
        "undelegated_nodes": own.of - own.nodes if own and own.of is not None else None,
        "partitions": own.partitions if own else None,
        "energy_j": energy_j(before, after),
    }


def _doubt(accelerator: str, cold: Output) -> str | None:
    if accelerator.startswith("cpu") or accelerated(accelerator, cold.delegates):
        return None
    return f"nothing says that the {accelerator} ran any of it: most likely the CPU ran all"


def _hot(before: Condition, after: Condition) -> Iterator[str]:
    if after.thermal_status:
        yield f"the phone throttled: thermal status {after.thermal_status}"
    if before.thermal_status is None:
        yield "the phone does not tell whether it throttles"
