"""What became better or worse between two benchmarks."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from benchmark_documents import accuracy, ap_change, made_up_document

from mvpose.benchmark.change import Change
from mvpose.benchmark.compare import compare_documents, print_changes
from mvpose.benchmark.document import Document, Row

MIXED = 4

Edit = Callable[[Row], Row]


def quiet() -> Document:
    """Without disturbances."""
    document = made_up_document()
    return replace(document, marks=(), rows=tuple(replace(r, marks=()) for r in document.rows))


def edited(edit: Edit, number: int = MIXED) -> Document:
    document = quiet()
    rows = list(document.rows)
    rows[number] = edit(rows[number])
    return replace(document, rows=tuple(rows))


def slowed(factor: float) -> Edit:
    def edit(row: Row) -> Row:
        assert row.timing
        timing = replace(
            row.timing,
            median_ms=row.timing.median_ms * factor,
            speedup=row.timing.speedup / factor,
            speedup_low=row.timing.speedup_low / factor,
            speedup_high=row.timing.speedup_high / factor,
        )
        return replace(row, timing=timing)

    return edit


def ap_moved(by: float) -> Edit:
    """The AP and its difference to the float model move alike."""

    def edit(row: Row) -> Row:
        assert row.accuracy and row.against_float
        found = row.against_float.ap
        moved = ap_change(found.difference + by, 0.004)
        return replace(
            row,
            accuracy=accuracy(np.random.default_rng(0), row.accuracy.ap + by),
            against_float=replace(row.against_float, ap=moved),
        )

    return edit


def timing_protocol(**facts: str | int) -> Edit:
    def edit(row: Row) -> Row:
        assert row.timing
        return replace(row, timing=replace(row.timing, protocol=row.timing.protocol | facts))

    return edit


def ap_protocol(**facts: str | int | bool) -> Edit:
    def edit(row: Row) -> Row:
        assert row.accuracy
        protocol = row.accuracy.protocol | facts
        return replace(row, accuracy=replace(row.accuracy, protocol=protocol))

    return edit


def grown(row: Row) -> Row:
    assert row.complexity
    work = replace(row.complexity, params_m=5.0)
    return replace(row, size_bytes=2 * row.size_bytes, complexity=work)


def of(changes: list[Change], figure: str, document: Document, number: int = MIXED) -> list[Change]:
    label = document.rows[number].label
    return [c for c in changes if c.figure == figure and c.row.startswith(f"{label} (")]


def test_a_document_is_the_same_as_itself() -> None:
    changes = compare_documents(quiet(), quiet())
    assert {change.verdict for change in changes} == {"same"}
    assert not any(change.regression for change in changes)


@pytest.mark.parametrize(
    ("edit", "figure", "verdict", "regression"),
    [
        pytest.param(slowed(1.2), "latency", "worse", True, id="slower"),
        pytest.param(slowed(0.8), "latency", "better", False, id="faster"),
        pytest.param(slowed(1.015), "latency", "same", False, id="slower by less than 2 %"),
        pytest.param(ap_moved(-0.03), "AP - float", "worse", True, id="AP lost"),
        pytest.param(ap_moved(-0.03), "AP", "not resolved", False, id="unpaired AP"),
        pytest.param(ap_moved(-0.2), "AP", "worse", True, id="much AP lost"),
        pytest.param(ap_moved(0.03), "AP - float", "better", False, id="AP gained"),
        pytest.param(ap_moved(-0.002), "AP - float", "not resolved", False, id="little AP lost"),
        pytest.param(grown, "size", "worse", True, id="bigger"),
        pytest.param(grown, "parameters", "worse", True, id="more parameters"),
        pytest.param(
            lambda row: replace(row, size_bytes=row.size_bytes + 9),
            "size", "changed", False, id="a few bytes of description",
        ),
        pytest.param(
            timing_protocol(runtime="tflite-runtime"),
            "latency", "not comparable", False, id="runtime",
        ),
        pytest.param(
            ap_protocol(flip_test=True), "AP", "not comparable", False, id="flip test"
        ),
        pytest.param(ap_protocol(boxes="b.json"), "AP", "not comparable", False, id="boxes"),
        pytest.param(ap_protocol(images=5000), "AP", "not comparable", False, id="images"),
        pytest.param(ap_protocol(decode="quarter"), "AP", "not comparable", False, id="decode"),
        pytest.param(
            lambda row: replace(slowed(2)(row), marks=("drift of 9 %",)),
            "latency", "not comparable", False, id="disturbed",
        ),
        pytest.param(
            lambda row: replace(row, error="crashed", timing=row.timing),
            "row", "worse", True, id="fails now",
        ),
        pytest.param(
            lambda row: replace(row, error="crashed", timing=None, precision="", accuracy=None),
            "row", "worse", True, id="cannot be opened now",
        ),
        pytest.param(
            lambda row: replace(row, accuracy=None), "AP", "worse", True, id="AP is gone"
        ),
    ],
)  # fmt: skip
def test_one_change(edit: Edit, figure: str, verdict: str, regression: bool) -> None:
    new = edited(edit)
    (change,) = of(compare_documents(quiet(), new), figure, new)
    assert (change.verdict, change.regression) == (verdict, regression), change


def test_only_what_changed_is_named() -> None:
    changes = compare_documents(quiet(), edited(slowed(1.2)))
    assert [c.figure for c in changes if c.verdict != "same"] == ["latency"]


def test_another_batch_is_another_row() -> None:
    changes = compare_documents(quiet(), edited(lambda row: replace(row, batch=8)))
    verdicts = [(c.verdict, c.regression) for c in changes if c.figure == "row"]
    assert verdicts == [("worse", True), ("changed", False)]


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(timing_protocol(threads=4), id="threads"),
        pytest.param(timing_protocol(precision="int4"), id="precision"),
    ],
)
def test_another_work_is_not_compared(edit: Edit) -> None:
    new = edited(edit)
    (change,) = of(compare_documents(quiet(), new), "latency", new)
    assert (change.verdict, change.regression) == ("not comparable", False)


def test_of_two_rows_alike_none_is_lost() -> None:
    document = quiet()
    twice = replace(document, rows=(*document.rows, document.rows[MIXED]))
    lost = [c for c in compare_documents(twice, document) if c.regression]
    assert [(c.figure, c.reason) for c in lost] == [("row", "it is missing")]


def test_what_failed_before_may_be_left_out() -> None:
    old = edited(lambda row: replace(row, error="crashed"))
    new = replace(old, rows=(*old.rows[:MIXED], *old.rows[MIXED + 1 :]))
    (change,) = of(compare_documents(old, new), "row", old)
    assert (change.old, change.new, change.regression) == ("failed", "", False)


def test_on_another_processor_nobody_is_blamed() -> None:
    new = edited(slowed(1.2))
    new = replace(new, machine=new.machine | {"processor": "another"})
    (change,) = of(compare_documents(quiet(), new), "latency", new)
    assert change.verdict == "worse" and not change.regression and "processor" in change.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(lambda d: replace(d, reference="XXS fp32.tflite"), "references", id="other"),
        pytest.param(
            lambda d: replace(d, rows=(replace(d.rows[0], sha256="f" * 64), *d.rows[1:])),
            "another file", id="changed",
        ),
        pytest.param(lambda d: replace(d, marks=("load",)), "disturbed: load", id="disturbed"),
    ],
)  # fmt: skip
def test_no_latency_is_compared_without_a_common_ground(
    change: Callable[[Document], Document], reason: str
) -> None:
    new = change(edited(slowed(2)))
    (found,) = of(compare_documents(quiet(), new), "latency", new)
    assert found.verdict == "not comparable" and reason in found.reason


def test_chance_alone_is_no_regression() -> None:
    """Of 200 pairs of documents that differ by chance, hardly one in twenty alarms."""
    rng, document, alarms = np.random.default_rng(0), quiet(), 0
    timed = [n for n, row in enumerate(document.rows) if row.timing and row.device == "cpu"][1:]
    for _ in range(200):
        rows = list(document.rows)
        for number in timed:
            # 2 % of room for chance, and documents whose 95 % interval is a tenth wide
            rows[number] = widened(
                slowed(float(np.exp(rng.normal(0, 0.05 * 2**0.5))))(rows[number])
            )
        old = replace(
            document, rows=tuple(widened(row) if row.timing else row for row in document.rows)
        )
        changes = compare_documents(old, replace(document, rows=tuple(rows)))
        alarms += any(c.verdict in ("worse", "better") and c.figure == "latency" for c in changes)
    assert alarms <= 20


def widened(row: Row) -> Row:
    """With a standard error of 5 %."""
    assert row.timing
    low, high = (row.timing.speedup * float(np.exp(sign * 1.96 * 0.05)) for sign in (-1, 1))
    return replace(row, timing=replace(row.timing, speedup_low=low, speedup_high=high))


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    changes = compare_documents(quiet(), edited(slowed(1.2)))
    print_changes(changes)
    text = capsys.readouterr().out
    assert "REGRESSION" in text and "1 regression;" in text
    print_changes(compare_documents(quiet(), quiet()))
    assert "0 regressions" in capsys.readouterr().out


def test_names_are_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    new = edited(lambda row: replace(row, label="[bold]name[/bold]"))
    print_changes(compare_documents(quiet(), new))
    assert "[bold]name[/bold]" in capsys.readouterr().out
