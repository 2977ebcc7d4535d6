"""The rows of a document with the numbers that tables and charts know them by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from mvpose.benchmark.document import RUN_FACTS, Document, Row
from mvpose.evaluation import Accuracy

COLOURS = 8
FEW = 2
OF_THE_MODEL = (*RUN_FACTS, "input", "decode")


@dataclass(frozen=True)
class Group:
    """What rows must share for their times to be compared.

    Attributes:
        device, batch: as in the row.
        threads: of the CPU; None where nothing says.
        way: how a GPU ran them, each of which has its own reference.
    """

    device: str
    batch: int
    threads: str | int | None
    way: str = ""

    def __str__(self) -> str:
        threads = ""
        if self.threads is not None:
            threads = f", {self.threads} thread{'' if self.threads == 1 else 's'}"
        device = self.device.upper() if self.device in ("cpu", "cuda") else self.device
        way = f", {self.way}" if self.way else ""
        return f"{device}{threads}{way}, batch {self.batch}"


@dataclass(frozen=True)
class Entry:
    """A row.

    Attributes:
        number: from 1.
        colour: of its model, 0..7, or None where there are more models than colours.
        elsewhere: AP of the same file on another device, where it has none of its own.
    """

    number: int
    row: Row
    colour: int | None
    elsewhere: Accuracy | None = None

    @property
    def group(self) -> Group:
        timing = self.row.timing
        threads = None if timing is None else timing.protocol.get("threads")
        way = ""
        if timing and self.row.device == "cuda":
            way = f"{timing.protocol['runtime']}, {timing.protocol['precision']}"
        return Group(self.row.device, self.row.batch, threads, way)

    @property
    def accuracy(self) -> Accuracy | None:
        """None also where AP says nothing: on random weights, or where it is undefined."""
        return _accuracy(self.row)

    @property
    def known_accuracy(self) -> Accuracy | None:
        """Its own, or that of the same file on another device."""
        return self.accuracy or self.elsewhere

    @property
    def data(self) -> dict[str, str | float | bool]:
        """What must be equal for two APs to be compared; empty where there is none."""
        found = self.known_accuracy
        of_the_runtime = self.row.timing.protocol if self.row.timing else {}
        return {
            key: value
            for key, value in (found.protocol if found else {}).items()
            if key not in OF_THE_MODEL and key not in of_the_runtime
        }

    @property
    def kind(self) -> str:
        """The arithmetic: "float", "half", "weights" (INT8 weights alone) or "integer"."""
        precision = self.row.precision.lower()
        if any(name in precision for name in ("fp16", "bf16", "half", "float16")):
            return "half"
        if any(name in precision for name in ("wi8_afp32", "dynamic")):
            return "weights"
        if any(name in precision for name in ("int8", "ai8", "ai16", "w8a8")):
            return "integer"
        return "float"


def entries(document: Document) -> list[Entry]:
    """Number the rows, and give each model a colour."""
    models = list(dict.fromkeys(row.model for row in document.rows))
    judged = {
        (row.sha256, row.precision): found
        for row in document.rows
        if (found := _accuracy(row)) and row.sha256
    }
    return [
        Entry(
            number,
            row,
            colour if (colour := models.index(row.model)) < COLOURS else None,
            None if row.random_weights else judged.get((row.sha256, row.precision)),
        )
        for number, row in enumerate(document.rows, start=1)
    ]


def timed_groups(found: list[Entry]) -> dict[Group, list[Entry]]:
    """The rows whose latency was measured, by what makes it comparable."""
    groups: dict[Group, list[Entry]] = {}
    for entry in found:
        if entry.row.timing is not None:
            groups.setdefault(entry.group, []).append(entry)
    return groups


def describe_ap(entry: Entry) -> str:
    """The data and protocol of an AP, in words."""
    protocol = dict(entry.data)
    parts = [str(protocol.pop("annotations", "unnamed data"))]
    images, people = (protocol.pop(key, None) for key in ("images", "people"))
    if images is not None:
        parts.append(f"{images} images with {people} people")
    if "flip_test" in protocol:
        parts.append(f"flip test {'on' if protocol.pop('flip_test') else 'off'}")
    parts += [f"{key.replace('_', ' ')}: {value}" for key, value in protocol.items()]
    return "; ".join(parts)


def _accuracy(row: Row) -> Accuracy | None:
    found = row.accuracy
    if row.random_weights or found is None or not (isfinite(found.ap) and found.ap >= 0):
        return None
    return found


def named(group: Sequence[Entry]) -> str:
    """Rows by number: with their labels where there are few, else "No. 2 to 5, 9"."""
    if len(group) <= FEW:
        return "; ".join(f"No. {entry.number}, {entry.row.label}" for entry in group)
    runs: list[list[int]] = []
    for number in sorted(entry.number for entry in group):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    spans = [f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    return f"No. {', '.join(spans)}"
