"""Calibrators: the range of a tensor from the values that it takes over the calibration crops."""

from __future__ import annotations

from typing import Literal, Self

import torch
from pydantic import model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor

from mvpose.errors import InputError
from mvpose.quantize.clipping import (
    least_divergence_range,
    least_squares_range,
    percentile_ranges,
)
from mvpose.quantize.histogram import BINS, Histogram
from mvpose.spec import FROZEN, Record

Method = Literal["minmax", "average", "percentile", "mse", "entropy"]
LIMITS = {"average": (0.0, 1.0), "percentile": (50.0, 100.0)}


@dataclass(frozen=True, config=FROZEN)
class Calibrator(Record):
    """How a tensor's range follows from its values.

    Attributes:
        method: "minmax": the lowest and the highest value of all crops. "average": the moving
            average of each crop's lowest and highest, as ai-edge-quantizer has it. "percentile":
            leaves out the same share of values at both ends. "mse": least mean squared error of
            asymmetric INT8. "entropy": least Kullback-Leibler divergence of INT8 (Migacz, 2017).
        parameter: of "average", the share of the old average that a crop leaves (0..1); of
            "percentile", the percentage of values below the upper end (50..100); else none.
    """

    method: Method
    parameter: float | None = None

    @model_validator(mode="after")
    def _parameter_fits(self) -> Self:
        limits = LIMITS.get(self.method)
        if limits is None and self.parameter is not None:
            raise ValueError(f"{self.method} takes no parameter, not {self.parameter:g}")
        if limits and not (self.parameter and limits[0] < self.parameter <= limits[1]):
            low, high = limits
            raise ValueError(f"{self.method} takes a parameter above {low:g} and up to {high:g}")
        return self


CALIBRATORS: dict[str, Calibrator] = {
    calibrator.method: calibrator
    for calibrator in (
        Calibrator("minmax"),
        Calibrator("average", 0.95),
        Calibrator("percentile", 99.99),
        Calibrator("mse"),
        Calibrator("entropy"),
    )
}


def find_calibrator(text: str) -> Calibrator:
    """The calibrator of a name, or of a name and a parameter: "mse", "percentile:99.9".

    Raises:
        InputError: no such method, or a parameter that it can't have.
    """
    name, _, parameter = text.partition(":")
    if name not in CALIBRATORS:
        raise InputError(f"unknown calibrator {name!r}", f"known: {', '.join(CALIBRATORS)}")
    known = CALIBRATORS[name]
    if not parameter:
        return known
    try:
        return Calibrator(known.method, float(parameter))
    except ValueError as error:
        raise InputError(
            f"the calibrator {text!r} has a parameter that does not fit",
            "write average:0.95 or percentile:99.99, say; the others have none",
        ) from error


class NotFinite(Exception):  # noqa: N818
    """A tensor holds NaN or infinity.

    Attributes:
        kind: "NaN" or "infinity".
        crop: the first crop of the batch that has it, from 0.
    """

    def __init__(self, kind: Literal["NaN", "infinity"], crop: int) -> None:
        super().__init__(f"{kind} in crop {crop} of the batch")
        self.kind = kind
        self.crop = crop


class Observer:
    """Watches one tensor batch by batch, in constant memory, and says its range.

    The range doesn't depend on how the crops are divided into batches, only, for "average", on
    their order.

    Args:
        calibrator: how.
        axis: of the channels, where each is to have its own range; not 0, which counts crops.
        bins: of the histograms.
    """

    def __init__(self, calibrator: Calibrator, axis: int | None = None, bins: int = BINS) -> None:
        self.calibrator = calibrator
        self.axis = axis
        self.bins = bins
        self._extremes: tuple[Tensor, Tensor] | None = None
        self._histogram: Histogram | None = None

    @torch.no_grad()
    def observe(self, values: Tensor, crops: int | None = None) -> None:
        """Take in a batch.

        Args:
            values: of any shape, the crops one after the other.
            crops: how many they are; left out, the length of axis 0.

        Raises:
            NotFinite: NaN or infinity among the values; nothing is taken in then.
        """
        crops = len(values) if crops is None else crops
        values = values.detach().to("cpu", torch.float32)
        values = values[None] if self.axis is None else values.movedim(self.axis, 0)
        values = values.reshape(len(values), crops, -1)  # [C, crops, n]
        low, high = values.amin(2), values.amax(2)  # [C, crops]
        _check_finite(low, high)
        low, high = low.double(), high.double()
        if self.calibrator.method == "average":
            self._average(low, high)
            return
        low, high = low.amin(1), high.amax(1)
        if self._extremes is not None:
            low, high = (
                torch.minimum(low, self._extremes[0]),
                torch.maximum(high, self._extremes[1]),
            )
        self._extremes = low, high
        if self.calibrator.method != "minmax":
            self._histogram = self._histogram or Histogram(len(values), self.bins)
            self._histogram.add(values.flatten(1), low, high)

    def range(self) -> tuple[float, float]:
        """Lower and upper end for the whole tensor; 0 is always between them.

        Raises:
            ValueError: nothing was observed, or each channel has its own.
        """
        if self.axis is not None:
            raise ValueError("each channel has its own range: ask for channel_ranges")
        low, high = self.channel_ranges()
        return float(low), float(high)

    def channel_ranges(self) -> tuple[Tensor, Tensor]:
        """Lower and upper ends (C,) of the channels; 0 is always between them.

        Raises:
            ValueError: nothing was observed.
        """
        if self._extremes is None:
            raise ValueError("nothing was observed")
        low, high = self._extremes
        if self._histogram is not None:
            low, high = self._clipped(self._histogram)
        return low.clamp_max(0), high.clamp_min(0)

    def _clipped(self, histogram: Histogram) -> tuple[Tensor, Tensor]:
        if self.calibrator.method == "percentile":
            assert self.calibrator.parameter is not None
            return percentile_ranges(histogram, self.calibrator.parameter)
        find = least_squares_range if self.calibrator.method == "mse" else least_divergence_range
        ranges = [find(histogram, channel) for channel in range(len(histogram.low))]
        low, high = torch.tensor(ranges, dtype=torch.float64).unbind(1)
        return low, high

    def _average(self, low: Tensor, high: Tensor) -> None:
        """Move the averages by each crop's (C, crops) lowest and highest values."""
        keep = self.calibrator.parameter
        assert keep is not None
        for crop in zip(low.unbind(1), high.unbind(1), strict=True):
            before = self._extremes or crop
            self._extremes = (
                keep * before[0] + (1 - keep) * crop[0],
                keep * before[1] + (1 - keep) * crop[1],
            )


def _check_finite(low: Tensor, high: Tensor) -> None:
    """Raise NotFinite where an extreme (C, crops) isn't finite; NaN makes both NaN."""
    bad = ~(low.isfinite() & high.isfinite())
    if bad.any():
        crop = int(bad.any(0).nonzero()[0])
        raise NotFinite("NaN" if low[:, crop].isnan().any() else "infinity", crop)
