"""The gate: the first INT8 form of a network that keeps its AP and is not slower than floats."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mvpose.bootstrap import describe_resolution, points
from mvpose.data.coco import KeypointData
from mvpose.errors import InputError
from mvpose.export.ladder import Rung, rungs
from mvpose.export.pipeline import Exported, Exporter
from mvpose.export.report import result_row
from mvpose.files import staging
from mvpose.quantize.recipes import RECIPES
from mvpose.runtime.base import Runtime
from mvpose.runtime.litert import LiteRTRuntime
from mvpose.timing import Timing, time_interleaved

FLOATS = ("fp32", "fp16")
ROUNDS = 40
"""Crops for each file when timing."""


@dataclass(frozen=True)
class Tried:
    """A rung and what was measured of its file.

    Attributes:
        rung: what was tried.
        exported: its file and figures.
        timing: its speed-up over the faster of the float files, in one interleaved run.
        keeps_ap: the whole 95 % interval of its AP difference is within the budget.
        fast: it is not slower than the float files.
        holds: it may be called a success.
        row: for the results.
    """

    rung: Rung
    exported: Exported
    timing: Timing
    keeps_ap: bool
    fast: bool
    holds: bool
    row: dict[str, Any]

    def __str__(self) -> str:
        assert self.exported.difference is not None
        timing = self.timing
        facts = (
            points(self.exported.difference, " AP"),
            f"{timing.speedup:.2f} [{timing.speedup_low:.2f}, {timing.speedup_high:.2f}] times the "
            "speed of the float file",
            f"{self.exported.inventory.size_bytes / 1e6:.2f} MB",
        )
        misses = [] if self.keeps_ap else ["may lose more than allowed"]
        misses += [] if self.fast else ["slower than floats"]
        verdict = "holds" if self.holds else " and ".join(misses)
        return f"{self.rung.title}: {', '.join(facts)}: {verdict}"


class Gate:
    """Tries rungs until one holds.

    Args:
        exporter: with evaluation data.
        folder: for the files that are tried.
        max_drop: AP that may be lost, 0..1.
        allow_slower: take a file that is slower than the float ones.
    """

    def __init__(
        self,
        exporter: Exporter,
        folder: Path,
        max_drop: float,
        allow_slower: bool = False,
    ) -> None:
        self.exporter = exporter
        self.folder = folder
        self.max_drop = max_drop
        self.allow_slower = allow_slower
        floats = [exporter.export(RECIPES[name], folder / f"{name}.tflite") for name in FLOATS]
        self.fastest_float = min(
            zip(floats, self._time(floats), strict=True), key=lambda pair: pair[1].median_ms
        )[0]

    def climb(self, rungs: Iterable[Rung]) -> Iterator[Tried]:
        """Measure one rung after the other, up to the first that holds."""
        for number, rung in enumerate(rungs):
            tried = self._try(rung, self.folder / f"{number}.tflite")
            yield tried
            if tried.holds:
                return

    def _try(self, rung: Rung, path: Path) -> Tried:
        exported = self.exporter.export(rung.recipe, path, rung.plan())
        assert exported.difference is not None, "the gate needs evaluation data"
        timing = self._time([self.fastest_float, exported])[1]
        keeps_ap = exported.difference.low >= -self.max_drop
        fast = timing.speedup >= 1
        holds = keeps_ap and (fast or self.allow_slower)
        verdict = {"keeps_ap": keeps_ap, "fast": fast, "holds": holds}
        row = {"rung": rung.title, "timing": asdict(timing), **verdict}
        row = {**result_row(exported), "kind": "gate", **row}
        return Tried(rung, exported, timing, row=row, **verdict)

    def _time(self, files: list[Exported]) -> list[Timing]:
        runtimes = [LiteRTRuntime(file.path, self.exporter.threads) for file in files]
        return time_interleaved(list[Runtime](runtimes), ROUNDS)


def pass_gate(
    exporter: Exporter,
    path: Path,
    judges: Callable[[], KeypointData],
    max_drop: float = 0.01,
    allow_slower: bool = False,
    say: Callable[[str], None] = print,
) -> list[Tried]:
    """Climb the ladder and keep the file of the first rung that holds.

    Args:
        exporter: with evaluation data.
        path: for the file.
        judges: people who tell which blocks cost most; none that evaluate.
        max_drop: AP that may be lost, 0..1.
        allow_slower: take a file that is slower than the float ones.
        say: told what was measured of each rung.

    Returns:
        What was tried; the last one holds, or none does and nothing was written.
    """
    tried = []
    with tempfile.TemporaryDirectory(prefix="mvpose-") as work:
        gate = Gate(exporter, Path(work), max_drop, allow_slower)
        for number, rung in enumerate(gate.climb(rungs(exporter, judges)), 1):
            tried.append(rung)
            say(f"rung {number}: {rung}")
        if tried[-1].holds:
            written = tried[-1].exported.path
            with staging(path.parent) as folder:
                shutil.copyfile(written, folder / path.name)
                shutil.copyfile(f"{written}.json", folder / f"{path.name}.json")
            say(f"wrote {path}")
    return tried


def check_passed(tried: list[Tried], max_drop: float) -> None:
    """Say what came nearest where no rung holds.

    Raises:
        InputError: none does.
    """
    if tried[-1].holds:
        return
    fast = [rung for rung in tried if rung.fast] or tried
    best = max(fast, key=lambda rung: rung.exported.difference.low)  # type: ignore[union-attr]
    difference = best.exported.difference
    assert difference is not None
    margin = max_drop + difference.difference
    raise InputError(
        f"no INT8 form is within {max_drop * 100:g} AP at 95 % confidence and as fast as floats; "
        f"the best is {best}",
        f"more images may settle it ({describe_resolution(difference, margin)})"
        if margin > 0
        else "train with rounding: mvpose-quantize --qat, then --qat FILE here; or allow more with "
        "--max-drop",
    )
