"""Parity: differences that are known beforehand are measured as what they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mvpose.codec.heatmaps import encode
from mvpose.parity import Parity, measure_parity
from mvpose.spec import ModelSpec, Preprocess
from mvpose.zoo import zoo_spec

SPEC = replace(zoo_spec("mobilevitpose-xxs"), preprocess=Preprocess(64, 128))
CROPS = np.zeros((3, 128, 64, 3), np.uint8)
CELL_PX = (63 / 15, 127 / 31)
"""Width and height of a heatmap cell in input pixels, 16 x 32 cells."""


class Fixed:
    """A runtime that always sees the same heatmaps."""

    def __init__(self, maps: NDArray[np.float32], spec: ModelSpec = SPEC) -> None:
        self.maps = maps
        self.spec = spec
        self.protocol: dict[str, str | int] = {"runtime": "fixed"}

    def heatmaps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert images is CROPS
        return self.maps


def peaks(dx: float = 0.0, dy: float = 0.0) -> NDArray[np.float32]:
    """Heatmaps (3, 17, 32, 16) with a Gaussian for each keypoint, moved by cells."""
    at = np.random.default_rng(0).integers(4, 12, (3, 17, 2)) + np.array([dx, dy])
    sigma = SPEC.decode.sigma_cells * 32 / 64
    return encode(torch.from_numpy(at), (16, 32), sigma).numpy().astype(np.float32)


def compare(reference: NDArray[np.float32], candidate: NDArray[np.float32]) -> Parity:
    return measure_parity(Fixed(reference), Fixed(candidate), CROPS, "nothing")


def test_identical() -> None:
    found = compare(peaks(), peaks())
    assert found.max_difference == 0
    assert (found.shift_median_px, found.shift_p95_px, found.shift_max_px) == (0, 0, 0)
    assert found.oks == 1
    assert found.sqnr_db > 200
    assert (found.crops, found.crops_source, found.keypoints) == (3, "nothing", 51)


@pytest.mark.parametrize(
    ("dx", "dy", "shift_px"),
    [
        pytest.param(1, 0, CELL_PX[0], id="a column"),
        pytest.param(0, -1, CELL_PX[1], id="a row"),
        pytest.param(1, 1, float(np.hypot(*CELL_PX)), id="both"),
        pytest.param(0.25, 0, CELL_PX[0] / 4, id="a quarter of a cell"),
    ],
)
def test_shifted_heatmaps(dx: float, dy: float, shift_px: float) -> None:
    found = compare(peaks(), peaks(dx, dy))
    assert found.shift_median_px == pytest.approx(shift_px, rel=0.02)
    assert found.shift_max_px == pytest.approx(shift_px, rel=0.05)
    variances = (2 * np.array(SPEC.skeleton.sigmas)) ** 2
    area_px = 64 / 1.25 * 128 / 1.25
    assert found.oks == pytest.approx(
        np.exp(-(shift_px**2) / variances / area_px / 2).mean(), abs=0.01
    )
    assert found.max_difference > 0.1


def test_one_keypoint_moved() -> None:
    moved = peaks()
    moved[1, 5] = peaks(2, 0)[1, 5]
    found = compare(peaks(), moved)
    assert (found.shift_median_px, found.shift_p95_px) == (0, 0)
    assert found.shift_max_px == pytest.approx(2 * CELL_PX[0], rel=1e-3)
    assert 0.97 < found.oks < 1


@pytest.mark.parametrize(
    ("factor", "sqnr_db"),
    [pytest.param(1.1, 20, id="a tenth"), pytest.param(0.99, 40, id="a hundredth")],
)
def test_noise_in_proportion(factor: float, sqnr_db: float) -> None:
    """Noise of a known part of the signal; the peaks stay where they are."""
    reference = peaks() - np.float32(0.25)
    found = compare(reference, reference * np.float32(factor))
    assert found.sqnr_db == pytest.approx(sqnr_db, abs=1e-3)
    assert found.max_difference == pytest.approx(abs(factor - 1) * 0.75, rel=1e-3)


def test_random_noise() -> None:
    noise = np.random.default_rng(1).normal(0, 1e-3, peaks().shape).astype(np.float32)
    signal = float((peaks().astype(np.float64) ** 2).mean())
    expected = 10 * np.log10(signal / 1e-6)
    assert compare(peaks(), peaks() + noise).sqnr_db == pytest.approx(expected, abs=0.1)


def test_unseen_keypoints_do_not_count() -> None:
    """Where the float network sees nothing, a moved peak is no loss."""
    reference, moved = peaks(), peaks()
    reference[:, 3:] *= 0.15
    moved[:, 3:] = 0.15 * peaks(3, 3)[:, 3:]
    found = compare(reference, moved)
    assert found.keypoints == 9
    assert found.shift_max_px == 0
    assert found.oks == 1
    assert found.max_difference > 0.1


def test_json() -> None:
    found = compare(peaks(), peaks(1, 0))
    assert Parity.from_json(found.to_json()) == found


def test_nothing_seen_is_no_perfect_score() -> None:
    found = compare(peaks() * np.float32(0.1), peaks() * np.float32(0.1))
    assert (found.keypoints, found.oks, found.shift_median_px) == (0, None, None)
