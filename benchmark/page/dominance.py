"""Which model makes which other one pointless, in sentences.

A model dominates another one where it is not slower, not bigger and more accurate. Measured figures
are compared with measured ones of the same device and data, published ones with published ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mvpose.benchmark.page.entries import Entry
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


def measured_findings(found: Sequence[Entry], baseline: str | None) -> list[Finding]:
    """What other measured models do to each of ours.

    Args:
        found: all rows.
        baseline: the label that ``against_baseline`` refers to.
    """
    return [
        _measured(entry, found, baseline)
        for entry in found
        if _is_ours(entry.row.model) and entry.known_accuracy and entry.row.timing
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


def _measured(entry: Entry, found: Sequence[Entry], baseline: str | None) -> Finding:
    subject = f"No. {entry.number}, {entry.row.label} ({entry.group})"
    others = [o for o in found if o.row.model != entry.row.model and _same_protocol(o, entry)]
    if not others:
        sentence = (
            "stands alone: no other model has both a latency and an AP on this device and data."
        )
        return Finding(subject, sentence, None)
    rivals = [
        other
        for other in others
        if _not_slower(other, entry) and 0 < other.row.size_bytes <= entry.row.size_bytes
    ]
    verdicts = {r.number: _more_accurate(r, entry, baseline) for r in rivals}
    better = [r for r in rivals if verdicts[r.number]]
    unsure = [r for r in rivals if verdicts[r.number] is None]
    if better:
        names = _listed([_rival(r, entry) for r in better])
        return Finding(
            subject, f"is dominated by {names}: not slower, not bigger, higher AP.", True
        )
    if unsure:
        names = _listed([_rival(r, entry) for r in unsure])
        return Finding(
            subject,
            f"may be dominated by {names}: not slower and not bigger, but the difference in AP is "
            "not resolved by these images.",
            None,
        )
    return Finding(subject, "is dominated by no other model measured on the same device.", False)


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


def _rival(other: Entry, entry: Entry) -> str:
    mine, theirs = entry.row.timing, other.row.timing
    own_ap, other_ap = entry.known_accuracy, other.known_accuracy
    assert mine and theirs and own_ap and other_ap
    return (
        f"No. {other.number}, {other.row.label} "
        f"({mine.median_ms / theirs.median_ms:.2f} times as fast, "
        f"{other.row.size_bytes / 1e6:.1f} against {entry.row.size_bytes / 1e6:.1f} MB, "
        f"AP {100 * other_ap.ap:.1f} against {100 * own_ap.ap:.1f})"
    )


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
