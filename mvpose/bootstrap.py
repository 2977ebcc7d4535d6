"""How sure an AP is, and a difference between two: bootstrap over images.

Percentile intervals; Efron & Tibshirani, "An Introduction to the Bootstrap", 1993.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass as plain_dataclass

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval
from pydantic.dataclasses import dataclass

from mvpose.spec import FROZEN, Record

PERCENTILES = (2.5, 97.5)


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


@plain_dataclass(frozen=True)
class MatchTable:
    """The matches behind an AP: D poses by falling score, T thresholds of OKS.

    Attributes:
        image: (D,) index of the image that each pose is in.
        right, wrong: (T, D) whether it found a person or nobody; neither where it doesn't count.
        people: (I,) people to be found in each image.
        recalls: (R,) at which precision is read.
    """

    image: NDArray[np.int64]
    right: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    people: NDArray[np.int64]
    recalls: NDArray[np.float64]


def match_table(evaluation: COCOeval) -> MatchTable:
    """The table of an evaluation after ``evaluate()``: people of all sizes."""
    images = evaluation.evalImgs[: len(evaluation.params.imgIds)]
    known = [(i, found) for i, found in enumerate(images) if found is not None]
    people = np.zeros(len(images), np.int64)
    for i, found in known:
        people[i] = np.count_nonzero(found["gtIgnore"] == 0)
    none = np.zeros((len(evaluation.params.iouThrs), 0))
    scores = np.concatenate([np.zeros(0), *(found["dtScores"] for _, found in known)])
    order = np.argsort(-scores, kind="stable")
    matched = np.hstack([none, *(found["dtMatches"] for _, found in known)])[:, order] > 0
    counted = np.hstack([none, *(found["dtIgnore"] for _, found in known)])[:, order] == 0
    where = np.repeat([i for i, _ in known], [len(found["dtScores"]) for _, found in known])
    return MatchTable(
        image=where.astype(np.int64)[order],
        right=matched & counted,
        wrong=~matched & counted,
        people=people,
        recalls=np.asarray(evaluation.params.recThrs),
    )


def resampled_ap(table: MatchTable, draw: NDArray[np.int64]) -> float:
    """AP over a draw of images, repetitions included, as COCOeval.accumulate() computes it.

    A repeated image weighs its poses and people; 0 where the drawn images hold nobody.
    """
    times = np.bincount(draw, minlength=len(table.people))
    people = times @ table.people
    if not people:
        return 0.0
    weights = times[table.image]
    right = np.cumsum(table.right * weights, axis=1)
    wrong = np.cumsum(table.wrong * weights, axis=1)
    precision = right / (wrong + right + np.spacing(1))
    highest = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    highest = np.pad(highest, ((0, 0), (0, 1)))  # 0 at recalls that are never reached
    at_recalls = [
        row[np.searchsorted(found / people, table.recalls)]
        for row, found in zip(highest, right, strict=True)
    ]
    return float(np.mean(at_recalls))


def ap_interval(evaluation: COCOeval, resamples: int = 1000, seed: int = 0) -> tuple[float, float]:
    """95 % confidence interval of an AP, in 0..1.

    Args:
        evaluation: after ``evaluate()``.
    """
    table = match_table(evaluation)
    aps = [resampled_ap(table, draw) for draw in _draws(len(table.people), resamples, seed)]
    low, high = np.percentile(aps, PERCENTILES)
    return float(low), float(high)


def ap_difference(
    reference: COCOeval, candidate: COCOeval, resamples: int = 500, seed: int = 0
) -> APDifference:
    """Compare two evaluations of the same images.

    Both are resampled with the same images each time, so what images have in common cancels.

    Args:
        reference, candidate: after ``evaluate()``.
    """
    before, after = match_table(reference), match_table(candidate)
    images = len(before.people)

    def difference(draw: NDArray[np.int64]) -> float:
        return resampled_ap(after, draw) - resampled_ap(before, draw)

    low, high = np.percentile(
        [difference(draw) for draw in _draws(images, resamples, seed)], PERCENTILES
    )
    whole = difference(np.arange(images))
    return APDifference(whole, float(low), float(high), resamples, images)


def _draws(images: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Draws of as many images as there are, with replacement."""
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield rng.integers(images, size=images)
