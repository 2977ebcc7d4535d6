"""Which charts a document gives, with their captions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from mvpose.benchmark.page.charts import (
    DRAWN_SAMPLES,
    distribution_chart,
    keypoints_chart,
    stages_chart,
    sustained_chart,
)
from mvpose.benchmark.page.entries import Entry, describe_ap, timed_groups
from mvpose.benchmark.page.pareto import measured_point, pareto_chart, published_point
from mvpose.benchmark.page.published import Published

GFLOPS = "GFLOPs (10⁹ multiply-accumulates a crop)"


@dataclass(frozen=True)
class Figure:
    """A chart and what it shows."""

    svg: str
    caption: str
    published: bool = False


def pareto_figures(
    found: Sequence[Entry], published: Sequence[Published]
) -> dict[str, list[Figure]]:
    """AP against latency, work and size; measured and published ones never in one picture."""
    judged = [entry for entry in found if entry.accuracy]
    return {
        "Latency": _latency(found),
        "Work": _measured(
            "pareto-gflops",
            judged,
            lambda entry: entry.row.complexity.gflops if entry.row.complexity else None,
            "AP against work, measured",
            GFLOPS,
            "GFLOPs",
        )
        + _published(
            "published-gflops",
            tuple(published),
            "gflops",
            "AP against work, published",
            GFLOPS,
            "GFLOPs",
        ),
        "Size": _measured(
            "pareto-size",
            judged,
            lambda entry: entry.row.size_bytes / 1e6,
            "AP against file size, measured",
            "MB of the file",
            "MB",
        )
        + _published(
            "published-params",
            tuple(published),
            "params_m",
            "AP against parameters, published",
            "million parameters",
            "M",
        )
        + _published(
            "published-size",
            tuple(published),
            "size_mb",
            "AP against file size, published",
            "MB of the file",
            "MB",
        ),
    }


def _latency(found: Sequence[Entry]) -> list[Figure]:
    figures = []
    for index, (group, rows) in enumerate(timed_groups(list(found)).items()):
        batch = "a crop" if group.batch == 1 else f"a batch of {group.batch}"
        figures += _measured(
            f"pareto-latency-{index}",
            rows,
            lambda entry: entry.row.timing.median_ms if entry.row.timing else None,
            f"AP against latency: {group}",
            f"median ms for {batch}",
            "ms",
        )
    return figures


def distribution_figures(found: Sequence[Entry]) -> list[Figure]:
    """Latency distributions, a figure for each device."""
    figures = []
    for index, (group, rows) in enumerate(timed_groups(list(found)).items()):
        sampled = [entry for entry in rows if entry.row.samples_ms]
        if sampled:
            caption = (
                "Every tick is one batch; where there are more than "
                f"{DRAWN_SAMPLES}, {DRAWN_SAMPLES} evenly spaced order statistics. The bar spans "
                "the quartiles, the dot is the median."
            )
            svg = distribution_chart(f"samples-{index}", sampled, str(group))
            figures.append(Figure(svg, caption))
    return figures


def stages_figures(found: Sequence[Entry]) -> list[Figure]:
    """Where a person's time goes, a figure for each device."""
    groups: dict[str, list[Entry]] = {}
    for entry in found:
        if entry.row.stages:
            groups.setdefault(entry.row.device, []).append(entry)
    caption = (
        "One person in a picture of 640 x 480 pixels: cutting the crop, inference, and reading the "
        "keypoints. To the right, all of it timed as one."
    )
    return [
        Figure(stages_chart(f"stages-{index}", rows, device), caption)
        for index, (device, rows) in enumerate(groups.items())
    ]


def keypoint_figures(found: Sequence[Entry]) -> list[Figure]:
    """What each file loses against its float network, keypoint by keypoint."""
    shown = [
        (entry, entry.row.against_float.by_keypoint)
        for entry in found
        if entry.accuracy and entry.row.against_float and entry.row.against_float.by_keypoint
    ]
    shown = [
        (entry, parts) for entry, parts in shown if any(p.low < p.high for p in parts.values())
    ]
    if not shown:
        return []
    changes = [change for _, parts in shown for change in parts.values()]
    low = 100 * min(change.low for change in changes)
    high = 100 * max(change.high for change in changes)
    margin = 0.05 * (high - low)
    limits = (min(low, 0) - margin, max(high, 0) + margin)
    caption = (
        "AP with OKS over that keypoint alone, minus the float model's on the same images, with "
        "its 95 % interval. Filled: the interval leaves 0 out. Of twenty intervals, one misses."
    )
    return [
        Figure(keypoints_chart(f"keypoints-{entry.number}", entry, parts, limits), caption)
        for entry, parts in shown
    ]


def sustained_figures(found: Sequence[Entry]) -> list[Figure]:
    """Sustained runs on phones."""
    caption = "Latency minute by minute under constant load, and the battery's temperature."
    return [
        Figure(sustained_chart(f"sustained-{entry.number}", entry, minutes), caption)
        for entry in found
        if (minutes := (entry.row.device_facts or {}).get("sustained"))
    ]


def _measured(
    name: str,
    rows: Sequence[Entry],
    cost: Callable[[Entry], float | None],
    heading: str,
    x_label: str,
    unit: str,
) -> list[Figure]:
    """One figure for each data and protocol that APs were measured with."""
    protocols: dict[str, list[Entry]] = {}
    for entry in rows:
        if entry.known_accuracy:
            protocols.setdefault(describe_ap(entry), []).append(entry)
    figures = []
    for index, (protocol, entries) in enumerate(protocols.items()):
        points = [p for entry in entries if (p := measured_point(entry, cost(entry), unit))]
        if points:
            svg = pareto_chart(
                f"{name}-{index}", points, heading, x_label, "AP, measured here", hollow=False
            )
            caption = (
                f"Measured. AP on {protocol}; bars are 95 % intervals. The line is the Pareto "
                "front: no other point is both cheaper and better."
            )
            if any(entry.accuracy is None for entry in entries):
                caption += " Where this device measured no AP, it is the same file's elsewhere."
            figures.append(Figure(svg, caption))
    return figures


@cache
def _published(
    name: str,
    published: tuple[Published, ...],
    cost: Literal["gflops", "params_m", "size_mb"],
    heading: str,
    x_label: str,
    unit: str,
) -> list[Figure]:
    """One figure for each data that APs were published for; drawn once a process."""
    figures = []
    for index, data in enumerate(dict.fromkeys(model.data for model in published)):
        points = [
            p
            for model in published
            if model.data == data
            and (p := published_point(model, getattr(model, cost), unit, _name(model, published)))
        ]
        if points:
            svg = pareto_chart(
                f"{name}-{index}",
                points,
                heading,
                x_label,
                f"AP, {data.partition(',')[0]}",
                hollow=True,
            )
            caption = (
                f"Published by their authors, not measured here: {data}, each with its own "
                "protocol (see the table). Other data and boxes than the measured figures: the two "
                "scales must not be compared."
            )
            figures.append(Figure(svg, caption, published=True))
    return figures


def _name(model: Published, published: Sequence[Published]) -> str:
    """With its input size where that tells it from another one."""
    if sum(other.model == model.model for other in published) > 1:
        return f"{model.model} ({model.input.partition('x')[0]})"
    return model.model
