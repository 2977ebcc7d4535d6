"""AP against what it costs: points, their intervals, and the front of those nobody dominates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mvpose.benchmark.page.entries import Entry
from mvpose.benchmark.page.published import Published
from mvpose.benchmark.page.svg import INK, MUTED, PAPER, SERIES, Chart, chart, log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

MARKERS = {"float": "o", "half": "^", "weights": "D", "integer": "s"}
HEIGHT_IN = 4.0

PLACES = (
    *((7, 0), (-7, 0), (6, 8), (6, -8), (-6, 8), (-6, -8), (0, 10), (0, -10)),
    *((x, y) for r in (18, 28, 38) for x, y in ((6, r), (6, -r), (-6, r), (-6, -r), (r, -r))),
)
"""Of a name about its point, in points, from the best to the worst."""
NEAR_PT = 12
LEADER = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
CROWDED_PX = 60


@dataclass(frozen=True)
class Point:
    """One model in a picture.

    Attributes:
        cost: latency, GFLOPs or size, above 0.
        ap: in 0..100.
        interval: of the AP, 95 %.
        name: written beside it.
        title: shown over it.
        colour, marker: of a measured point; published ones are hollow circles.
    """

    cost: float
    ap: float
    interval: tuple[float, float] | None
    name: str
    title: str
    colour: str = MUTED
    marker: str = "o"


def measured_point(entry: Entry, cost: float | None, unit: str) -> Point | None:
    """A row's point, where both its cost and its AP were measured."""
    accuracy = entry.known_accuracy
    if accuracy is None or not cost or cost <= 0:
        return None
    interval = accuracy.ap_interval
    row = entry.row
    return Point(
        cost,
        100 * accuracy.ap,
        (100 * interval[0], 100 * interval[1]) if interval else None,
        str(entry.number),
        f"No. {entry.number}: {row.label}\n{row.model}, {row.precision}\n"
        f"AP {100 * accuracy.ap:.1f}, {cost:.3g} {unit}",
        colour_of(entry),
        MARKERS[entry.kind],
    )


def published_point(model: Published, cost: float | None, unit: str, name: str) -> Point | None:
    """A published model's point, where its source says what it costs.

    Args:
        name: to write beside it.
    """
    if not cost:
        return None
    title = (
        f"{model.model} {model.input}, published\nAP {model.ap:.1f}, {cost:g} {unit}\n"
        f"{model.data}; {model.protocol}\n{model.source}"
    )
    return Point(cost, model.ap, None, name, title)


def colour_of(entry: Entry) -> str:
    """The colour of a row's model."""
    return MUTED if entry.colour is None else SERIES[entry.colour]


def pareto_chart(
    name: str, points: Sequence[Point], heading: str, x_label: str, y_label: str, hollow: bool
) -> str:
    """AP against a cost on a logarithmic scale.

    Args:
        name: unique in the page.
        hollow: the points are published ones.
    """
    what = "published" if hollow else "measured"
    with chart(name, f"{heading}: {len(points)} {what} points, {x_label}", HEIGHT_IN) as drawn:
        axes = drawn.figure.subplots()
        log_ticks(axes, [point.cost for point in points])
        steps = _front(axes, points, hollow)
        for point in points:
            _draw(drawn, axes, point, hollow)
        axes.margins(y=0.14)
        axes.set(xlabel=x_label, ylabel=y_label, title=heading)
        drawn.lay_out()
        _name_points(axes, points, steps)
    return drawn.svg


def front(points: Sequence[Point]) -> list[Point]:
    """Those that no other point beats in cost and AP, from cheap to dear."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.ap)):
        if not best or point.ap > best[-1].ap:
            best.append(point)
    return best


def _front(axes: Axes, points: Sequence[Point], hollow: bool) -> list[tuple[float, float]]:
    """Draw the front as steps; returns their corners."""
    best = front(points)
    dear = max(point.cost for point in points)
    costs = [point.cost for point in best] + [dear]
    aps = [point.ap for point in best] + [best[-1].ap]
    corners = [(cost, ap) for i, ap in enumerate(aps) for cost in costs[i : i + 2]]
    axes.plot(*zip(*corners, strict=True), color=MUTED, lw=1.1, ls="--" if hollow else "-")
    return corners


def _draw(drawn: Chart, axes: Axes, point: Point, hollow: bool) -> None:
    if point.interval:
        axes.vlines(point.cost, *point.interval, color=point.colour, linewidth=1.1, alpha=0.75)
    (marker,) = axes.plot(
        [point.cost],
        [point.ap],
        marker=point.marker,
        markersize=7,
        linestyle="none",
        markerfacecolor=PAPER if hollow else point.colour,
        markeredgecolor=INK if hollow else PAPER,
        markeredgewidth=1.2 if hollow else 0.8,
        zorder=3,
    )
    drawn.over(marker, point.title)


def _name_points(
    axes: Axes, points: Sequence[Point], corners: Sequence[tuple[float, float]]
) -> None:
    """Write each name where it covers no point, name or line, if there is such a place.

    Greedy, those in a crowd first (Christensen, Marks & Shieber, "An Empirical Study of
    Algorithms for Point-Feature Label Placement", 1995).
    """
    from matplotlib.transforms import Bbox

    at = [axes.transData.transform((point.cost, point.ap)) for point in points]
    taken = [_line(axes, *ends) for ends in pairwise(corners)]
    taken += [Bbox.from_extents(x - 5, y - 5, x + 5, y + 5) for x, y in at]
    crowd = [sum(math.dist(here, other) < CROWDED_PX for other in at) for here in at]
    edge = axes.get_window_extent()
    for index in sorted(range(len(points)), key=lambda i: -crowd[i]):
        point, best = points[index], None
        for place in PLACES:
            text = _write(axes, point, place)
            box = text.get_window_extent()
            faults = sum(_area(box, other) for other in taken) + 3 * _outside(box, edge)
            if best is None or faults < best[0]:
                if best is not None:
                    best[1].remove()
                best = (faults, text, box, place)
            else:
                text.remove()
            if faults == 0:
                break
        if best is not None:
            taken.append(best[2])
            if math.hypot(*best[3]) > NEAR_PT:
                _write(axes, point, best[3], LEADER)


def _write(
    axes: Axes, point: Point, place: tuple[float, float], leader: dict[str, Any] | None = None
) -> Annotation:
    """A point's name so many points from it, or the line that leads there."""
    return axes.annotate(
        "" if leader else point.name,
        (point.cost, point.ap),
        place,
        textcoords="offset points",
        ha="left" if place[0] > 0 else "right" if place[0] < 0 else "center",
        va="center",
        fontsize=9,
        arrowprops=leader,
    )


def _line(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> Bbox:
    """The room that a horizontal or vertical line takes, made wider: crossing it counts."""
    from matplotlib.transforms import Bbox

    (x0, y0), (x1, y1) = axes.transData.transform([start, end])
    return Bbox.from_extents(min(x0, x1) - 1, min(y0, y1) - 1, max(x0, x1) + 1, max(y0, y1) + 1)


def _area(first: Bbox, second: Bbox) -> float:
    width = min(first.x1, second.x1) - max(first.x0, second.x0)
    height = min(first.y1, second.y1) - max(first.y0, second.y0)
    return max(width, 0.0) * max(height, 0.0)


def _outside(box: Bbox, edge: Bbox) -> float:
    return box.width * box.height - _area(box, edge)
