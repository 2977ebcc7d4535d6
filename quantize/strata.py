"""Choosing people so that a few of them are as large and as bright as all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from mvpose.data.coco import Person
from mvpose.quantize.disjoint import read_grey
from mvpose.spec import FROZEN, Record

SIZES_PX = ((0, 64), (64, 128), (128, 256), (256, None))
LUMAS = ((0, 64), (64, 96), (96, 128), (128, None))


@dataclass(frozen=True, config=FROZEN)
class Stratum(Record):
    """People of like size and brightness.

    Attributes:
        size_px: from and to, of the square root of the box's area in the picture.
        luma: from and to, of the mean luma within the box, 0..255.
        people: how many were looked at.
        chosen: how many of them calibrate.
    """

    size_px: tuple[int, int | None]
    luma: tuple[int, int | None]
    people: int
    chosen: int


def sizes_px(people: Sequence[Person]) -> NDArray[np.float64]:
    """(N,) square roots of the boxes' areas."""
    return np.sqrt([person.box_xywh_px[2:].prod() for person in people])


def luma_and_contrast(people: Sequence[Person]) -> NDArray[np.float64]:
    """(N, 2) mean and standard deviation of the luma within the boxes, 0..255.

    Raises:
        InputError: a picture can't be read.
    """
    by_image: defaultdict[Path, list[int]] = defaultdict(list)
    for number, person in enumerate(people):
        by_image[person.image].append(number)

    def look(item: tuple[Path, list[int]]) -> list[tuple[float, float]]:
        grey = read_grey(item[0])
        return [_mean_and_deviation(grey, people[i].box_xywh_px) for i in item[1]]

    found = np.zeros((len(people), 2))
    with ThreadPoolExecutor() as pool:
        looks = pool.map(look, by_image.items())
        for numbers, values in zip(by_image.values(), looks, strict=True):
            found[numbers] = values
    return found


def stratum_of(
    size_px: NDArray[np.float64], luma: NDArray[np.float64] | float = 0.0
) -> NDArray[np.int64]:
    """(N,) number of the stratum of each person; without luma, that of the size alone."""
    row = np.digitize(size_px, [low for low, _ in SIZES_PX[1:]])
    column = np.digitize(luma, [low for low, _ in LUMAS[1:]])
    return np.asarray(row * len(LUMAS) + column, np.int64)


def choose(strata: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Numbers of ``count`` people, or of all, in random order.

    Each stratum has at least one, as far as the count reaches; beyond that they have their shares
    of all people, by Webster's method.

    Args:
        strata: (N,) each person's.
        count: how many.
        rng: decides.
    """
    people = np.bincount(strata)
    chosen = np.zeros_like(people)
    chosen[np.argsort(-people, kind="stable")[: min(count, np.count_nonzero(people))]] = 1
    for _ in range(min(count, len(strata)) - chosen.sum()):
        chosen[np.where(chosen < people, people / (2 * chosen + 1), -1).argmax()] += 1
    order = rng.permutation(len(strata))
    kept = np.concatenate([order[strata[order] == s][:n] for s, n in enumerate(chosen)])
    return order[np.isin(order, kept)]


def tally(strata: NDArray[np.int64], chosen: NDArray[np.int64]) -> tuple[Stratum, ...]:
    """The strata that hold anybody.

    Args:
        strata: (N,) each person's.
        chosen: numbers of those who calibrate.
    """
    return tuple(
        Stratum(
            SIZES_PX[s // len(LUMAS)],
            LUMAS[s % len(LUMAS)],
            int((strata == s).sum()),
            int((strata[chosen] == s).sum()),
        )
        for s in np.unique(strata).tolist()
    )


def _mean_and_deviation(
    grey: NDArray[np.uint8], box_xywh_px: NDArray[np.float64]
) -> tuple[float, float]:
    """Of the box's part in the picture; where there is none, cropping will refuse the box."""
    low = np.floor(box_xywh_px[:2]).clip(0).astype(int)
    high = np.ceil(box_xywh_px[:2] + box_xywh_px[2:]).clip(0).astype(int)
    inside = grey[low[1] : high[1], low[0] : high[0]]
    return (float(inside.mean()), float(inside.std())) if inside.size else (0.0, np.inf)
