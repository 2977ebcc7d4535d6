"""Figures that other people published."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Published:
    """One model as its authors measured it.

    Attributes:
        model, input: its name, and the height and width of its crops.
        params_m: learned parameters in millions.
        gflops: 10^9 multiply-accumulates.
        size_mb: of the file.
        ap: in 0..100.
        data: that it was measured on: only figures on the same data can be compared.
        protocol: what else decides the AP.
        source: where it says so.

    What the source doesn't say is None.
    """

    model: str
    input: str
    params_m: float | None
    gflops: float | None
    size_mb: float | None
    ap: float
    data: str
    protocol: str
    source: str


def read_published() -> list[Published]:
    """The figures of ``benchmark/published.csv``."""
    text = (files("mvpose.benchmark") / "published.csv").read_text("utf-8")
    return [
        Published(
            model=line["model"],
            input=line["input"],
            params_m=_number(line["params_m"]),
            gflops=_number(line["gflops"]),
            size_mb=_number(line["size_mb"]),
            ap=float(line["ap"]),
            data=line["data"],
            protocol=line["protocol"],
            source=line["source"],
        )
        for line in csv.DictReader(text.splitlines())
    ]


def _number(text: str) -> float | None:
    return float(text) if text else None
