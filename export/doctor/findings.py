"""A finding of the doctor, and the report of one file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal

from pydantic.dataclasses import dataclass

from mvpose.spec import FROZEN, Record

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, config=FROZEN)
class Finding(Record):
    """Something that an engineer should know about a file.

    Attributes:
        severity: "error": it fails or gives wrong keypoints; "warning": it costs accuracy, speed or
            devices; "note": worth knowing.
        code: stable short name, for scripts.
        what: one sentence with the figures.
        cause: the likely one.
        mend: the flag or step.
        where: names of the tensors or operators, the worst first; empty for the whole file.
    """

    severity: Severity
    code: str
    what: str
    cause: str
    mend: str
    where: tuple[str, ...] = ()


@dataclass(frozen=True, config=FROZEN)
class Report(Record):
    """What the doctor found in a file.

    Attributes:
        file: path as given.
        summary: format, size and what the file is.
        checked: what was looked at, in words.
        findings: the most severe first.
    """

    file: str
    summary: str
    checked: tuple[str, ...]
    findings: tuple[Finding, ...]

    def count(self, severity: Severity) -> int:
        return sum(finding.severity == severity for finding in self.findings)


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The most severe first, else as found."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))


def short(name: str) -> str:
    """A tensor's name without the Python modules of classes and without the names fused to it.

    ``a.b.Net/c.d.Block_0/e.Conv2d_0;1`` -> ``Net/Block_0/Conv2d_0;1``, at most three parts long.
    """
    main, _, rest = name.partition(";")
    number = f";{rest}" if re.fullmatch(r"\d+", rest) else ""
    parts = [re.sub(r"^(?:[a-z_]\w*\.)+(?=[A-Z])", "", part) for part in main.split("/") if part]
    return "/".join(parts[-3:]) + number or name


def counted(kinds: Iterable[str], most: int = 4) -> str:
    """Kinds with their counts, the most frequent first: "18 BATCH_MATMUL, 9 SOFTMAX"."""
    counts = Counter(kinds).most_common()
    shown = ", ".join(f"{count} {kind}" for kind, count in counts[:most])
    return shown + (", ..." if len(counts) > most else "")


def plural(count: int, noun: str, many: str = "") -> str:
    """ "1 operator", "2 operators"; ``many`` where it is irregular."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"
