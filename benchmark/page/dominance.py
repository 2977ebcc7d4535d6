"""Which model makes which other one pointless, in sentences.

A model dominates another one where it is not slower, not bigger and more accurate. Measured figures
are compared with measured ones of the same device and data, published ones with published ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mvpose.benchmark.page.entries import Entry, named
from mvpose.benchmark.page.published import Published
from mvpose.evaluation import Accuracy

OURS = "mobilevitpose"
NAMED = 3


@dataclass(frozen=True)
class Finding:
    """What is said of one of our models.

    Attributes:
        subject: its label.
        sentence: the rest.
        dominated: True, False, or None where the measurement doesn't tell.
    """

    subject: str
    sentence: str
    dominated: bool | None


@dataclass(frozen=True)
class Fate:
    """What measured models do to one.

    Attributes:
        kind: "alone" (nothing to compare with), "dominated", "unsure" or "free".
        rivals: numbers of the rows that do it.
    """

    kind: str
    rivals: tuple[int, ...]


def measured_findings(found: Sequence[Entry], baseline: str | None) -> list[Finding]:
    """What other measured models do to each of ours; files of one model with the same fate stand
    together.

    Args:
        found: all rows.
        baseline: the label that ``against_baseline`` refers to.
    """
    fates: dict[tuple[str, str, Fate], list[Entry]] = {}
    for entry in found:
        if _is_ours(entry.row.model) and entry.known_accuracy and entry.row.timing:
            key = entry.row.model, str(entry.group), _fate(entry, found, baseline)
            fates.setdefault(key, []).append(entry)
    by_number = {entry.number: entry for entry in found}
    return [
        _finding(group, device, fate, [by_number[number] for number in fate.rivals])
        for (_, device, fate), group in fates.items()
    ]


def published_findings(published: Sequence[Published]) -> list[Finding]:
    """What other published models do to each of ours, by GFLOPs, parameters and AP."""
    findings = []
    for own in published:
        if not _is_ours(own.model):
            continue
        others = [p for p in published if not _is_ours(p.model) and _dominates(p, own)]
        parts = [_described(other) for other in sorted(others, key=lambda p: -p.ap)]
        sentence = (
            f"is dominated by {_listed(parts)}: fewer or equal GFLOPs and parameters, higher AP."
            if parts
            else "is dominated by no other model of the table."
        )
        findings.append(Finding(_described(own), sentence, bool(parts)))
    return findings


def _fate(entry: Entry, found: Sequence[Entry], baseline: str | None) -> Fate:
    others = [o for o in found if o.row.model != entry.row.model and _same_protocol(o, entry)]
    if not others:
        return Fate("alone", ())
    rivals = [
        other
        for other in others
        if _not_slower(other, entry) and 0 < other.row.size_bytes <= entry.row.size_bytes
    ]
    verdicts = {r.number: _more_accurate(r, entry, baseline) for r in rivals}
    better = tuple(number for number, verdict in verdicts.items() if verdict)
    unsure = tuple(number for number, verdict in verdicts.items() if verdict is None)
    if better:
        return Fate("dominated", better)
    return Fate("unsure", unsure) if unsure else Fate("free", ())


def _finding(group: Sequence[Entry], device: str, fate: Fate, rivals: Sequence[Entry]) -> Finding:
    subject = f"{named(group)} ({group[0].row.model}, {device})"
    verb, stands = ("is", "stands") if len(group) == 1 else ("are", "stand")
    names = _listed([_rival(rival, group) for rival in rivals]) if rivals else ""
    sentences = {
        "alone": f"{stands} alone: no other model has both a latency and an AP on this device and "
        "data.",
        "dominated": f"{verb} dominated by {names}: not slower, not bigger, higher AP.",
        "unsure": f"may be dominated by {names}: not slower and not bigger, but the difference in "
        "AP is not resolved by these images.",
        "free": f"{verb} dominated by no other model measured on the same device.",
    }
    dominated = {"dominated": True, "free": False}.get(fate.kind)
    return Finding(subject, sentences[fate.kind], dominated)


def _same_protocol(first: Entry, second: Entry) -> bool:
    return first.group == second.group and first.data == second.data != {}


def _not_slower(first: Entry, second: Entry) -> bool:
    """No measurable disadvantage in speed."""
    a, b = first.row.timing, second.row.timing
    return a is not None and b is not None and a.speedup_high >= b.speedup_low


def _more_accurate(first: Entry, second: Entry, baseline: str | None) -> bool | None:
    """Whether the first has the higher AP; None where the intervals don't tell."""
    for own, other, sign in ((second, first, -1), (first, second, 1)):
        paired = own.row.against_baseline
        if baseline is not None and other.row.label == baseline and paired is not None:
            low, high = sorted((sign * paired.ap.low, sign * paired.ap.high))
            return True if low > 0 else False if high < 0 else None
    a, b = _interval(first.known_accuracy), _interval(second.known_accuracy)
    if a is None or b is None:
        return None
    return True if a[0] > b[1] else False if a[1] < b[0] else None


def _interval(accuracy: Accuracy | None) -> tuple[float, float] | None:
    return accuracy.ap_interval if accuracy else None


def _rival(other: Entry, group: Sequence[Entry]) -> str:
    theirs, their_ap = other.row.timing, other.known_accuracy
    assert theirs and their_ap
    times = [e.row.timing.median_ms / theirs.median_ms for e in group if e.row.timing]
    sizes = [entry.row.size_bytes / 1e6 for entry in group]
    aps = [100 * entry.known_accuracy.ap for entry in group if entry.known_accuracy]
    return (
        f"No. {other.number}, {other.row.label} "
        f"({_span(times, '.2f')} times as fast, "
        f"{other.row.size_bytes / 1e6:.1f} against {_span(sizes, '.1f')} MB, "
        f"AP {100 * their_ap.ap:.1f} against {_span(aps, '.1f')})"
    )


def _span(values: Sequence[float], form: str) -> str:
    low, high = f"{min(values):{form}}", f"{max(values):{form}}"
    return low if low == high else f"{low} to {high}"


def _dominates(other: Published, own: Published) -> bool:
    if None in (other.gflops, other.params_m, own.gflops, own.params_m):
        return False
    return (
        other.data == own.data
        and (other.gflops or 0) <= (own.gflops or 0)
        and (other.params_m or 0) <= (own.params_m or 0)
        and other.ap > own.ap
    )


def _described(model: Published) -> str:
    costs = f"{model.gflops:g} GFLOPs, {model.params_m:g} M parameters"
    return f"{model.model} {model.input} (AP {model.ap:.1f}, {costs})"


def _is_ours(model: str) -> bool:
    return model.lower().startswith(OURS)


def _listed(parts: Sequence[str]) -> str:
    parts = [*parts[:NAMED], *([f"{len(parts) - NAMED} more"] if len(parts) > NAMED else [])]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
