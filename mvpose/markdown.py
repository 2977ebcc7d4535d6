"""Figures and tables in Markdown."""

from __future__ import annotations

from typing import Any


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def percent(share: float) -> str:
    """A share of 1 in percent."""
    return f"{100 * share:.1f}"


def interval(change: dict[str, Any]) -> str:
    """A difference with its 95 % interval, in points of a hundred."""
    return (
        f"{100 * change['difference']:+.1f} "
        f"[{100 * change['low']:+.1f}, {100 * change['high']:+.1f}]"
    )
