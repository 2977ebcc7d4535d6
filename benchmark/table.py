"""The tables that mvpose-benchmark prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.table import Table

from mvpose.benchmark.document import Document, Row
from mvpose.bootstrap import points
from mvpose.cli import console

SPEED = (
    "M params",
    "GFLOPs",
    "MB",
    "median ms",
    "p90",
    "p99",
    "crop",
    "decode",
    "of peak",
    "speed-up [95 %]",
)
ACCURACY = ("AP", "AP50", "AP75", "APM", "APL", "AR", "- float [95 %]", "- baseline [95 %]")


def print_document(document: Document) -> None:
    """Sizes and speeds, then accuracies, what disturbed the run, and its protocol."""
    devices = ", ".join(sorted({row.device for row in document.rows}))
    title = f"{document.machine['processor']}: {devices}"
    judged = [row for row in document.rows if row.accuracy]
    screen = console()
    screen.print(_table(title, document.rows, SPEED, _speed))
    if judged:
        screen.print(_table("COCO keypoint accuracy in percent", judged, ACCURACY, _accuracy))
    for line in _notes(document):
        screen.print(line, highlight=False, soft_wrap=True, markup=False)


def _table(
    title: str,
    rows: Sequence[Row],
    columns: Sequence[str],
    cells: Callable[[Row], Sequence[str]],
) -> Table:
    """Columns in which no row says anything are left out."""
    table = Table(title=title, title_justify="left")
    table.add_column("model", overflow="fold")
    filled = list(zip(columns, zip(*map(cells, rows), strict=True), strict=True))
    shown = [(column, values) for column, values in filled if any(values)]
    for column, _ in shown:
        table.add_column(column, justify="right", no_wrap=True)
    for place, row in enumerate(rows):
        table.add_row(row.label, *(values[place] for _, values in shown))
    return table


def _speed(row: Row) -> tuple[str, ...]:
    size, timing, stages = row.complexity, row.timing, row.stages
    achieved = row.achieved_gmacs
    return (
        f"{size.params_m:.2f}" if size else "",
        f"{size.gflops:.2f}" if size else "",
        f"{row.size_bytes / 1e6:.2f}",
        f"{timing.median_ms:.1f}" if timing else "",
        f"{timing.p90_ms:.1f}" if timing else "",
        f"{timing.p99_ms:.1f}" if timing else "",
        f"{stages['crop'].median_ms:.1f}" if stages else "",
        f"{stages['decode'].median_ms:.1f}" if stages else "",
        f"{100 * achieved / row.peak_gmacs:.0f} %" if achieved and row.peak_gmacs else "",
        f"{timing.speedup:.2f} [{timing.speedup_low:.2f}, {timing.speedup_high:.2f}]"
        if timing
        else "",
    )


def _accuracy(row: Row) -> tuple[str, ...]:
    found = row.accuracy
    assert found is not None
    figures = (found.ap, found.ap50, found.ap75, found.ap_medium, found.ap_large, found.ar)
    return (
        *("-" if value < 0 else f"{100 * value:.1f}" for value in figures),
        points(row.against_float.ap) if row.against_float else "",
        points(row.against_baseline.ap) if row.against_baseline else "",
    )


def _notes(document: Document) -> list[str]:
    rows = document.rows
    runs = [row.timing.protocol for row in rows if row.timing]
    runtimes = sorted({f"{run['runtime']} {run['version']}" for run in runs})
    lines = [f"INCOMPLETE: the run ended early: {document.ended_early}"] * bool(
        document.ended_early
    )
    lines += [f"DISTURBED: {mark}" for mark in document.marks]
    lines += [f"{row.label}: DOUBTFUL: {mark}" for row in rows for mark in row.marks]
    lines += [f"{row.label}: not measured: {row.error}" for row in rows if row.error]
    lines += [f"{r.label}: random weights, for its speed alone" for r in rows if r.random_weights]
    on_gpu = any(row.device == "cuda" for row in rows)
    against = "the first model of each variant" if on_gpu else document.reference
    if runtimes:
        lines.append(
            f"Speed-up: against {against}, inference of one batch of crops. "
            f"Runtimes: {', '.join(runtimes)}. GFLOPs: 10^9 multiply-accumulates."
        )
    judged = next((row.accuracy for row in rows if row.accuracy), None)
    if judged:
        facts = judged.protocol
        baseline = f", baseline {document.baseline}" if document.baseline else ""
        lines.append(
            f"AP: {facts['images']} images, {facts['people']} people, boxes: {facts['boxes']}, "
            f"flip test: {facts['flip_test']}; differences in points{baseline}."
        )
    return lines
