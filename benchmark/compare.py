"""Two benchmarks, an old one and a new one: what became better, what worse, what can't be told.

Latency is compared as the speed-up over each document's own reference, which ran interleaved with
it: between two runs a machine's clock, load and temperature differ by more than a model does, and
hit both alike. The price: a change of the reference itself is invisible here, so it must be the
same file. On another processor other kernels run, so changes there are told but blamed on nobody.

Both intervals decide. With standard errors from their widths, a change counts where it is larger
than chance allows at 95 % confidence over all figures of its kind together (Bonferroni's
correction), and than 2 %, which two runs of one file may differ by for reasons of placement in
memory alone (Mytkowicz et al., "Producing Wrong Data Without Doing Anything Obviously Wrong!",
ASPLOS 2009). AP on the same images is compared by the differences to the float model where both
documents have them, as what the images have in common cancels there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import NormalDist

from mvpose.benchmark.change import Change, accuracy, failures, latency, name, sizes
from mvpose.benchmark.document import Document, Row

Key = tuple[str, str, int, int]

CONFIDENCE = 0.95


def compare_documents(old: Document, new: Document) -> list[Change]:
    """Compare the rows of two documents, paired by label, device and batch."""
    before, after = _by_key(old), _by_key(new)
    paired = [(before[key], after[key]) for key in before if key in after]
    changes = [
        Change(name(row), "row", "failed", "", "changed", "it is missing")
        if row.error
        else Change(name(row), "row", "measured", "", "worse", "it is missing", regression=True)
        for key, row in before.items()
        if key not in after
    ]
    changes += [
        Change(name(row), "row", "", "measured", "changed", "it is new")
        for key, row in after.items()
        if key not in before
    ]
    alarm = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / 2 / max(1, len(paired)))
    for first, second in paired:
        changes += failures(first, second)
        changes += latency(first, second, old, new, alarm)
        changes += accuracy(first, second, alarm)
        changes += sizes(first, second)
    return changes


def print_changes(changes: Sequence[Change]) -> None:
    """Print what is not the same as a table, and a count of what is."""
    from rich.table import Table
    from rich.text import Text

    from mvpose.cli import console

    screen = console()
    shown = [change for change in changes if change.verdict != "same"]
    if shown:
        table = Table()
        for heading in ("row", "figure", "old", "new", "verdict", "why"):
            table.add_column(heading, overflow="fold")
        for change in shown:
            verdict = "REGRESSION" if change.regression else change.verdict
            cells = (change.row, change.figure, change.old, change.new, verdict, change.reason)
            table.add_row(*(Text(cell) for cell in cells))
        screen.print(table)
    verdicts = Counter(change.verdict for change in changes)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    lost = sum(change.regression for change in changes)
    ending = "" if lost == 1 else "s"
    screen.print(f"{lost} regression{ending}; {counts or 'nothing to compare'}.", markup=False)


def _by_key(document: Document) -> dict[Key, Row]:
    """Rows that are alike in everything are told apart by their order."""
    rows: dict[Key, Row] = {}
    seen: Counter[tuple[str, str, int]] = Counter()
    for row in document.rows:
        alike = (row.label, row.device, row.batch)
        rows[(*alike, seen[alike])] = row
        seen[alike] += 1
    return rows
