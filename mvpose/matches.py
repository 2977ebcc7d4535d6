"""Which pose found which person: the matches behind a COCO AP, and the AP of any draw of images."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

CELLS_AT_A_TIME = 2**17
"""Draws times poses that are held at once: few enough for the caches."""


@dataclass(frozen=True)
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


def match_table(evaluation: COCOeval, size: str = "all") -> MatchTable:
    """The table of an evaluation after ``evaluate()``.

    Args:
        size: of the people, as pycocotools calls it: all, medium or large.
    """
    count = len(evaluation.params.imgIds)
    start = count * evaluation.params.areaRngLbl.index(size)
    images = evaluation.evalImgs[start : start + count]
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


def resampled_aps(table: MatchTable, times: NDArray[np.int64]) -> NDArray[np.float64]:
    """AP over S draws of images, as COCOeval.accumulate() computes it.

    An image drawn repeatedly weighs its poses and people.

    Args:
        times: (S, I) how often each draw holds each image.

    Returns:
        (S,), NaN where the drawn images hold nobody.
    """
    people = times @ table.people
    needed = np.array(
        [np.searchsorted(np.arange(n + 1) / max(n, 1), table.recalls) for n in people]
    )  # [S, R], people to be found for each recall
    counted = [np.flatnonzero(row) for row in table.right | table.wrong]
    hits = [np.flatnonzero(row[c]) for row, c in zip(table.right, counted, strict=True)]
    aps = np.zeros((len(times), len(counted)))
    step = max(1, CELLS_AT_A_TIME // max(1, len(table.image)))
    for start in range(0, len(times), step):
        draws = slice(start, start + step)
        weights = times[draws, table.image]
        for threshold, (c, h) in enumerate(zip(counted, hits, strict=True)):
            poses = weights[:, c]
            found = np.cumsum(poses[:, h], axis=1)
            precision = found / (np.cumsum(poses, axis=1)[:, h] + np.spacing(1))
            aps[draws, threshold] = _mean_precision(found, precision, needed[draws])
    return np.where(people > 0, aps.mean(1), np.nan)


def _mean_precision(
    found: NDArray[np.int64], precision: NDArray[np.float64], needed: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(S,) mean over R recalls of the highest precision at that recall or above.

    All rows are searched at once, as one that rises: each lies above the one before.

    Args:
        found: (S, H) people found up to each of the poses that found one.
        precision: (S, H) up to there.
        needed: (S, R) people found at each recall, rising.
    """
    never = max(int(needed.max()), int(found.max(initial=0))) + 1
    found = np.pad(found, ((0, 0), (0, 1)), constant_values=never)
    precision = np.pad(precision, ((0, 0), (0, 1)))  # 0 at recalls that are never reached
    row = np.arange(len(found))[:, None]
    above = row * (never + 1)
    first = np.searchsorted((found + above).ravel(), (needed + above).ravel())
    starts = np.hstack([row * found.shape[1], first.reshape(needed.shape)])
    highest = np.maximum.reduceat(precision.ravel(), starts.ravel()).reshape(starts.shape)
    return np.maximum.accumulate(highest[:, :0:-1], axis=1).mean(1)


class KeypointEval(COCOeval):
    """COCOeval by one keypoint alone at a time; the similarities of all are computed at once.

    Attributes:
        keypoint: its index.
    """

    def __init__(self, matches: COCOeval) -> None:
        super().__init__(matches.cocoGt, matches.cocoDt, "keypoints")
        self.params.kpt_oks_sigmas = matches.params.kpt_oks_sigmas
        self.params.areaRng = matches.params.areaRng[:1]
        self.params.areaRngLbl = matches.params.areaRngLbl[:1]
        self.keypoint = 0
        self._similar: dict[tuple[int, int], NDArray[np.float64]] = {}

    def computeOks(  # noqa: N802
        self,
        imgId: int,  # noqa: N803
        catId: int,  # noqa: N803
    ) -> NDArray[np.float64] | list[float]:
        """(D, G) similarities of an image's poses, best first, and people."""
        people, poses = self._gts[imgId, catId], self._dts[imgId, catId]
        if not people or not poses:
            return []
        if (imgId, catId) not in self._similar:
            ranked = sorted(poses, key=lambda row: -row["score"])[: self.params.maxDets[-1]]
            variances = (2 * self.params.kpt_oks_sigmas) ** 2
            self._similar[imgId, catId] = similarities(ranked, people, variances)
        return self._similar[imgId, catId][..., self.keypoint]


def each_keypoint(matches: COCOeval) -> Iterator[KeypointEval]:
    """Evaluate by each keypoint alone: people without its label are ignored, OKS is over it only.

    Args:
        matches: of all keypoints; its labels are as they were once the iterator is used up.

    Yields:
        One evaluator after ``evaluate()``, the same each time.
    """
    rows = matches.cocoGt.dataset["annotations"]
    counts = [row["num_keypoints"] for row in rows]
    evaluator = KeypointEval(matches)
    try:
        for k in range(len(matches.params.kpt_oks_sigmas)):
            for row in rows:
                row["num_keypoints"] = int(row["keypoints"][3 * k + 2] > 0)
            evaluator.keypoint = k
            with contextlib.redirect_stdout(io.StringIO()):
                evaluator.evaluate()
            yield evaluator
    finally:
        for row, count in zip(rows, counts, strict=True):
            row["num_keypoints"] = count


def similarities(
    poses: list[dict[str, Any]], people: list[dict[str, Any]], variances: NDArray[np.float64]
) -> NDArray[np.float64]:
    """OKS (D, G, K) over each keypoint alone, of D poses with G people.

    Where a person's keypoint is unlabelled it is what pycocotools takes for people without labels:
    the OKS of the whole pose with the nearest points of the person's box, grown threefold.

    Args:
        variances: (K,).
    """
    found = np.array([row["keypoints"] for row in poses], np.float64)
    found = found.reshape(len(poses), 1, -1, 3)[..., :2]  # [D, 1, K, 2]
    labels = np.array([row["keypoints"] for row in people], np.float64)
    labels = labels.reshape(len(people), -1, 3)  # [G, K, 3]
    boxes = np.array([row["bbox"] for row in people])[:, None]
    start, size = boxes[..., :2], boxes[..., 2:]  # [G, 1, 2]
    areas = np.array([row["area"] for row in people])[:, None] + np.spacing(1)

    def alike(offset: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.exp(-(offset**2).sum(-1) / variances / areas / 2)

    outside = np.maximum(start - size - found, 0) + np.maximum(found - (start + 2 * size), 0)
    whole = alike(outside).mean(-1, keepdims=True)
    return np.where(labels[..., 2] > 0, alike(found - labels[..., :2]), whole)
