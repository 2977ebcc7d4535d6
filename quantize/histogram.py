"""Histograms of streamed values in constant memory, the same in whatever batches they come."""

from __future__ import annotations

import torch
from torch import Tensor

BINS = 2048
LEAST_EXPONENT = -100
CHUNK = 65536  # values that stay in the cache from one pass to the next


class Histogram:
    """Counts of values per channel, in bins whose edges are whole multiples of a power of two.

    Where the range outgrows the bins, their width doubles and pairs of them are merged, so that no
    count is ever interpolated and the result depends on the values alone. 0 is always an edge and
    in the range.

    Attributes:
        low, high: (C,) lowest and highest value, or 0.
        exponent: (C,) a bin is 2 ** exponent wide.
        first: (C,) number of the first bin; bin i holds i * width <= value < (i + 1) * width.
        counts: (C, bins).
        zeros: (C,) how many of them are 0.
    """

    def __init__(self, channels: int, bins: int = BINS) -> None:
        self.low = torch.zeros(channels, dtype=torch.float64)
        self.high = torch.zeros(channels, dtype=torch.float64)
        self.exponent = torch.full((channels,), LEAST_EXPONENT)
        self.first = torch.zeros(channels, dtype=torch.int64)
        self.counts = torch.zeros(channels, bins, dtype=torch.int64)
        self.zeros = torch.zeros(channels, dtype=torch.int64)

    @property
    def width(self) -> Tensor:
        """(C,) of a bin."""
        return torch.ldexp(torch.ones_like(self.low), self.exponent)

    def nonzero(self, channel: int) -> Tensor:
        """(bins,) counts of a channel without what is 0."""
        counts = self.counts[channel].clone()
        counts[-self.first[channel]] -= self.zeros[channel]
        return counts

    def edges(self, channel: int) -> Tensor:
        """(bins + 1,) of the bins of a channel, ascending."""
        bins = torch.arange(self.counts.shape[1] + 1)
        return (self.first[channel] + bins).double() * self.width[channel]

    def add(self, values: Tensor, low: Tensor, high: Tensor) -> None:
        """Count values (C, n), finite float32, whose least and greatest are (C,) low and high."""
        self._widen(low.double(), high.double())
        per_unit = torch.ldexp(torch.ones(len(values), 1), -self.exponent[:, None])
        first = self.first[:, None].float()
        one = torch.ones((), dtype=torch.int64)
        rows = max(1, CHUNK // values.shape[1])
        for start in range(0, len(values), rows):
            some = slice(start, start + rows)
            for left in range(0, values.shape[1], CHUNK):
                part = values[some, left : left + CHUNK]
                place = (part * per_unit[some]).floor_().sub_(first[some]).long()
                self.counts[some].scatter_add_(1, place, one.expand_as(place))
                self.zeros[some] += (part == 0).sum(1)

    def _widen(self, low: Tensor, high: Tensor) -> None:
        """Make room for values from low to high (C,)."""
        low, high = torch.minimum(self.low, low), torch.maximum(self.high, high)
        if torch.equal(low, self.low) and torch.equal(high, self.high):
            return
        bins = self.counts.shape[1]
        span = (high - low) / bins
        least = torch.where(span > 0, torch.frexp(span).exponent - 1, LEAST_EXPONENT)
        exponent = torch.maximum(self.exponent, least.long())
        while (narrow := _bin_of(high, exponent) - _bin_of(low, exponent) >= bins).any():
            exponent = exponent + narrow
        first = _bin_of(low, exponent)
        moved = ((exponent != self.exponent) | (first != self.first)).nonzero()[:, 0]
        merged = (exponent - self.exponent).clamp_max(62)[moved, None]
        old = self.first[moved, None] + torch.arange(bins)
        place = ((old >> merged) - first[moved, None]).clamp_(0, bins - 1)
        counts = self.counts[moved]
        self.counts[moved] = torch.zeros_like(counts).scatter_add_(1, place, counts)
        self.low, self.high, self.exponent, self.first = low, high, exponent, first


def _bin_of(value: Tensor, exponent: Tensor) -> Tensor:
    return torch.ldexp(value, -exponent).floor().long()
