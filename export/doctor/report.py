"""How mvpose-doctor prints what it found."""

from __future__ import annotations

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mvpose.cli import console
from mvpose.export.doctor.findings import SEVERITIES, Report, plural, short

MOST_NAMES = 3
COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def print_report(report: Report) -> None:
    """Print a healthy file in one line, another with its findings, the most severe first."""
    screen = console()
    screen.print(verdict(report), soft_wrap=True, highlight=False, markup=False)
    for finding in report.findings:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=8)
        table.add_column()
        table.add_row(
            Text(finding.severity, style=COLOURS[finding.severity]),
            Text(f"{finding.what} [{finding.code}]"),
        )
        if finding.where:
            table.add_row(Text("where", style="dim"), Text(names(finding.where)))
        table.add_row(Text("cause", style="dim"), Text(finding.cause))
        table.add_row(Text("mend", style="dim"), Text(finding.mend))
        screen.print()
        screen.print(Padding(table, (0, 0, 0, 2), expand=False))
    if report.findings:
        screen.print()


def verdict(report: Report) -> str:
    """How a file is, what it is, and what was checked."""
    counts = ", ".join(
        plural(report.count(kind), kind) for kind in SEVERITIES if report.count(kind)
    )
    if not report.count("error") and not report.count("warning"):
        counts = f"healthy, {counts}" if counts else "healthy"
    return f"{report.file}: {counts} ({report.summary}). Checked: {', '.join(report.checked)}."


def names(where: tuple[str, ...]) -> str:
    """A few names, shortened and each once, and how many more there are."""
    shown = list(dict.fromkeys(short(name) for name in where))[:MOST_NAMES]
    more = len(where) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
