"""What a benchmark writes: one document, with a row for each model on each device."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic.dataclasses import dataclass

from mvpose.benchmark.complexity import Complexity
from mvpose.bootstrap import Comparison
from mvpose.errors import InputError
from mvpose.evaluation import Accuracy
from mvpose.files import write_text
from mvpose.spec import FROZEN, Record
from mvpose.timing import Timing

SCHEMA = 1
KIND = "mvpose-benchmark"
RUN_FACTS = ("model", "runtime", "version", "device", "threads", "precision", "file", "sha256")
"""What an accuracy's protocol says of the model and what ran it, and not of the data."""


@dataclass(frozen=True, config=FROZEN)
class Spread(Record):
    """Times of one step, in milliseconds."""

    median_ms: float
    p90_ms: float
    p99_ms: float


@dataclass(frozen=True, config=FROZEN)
class Row(Record):
    """One model on one device.

    Attributes:
        label: tells the rows of a document apart: the file's name, with what else differs.
        model: its name in the zoo, or its maker's.
        format: "torch", "tflite", "onnx", "openvino", "coreml" or "ncnn".
        precision: the recipe, or the arithmetic of what has none.
        file: its name.
        sha256: of the file.
        size_bytes: of the file with its parts.
        random_weights: nobody trained it: only its size and speed mean something.
        device: "cpu", "cuda" or a phone's name.
        batch: crops at a time.
        error: why what is missing was not measured.
        marks: what makes the figures doubtful.
        complexity: of the network, where it is known.
        operators: of the file, by kind.
        timing: of inference: from uint8 crops to float outputs, of one batch.
        stages: "crop", "inference", "decode" and "together", of one person in a picture of 640 x
            480 pixels.
        samples_ms: the times behind ``timing``.
        peak_gmacs: multiply-accumulates a second (10^9) that the device reaches at most at this
            precision, measured.
        device_facts: what a phone told: sustained runs, temperatures, delegated nodes.
        accuracy: COCO figures with their protocol.
        against_float: AP minus that of the same network in float.
        against_baseline: AP minus that of the document's baseline.
    """

    label: str
    model: str
    format: str
    precision: str
    file: str
    sha256: str
    size_bytes: int
    device: str = "cpu"
    batch: int = 1
    random_weights: bool = False
    error: str | None = None
    marks: tuple[str, ...] = ()
    complexity: Complexity | None = None
    operators: dict[str, int] | None = None
    timing: Timing | None = None
    stages: dict[str, Spread] | None = None
    samples_ms: tuple[float, ...] = ()
    peak_gmacs: float | None = None
    device_facts: dict[str, Any] | None = None
    accuracy: Accuracy | None = None
    against_float: Comparison | None = None
    against_baseline: Comparison | None = None

    @property
    def achieved_gmacs(self) -> float | None:
        """10^9 multiply-accumulates a second."""
        if self.timing is None or self.complexity is None:
            return None
        return self.complexity.gflops * self.batch / (self.timing.median_ms / 1e3)


@dataclass(frozen=True, config=FROZEN)
class Document(Record):
    """One run of the benchmark.

    Attributes:
        created: date and time, ISO 8601, UTC.
        version: of mvpose.
        machine: that measured: processor, cores, system, governor, affinity.
        marks: what disturbed the run.
        reference: label of the row that ratios of latency refer to.
        baseline: label of the row that differences in AP refer to, where there is one.
        rows: in the order asked for.
        ended_early: why what was not measured any more is missing.
    """

    created: str
    version: str
    machine: dict[str, str | int]
    reference: str
    rows: tuple[Row, ...]
    marks: tuple[str, ...] = ()
    baseline: str | None = None
    ended_early: str | None = None
    kind: str = KIND
    schema: int = SCHEMA


def write_document(document: Document, path: Path) -> None:
    """As JSON, a line for each row."""
    head = replace(document, rows=()).to_json()
    rows = ",\n".join(row.to_json() for row in document.rows)
    write_text(path, head.replace('"rows":[]', f'"rows":[\n{rows}\n]', 1) + "\n")


def read_document(path: Path) -> Document:
    """Read what ``mvpose-benchmark --json`` wrote.

    Raises:
        InputError: the file is unreadable, something else, or of another schema version.
    """
    hint = "give a file that mvpose-benchmark --json wrote"
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}", hint) from error
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise InputError(f"{path} holds no benchmark", hint)
    if found.get("schema") != SCHEMA:
        raise InputError(
            f"{path} has schema version {found.get('schema')}, this mvpose reads {SCHEMA}",
            "measure again, or use the mvpose that wrote it",
        )
    try:
        return Document.from_json(text)
    except InputError as error:
        raise InputError(f"{path} is damaged: {error.what}", hint) from error
