"""What was found on an ARM processor, and whether it is what XNNPACK promises."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic.dataclasses import dataclass

from mvpose.spec import FROZEN, Record

FLOAT_TOLERANCE = 1e-5
"""Of the range of the values."""
LEVELS = 1
"""By which INT8 values that come from floats or from other kernels may differ."""


@dataclass(frozen=True, config=FROZEN)
class Kind(Record):
    """The outputs of all pieces of one kind.

    Attributes:
        kind: "int8", "int8 softmax", "float", or "float to int8" where floats end in INT8.
        outputs: tensors, of which ``identical`` are the same to the last bit.
        different: share of the values that differ, 0..1.
        largest: difference, in levels of INT8, or of the range of the floats.
    """

    kind: str
    outputs: int
    identical: int
    different: float
    largest: float

    @property
    def holds(self) -> bool:
        """It is what XNNPACK promises: integers to the last bit, floats within rounding."""
        if self.kind == "int8":
            return self.outputs == self.identical
        return self.largest <= (FLOAT_TOLERANCE if self.kind == "float" else LEVELS)

    @property
    def extent(self) -> str:
        """The largest difference with its unit."""
        if self.kind == "float":
            return f"{self.largest:.1e} of range"
        return f"{self.largest:.0f} level{'' if self.largest == 1 else 's'}"


@dataclass(frozen=True, config=FROZEN)
class ArmParity(Record):
    """One file on one processor.

    Attributes:
        file, sha256, precision: of the file.
        cpu: as the emulator names it.
        kinds: its pieces, each given the same inputs on both processors.
        whole: of the whole file: largest difference of the heatmaps and their range, and of the
            keypoints in pixels of the crop.
    """

    file: str
    sha256: str
    precision: str
    cpu: str
    kinds: tuple[Kind, ...]
    whole: dict[str, Any]

    @property
    def holds(self) -> bool:
        """Every piece does; a float file as a whole is within rounding."""
        pieces = all(kind.holds for kind in self.kinds)
        return pieces and (len(self.kinds) > 1 or self.whole_relative <= FLOAT_TOLERANCE)

    @property
    def whole_relative(self) -> float:
        """Largest difference of the heatmaps, of their range."""
        return float(self.whole["heatmap_max_difference"] / self.whole["heatmap_range"])


def summarise(outputs: Iterable[dict[str, Any]]) -> tuple[Kind, ...]:
    """What the guest found, by kind."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for output in outputs:
        rounded = output["kind"] == "float" and output["dtype"] == "int8"
        kinds.setdefault("float to int8" if rounded else output["kind"], []).append(output)
    return tuple(
        Kind(
            kind,
            len(found),
            sum(not output["different"] for output in found),
            sum(output["different"] for output in found) / sum(o["values"] for o in found),
            max(output["largest"] / _unit(output) for output in found),
        )
        for kind, found in sorted(kinds.items())
    )


def _unit(output: dict[str, Any]) -> float:
    """A level, or the range of floats."""
    return 1.0 if output["dtype"] == "int8" else float(output["range"] or 1)
