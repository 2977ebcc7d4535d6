"""Calibrators against brute force on the values themselves."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from mvpose.errors import InputError
from mvpose.quantize.clipping import Divergence, least_divergence_range, squared_error
from mvpose.quantize.histogram import Histogram
from mvpose.quantize.observers import (
    CALIBRATORS,
    Calibrator,
    NotFinite,
    Observer,
    find_calibrator,
)

METHODS = [pytest.param(calibrator, id=name) for name, calibrator in CALIBRATORS.items()]


def normal(count: int = 20_000, seed: int = 0) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed))


VALUES: dict[str, Callable[[], Tensor]] = {
    "normal": normal,
    "after ReLU": lambda: normal().relu(),
    "after SiLU": lambda: torch.nn.functional.silu(2 * normal()),
    "heavy tails": lambda: normal() / (normal(60_000, 1).view(3, -1) ** 2).mean(0).sqrt(),
    "far outlier": lambda: torch.cat([normal(), torch.tensor([60.0])]),
    "below zero": lambda: -3 - normal().abs(),
    "peaks": lambda: normal().sigmoid() ** 20,
    "few values": lambda: torch.tensor([0.0, 1.0, 1.0, 4.0, -2.0]),
}
DISTRIBUTIONS = [pytest.param(make, id=name) for name, make in VALUES.items()]


def observed(
    calibrator: Calibrator, batches: list[Tensor], axis: int | None = None
) -> tuple[Tensor, Tensor]:
    observer = Observer(calibrator, axis)
    with torch.inference_mode():
        for batch in batches:
            observer.observe(batch)
    return observer.channel_ranges()


def histogram_of(values: Tensor, bins: int = 2048) -> Histogram:
    histogram = Histogram(1, bins)
    histogram.add(values[None], values.min()[None], values.max()[None])
    return histogram


def rounding_error(values: NDArray[np.float64], low: float, high: float) -> float:
    """Mean squared error of the values as INT8 stores them."""
    scale = (high - low) / 255
    zero = round(-low / scale)
    levels = (np.round(values / scale) + zero).clip(0, 255)
    return float((((levels - zero) * scale - values) ** 2).mean())


@pytest.mark.parametrize("make", DISTRIBUTIONS)
def test_histogram_counts_every_value(make: Callable[[], Tensor]) -> None:
    values = make()
    histogram = histogram_of(values)
    edges = histogram.edges(0).numpy()
    assert 0 in edges
    assert np.log2(histogram.width[0].item()).is_integer()
    index = np.floor(values.numpy().astype(np.float64) / histogram.width[0].item())
    expected = np.bincount((index - histogram.first[0].item()).astype(int), minlength=2048)
    assert np.array_equal(histogram.counts[0].numpy(), expected)
    assert np.ptp((expected > 0).nonzero()[0]) >= 511, "the bins are wider than the values need"
    assert histogram.nonzero(0).sum() == (values != 0).sum()


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([[0.0, 0.0], [1e-6, -1e-6], [3.0]], id="from nothing to large"),
        pytest.param([[0.0], [1e-42], [-1e-38]], id="too small for a bin"),
        pytest.param([[-3e38], [1.0, 3e38]], id="nearly infinite"),
        pytest.param([[1.0], [-1.0], [2.0], [-2.0]], id="edges"),
        pytest.param([[1000.0, 1000.1], [999.9]], id="far from 0"),
    ],
)
def test_histogram_grows(parts: list[list[float]]) -> None:
    values = torch.tensor(list(chain.from_iterable(parts)))
    streamed = Histogram(1)
    for part in map(torch.tensor, parts):
        streamed.add(part[None], part.min()[None], part.max()[None])
    at_once = histogram_of(values)
    assert torch.equal(streamed.edges(0), at_once.edges(0))
    assert torch.equal(streamed.counts, at_once.counts)
    assert torch.equal(streamed.zeros, at_once.zeros)
    assert streamed.counts.sum() == len(values)


@pytest.mark.parametrize("sizes", [[1] * 12, [5, 1, 6], [3] * 4], ids=str)
@pytest.mark.parametrize("calibrator", METHODS)
def test_batches_make_no_difference(calibrator: Calibrator, sizes: list[int]) -> None:
    crops = normal(12 * 3 * 500).view(12, 3, 500) * torch.logspace(-3, 2, 12)[:, None, None]
    at_once = observed(calibrator, [crops])
    streamed = observed(calibrator, list(crops.split(sizes)))
    assert torch.equal(at_once[0], streamed[0])
    assert torch.equal(at_once[1], streamed[1])


@pytest.mark.parametrize("axis", [1, -1, 2])
@pytest.mark.parametrize("calibrator", METHODS)
def test_channels_are_tensors_of_their_own(calibrator: Calibrator, axis: int) -> None:
    crops = (normal(6 * 5 * 300) + 0.5).view(6, 5, 10, 30)
    crops = crops * torch.tensor([1e-3, 1, 50, -1, 0])[:, None, None]
    arranged = crops.movedim(1, axis)
    low, high = observed(calibrator, list(arranged.split(2)), axis)
    for channel in range(5):
        alone = observed(calibrator, list(crops[:, channel].split(2)))
        assert (low[channel], high[channel]) == (alone[0][0], alone[1][0])


@pytest.mark.parametrize("make", DISTRIBUTIONS)
@pytest.mark.parametrize("calibrator", METHODS)
def test_range_holds_zero_and_no_more_than_the_values(
    calibrator: Calibrator, make: Callable[[], Tensor]
) -> None:
    values = make()[None]
    observer = Observer(calibrator)
    observer.observe(values)
    low, high = observer.range()
    step = (high - low) / 255
    assert low <= 0 <= high
    assert low < high
    assert low >= min(float(values.min()), 0) - step
    assert high <= max(float(values.max()), 0) + step


@pytest.mark.parametrize("calibrator", METHODS)
def test_zeros_alone(calibrator: Calibrator) -> None:
    observer = Observer(calibrator)
    observer.observe(torch.zeros(2, 10))
    assert observer.range() == (0, 0)


def test_average_is_ai_edge_quantizers() -> None:
    utils = pytest.importorskip("ai_edge_quantizer.utils.qsv_utils", reason="mvpose[tflite]")
    crops = normal(10 * 100).view(10, 100) + 0.1
    expected: dict[str, NDArray[np.float64]] = {}
    for crop in crops.double().numpy():
        expected = utils.moving_average_update(expected, {"min": crop.min(), "max": crop.max()})
    observer = Observer(CALIBRATORS["average"])
    observer.observe(crops)
    assert observer.range() == pytest.approx((expected["min"], expected["max"]), rel=1e-12)


def test_average_counts_crops_not_rows() -> None:
    """Patches of a crop stand one after the other on axis 0."""
    crops = normal(4 * 6 * 50).view(4, 6, 50)
    whole, rows = Observer(CALIBRATORS["average"]), Observer(CALIBRATORS["average"])
    whole.observe(crops)
    rows.observe(crops.flatten(0, 1), crops=4)
    assert whole.range() == rows.range()


@pytest.mark.parametrize("percentile", [99.99, 99.9, 90.0, 100.0])
@pytest.mark.parametrize("make", DISTRIBUTIONS)
def test_percentile_is_numpys_within_a_bin(make: Callable[[], Tensor], percentile: float) -> None:
    values = make()
    observer = Observer(Calibrator("percentile", percentile))
    observer.observe(values[None])
    bin_width = histogram_of(values).width[0].item()
    low, high = np.percentile(values.numpy().astype(np.float64), [100 - percentile, percentile])
    assert observer.range() == pytest.approx((min(low, 0), max(high, 0)), abs=bin_width)


@pytest.mark.parametrize("make", DISTRIBUTIONS[:-1])
def test_squared_error_is_that_of_the_values(make: Callable[[], Tensor]) -> None:
    """To 5 %, and to what values may do within a bin: lie all at its end next to 0."""
    values = make()
    low, high = min(float(values.min()), 0), max(float(values.max()), 0)
    histogram = histogram_of(values)
    cost, within_bin = squared_error(histogram, 0), histogram.width[0].item() ** 2 / 3
    stored = values[values != 0].double().numpy()
    for inner in (1.0, 0.8, 0.5, 0.2):
        found = cost(torch.tensor([low * inner]).double(), torch.tensor([high]).double())
        expected = rounding_error(stored, low * inner, high)
        assert found.item() == pytest.approx(expected, rel=0.05, abs=within_bin)


@pytest.mark.parametrize("make", DISTRIBUTIONS[:-1])
def test_least_squares_is_as_good_as_trying_all(make: Callable[[], Tensor]) -> None:
    values = make()
    observer = Observer(CALIBRATORS["mse"])
    observer.observe(values[None])
    raw = values.double().numpy()
    fractions = 0.94 ** np.arange(30)
    lows, highs = (np.unique(limit * fractions) for limit in (min(raw.min(), 0), max(raw.max(), 0)))
    best = min(rounding_error(raw, low, high) for low in lows for high in highs)
    assert rounding_error(raw, *observer.range()) <= 1.005 * best


def plain_divergence(counts: NDArray[np.float64], start: int, end: int) -> float:
    """Migacz's pseudo-code, with what lies outside at both ends."""
    reference = counts[start:end].copy()
    held = counts[start:end].copy()
    reference[0] += counts[:start].sum()
    reference[-1] += counts[end:].sum()
    candidate = np.zeros_like(reference)
    borders = np.arange(257) * (end - start) // 256
    for first, last in pairwise(borders):
        filled = reference[first:last] > 0
        candidate[first:last][filled] = held[first:last].sum() / max(filled.sum(), 1)
    p, q = reference / reference.sum(), np.maximum(candidate / candidate.sum(), 1e-12)
    return float((p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum())


def bins_that_hold(counts: Tensor, share: float) -> list[tuple[int, int]]:
    """Some runs of at least 256 bins with that share of all."""
    rng = np.random.default_rng(0)
    below = np.concatenate([[0], counts.double().cumsum(0).numpy()])
    pairs = rng.integers(0, len(counts) + 1, (4000, 2))
    enough = (np.diff(below[pairs], axis=1)[:, 0] >= share * below[-1]) & (
        np.diff(pairs, axis=1)[:, 0] >= 256
    )
    return [(0, len(counts)), *map(tuple, pairs[enough][:60].tolist())]


@pytest.mark.parametrize("make", DISTRIBUTIONS[:-1])
def test_divergence_is_that_of_the_pseudo_code(make: Callable[[], Tensor]) -> None:
    counts = histogram_of(make(), 700).nonzero(0)
    pairs = bins_that_hold(counts, 0.95)
    expected = [plain_divergence(counts.double().numpy(), s, e) for s, e in pairs]
    start, end = torch.tensor(pairs).unbind(1)
    assert Divergence(counts)(start, end).tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("start", "end", "finite"),
    [
        pytest.param(0, 700, True, id="all"),
        pytest.param(0, 651, True, id="all that there is"),
        pytest.param(0, 650, False, id="without a tenth"),
        pytest.param(300, 700, False, id="without nine tenths"),
        pytest.param(100, 355, False, id="fewer bins than levels"),
    ],
)
def test_divergence_of_too_little(start: int, end: int, finite: bool) -> None:
    counts = torch.zeros(700, dtype=torch.int64)
    counts[[200, 650]] = torch.tensor([9, 1])
    found = Divergence(counts)(torch.tensor([start]), torch.tensor([end]))
    assert found.isfinite().item() is finite


@pytest.mark.parametrize("make", DISTRIBUTIONS[:-1])
def test_least_divergence_is_as_good_as_trying_all(make: Callable[[], Tensor]) -> None:
    """The divergence is rugged: it changes by a tenth from one bin to the next."""
    histogram = histogram_of(make(), 1024)
    divergence = Divergence(histogram.nonzero(0))
    width, first = histogram.width[0].item(), int(histogram.first[0])
    last = int(histogram.high[0] / width) - first + 1
    pairs = torch.cartesian_prod(torch.arange(0, 1 - first, 3), torch.arange(-first, last + 1, 3))
    best = min(divergence(*some.unbind(1)).min().item() for some in pairs.split(4096))
    low, high = least_divergence_range(histogram, 0)
    found = divergence(
        torch.tensor([int(np.floor(low / width)) - first]),
        torch.tensor([int(np.ceil(high / width)) - first]),
    ).item()
    assert found <= 1.15 * best


@pytest.mark.parametrize("calibrator", [CALIBRATORS["mse"], CALIBRATORS["entropy"]], ids=str)
def test_clips_a_lonely_outlier(calibrator: Calibrator) -> None:
    observer = Observer(calibrator)
    observer.observe(torch.cat([normal(200_000), torch.tensor([20.0])])[None])
    low, high = observer.range()
    assert -5 <= low <= -3
    assert 3 <= high <= 15


@pytest.mark.parametrize(
    ("bad", "kind"),
    [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")],
    ids=["NaN", "infinity", "minus infinity"],
)
@pytest.mark.parametrize("axis", [None, 1])
@pytest.mark.parametrize("calibrator", METHODS)
def test_not_finite(calibrator: Calibrator, axis: int | None, bad: float, kind: str) -> None:
    observer = Observer(calibrator, axis)
    good = normal(4 * 3 * 50).view(4, 3, 50)
    observer.observe(good)
    before = observer.channel_ranges()
    broken = good.clone()
    broken[2, 1, 7] = bad
    with pytest.raises(NotFinite) as caught:
        observer.observe(broken)
    assert (caught.value.kind, caught.value.crop) == (kind, 2)
    after = observer.channel_ranges()
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])


def test_asking_too_early_or_for_the_wrong_range() -> None:
    with pytest.raises(ValueError, match="nothing was observed"):
        Observer(CALIBRATORS["mse"]).range()
    with pytest.raises(ValueError, match="channel_ranges"):
        Observer(CALIBRATORS["mse"], axis=1).range()


@pytest.mark.parametrize("calibrator", METHODS)
def test_json(calibrator: Calibrator) -> None:
    assert Calibrator.from_json(calibrator.to_json()) == calibrator


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mse", Calibrator("mse")),
        ("percentile", Calibrator("percentile", 99.99)),
        ("percentile:99.9", Calibrator("percentile", 99.9)),
        ("average:0.9", Calibrator("average", 0.9)),
    ],
)
def test_find(text: str, expected: Calibrator) -> None:
    assert find_calibrator(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("median", "unknown calibrator 'median'", id="name"),
        pytest.param("", "unknown calibrator ''", id="empty"),
        pytest.param("mse:3", "does not fit", id="parameter where there is none"),
        pytest.param("percentile:40", "does not fit", id="below the median"),
        pytest.param("percentile:101", "does not fit", id="above 100"),
        pytest.param("average:0", "does not fit", id="nothing left"),
        pytest.param("average:nan", "does not fit", id="NaN"),
        pytest.param("percentile:most", "does not fit", id="no number"),
    ],
)
def test_find_refuses(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_calibrator(text)


@pytest.mark.parametrize("method", ["average", "percentile"])
def test_parameter_is_needed(method: str) -> None:
    with pytest.raises(InputError, match=f"{method} takes a parameter"):
        Calibrator.from_json(f'{{"method": "{method}"}}')
