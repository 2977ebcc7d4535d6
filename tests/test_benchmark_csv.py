"""The CSV says what the JSON says."""

import csv
import json
from pathlib import Path

import pytest
from benchmark_documents import HOSTILE, made_up_document

from mvpose.benchmark.csv_table import flatten, write_csv


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_value_of_the_json_is_there(tmp_path: Path) -> None:
    document = made_up_document()
    write_csv(document, tmp_path / "rows.csv")
    content = json.loads(document.to_json())
    rows = content.pop("rows")
    lines = lines_of(tmp_path / "rows.csv")
    assert len(lines) == len(rows)
    for row, line in zip(rows, lines, strict=True):
        expected = flatten(content, "document") | flatten(row)
        assert {name: text for name, text in line.items() if text} == {
            name: str(value) for name, value in expected.items() if str(value)
        }


def test_columns_and_values(tmp_path: Path) -> None:
    document = made_up_document()
    write_csv(document, tmp_path / "rows.csv")
    line, row = lines_of(tmp_path / "rows.csv")[4], document.rows[4]
    assert row.timing and row.accuracy and row.against_float and row.accuracy.ap_interval
    numbers = {
        "timing.median_ms": row.timing.median_ms,
        "accuracy.ap": row.accuracy.ap,
        "against_float.ap.difference": row.against_float.ap.difference,
        "against_float.by_keypoint.left_knee.low": row.against_float.by_keypoint["left_knee"].low,
        "accuracy.protocol.people": 267,
        "complexity.attention_gflops": 0.078,
        "size_bytes": 4_860_000,
    }
    assert {name: float(line[name]) for name in numbers} == numbers
    assert [float(part) for part in line["samples_ms"].split()] == list(row.samples_ms)
    low, high = map(float, line["accuracy.ap_interval"].split())
    assert (low, high) == row.accuracy.ap_interval
    assert line["document.machine.processor"] == document.machine["processor"]
    assert json.loads(line["document.marks"]) == list(document.marks)


@pytest.mark.parametrize("label", [HOSTILE, 'a,"b"\nc', "a;b\r\nc", ""])
def test_any_name_comes_back(label: str, tmp_path: Path) -> None:
    from dataclasses import replace

    document = made_up_document()
    row = replace(document.rows[0], label=label)
    write_csv(replace(document, rows=(row,)), tmp_path / "rows.csv")
    assert lines_of(tmp_path / "rows.csv")[0]["label"] == label


def test_without_rows_there_is_a_header(tmp_path: Path) -> None:
    from dataclasses import replace

    write_csv(replace(made_up_document(), rows=()), tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_text("utf-8").startswith("document.created,")
