"""A benchmark as a table: one line a row, with all that its JSON holds."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from mvpose.benchmark.document import Document
from mvpose.files import write_text

Scalar = str | int | float | bool | None


def write_csv(document: Document, path: Path) -> None:
    """Write a line for each row of a document, in one step.

    Columns are named by the path of a value in the JSON, as ``timing.median_ms``; those of the
    document begin with ``document.``. Numbers of a list are separated by blanks, a list of anything
    else is JSON. An empty field is a value that was not measured.

    Raises:
        InputError: the file can't be written.
    """
    content = json.loads(document.to_json())
    rows = content.pop("rows")
    shared = flatten(content, "document")
    lines = [shared | flatten(row) for row in rows]
    names = list(dict.fromkeys(name for line in lines or [shared] for name in line))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_text(path, text.getvalue())


def flatten(value: Any, name: str = "") -> dict[str, Scalar]:
    """The values of nested JSON by their path; nothing for an empty object or None."""
    if isinstance(value, dict):
        return {
            path: leaf
            for key, inner in value.items()
            for path, leaf in flatten(inner, f"{name}.{key}" if name else key).items()
        }
    if value is None:
        return {}
    return {name: _list(value) if isinstance(value, list) else value}


def _list(values: list[Any]) -> str:
    if all(isinstance(value, int | float) for value in values):
        return " ".join(map(str, values))
    return json.dumps(values)
