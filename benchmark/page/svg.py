"""Charts by Matplotlib as SVG whose colours are the page's."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"

# stand for the style sheet's variables, which follow the theme
INK, MUTED, GRID, PAPER = "#010203", "#010204", "#010205", "#010206"
SERIES = tuple(f"#01030{number}" for number in range(8))
VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--line", PAPER: "--paper"} | {
    colour: f"--c{number}" for number, colour in enumerate(SERIES)
}

RC: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mvpose",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.labelsize": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
}

WIDTH_IN = 5.8


@dataclass
class Chart:
    """A figure being drawn.

    Attributes:
        name: unique in the page: letters, digits and hyphens.
        figure: Matplotlib's.
        titles: what appears over an artist, by its gid.
        svg: the result, once drawn.
    """

    name: str
    figure: Figure
    titles: dict[str, str] = field(default_factory=dict)
    svg: str = ""

    def lay_out(self) -> None:
        """Fix the places of all axes, so that those of their data are known."""
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")

    def over(self, artist: object, text: str) -> None:
        """Show ``text`` when the pointer is over an artist."""
        gid = f"t{len(self.titles)}"
        artist.set_gid(gid)  # type: ignore[attr-defined]
        self.titles[gid] = text


@contextmanager
def chart(name: str, description: str, height_in: float) -> Iterator[Chart]:
    """Draw a chart; its ``svg`` is there after the block.

    Args:
        name: unique in the page.
        description: for those who can't see it.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context(RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure((WIDTH_IN, height_in), layout="constrained")
        FigureCanvasSVG(figure)
        drawn = Chart(name, figure)
        yield drawn
        text = StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    drawn.svg = _embeddable(text.getvalue(), name, description, drawn.titles)


def log_ticks(axes: Axes, values: list[float]) -> None:
    """A logarithmic x axis with plain numbers, a little wider than its values."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = min(values), max(values)
    margin = max(1.25, (high / low) ** 0.09)
    axes.set_xscale("log")
    axes.set_xlim(low / margin, high * margin)
    ratio = high * margin / (low / margin)
    steps: tuple[float, ...] = (1, 2, 5) if ratio < 2000 else (1,)
    if ratio < 8:
        steps = (1, 1.5, 2, 3, 4, 5, 6, 8)
    axes.xaxis.set_major_locator(LogLocator(subs=steps, numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", which="minor", length=0)


def _embeddable(text: str, name: str, description: str, titles: Mapping[str, str]) -> str:
    """Ids that are unique in the page, the page's colours, titles and a description."""
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(text)
    for metadata in root.findall(f"{{{SVG}}}metadata"):
        root.remove(metadata)
    for element in root.iter():
        gid = element.get("id", "")
        if gid in titles:
            title = ElementTree.Element(f"{{{SVG}}}title")
            title.text = titles[gid]
            element.insert(0, title)
            element.set("class", "point")
        for key, value in element.attrib.items():
            element.set(key, _attribute(key, value, name))
    for key in ("width", "height"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", description)
    root.set("class", "chart")
    return ElementTree.tostring(root, encoding="unicode")


def _attribute(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == f"{{{XLINK}}}href":
        return f"#{name}-{value.removeprefix('#')}"
    value = re.sub(r"url\(#", f"url(#{name}-", value)
    if key == "style":
        for colour, variable in VARIABLES.items():
            value = value.replace(colour, f"var({variable})")
        value = value.replace("'DejaVu Sans'", "var(--font)")
    return value
