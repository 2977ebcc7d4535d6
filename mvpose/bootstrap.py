"""How sure a difference in AP is: paired bootstrap over images."""

from __future__ import annotations

import contextlib
import copy
import io

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval
from pydantic.dataclasses import dataclass

from mvpose.spec import FROZEN, Record


@dataclass(frozen=True, config=FROZEN)
class APDifference(Record):
    """AP of a candidate minus AP of a reference on the same images, in 0..1.

    Attributes:
        difference: on all images.
        low, high: 95 % confidence interval.
        resamples: of the bootstrap.
        images: how many.
    """

    difference: float
    low: float
    high: float
    resamples: int
    images: int


def ap_difference(
    reference: COCOeval, candidate: COCOeval, resamples: int = 500, seed: int = 0
) -> APDifference:
    """Compare two evaluations of the same images.

    Both are resampled with the same images each time, so what images have in common cancels
    (percentile interval; Efron & Tibshirani, "An Introduction to the Bootstrap", 1993).

    Args:
        reference, candidate: after ``evaluate()``.
    """
    images = len(reference.params.imgIds)
    rng = np.random.default_rng(seed)
    tables = [_by_image(e) for e in (reference, candidate)]
    draws = [rng.integers(images, size=images) for _ in range(resamples)]
    differences = [
        resampled_ap(candidate, tables[1], draw) - resampled_ap(reference, tables[0], draw)
        for draw in draws
    ]
    low, high = np.percentile(differences, [2.5, 97.5])
    whole = np.arange(images)
    difference = resampled_ap(candidate, tables[1], whole) - resampled_ap(
        reference, tables[0], whole
    )
    return APDifference(float(difference), float(low), float(high), resamples, images)


def resampled_ap(evaluation: COCOeval, table: list[object], draw: NDArray[np.int64]) -> float:
    """AP over a draw of images, repetitions included."""
    part = copy.copy(evaluation)
    part.params = copy.copy(evaluation.params)
    part.params.areaRng, part.params.areaRngLbl = [evaluation.params.areaRng[0]], ["all"]
    part.params.imgIds = list(range(len(draw)))
    part._paramsEval = part.params
    part.evalImgs = [table[i] for i in draw]
    with contextlib.redirect_stdout(io.StringIO()):
        part.accumulate()
    precision = part.eval["precision"]
    valid = precision[precision > -1]
    return float(valid.mean()) if valid.size else 0.0


def _by_image(evaluation: COCOeval) -> list[object]:
    """The per-image matches of the first area range ("all") of the only category."""
    return list(evaluation.evalImgs[: len(evaluation.params.imgIds)])
