"""Tables about the size of networks, for the README and the docs."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvpose.benchmark.blocks import ATTENTION, BlockCost, cost_rows
from mvpose.benchmark.complexity import GIGA, MEGA
from mvpose.markdown import markdown

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Counting:
    """How a publication counted a model of the zoo.

    Attributes:
        published: its name in ``published.csv``.
        model: its name in the zoo.
        without_macs: endings of the blocks whose multiply-accumulates it leaves out.
        without_params: endings of the blocks whose parameters it leaves out.
        why: what explains a difference above 2 %.
    """

    published: str
    model: str
    without_macs: tuple[str, ...] = ()
    without_params: tuple[str, ...] = ()
    why: str = ""


DECODER = ("deconvolution 1", "deconvolution 2", "last convolution")
COUNTINGS = (
    Counting(
        "MobileViTPose-S",
        "mobilevitpose-s",
        (ATTENTION,),
        why="published without attention's products (0.178 G); 2.1 % of the rest stay unexplained: "
        "the paper does not say what it counts",
    ),
    Counting(
        "MobileViTPose-XXS",
        "mobilevitpose-xxs",
        (ATTENTION,),
        why="published without attention's products (0.078 G)",
    ),
    Counting(
        "ViTPose-B",
        "vitpose-b",
        DECODER,
        DECODER,
        why="published is the transformer alone; its decoder has 4.2 M parameters and 1.4 G",
    ),
)


def against_published(rows: Rows, published: Path) -> Rows:
    """Published figures beside ours, counted whole and as the publication counts.

    Args:
        rows: of ``python -m mvpose.benchmark.complexity --json``.
        published: ``published.csv``.

    Returns:
        Rows with "model", "figure" ("M params" or "GFLOPs"), "published", "ours", "ratio" (ours /
        published), "as_published" and "as_published_ratio" (with what it leaves out left out), and
        "why".
    """
    with published.open(encoding="utf-8", newline="") as file:
        figures = {row["model"]: row for row in csv.DictReader(file)}
    counted = {(row["model"], row["input"]): row for row in rows}
    found: Rows = []
    for counting in COUNTINGS:
        theirs = figures[counting.published]
        row = counted[counting.model, theirs["input"]]
        for figure, key, unit, field, without in (
            ("M params", "params_m", MEGA, "params", counting.without_params),
            ("GFLOPs", "gflops", GIGA, "macs", counting.without_macs),
        ):
            left_out = sum(
                b[field] for b in row["blocks"] if without and b["block"].endswith(without)
            )
            target = float(theirs[key])
            reduced = row[key] - left_out / unit
            found.append(
                {
                    "model": counting.published,
                    "input": theirs["input"],
                    "figure": figure,
                    "published": target,
                    "ours": row[key],
                    "ratio": row[key] / target,
                    "as_published": reduced,
                    "as_published_ratio": reduced / target,
                    "why": counting.why,
                }
            )
    return found


def published_table(rows: Rows, published: Path) -> str:
    """Published figures beside ours."""
    table = [
        [
            f"{row['model']}, {row['input']}",
            row["figure"],
            f"{row['published']:g}",
            f"{row['ours']:.3f}",
            f"{row['ratio']:.3f}",
            f"{row['as_published_ratio']:.3f}",
            row["why"] if abs(row["ratio"] - 1) > 0.02 else "",
        ]
        for row in against_published(rows, published)
    ]
    header = ["model", "figure", "published", "ours", "ratio", "counted alike", "why"]
    return markdown(header, table)


def complexity_table(rows: Rows) -> str:
    """All models and input sizes."""
    table = [
        [
            f"`{row['model']}`",
            row["input"],
            f"{row['params_m']:.2f}",
            f"{row['gflops']:.2f}",
            f"{row['attention_gflops']:.3f}",
        ]
        for row in rows
    ]
    note = "\nCounted: 1 GFLOP is 10^9 multiply-accumulates; attention's products are part of it.\n"
    return markdown(["model", "input", "M params", "GFLOPs", "of it attention"], table) + note


def blocks_table(rows: Rows, model: str, size: str) -> str:
    """The blocks of a model.

    Args:
        rows: of ``python -m mvpose.benchmark.complexity --json``.
        model: its name in the zoo.
        size: of the input, "256x256" (height x width).
    """
    (row,) = (row for row in rows if (row["model"], row["input"]) == (model, size))
    costs = [BlockCost(**block) for block in row["blocks"]]
    header = [f"`{model}`, {size}", "k params", "M MACs", "share", "MB written"]
    note = (
        "\nCounted. Written: all tensors of one crop in float32, of every operator, as the network "
        "is trained; runtimes fuse many of them.\n"
    )
    return markdown(header, cost_rows(costs)) + note
