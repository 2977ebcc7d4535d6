"""Activation ranges that calibration took too narrow, seen by running the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from mvpose.export.doctor.findings import Finding, plural

CLIPPED_SHARE = 0.01

BOUNDS: dict[str, tuple[float, float]] = {
    "RELU": (0, inf),
    "RELU6": (0, 6),
    "RELU_N1_TO_1": (-1, 1),
    "LOGISTIC": (0, 1),
    "SOFTMAX": (0, 1),
    "TANH": (-1, 1),
    "SILU": (-0.2785, inf),
    "GELU": (-0.17, inf),
    "HARD_SWISH": (-0.375, inf),
    "ELU": (-1, inf),
}
"""Between what values functions stay, whatever they are given: they reach these without harm."""


@dataclass(frozen=True)
class Range:
    """A quantised activation and how full its ends were.

    Attributes:
        name: of the tensor.
        scale: of one step.
        lowest, highest: real numbers at the ends of its type.
        at_lowest, at_highest: shares of its values that lay there.
        function: what computes it, as in BOUNDS where it is bounded.
    """

    name: str
    scale: float
    lowest: float
    highest: float
    at_lowest: float
    at_highest: float
    function: str

    @property
    def clipped(self) -> float:
        """Share of values that the range cuts off.

        Not counted: an end at 0, where small values gather, and one that the function can't pass.
        """
        floor, ceiling = BOUNDS.get(self.function, (-inf, inf))
        low = 0.0 if self.lowest == 0 or self.lowest <= floor + self.scale else self.at_lowest
        high = 0.0 if self.highest == 0 or self.highest >= ceiling - self.scale else self.at_highest
        return max(low, high)


def clipping_findings(ranges: Sequence[Range], people: int) -> Iterator[Finding]:
    """Findings on ranges that cut off values of drawn people."""
    cut = sorted((r for r in ranges if r.clipped > CLIPPED_SHARE), key=lambda r: -r.clipped)
    if cut:
        worst = cut[0]
        yield Finding(
            "warning",
            "clipped-activations",
            f"on {plural(people, 'drawn person', 'drawn people')}, {len(cut)} of {len(ranges)} "
            f"activations cut off more than {CLIPPED_SHARE:.0%} of their values; the worst "
            f"{worst.clipped:.0%}, at [{worst.lowest:.3g}, {worst.highest:.3g}]",
            "calibration saw other pictures than these, too few, or averaged their extremes",
            "calibrate the full range, on pictures like those in use (mvpose-export --calibrator "
            "minmax --calib DIR)",
            tuple(r.name for r in cut),
        )
