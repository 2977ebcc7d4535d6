"""One row in two benchmarks: what became of its figures; see ``compare``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import exp, log
from statistics import NormalDist
from typing import Any, Literal

from mvpose.benchmark.document import RUN_FACTS, Document, Row
from mvpose.bootstrap import APDifference
from mvpose.timing import Timing

Verdict = Literal["same", "better", "worse", "changed", "not resolved", "not comparable"]

LEAST_SLOWDOWN = 0.02
LEAST_GROWTH = 0.01
WORKLOAD = ("runtime", "threads", "device", "precision")


@dataclass(frozen=True)
class Change:
    """What became of one figure.

    Attributes:
        row: its label and device.
        figure: "row", "latency", "AP", "AP - float", "size", "parameters" or "GFLOPs".
        old, new: values, with intervals where there are some; empty where there is none.
        verdict: of the change.
        reason: why it is judged so.
        regression: the new document is worse, and nothing else explains it.
    """

    row: str
    figure: str
    old: str
    new: str
    verdict: Verdict
    reason: str = ""
    regression: bool = False


@dataclass(frozen=True)
class Estimate:
    """A value whose error is about normal, with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def error(self) -> float:
        return (self.high - self.low) / (2 * NormalDist().inv_cdf(0.975))


def resolved(first: Estimate, second: Estimate, alarm: float) -> bool:
    """Whether two independent estimates differ by more than chance allows."""
    error = (first.error**2 + second.error**2) ** 0.5
    return abs(second.value - first.value) > alarm * error


def name(row: Row) -> str:
    batch = "" if row.batch == 1 else f", batch {row.batch}"
    return f"{row.label} ({row.device}{batch})"


def failures(old: Row, new: Row) -> list[Change]:
    """What was measured and is no more, and the other way round."""
    changes = []
    if new.error and not old.error:
        changes.append(
            Change(name(new), "row", "measured", "failed", "worse", new.error, regression=True)
        )
    elif old.error and not new.error:
        changes.append(Change(name(new), "row", "failed", "measured", "better", "it runs again"))
    for figure, part in (("latency", "timing"), ("AP", "accuracy")):
        had, has = getattr(old, part) is not None, getattr(new, part) is not None
        if had and not has and not new.error:
            changes.append(
                Change(name(new), figure, "measured", "", "worse", "no longer measured", True)
            )
        elif has and not had and not old.error:
            changes.append(Change(name(new), figure, "", "measured", "changed", "newly measured"))
    return changes


def latency(old: Row, new: Row, before: Document, after: Document, alarm: float) -> list[Change]:
    if old.timing is None or new.timing is None:
        return []
    first, second = (
        Estimate(t.speedup, t.speedup_low, t.speedup_high) for t in (old.timing, new.timing)
    )
    texts = _latencies(old.timing, first), _latencies(new.timing, second)

    def change(verdict: Verdict, reason: str, regression: bool = False) -> list[Change]:
        return [Change(name(new), "latency", *texts, verdict, reason, regression)]

    if new.label == after.reference and old.label == before.reference:
        return change("same", "the reference: times refer to it")
    obstacle = (
        _other_reference(before, after)
        or _difference(_workload(old), _workload(new))
        or _disturbance(old, new, before, after)
    )
    if obstacle:
        return change("not comparable", obstacle)
    gain = Estimate(*(log(getattr(second, k)) for k in ("value", "low", "high")))
    base = Estimate(*(log(getattr(first, k)) for k in ("value", "low", "high")))
    ratio = exp(gain.value - base.value)
    reason = f"{100 * (ratio - 1):+.1f} % speed against the reference"
    if not resolved(base, gain, alarm) or abs(ratio - 1) <= LEAST_SLOWDOWN:
        return change("same", f"{reason}: within chance or {100 * LEAST_SLOWDOWN:.0f} %")
    same_machine = old.device != "cpu" or before.machine.get("processor") == after.machine.get(
        "processor"
    )
    if not same_machine:
        reason += "; another processor, which may be why"
    return change("worse" if ratio < 1 else "better", reason, ratio < 1 and same_machine)


def _latencies(timing: Timing, ratio: Estimate) -> str:
    return f"{timing.median_ms:.2f} ms, x{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def accuracy(old: Row, new: Row, alarm: float) -> list[Change]:
    first, second = old.accuracy, new.accuracy
    if first is None or second is None:
        return []
    texts = _ap(first.ap, first.ap_interval), _ap(second.ap, second.ap_interval)
    obstacle = _difference(_data(first.protocol), _data(second.protocol))
    if old.random_weights or new.random_weights:
        obstacle = "random weights: the AP means nothing"
    if obstacle:
        return [Change(name(new), "AP", *texts, "not comparable", obstacle)]
    if first.ap == second.ap:
        return [Change(name(new), "AP", *texts, "same")]
    changes = []
    if old.against_float and new.against_float:
        pair = _paired(old.against_float.ap), _paired(new.against_float.ap)
        before, after = (_ap(e.value, (e.low, e.high), "+") for e in pair)
        changes.append(_judged(new, "AP - float", (before, after), pair, alarm))
    if first.ap_interval and second.ap_interval:
        alone = Estimate(first.ap, *first.ap_interval), Estimate(second.ap, *second.ap_interval)
        changes.append(_judged(new, "AP", texts, alone, alarm))
    else:
        reason = "there is no interval: how sure it is can't be told"
        changes.append(Change(name(new), "AP", *texts, "not resolved", reason))
    return changes


def _judged(
    row: Row, figure: str, texts: tuple[str, str], pair: tuple[Estimate, Estimate], alarm: float
) -> Change:
    """The verdict on two APs or differences in AP."""
    first, second = pair
    change = second.value - first.value
    reason = f"{100 * change:+.2f} AP"
    if change == 0:
        return Change(name(row), figure, *texts, "same")
    if not resolved(first, second, alarm):
        return Change(name(row), figure, *texts, "not resolved", f"{reason}: within chance")
    verdict: Verdict = "worse" if change < 0 else "better"
    return Change(name(row), figure, *texts, verdict, reason, change < 0)


def sizes(old: Row, new: Row) -> list[Change]:
    figures: list[tuple[str, float | None, float | None, Callable[[float], str]]] = [
        ("size", old.size_bytes, new.size_bytes, lambda v: f"{v / 1e6:.3f} MB")
    ]
    if old.complexity and new.complexity:
        first, second = old.complexity, new.complexity
        figures += [
            ("parameters", first.params_m, second.params_m, lambda v: f"{v:.3f} M"),
            ("GFLOPs", first.gflops, second.gflops, lambda v: f"{v:.3f}"),
        ]
    changes = []
    for figure, before, after, text in figures:
        if not before or not after:
            continue
        growth = after / before - 1
        verdict: Verdict = "same" if growth == 0 else "changed"
        if abs(growth) > LEAST_GROWTH:
            verdict = "worse" if growth > 0 else "better"
        reason = "" if growth == 0 else f"{100 * growth:+.2f} %"
        changes.append(
            Change(
                name(new), figure, text(before), text(after), verdict, reason, verdict == "worse"
            )
        )
    return changes


def _other_reference(before: Document, after: Document) -> str:
    """Why speed-ups of two documents can't be compared, if so."""
    if before.reference != after.reference:
        return f"other references: {before.reference} and {after.reference}"
    files = [
        next((row.sha256 for row in document.rows if row.label == document.reference), None)
        for document in (before, after)
    ]
    return "" if files[0] == files[1] else f"the reference {after.reference} is another file"


def _disturbance(old: Row, new: Row, before: Document, after: Document) -> str:
    marks = (*before.marks, *old.marks, *after.marks, *new.marks)
    return f"disturbed: {marks[0]}" if marks else ""


def _workload(row: Row) -> dict[str, Any]:
    protocol = row.timing.protocol if row.timing else {}
    return {key: protocol[key] for key in WORKLOAD if key in protocol} | {"format": row.format}


def _data(protocol: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in protocol.items() if key not in RUN_FACTS}


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The first fact that two protocols differ in, in words; empty where they are equal."""
    for key in dict.fromkeys((*old, *new)):
        if old.get(key) != new.get(key):
            return f"other {key}: {old.get(key, 'unknown')} and {new.get(key, 'unknown')}"
    return ""


def _paired(change: APDifference) -> Estimate:
    return Estimate(change.difference, change.low, change.high)


def _ap(value: float, interval: tuple[float, float] | None, sign: str = "") -> str:
    text = f"{100 * value:{sign}.2f}"
    if interval is None:
        return text
    return f"{text} [{100 * interval[0]:{sign}.2f}, {100 * interval[1]:{sign}.2f}]"
