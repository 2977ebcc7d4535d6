"""The sensitivity map as a picture: the network's blocks from left to right, coloured by cost."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

from mvpose.bootstrap import points
from mvpose.quantize.sensitivity import BlockCost, SensitivityMap

Point = tuple[float, float]
Color = tuple[int, int, int]

DETAIL = 4  # drawn pixels for one unit
SHRINK = 2  # drawn pixels for one of the picture
WIDTH, GAP, MARGIN = 292, 60, 44
BOX_HEIGHT, NOTE_HEIGHT, ARROW = 54, 17, 20
PAD = 14
TOP = 164
ROUND = 9
TELLING = 20.0
"""Ratio from which a box names its widest outlier."""

INK: Color = (28, 36, 46)
FAINT: Color = (112, 124, 138)
LINE: Color = (150, 162, 175)
CARD: Color = (246, 248, 250)
RIM: Color = (214, 221, 228)
SCALE: tuple[tuple[float, Color], ...] = (
    (0.0, (226, 240, 240)),
    (0.25, (253, 232, 178)),
    (0.5, (247, 173, 96)),
    (0.75, (217, 89, 64)),
    (1.0, (132, 24, 62)),
)


def draw_map(found: SensitivityMap) -> Image.Image:
    """The blocks in boxes that tell what each alone in INT8 costs; the darker, the more OKS.

    Each MobileViT block is a column of its own; what its way out takes around its transformer is a
    line beside it. AP and OKS are in points of a hundred, the shift in pixels of the input.
    """
    columns = [_Column(title, rows) for title, rows in _columns(found.blocks)]
    width = 2 * MARGIN + len(columns) * (WIDTH + GAP) - GAP
    height = TOP + max(column.height for column in columns) + MARGIN + 14
    pen = _Pen(width, height)
    most = max(_lost_oks(block) for block in found.blocks) or 1e-9
    _draw_header(pen, found, most, width)
    ends: list[Point] = []
    for number, column in enumerate(columns):
        left = MARGIN + number * (WIDTH + GAP)
        start, end = column.draw(pen, left, most)
        if ends:
            x = left - GAP / 2
            pen.line([ends[-1], (x, ends[-1][1]), (x, start[1]), start], arrow=True)
        ends.append(end)
    return pen.picture()


def color_of(share: float) -> Color:
    """Of a cost between none (0) and the largest (1)."""
    share = min(max(share, 0.0), 1.0)
    for (a, low), (b, high) in pairwise(SCALE):
        if share <= b:
            t = (share - a) / (b - a)
            red, green, blue = (round(x + t * (y - x)) for x, y in zip(low, high, strict=True))
            return red, green, blue
    return SCALE[-1][1]


def _lost_oks(block: BlockCost) -> float:
    """Points of a hundred."""
    similar = block.alone.parity.oks
    return 0.0 if similar is None else 100 * (1 - similar)


def _columns(blocks: Iterable[BlockCost]) -> list[tuple[str, list[BlockCost]]]:
    """The convolutions before, each stage that has a transformer, and what comes after."""
    blocks = list(blocks)
    numbers = [re.match(r"stages\.(\d+)", block.name) for block in blocks]
    with_transformer = {m[1] for m, b in zip(numbers, blocks, strict=True) if m and _inner(b)}
    columns: dict[str, list[BlockCost]] = {}
    for block, number in zip(blocks, numbers, strict=True):
        if number and number[1] in with_transformer:
            title = f"Stage {int(number[1]) + 1}"
        else:
            title = (
                "Head" if block.name.split(".")[0] in ("final", "head") else "Stem, stages 1 and 2"
            )
        columns.setdefault(title, []).append(block)
    return list(columns.items())


def _inner(block: BlockCost) -> bool:
    """Whether it is a part of a MobileViT block."""
    return block.name.count(".") == 3


class _Column:
    """One column of boxes from top to bottom."""

    def __init__(self, title: str, rows: list[BlockCost]) -> None:
        self.title = title
        self.rows = rows

    @property
    def height(self) -> float:
        return sum(_height(row) for row in self.rows) + ARROW * (len(self.rows) - 1) + PAD

    def draw(self, pen: _Pen, left: float, most: float) -> tuple[Point, Point]:
        """Returns where the way in and the way out are."""
        pen.text((left, TOP - 32), self.title, 17, INK)
        tops = []
        y = float(TOP)
        for row in self.rows:
            tops.append(y)
            y += _height(row) + ARROW
        inner = [i for i, row in enumerate(self.rows) if _inner(row)]
        if inner:
            self._draw_card(pen, left, tops, inner)
        for i, (row, top) in enumerate(zip(self.rows, tops, strict=True)):
            _draw_box(pen, row, left, top, most)
            if i + 1 < len(self.rows):
                x = left + WIDTH / 2
                pen.line([(x, top + _height(row)), (x, tops[i + 1])], arrow=True)
        first, last = self.rows[0], self.rows[-1]
        return (
            (left, tops[0] + _height(first) / 2),
            (left + WIDTH, tops[-1] + _height(last) / 2),
        )

    def _draw_card(self, pen: _Pen, left: float, tops: list[float], inner: list[int]) -> None:
        """Behind a MobileViT block, and the line around its transformer."""
        top, bottom = tops[inner[0]], tops[inner[-1]] + _height(self.rows[inner[-1]])
        pen.box((left - PAD, top - PAD * 0.7, left + WIDTH + PAD, bottom + PAD * 0.7), CARD, RIM)
        into, out = top - ARROW / 2 - 3, bottom - _height(self.rows[inner[-1]]) / 2
        x = left - PAD / 2
        pen.line([(left + WIDTH / 2, into), (x, into), (x, out), (left, out)], arrow=True)


def _height(block: BlockCost) -> float:
    return BOX_HEIGHT + (NOTE_HEIGHT if _outlier(block) else 0)


def _outlier(block: BlockCost) -> str:
    """The widest channel, where it tells."""
    if not block.outliers or block.outliers[0].ratio < TELLING:
        return ""
    widest = block.outliers[0]
    where = re.search(r"layers\.(\d+)", widest.path)
    layer = f"layer {int(where[1]) + 1}, " if where else ""
    return f"{layer}channel {widest.channel}: {widest.ratio:,.0f} x the median channel"


def _draw_box(pen: _Pen, block: BlockCost, left: float, top: float, most: float) -> None:
    share = _lost_oks(block) / most
    fill = color_of(share)
    dark = 0.299 * fill[0] + 0.587 * fill[1] + 0.114 * fill[2] < 140
    ink, faint = ((255, 255, 255), (255, 226, 214)) if dark else (INK, (76, 86, 98))
    pen.box((left, top, left + WIDTH, top + _height(block)), fill, None)
    title = block.title.partition(": ")[2] or block.title
    if block.name.startswith(("stages.0", "stages.1")):
        title = block.title
    pen.text((left + 13, top + 8), title[0].upper() + title[1:], 15, ink)
    parity = block.alone.parity
    figures = [f"{100 * block.alone.ap.difference:+z.1f} AP", f"{-_lost_oks(block):+z.2f} OKS"]
    if parity.shift_p95_px is not None:
        figures.append(f"{parity.shift_p95_px:.1f} px")
    pen.text((left + 13, top + 30), "   ".join(figures), 13, ink)
    if note := _outlier(block):
        pen.text((left + 13, top + BOX_HEIGHT - 4), note, 11, faint)


def _draw_header(pen: _Pen, found: SensitivityMap, most: float, width: float) -> None:
    protocol = found.protocol
    pen.text((MARGIN, 30), f"{protocol['model']}: what each block costs in INT8", 25, INK)
    lines = [
        "Each box: this block alone in INT8, the rest in float. AP and OKS: the change, in points "
        "of 100; px: the shift that 95 % of the keypoints stay below.",
        f"{protocol['people']} people of {protocol['annotations']}.  In INT8 as a whole: "
        + ",  ".join(f"{name} {points(cost.ap, ' AP')}" for name, cost in found.whole.items()),
    ]
    for number, line in enumerate(lines):
        pen.text((MARGIN, 66 + 18 * number), line, 13, FAINT)
    bar, left = 220, width - MARGIN - 220
    for i in range(bar):
        pen.fill((left + i, 34, left + i + 1.5, 46), color_of(i / bar))
    pen.text((left, 49), "0", 11, FAINT)
    label = f"{most:.1f} points of OKS lost"
    pen.text((left + bar, 49), label, 11, FAINT, anchor="ra")


class _Pen:
    """Draws in units that don't depend on the picture's size."""

    def __init__(self, width: float, height: float) -> None:
        size = round(width * DETAIL), round(height * DETAIL)
        self.image = Image.new("RGB", size, (255, 255, 255))
        self.draw = ImageDraw.Draw(self.image)

    def picture(self) -> Image.Image:
        return self.image.reduce(SHRINK)

    def text(self, at: Point, words: str, size: float, color: Color, anchor: str = "la") -> None:
        font = ImageFont.load_default(size * DETAIL)
        self.draw.text((at[0] * DETAIL, at[1] * DETAIL), words, color, font, anchor)

    def fill(self, box: tuple[float, float, float, float], color: Color) -> None:
        self.draw.rectangle([side * DETAIL for side in box], color)

    def box(self, box: tuple[float, float, float, float], color: Color, rim: Color | None) -> None:
        sides = [side * DETAIL for side in box]
        self.draw.rounded_rectangle(sides, ROUND * DETAIL, color, rim, DETAIL if rim else 0)

    def line(self, points: list[Point], arrow: bool = False) -> None:
        """Along x and y only; with a head at its end."""
        scaled = [(x * DETAIL, y * DETAIL) for x, y in points]
        self.draw.line(scaled, LINE, round(1.6 * DETAIL), joint="curve")
        if arrow:
            (before, _), (x, y) = scaled[-2:]
            length, half = 7 * DETAIL, 4 * DETAIL
            if x == before:
                corners = [(x - half, y - length), (x + half, y - length)]
            else:
                corners = [(x - length, y - half), (x - length, y + half)]
            self.draw.polygon([(x, y), *corners], LINE)
