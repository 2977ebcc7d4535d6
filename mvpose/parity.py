"""How far one form of a network is from another, in heatmaps and in pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from mvpose.codec.affine import cells_to_input
from mvpose.codec.decode import decode
from mvpose.estimate import SCORE_FLOOR
from mvpose.oks import oks
from mvpose.runtime.base import Runtime
from mvpose.spec import FROZEN, ModelSpec, Record


@dataclass(frozen=True, config=FROZEN)
class Parity(Record):
    """Difference between a file, or another form of a network, and the float network.

    Attributes:
        crops: how many, and ``crops_source``: which.
        max_difference: largest |difference| of the heatmaps, relative to their range.
        sqnr_db: signal to quantisation noise of the heatmaps.
        keypoints: number of keypoints compared: those that the float network scores above 0.2.
        shift_median_px, shift_p95_px, shift_max_px: how far they moved, in input pixels.
        oks: mean object keypoint similarity of those poses, the float network's as truth.

    The last four are None where the float network is sure of no keypoint.
    """

    crops: int
    crops_source: str
    max_difference: float
    sqnr_db: float
    keypoints: int
    shift_median_px: float | None
    shift_p95_px: float | None
    shift_max_px: float | None
    oks: float | None


def measure_parity(
    reference: Runtime, candidate: Runtime, crops: NDArray[np.uint8], source: str
) -> Parity:
    """Run both on the same crops (N, height, width, 3)."""
    return compare_heatmaps(
        reference.heatmaps(crops), candidate.heatmaps(crops), reference.spec, source
    )


def compare_heatmaps(
    expected: NDArray[np.floating[Any]],
    actual: NDArray[np.floating[Any]],
    spec: ModelSpec,
    source: str,
) -> Parity:
    """Compare heatmaps (N, K, h, w) of the same crops.

    Args:
        expected: the float network's.
        actual: the other's.
        spec: of both.
        source: which crops.
    """
    error = actual.astype(np.float64) - expected
    signal, noise = (expected.astype(np.float64) ** 2).sum(), (error**2).sum()
    size, heatmap_wh = spec.preprocess.size_wh, (expected.shape[-1], expected.shape[-2])
    (a, scores), (b, _) = (decode(maps, spec.decode) for maps in (expected, actual))
    a_px, b_px = (cells_to_input(cells, heatmap_wh, size, spec.decode.grid) for cells in (a, b))
    seen = scores > SCORE_FLOOR
    shift = np.linalg.norm(a_px - b_px, axis=-1)[seen]
    area_px = float(np.prod(np.divide(size, spec.preprocess.box_padding)))
    similar = [
        oks(p, q, area_px, spec.skeleton, kept)
        for p, q, kept in zip(a_px, b_px, seen, strict=True)
        if kept.any()
    ]
    return Parity(
        crops=len(expected),
        crops_source=source,
        max_difference=float(np.abs(error).max() / np.ptp(expected)),
        sqnr_db=float(10 * np.log10(signal / max(noise, 1e-30))),
        keypoints=int(seen.sum()),
        shift_median_px=float(np.median(shift)) if len(shift) else None,
        shift_p95_px=float(np.percentile(shift, 95)) if len(shift) else None,
        shift_max_px=float(shift.max()) if len(shift) else None,
        oks=float(np.mean(similar)) if similar else None,
    )
