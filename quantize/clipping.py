"""Where to clip a tensor, from its histogram: percentiles, least squared error, least divergence.

What is exactly 0 is left out by the latter two: 0 is a level of every range.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mvpose.quantize.fake_quant import LEVELS
from mvpose.quantize.histogram import Histogram

COARSE, FINE = 12, 5
RATIO = 0.65  # of one coarse candidate to the one outside it: down to 1/100 of the range
ROUNDS = 4  # of finer candidates, to 3 % of a side
STRIDE, PASSES = 4, 2  # bins from one candidate to the next; over both sides
MOST_OUTSIDE = 0.05
LEAST_PROBABILITY = 1e-12

Cost = Callable[[Tensor, Tensor], Tensor]
"""Of M candidates: low (M,), high (M,) -> (M,)."""


def percentile_ranges(histogram: Histogram, percentile: float) -> tuple[Tensor, Tensor]:
    """The values (C,) below which 100 - percentile and percentile per cent of the others lie.

    As ``numpy.quantile`` interpolates, to within the width of a bin.
    """
    cumulative = histogram.counts.cumsum(1)  # [C, bins]
    last = int(cumulative[0, -1]) - 1
    shares = torch.tensor([1 - percentile / 100, percentile / 100], dtype=torch.float64)
    rank = shares * last  # [2]
    below, above = rank.floor().long(), rank.ceil().long()
    place = torch.cat([below, above]).expand(len(cumulative), 4).contiguous()  # [C, 4]
    bins = torch.searchsorted(cumulative, place, right=True)
    count = histogram.counts.gather(1, bins)
    inside = (place - (cumulative.gather(1, bins) - count) + 0.5) / count
    values = (histogram.first[:, None] + bins + inside) * histogram.width[:, None]
    low, high = torch.lerp(values[:, :2], values[:, 2:], rank - below).unbind(1)
    return torch.maximum(low, histogram.low), torch.minimum(high, histogram.high)


def least_squares_range(histogram: Histogram, channel: int) -> tuple[float, float]:
    """The range whose INT8 levels are nearest to a channel's values, in mean squared error."""
    low, high = float(histogram.low[channel]), float(histogram.high[channel])
    if low == high:
        return low, high
    low, high = _search(squared_error(histogram, channel), low, high)
    step = (high - low) / LEVELS
    zero = round(-low / step)
    return -zero * step, (LEVELS - zero) * step


def squared_error(histogram: Histogram, channel: int) -> Cost:
    """Mean squared error of rounding a channel's values to INT8, clipping included.

    Exact for values that are spread evenly within the bins. 0 is a level of every range.

    With F the values' cumulative distribution, s the step and q the highest level, it is
    E (x - q)^2 - 2 s * sum over the borders b between levels of the integral of F up to b.
    """
    count = histogram.nonzero(channel).double()
    edges, width = histogram.edges(channel), float(histogram.width[channel])
    share = count / count.sum()
    below = _sums(share)  # F at the edges
    area = _sums((below[:-1] + share / 2) * width)  # its integral up to the edges
    middle = (edges[:-1] + edges[1:]) / 2
    mean = share @ middle
    square = share @ middle**2 + width**2 / 12
    borders = torch.arange(LEVELS) + 0.5

    def cost(low: Tensor, high: Tensor) -> Tensor:
        step = (high - low) / LEVELS
        zero = (-low / step).round()
        top = (LEVELS - zero) * step
        at = ((borders - zero[:, None]) * step[:, None] - edges[0]) / width  # [M, 255] in bins
        bins = at.long().clamp_(0, len(share) - 1)
        rest = at - bins
        areas = area[bins] + width * (below[bins] * rest + share[bins] * rest**2 / 2)
        return square - 2 * top * mean + top**2 - 2 * step * areas.sum(1)

    return cost


def least_divergence_range(histogram: Histogram, channel: int) -> tuple[float, float]:
    """The range whose INT8 levels tell most of a channel's distribution.

    The whole range where the bins are too few for anything narrower.
    """
    low, high = float(histogram.low[channel]), float(histogram.high[channel])
    if low == high:
        return low, high
    width, first = float(histogram.width[channel]), int(histogram.first[channel])
    divergence = Divergence(histogram.nonzero(channel))
    starts = torch.arange(0, 1 - first, STRIDE)
    ends = torch.arange(int(high // width) + 1 - first, -first - 1, -STRIDE)
    start, end = starts[0], ends[0]
    for _ in range(PASSES):
        start = starts[divergence(starts, end.expand_as(starts)).argmin()]
        end = ends[divergence(start.expand_as(ends), ends).argmin()]
    return max(low, (int(start) + first) * width), min(high, (int(end) + first) * width)


class Divergence:
    """Kullback-Leibler divergence of 256 levels from a distribution.

    Migacz, "8-bit Inference with TensorRT", GTC 2017, with a clip of its own for each side. The
    levels cover some of the bins. The distribution is that of these bins, what lies outside being
    added to the outermost of them; each level shares what it holds, without the outside, evenly
    among those of its bins that aren't empty.

    Args:
        counts: (bins,).
    """

    def __init__(self, counts: Tensor) -> None:
        self.counts = counts.double()
        self.total = self.counts.sum()
        self.below = _sums(self.counts)
        self.filled = _sums((self.counts > 0).double())
        self.own = _sums(torch.special.xlogy(self.counts, self.counts))

    def __call__(self, start: Tensor, end: Tensor) -> Tensor:
        """(M,) for levels on the bins from start (M,) to before end (M,).

        Infinite where these are fewer than 256 bins or leave out a twentieth of the values: both
        distributions grow alike again where nearly everything is clipped.
        """
        groups = start[:, None] + (end - start)[:, None] * torch.arange(LEVELS + 2) // (LEVELS + 1)
        held = self.below[groups].diff(dim=1)  # [M, 256]
        filled = self.filled[groups].diff(dim=1)
        own = self.own[end] - self.own[start]
        outside = self.below[start], self.total - self.below[end]
        for level, bins, more in ((0, start, outside[0]), (-1, end - 1, outside[1])):
            count = self.counts[bins]
            filled[:, level] += (count == 0) & (more > 0)
            own += torch.special.xlogy(count + more, count + more)
            own -= torch.special.xlogy(count, count)
        inside = held.sum(1, keepdim=True)
        share = held / (filled * inside).clamp_min(1)
        logs = share.clamp_min(LEAST_PROBABILITY).log()
        cross = (held * logs).sum(1) + outside[0] * logs[:, 0] + outside[1] * logs[:, -1]
        fits = (end - start > LEVELS) & (sum(outside) <= MOST_OUTSIDE * self.total)
        return torch.where(fits, (own - cross) / self.total - self.total.log(), torch.inf)


def _search(cost: Cost, low: float, high: float) -> tuple[float, float]:
    """The range of least cost: a coarse grid over both sides, then finer ones about the best."""
    best = torch.zeros(2, dtype=torch.float64)  # powers of RATIO
    powers = torch.arange(COARSE, dtype=torch.float64)
    for fineness in range(ROUNDS + 1):
        sides = [
            (centre + powers).clamp_min(0).unique() if limit else torch.zeros(1).double()
            for centre, limit in zip(best, (low, high), strict=True)
        ]
        grid = torch.cartesian_prod(*sides)  # [M, 2]
        ranges = torch.tensor([low, high]) * RATIO**grid
        best = grid[cost(ranges[:, 0], ranges[:, 1]).argmin()]
        powers = torch.linspace(-1, 1, FINE, dtype=torch.float64) / 2**fineness
    a, b = (RATIO**best).tolist()
    return low * a, high * b


def _sums(values: Tensor) -> Tensor:
    """(n + 1,) sums of the first 0, 1, ... n values."""
    return torch.cat([values.new_zeros(1), values.cumsum(0)])
