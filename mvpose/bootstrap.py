"""How sure an AP is, and a difference between two: bootstrap over images.

Percentile intervals; Efron & Tibshirani, "An Introduction to the Bootstrap", 1993.
"""

from __future__ import annotations

from math import ceil, isfinite
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval
from pydantic.dataclasses import dataclass

from mvpose.errors import InputError
from mvpose.matches import MatchTable, each_keypoint, match_table, resampled_aps
from mvpose.spec import FROZEN, Record, Skeleton

PERCENTILES = (2.5, 97.5)
RESAMPLES = 500


@dataclass(frozen=True, config=FROZEN)
class APDifference(Record):
    """AP of a candidate minus AP of a reference on the same images, in 0..1.

    Attributes:
        difference: on all images.
        low, high: 95 % confidence interval.
        resamples: of the bootstrap.
        images: how many.
        standard_error: of the difference, by the bootstrap; 0 where all draws differ by the same.
    """

    difference: float
    low: float
    high: float
    resamples: int
    images: int
    standard_error: float


@dataclass(frozen=True, config=FROZEN)
class Comparison(Record):
    """A candidate against a reference on the same images; all from the same draws of images.

    Attributes:
        ap: of all people and keypoints.
        by_size: of medium and large people, as COCO parts them at 96 x 96 pixels.
        by_keypoint: with OKS over that keypoint alone.

    Sizes and keypoints that fewer than two images hold are left out. Each interval is for itself:
    of twenty, one misses on average.
    """

    ap: APDifference
    by_size: dict[str, APDifference]
    by_keypoint: dict[str, APDifference]


def compare(
    reference: COCOeval,
    candidate: COCOeval,
    skeleton: Skeleton,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two evaluations of the same images, also by size and by keypoint.

    Args:
        reference, candidate: after ``evaluate()``.
        skeleton: names the keypoints.

    Raises:
        InputError: the evaluations are of other images or labels.
    """
    check_paired(reference, candidate)
    sizes = reference.params.areaRngLbl[1:]
    before, after = (
        [match_table(matches, size) for size in sizes]
        + [match_table(alone) for alone in each_keypoint(matches)]
        for matches in (reference, candidate)
    )
    parts = {
        name: table_difference(old, new, resamples, seed)
        for name, old, new in zip((*sizes, *skeleton.keypoints), before, after, strict=True)
        if np.count_nonzero(old.people) > 1
    }
    return Comparison(
        ap=table_difference(match_table(reference), match_table(candidate), resamples, seed),
        by_size={name: parts[name] for name in sizes if name in parts},
        by_keypoint={name: parts[name] for name in skeleton.keypoints if name in parts},
    )


def ap_difference(
    reference: COCOeval, candidate: COCOeval, resamples: int = RESAMPLES, seed: int = 0
) -> APDifference:
    """Compare two evaluations of the same images.

    Both are resampled with the same images each time, so what images have in common cancels.

    Args:
        reference, candidate: after ``evaluate()``.

    Raises:
        InputError: the evaluations are of other images or labels.
    """
    check_paired(reference, candidate)
    return table_difference(match_table(reference), match_table(candidate), resamples, seed)


def ap_interval(evaluation: COCOeval, resamples: int = 1000, seed: int = 0) -> tuple[float, float]:
    """95 % confidence interval of an AP, in 0..1.

    Args:
        evaluation: after ``evaluate()``.

    Raises:
        InputError: the images hold nobody to be found.
    """
    times = _times_drawn(len(evaluation.params.imgIds), resamples, seed)
    return _interval(resampled_aps(match_table(evaluation), times)[1:])


def images_to_resolve(difference: APDifference, ap: float, power: float = 0.5) -> int | None:
    """How many images like these would tell a difference of ``ap`` from none.

    That is where ``ap`` is as large as half the 95 % interval, whose width falls with the square
    root of the images. A true difference of ``ap`` is then found half of the time; more often with
    more ``power`` (Cohen, "Statistical Power Analysis", 1988).

    A rough answer: from parts of 75 of 600 drawn pictures it was 0.4 to 1.5 times that from all.

    Args:
        ap: the difference asked about, in 0..1.
        power: how often it is to be found, in 0..1.

    Returns:
        None where no draw of images changed the difference, so that it says nothing of others.

    Raises:
        InputError: ``ap`` isn't above 0.
    """
    if not (isfinite(ap) and ap > 0):
        raise InputError(f"no number of images resolves {100 * ap:g} AP", "ask for more than 0")
    if not difference.standard_error:
        return None
    normal = NormalDist()
    errors = normal.inv_cdf(PERCENTILES[1] / 100) + normal.inv_cdf(power)
    return ceil(difference.images * (errors * difference.standard_error / ap) ** 2)


def points(difference: APDifference, unit: str = "") -> str:
    """With its interval, in points of a hundred: "-0.31 [-0.62, +0.01]"."""
    value, low, high = (
        f"{100 * ap:+z.2f}" for ap in (difference.difference, difference.low, difference.high)
    )
    return f"{value}{unit} [{low}, {high}]"


def describe(difference: APDifference) -> str:
    """As a line: "-0.31 AP [-0.62, +0.01] on 90 images"."""
    plural = "" if difference.images == 1 else "s"
    return f"{points(difference, ' AP')} on {difference.images} image{plural}"


def describe_resolution(difference: APDifference, ap: float) -> str:
    """As a line, how many images it takes to see a difference of ``ap`` (0..1), in two digits."""
    asked = f"to tell {100 * ap:g} AP from none at 95 % confidence"
    half, most = (images_to_resolve(difference, ap, power) for power in (0.5, 0.8))
    if half is None or most is None:
        return f"{asked}: unknown, the difference is the same in every draw of these images"
    return (
        f"{asked}: about {_rounded_up(half)} images like these; "
        f"{_rounded_up(most)} to find it 4 times in 5"
    )


def table_difference(
    reference: MatchTable, candidate: MatchTable, resamples: int, seed: int
) -> APDifference:
    """The difference between two tables of the same images and people.

    Raises:
        InputError: the images hold nobody to be found.
    """
    images = len(reference.people)
    times = _times_drawn(images, resamples, seed)
    differences = resampled_aps(candidate, times) - resampled_aps(reference, times)
    drawn = differences[1:]
    low, high = _interval(drawn)
    spread = float(np.nanstd(drawn, ddof=1)) if np.nanmin(drawn) < np.nanmax(drawn) else 0.0
    return APDifference(float(differences[0]), low, high, resamples, images, spread)


def check_paired(reference: COCOeval, candidate: COCOeval) -> None:
    """Raise InputError unless two evaluations are of the same images and labels."""
    before, after = list(reference.params.imgIds), list(candidate.params.imgIds)
    hint = "evaluate both models on the same data"
    if before != after:
        raise InputError(
            f"the two models were evaluated on different images ({len(before)} and {len(after)})",
            hint,
        )
    if _labels(reference) != _labels(candidate) or not np.array_equal(
        reference.params.kpt_oks_sigmas, candidate.params.kpt_oks_sigmas
    ):
        raise InputError("the two models were evaluated against different labels", hint)


def _labels(evaluation: COCOeval) -> dict[int, list[object]]:
    """What an evaluation was against, by annotation."""
    keys = ("image_id", "category_id", "keypoints", "area", "bbox", "iscrowd")
    rows = evaluation.cocoGt.dataset["annotations"]
    return {row["id"]: [row.get(key) for key in keys] for row in rows}


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Percentiles of the draws that hold somebody."""
    if np.isnan(values).all():
        raise InputError(
            "the images hold nobody to be found", "num_keypoints in the annotations must be above 0"
        )
    low, high = np.nanpercentile(values, PERCENTILES)
    return float(low), float(high)


def _rounded_up(count: int) -> str:
    """To two digits, which is more than the bootstrap knows of its spread."""
    unit = 10 ** max(len(str(count)) - 2, 0)
    return f"{ceil(count / unit) * unit:,}"


def _times_drawn(images: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """(1 + S, I) how often each image is in each draw with replacement; first, each once."""
    rng = np.random.default_rng(seed)
    draws = [rng.integers(images, size=images) for _ in range(resamples)]
    return np.array([np.ones(images), *(np.bincount(d, minlength=images) for d in draws)], np.int64)
