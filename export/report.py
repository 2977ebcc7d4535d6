"""The tables that mvpose-export prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from mvpose.bootstrap import points
from mvpose.cli import console
from mvpose.export.pipeline import Exported, Truth
from mvpose.files import sha256
from mvpose.timing import Timing


def print_exports(
    exports: list[Exported], timings: Mapping[Path, Timing], truth: Truth | None
) -> None:
    """Print how far each file is from the float network, how fast, what it is made of, and its AP.

    Args:
        timings: by file, against PyTorch; files that can't run here are not among them.
        truth: where AP was measured.
    """
    screen = console()
    screen.print(parity_table(exports, timings))
    screen.print(inventory_table(exports))
    if truth is not None:
        screen.print(accuracy_table(exports, truth))
    for exported in exports:
        screen.print(f"wrote {exported.path}", soft_wrap=True, highlight=False)


def parity_table(exports: list[Exported], timings: Mapping[Path, Timing]) -> Table:
    """Heatmaps and keypoints against the float network, and speed."""
    parity = exports[0].parity
    table = _table(
        f"Difference from the float network on {parity.crops} crops ({parity.crops_source}), "
        f"{parity.keypoints} keypoints scored above 0.2; speed: PyTorch is 1",
        "file",
        "MB",
        "speed",
        "max |diff| / range",
        "SQNR dB",
        "shift px median",
        "p95",
        "max",
        "OKS",
    )
    for exported in exports:
        p = exported.parity
        timing = timings.get(exported.path)
        table.add_row(
            exported.path.name,
            f"{exported.inventory.size_bytes / 1e6:.2f}",
            _figure(timing.speedup if timing else None, 2),
            f"{p.max_difference:.1e}",
            f"{p.sqnr_db:.1f}",
            _figure(p.shift_median_px, 3),
            _figure(p.shift_p95_px, 2),
            _figure(p.shift_max_px, 2),
            _figure(p.oks, 4),
        )
    return table


def inventory_table(exports: list[Exported]) -> Table:
    """Operators, and which of them the CPU delegate does not take."""
    table = _table(
        "Operators", "file", "all", "in float", "undelegated", "Flex / custom", "highest rank"
    )
    for exported in exports:
        inventory = exported.inventory
        table.add_row(
            exported.path.name,
            str(sum(inventory.operators.values())),
            _counts(inventory.float_operators),
            _counts(inventory.undelegated),
            ", ".join(inventory.foreign) or "0",
            str(inventory.highest_rank),
        )
    return table


def accuracy_table(exports: list[Exported], truth: Truth) -> Table:
    """COCO AP, and the difference to the float network with its interval."""
    protocol = truth.accuracy.protocol
    table = _table(
        f"AP on {protocol['images']} images, {protocol['people']} people of "
        f"{protocol['annotations']}, {protocol['boxes']} boxes, "
        f"flip test {'on' if protocol['flip_test'] else 'off'}",
        "file",
        "AP",
        "AP50",
        "AR",
        "AP - float AP in points [95 %]",
    )
    a = truth.accuracy
    table.add_row("float network", f"{a.ap:.3f}", f"{a.ap50:.3f}", f"{a.ar:.3f}", "")
    for exported in exports:
        accuracy, change = exported.accuracy, exported.difference
        assert accuracy is not None and change is not None
        table.add_row(
            exported.path.name,
            f"{accuracy.ap:.3f}",
            f"{accuracy.ap50:.3f}",
            f"{accuracy.ar:.3f}",
            points(change),
        )
    return table


def result_row(exported: Exported, timing: Timing | None = None) -> dict[str, Any]:
    """The JSON row of a file.

    Args:
        timing: against PyTorch, where the file runs here.
    """
    return {
        "kind": "export",
        "file": exported.path.name,
        "sha256": sha256(exported.path),
        "format": exported.target.format,
        "recipe": exported.recipe.name,
        "weights_sha256": exported.weights_sha256,
        "inventory": asdict(exported.inventory),
        "parity": asdict(exported.parity),
        "accuracy": asdict(exported.accuracy) if exported.accuracy else None,
        "ap_difference": asdict(exported.difference) if exported.difference else None,
        "comparison": asdict(exported.comparison) if exported.comparison else None,
        "timing": asdict(timing) if timing else None,
    }


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=number == 0)
    return table


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _counts(kinds: dict[str, int] | None) -> str:
    if kinds is None:
        return "-"
    total = sum(kinds.values())
    shown = ", ".join(f"{count} {kind}" for kind, count in list(kinds.items())[:3])
    return f"{total} ({shown}{', ...' if len(kinds) > 3 else ''})" if total else "0"
