"""The table of what was compared with emulated ARM processors."""

from __future__ import annotations

from typing import Any

from mvpose.benchmark.arm.verdict import ArmParity, Kind
from mvpose.markdown import markdown

KINDS = ("int8", "int8 softmax", "float", "float to int8")


def arm_table(found: dict[str, Any]) -> str:
    """Of ``results/arm.json``; processors that gave the same share a row."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in (ArmParity(**fields) for fields in found["rows"]):
        kinds = {kind.kind: kind for kind in row.kinds}
        cells = (
            f"`{row.precision}`",
            *(_kind(kinds.get(name)) for name in KINDS),
            f"{row.whole['identical']} of {row.whole['crops']}",
            f"{row.whole_relative:.1e}",
            f"{100 * row.whole['keypoints_within_half_px']:.0f} %",
        )
        groups.setdefault(cells, []).append(row.cpu)
    header = [
        "file",
        "processor",
        "INT8 pieces",
        "INT8 softmax",
        "float pieces",
        "floats to INT8",
        "whole: crops the same",
        "largest difference, of range",
        "keypoints within 0.5 px",
    ]
    rows = [[cells[0], ", ".join(cpus), *cells[1:]] for cells, cpus in groups.items()]
    protocol = found["protocol"]
    note = (
        f"\nMeasured: {protocol['runtime']} on {protocol['processor']} and the same release for "
        f"aarch64 in QEMU, XNNPACK's kernels, {protocol['threads']} thread; pieces on one drawn "
        f"person, whole files on {protocol['crops']}. Pieces: outputs that are the same to the "
        "last bit, of all; share of values that differ, and by how much at most.\n"
    )
    return markdown(header, rows) + note


def _kind(kind: Kind | None) -> str:
    if kind is None:
        return ""
    same = f"{kind.identical} of {kind.outputs}"
    return f"{same}; {100 * kind.different:.2g} %, {kind.extent}" if kind.different else same
