"""The table that mvpose-benchmark prints."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from mvpose.bootstrap import APDifference, points
from mvpose.cli import console


def print_rows(rows: list[dict[str, Any]]) -> None:
    """One line per model, and the protocol below."""
    first = rows[0]
    protocol = first["timing"]["protocol"]
    table = Table(
        title=f"{first['machine']['processor']}, {protocol['threads']} thread(s), "
        f"{first['timing']['rounds']} interleaved rounds, batch 1",
        title_justify="left",
    )
    table.add_column("file", no_wrap=True)
    for column in (
        "M params",
        "GFLOPs",
        "MB",
        "median ms",
        "p90 ms",
        "speed-up [95 %]",
        "AP",
        "AP points",
    ):
        table.add_column(column, justify="right")
    for row in rows:
        timing = row["timing"]
        interval = f"[{timing['speedup_low']:.2f}, {timing['speedup_high']:.2f}]"
        table.add_row(
            row["file"],
            f"{row['complexity']['params_m']:.2f}",
            f"{row['complexity']['gflops']:.2f}",
            f"{row['size_bytes'] / 1e6:.2f}",
            f"{timing['median_ms']:.1f}",
            f"{timing['p90_ms']:.1f}",
            f"{timing['speedup']:.2f} {interval}",
            f"{row['accuracy']['ap']:.3f}" if "accuracy" in row else "",
            points(APDifference(**row["comparison"]["ap"])) if "comparison" in row else "",
        )
    screen = console()
    screen.print(table)
    runtimes = {
        f"{row['timing']['protocol']['runtime']} {row['timing']['protocol']['version']}"
        for row in rows
    }
    screen.print(
        f"Speed-up and AP points: against {first['file']}. "
        f"Runtimes: {', '.join(sorted(runtimes))}. GFLOPs: 10^9 multiply-accumulates."
    )
