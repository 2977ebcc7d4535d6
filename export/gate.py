"""The gate: the first INT8 form of a network that keeps its AP and is not slower than floats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mvpose.export.pipeline import Exported, TFLiteExport
from mvpose.quantize.plan import Plan
from mvpose.quantize.recipes import RECIPES, Recipe
from mvpose.runtime.base import Runtime
from mvpose.runtime.litert import LiteRTRuntime
from mvpose.timing import Timing, time_interleaved

FLOATS = ("fp32", "fp16")
ROUNDS = 40


@dataclass(frozen=True)
class Rung:
    """One form to try.

    Attributes:
        title: for the user.
        recipe: which operators are integer.
        plan: makes its weights, scales and islands when its turn comes.
    """

    title: str
    recipe: Recipe
    plan: Callable[[], Plan]


@dataclass(frozen=True)
class Tried:
    """A rung and what was measured of its file.

    Attributes:
        rung: what was tried.
        exported: its file and figures.
        timing: its speed-up over the faster of the float files, in one interleaved run.
        keeps_ap: the whole 95 % interval of its AP difference is within the budget.
        fast: it is not slower than the float files.
    """

    rung: Rung
    exported: Exported
    timing: Timing
    keeps_ap: bool
    fast: bool


class Gate:
    """Tries rungs until one holds.

    Args:
        exporter: with evaluation data.
        folder: for the files that are tried.
        max_drop: AP that may be lost, 0..1.
        allow_slower: take a file that is slower than the float ones.
        rounds: crops for each file when timing.
    """

    def __init__(
        self,
        exporter: TFLiteExport,
        folder: Path,
        max_drop: float,
        allow_slower: bool = False,
        rounds: int = ROUNDS,
    ) -> None:
        self.exporter = exporter
        self.folder = folder
        self.max_drop = max_drop
        self.allow_slower = allow_slower
        self.rounds = rounds
        floats = [exporter.export(RECIPES[name], folder / f"{name}.tflite") for name in FLOATS]
        self.fastest_float = min(
            zip(floats, self._time(floats), strict=True), key=lambda pair: pair[1].median_ms
        )[0]

    def climb(self, rungs: Iterable[Rung]) -> Iterator[Tried]:
        """Measure one rung after the other, up to the first that holds."""
        for number, rung in enumerate(rungs):
            tried = self._try(rung, self.folder / f"{number}.tflite")
            yield tried
            if self.holds(tried):
                return

    def holds(self, tried: Tried) -> bool:
        """Whether a rung may be called a success."""
        return tried.keeps_ap and (tried.fast or self.allow_slower)

    def _try(self, rung: Rung, path: Path) -> Tried:
        exported = self.exporter.export(rung.recipe, path, rung.plan())
        assert exported.difference is not None, "the gate needs evaluation data"
        timing = self._time([self.fastest_float, exported])[1]
        return Tried(
            rung,
            exported,
            timing,
            keeps_ap=exported.difference.low >= -self.max_drop,
            fast=timing.speedup >= 1,
        )

    def _time(self, files: list[Exported]) -> list[Timing]:
        runtimes = [LiteRTRuntime(file.path, self.exporter.threads) for file in files]
        return time_interleaved(list[Runtime](runtimes), self.rounds)
