"""Charts of what was measured once a row: distributions, stages, keypoints, sustained runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mvpose.benchmark.page.entries import Entry
from mvpose.benchmark.page.pareto import colour_of
from mvpose.benchmark.page.svg import (
    GRID,
    INK,
    MUTED,
    PAPER,
    SERIES,
    chart,
    log_ticks,
)
from mvpose.benchmark.page.text import shortened
from mvpose.bootstrap import APDifference, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DRAWN_SAMPLES = 120
STAGES = ("crop", "inference", "decode")
ROW_IN = 0.42
NAME_LENGTH = 52


def distribution_chart(name: str, rows: Sequence[Entry], heading: str) -> str:
    """All times of each row as ticks, with the quartiles as a box and the median.

    Of more than 120 times the ticks are as many evenly spaced order statistics.
    """
    height = 0.9 + 1.15 * ROW_IN * len(rows)
    with chart(name, f"Latency distributions, {heading}", height) as drawn:
        axes = drawn.figure.subplots()
        log_ticks(axes, [ms for entry in rows for ms in entry.row.samples_ms])
        for place, entry in enumerate(rows):
            samples = np.sort(np.array(entry.row.samples_ms))
            shown = samples
            if len(samples) > DRAWN_SAMPLES:
                at = np.linspace(0, len(samples) - 1, DRAWN_SAMPLES).round().astype(int)
                shown = samples[at]
            low, median, high = np.percentile(samples, [25, 50, 75])
            colour = colour_of(entry)
            axes.plot(
                shown, np.full(len(shown), place), "|", color=colour, markersize=9, alpha=0.55
            )
            (box,) = axes.plot(
                [low, high], [place] * 2, color=colour, linewidth=4, solid_capstyle="butt"
            )
            axes.plot([median], [place], "o", color=PAPER, markeredgecolor=INK, markersize=5.5)
            drawn.over(
                box,
                f"No. {entry.number}: {entry.row.label}\n{len(samples)} batches, "
                f"median {median:.2f} ms, quartiles {low:.2f} and {high:.2f} ms",
            )
        _named_rows(axes, rows)
        axes.set(xlabel="ms a batch, logarithmic", title=heading)
    return drawn.svg


def stages_chart(name: str, rows: Sequence[Entry], heading: str) -> str:
    """Shares of crop, inference and decode in their sum, by median times."""
    height = 1.25 + 1.15 * ROW_IN * len(rows)
    with chart(name, f"Stages of one person, {heading}", height) as drawn:
        axes = drawn.figure.subplots()
        named: set[str] = set()
        for place, entry in enumerate(rows):
            stages = entry.row.stages or {}
            start = 0.0
            total = sum(stages[stage].median_ms for stage in STAGES if stage in stages)
            for stage, colour in zip(STAGES, (SERIES[1], SERIES[0], SERIES[2]), strict=True):
                if stage not in stages:
                    continue
                length = 100 * stages[stage].median_ms / total
                (bar,) = axes.barh(
                    place,
                    length,
                    left=start,
                    height=0.36,
                    color=colour,
                    label=stage if stage not in named else None,
                )
                named.add(stage)
                drawn.over(bar, f"No. {entry.number}: {stage} {stages[stage].median_ms:.2f} ms")
                start += length
            if "together" in stages:
                _right(axes, place, f"{stages['together'].median_ms:.1f} ms together")
        _named_rows(axes, rows)
        axes.set_xlim(0, 100)
        axes.set_xlabel("% of the time of the three stages")
        axes.set_title(heading, pad=24)
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=4,
            frameon=False,
            fontsize=9,
            borderaxespad=0.2,
            borderpad=0.1,
            handlelength=1.2,
            columnspacing=1.2,
        )
    return drawn.svg


def keypoints_chart(
    name: str, entry: Entry, differences: Mapping[str, APDifference], limits: tuple[float, float]
) -> str:
    """AP of each keypoint alone minus that of the float model, with its 95 % interval.

    Args:
        limits: of the x axis in points of AP, the same for all rows.
    """
    heading = f"No. {entry.number}  {shortened(entry.row.label, 46)}"
    with chart(
        name, f"AP by keypoint against float, {heading}", 1.0 + 0.235 * len(differences)
    ) as (drawn):
        axes = drawn.figure.subplots()
        axes.axvline(0, color=MUTED, linewidth=1.1)
        for place, (keypoint, change) in enumerate(differences.items()):
            resolved = change.high < 0 or change.low > 0
            colour = INK if not resolved else SERIES[5] if change.high < 0 else SERIES[2]
            axes.hlines(place, 100 * change.low, 100 * change.high, color=colour, linewidth=1.5)
            (dot,) = axes.plot(
                [100 * change.difference],
                [place],
                "o",
                markersize=5.5,
                markerfacecolor=colour if resolved else PAPER,
                markeredgecolor=colour,
            )
            drawn.over(dot, f"{keypoint}: {points(change, ' AP')} on {change.images} images")
        axes.set_yticks(range(len(differences)), [k.replace("_", " ") for k in differences])
        axes.set_ylim(len(differences) - 0.4, -0.6)
        axes.set_xlim(*limits)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        axes.set(xlabel="points of AP against the float model", title=heading)
    return drawn.svg


def sustained_chart(name: str, entry: Entry, minutes: Sequence[Mapping[str, Any]]) -> str:
    """Latency by minute of a sustained run, and the device's temperature below it."""
    at = [minute["minute"] for minute in minutes]
    heading = f"No. {entry.number}  {shortened(entry.row.label, 46)}"
    with chart(name, f"Sustained run, {heading}", 3.8) as drawn:
        above, below = drawn.figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        for key, label, style in (("median_ms", "median", "-o"), ("p90_ms", "p90", "--s")):
            values = [minute.get(key, np.nan) for minute in minutes]
            above.plot(at, values, style, color=colour_of(entry), markersize=4, label=label)
        above.set_ylim(bottom=0)
        above.set(ylabel="ms a batch", title=f"{heading}\n{entry.row.device}")
        above.legend(frameon=False, fontsize=9, ncols=2, loc="lower left")
        warmth = [minute.get("temperature_c", np.nan) for minute in minutes]
        below.plot(at, warmth, "-", color=SERIES[5], linewidth=1.6)
        below.set(xlabel="minute", ylabel="battery, °C")
    return drawn.svg


def _right(axes: Axes, place: int, text: str) -> None:
    """A remark at the right end of a row's name."""
    across = axes.get_yaxis_transform()
    axes.text(1, place - 0.3, text, transform=across, va="bottom", ha="right", fontsize=9)


def _named_rows(axes: Axes, rows: Sequence[Entry]) -> None:
    """The name of each row above its place, from the top down."""
    for place, entry in enumerate(rows):
        axes.text(
            0,
            place - 0.3,
            f"{entry.number}  {shortened(entry.row.label, NAME_LENGTH)}",
            transform=axes.get_yaxis_transform(),
            va="bottom",
            fontsize=9,
        )
        axes.axhline(place, color=GRID, linewidth=0.7, zorder=0)
    axes.set_ylim(len(rows) - 0.5, -0.85)
    axes.set_yticks([])
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
