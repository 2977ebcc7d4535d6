"""The report's tables: what stands in which cell, and what it is sorted by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mvpose.benchmark.complexity import Complexity
from mvpose.benchmark.document import Document, Row
from mvpose.benchmark.page.entries import Entry
from mvpose.benchmark.page.published import Published
from mvpose.bootstrap import Comparison, points

NOT_YET = "not measured yet"
ABSENT = "\N{EN DASH}"


@dataclass(frozen=True)
class Cell:
    """What is read, and what it is sorted by: empty stands last."""

    text: str
    sort: str

    @property
    def missing(self) -> bool:
        return self.sort == ""


@dataclass(frozen=True)
class Column:
    """A heading, what it means, and what it holds: numbers, or text that is wrapped where wide."""

    heading: str
    meaning: str = ""
    kind: Literal["number", "text", "wide"] = "number"


@dataclass(frozen=True)
class Table:
    """Rows of cells under headings."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]

    @property
    def filled(self) -> Table:
        """Without the columns of which nothing was measured."""
        kept = [
            index
            for index, column in enumerate(self.columns)
            if column.kind != "number" or any(row[index].text != ABSENT for row in self.rows)
        ]
        return Table(
            [self.columns[index] for index in kept],
            [[row[index] for index in kept] for row in self.rows],
        )


def results_table(found: Sequence[Entry], reference: str, baseline: str | None) -> Table:
    """What is gained and lost, row by row.

    Args:
        found: rows of one device.
        reference, baseline: labels that ratios and differences refer to.
    """
    here = any(entry.row.label == reference for entry in found)
    against = reference if here else "the first row measured on this device"
    columns = [
        *(column for column in NAMES if column is not MODEL),
        Column("MB", "of the file with its parts, 10^6 bytes"),
        Column("median ms", "of a batch, from uint8 crops to float outputs"),
        Column("p90 ms"),
        Column("p99 ms"),
        Column("speed-up [95\u00a0%]", f"against {against}, in interleaved rounds"),
        Column("AP [95\u00a0%]", "average precision in 0..100"),
        Column("AP - float [95\u00a0%]", "against the same network in float, on the same images"),
    ]
    if baseline:
        columns.append(
            Column("AP - baseline [95\u00a0%]", f"against {baseline}, on the same images")
        )
    columns.append(Column("remarks", kind="wide"))
    return Table(columns, [_results_row(entry, baseline) for entry in found]).filled


def _results_row(entry: Entry, baseline: str | None) -> list[Cell]:
    row, timing, accuracy = entry.row, entry.row.timing, entry.accuracy
    number, label, _, precision = _names(entry)
    cells = [
        number,
        label,
        precision,
        _number(row.size_bytes / 1e6 or None, ".2f"),
        *(
            _number(getattr(timing, name) if timing else None, ".2f")
            for name in ("median_ms", "p90_ms", "p99_ms")
        ),
    ]
    if timing:
        interval = f"{timing.speedup:.2f} [{timing.speedup_low:.2f}, {timing.speedup_high:.2f}]"
        cells.append(Cell(interval, str(timing.speedup)))
    else:
        cells.append(_absent())
    if accuracy:
        text = f"{100 * accuracy.ap:.1f}"
        if accuracy.ap_interval:
            low, high = accuracy.ap_interval
            text += f" [{100 * low:.1f}, {100 * high:.1f}]"
        cells.append(Cell(text, str(accuracy.ap)))
    else:
        cells.append(Cell("random weights", "") if row.random_weights else _absent())
    cells.append(_difference(entry, row.against_float))
    if baseline:
        cells.append(_difference(entry, row.against_baseline))
    return [*cells, Cell("; ".join(remarks(row)), "; ".join(remarks(row)))]


def remarks(row: Row) -> list[str]:
    """What must be known of a row before its figures are read."""
    found = []
    if row.error:
        found.append(f"not measured: {row.error}")
    elif row.timing is None and row.accuracy is None:
        found.append(NOT_YET)
    if row.random_weights:
        found.append("random weights: only size and speed mean something")
    found += [f"doubtful: {mark}" for mark in row.marks]
    if row.timing and not row.timing.settled:
        found.append("doubtful: warming up did not settle")
    return found


def accuracy_table(found: Sequence[Entry]) -> Table:
    """COCO's figures."""
    columns = [*NAMES, *(Column(name) for name in ("AP", "AP50", "AP75", "AP M", "AP L", "AR"))]
    keys = ("ap", "ap50", "ap75", "ap_medium", "ap_large", "ar")
    rows = [
        [*_names(entry), *(_number(_share(getattr(entry.accuracy, key)), ".1f") for key in keys)]
        for entry in found
        if entry.accuracy
    ]
    return Table(columns, rows)


def complexity_table(found: Sequence[Entry]) -> Table:
    """Work and what the device makes of it."""
    columns = [
        *NAMES,
        Column("M params", "learned parameters in millions"),
        Column("GFLOPs", "10^9 multiply-accumulates a crop, attention products included"),
        Column("of it attention", "in q k^T and weights v, which many counters leave out"),
        Column("without attention"),
        Column("achieved GMAC/s", "multiply-accumulates a second while running, 10^9"),
        Column("peak GMAC/s", "most that the device reached at this precision, measured"),
        Column("share of peak"),
        Column("operators", "in the file"),
    ]
    rows = []
    for entry in found:
        row, work = entry.row, entry.row.complexity
        achieved, peak = row.achieved_gmacs, row.peak_gmacs
        rows.append(
            [
                *_names(entry),
                *_work(work),
                _number(achieved, ".1f"),
                _number(peak, ".1f"),
                _number(achieved / peak if achieved and peak else None, ".0%"),
                _number(sum(row.operators.values()) if row.operators else None, "d"),
            ]
        )
    return Table(columns, rows).filled


def published_table(published: Sequence[Published]) -> Table:
    """What other people published."""
    columns = [
        Column("model", kind="text"),
        Column("input", "height x width", "text"),
        Column("M params"),
        Column("GFLOPs"),
        Column("MB"),
        Column("AP"),
        Column("measured on", kind="wide"),
        Column("protocol", kind="wide"),
        Column("source", kind="wide"),
    ]
    rows = [
        [
            _text(model.model),
            _text(model.input),
            _number(model.params_m, "g"),
            _number(model.gflops, "g"),
            _number(model.size_mb, "g"),
            _number(model.ap, ".1f"),
            _text(model.data),
            _text(model.protocol),
            _text(model.source),
        ]
        for model in published
    ]
    return Table(columns, rows)


def differing_protocols(document: Document, found: Sequence[Entry]) -> Table | None:
    """What was not the same for all rows; None where everything was."""
    facts = [(entry, _facts(entry.row)) for entry in found]
    names = dict.fromkeys(name for _, of_row in facts for name in of_row)
    shown = [name for name in names if name not in shared_protocol(document)]
    if not shown:
        return None
    columns = [*NAMES[:2], *(Column(name, kind="text") for name in shown)]
    rows = [
        [*_names(entry)[:2], *(_text(of_row.get(name, "")) for name in shown)]
        for entry, of_row in facts
    ]
    return Table(columns, rows)


def shared_protocol(document: Document) -> dict[str, str]:
    """What was the same for all rows that were measured."""
    measured = [facts for row in document.rows if (facts := _facts(row))]
    names = dict.fromkeys(name for facts in measured for name in facts)
    same = {}
    for name in names:
        values = {facts[name] for facts in measured if name in facts}
        if len(values) == 1 and (len(measured) > 1 or not name.endswith("sha256")):
            same[name] = values.pop()
    return same


def _facts(row: Row) -> dict[str, str]:
    """How a row was measured, by what it decides."""
    facts: dict[str, str] = {}
    if row.timing:
        timing = row.timing
        facts |= {f"latency: {key}": str(value) for key, value in timing.protocol.items()}
        facts["latency: rounds"] = str(timing.rounds)
        facts["latency: warm-up runs"] = str(timing.warm_up)
        facts["latency: drift"] = f"{100 * timing.drift:+.1f} %"
    if row.accuracy:
        timed = row.timing.protocol if row.timing else {}
        facts |= {
            f"AP: {key}": str(value)
            for key, value in row.accuracy.protocol.items()
            if timed.get(key) != value
        }
        if row.accuracy.resamples:
            facts["AP: resamples of the interval"] = str(row.accuracy.resamples)
    return {name: value[:12] if name.endswith("sha256") else value for name, value in facts.items()}


MODEL = Column("model", kind="text")
NAMES = (Column("no."), Column("file", kind="wide"), MODEL, Column("precision", kind="text"))


def _work(work: Complexity | None) -> list[Cell]:
    """Parameters, GFLOPs, those of attention, and those without."""
    figures: list[float | None] = [None] * 4
    if work:
        without = work.gflops - work.attention_gflops
        figures = [work.params_m, work.gflops, work.attention_gflops, without]
    return [_number(figure, ".2f") for figure in figures]


def _names(entry: Entry) -> list[Cell]:
    row = entry.row
    number = Cell(str(entry.number), str(entry.number))
    return [number, _text(row.label), _text(row.model), _text(row.precision)]


def _number(value: float | None, form: str) -> Cell:
    return _absent() if value is None else Cell(format(value, form), str(value))


def _text(text: str) -> Cell:
    return Cell(text, text)


def _absent() -> Cell:
    return Cell(ABSENT, "")


def _share(value: float) -> float | None:
    return 100 * value if value >= 0 else None


def _difference(entry: Entry, comparison: Comparison | None) -> Cell:
    if comparison is None or entry.accuracy is None:
        return _absent()
    return Cell(points(comparison.ap), str(comparison.ap.difference))
