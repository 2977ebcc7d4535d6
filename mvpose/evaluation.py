"""COCO keypoint AP of any runtime, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mvpose.bootstrap import ap_interval
from mvpose.data.coco import KeypointData
from mvpose.errors import InputError
from mvpose.results import BoxedImage, detected_boxes, ground_truth_boxes, predict_together
from mvpose.runtime.base import Runtime
from mvpose.spec import Record, Skeleton


@dataclass(frozen=True)
class Accuracy(Record):
    """COCO figures of one model on one data set, 0..1, with their protocol.

    Attributes:
        ap, ap50, ap75, ap_medium, ap_large, ar: as pycocotools defines them; -1 where undefined.
        ap_by_keypoint: AP with OKS over that keypoint alone.
        protocol: model, runtime, data, boxes, flip test, number of images and people.
        ap_interval: 95 % confidence interval of ``ap``, by bootstrap over images; None where it
            was not measured.
        resamples: of the bootstrap.
    """

    ap: float
    ap50: float
    ap75: float
    ap_medium: float
    ap_large: float
    ar: float
    ap_by_keypoint: dict[str, float]
    protocol: dict[str, str | int | bool]
    ap_interval: tuple[float, float] | None = None
    resamples: int = 0


def score_results(data: KeypointData, results: list[dict[str, Any]]) -> COCOeval:
    """Run pycocotools."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(data.annotations))
        evaluator = COCOeval(truth, truth.loadRes(results), "keypoints")
        evaluator.params.kpt_oks_sigmas = np.array(data.skeleton.sigmas)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


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


def keypoint_aps(matches: COCOeval, skeleton: Skeleton) -> dict[str, float]:
    """AP of each keypoint alone: people without its label are ignored, OKS is over it only.

    Args:
        matches: of all keypoints; its labels are left as they were.
    """
    rows = matches.cocoGt.dataset["annotations"]
    counts = [row["num_keypoints"] for row in rows]
    evaluator = KeypointEval(matches)
    aps = {}
    for k, name in enumerate(skeleton.keypoints):
        for row in rows:
            row["num_keypoints"] = int(row["keypoints"][3 * k + 2] > 0)
        evaluator.keypoint = k
        with contextlib.redirect_stdout(io.StringIO()):
            evaluator.evaluate()
            evaluator.accumulate()
        precision = evaluator.eval["precision"]
        defined = precision[precision > -1]
        aps[name] = float(defined.mean()) if defined.size else -1.0
    for row, count in zip(rows, counts, strict=True):
        row["num_keypoints"] = count
    return aps


def evaluate(
    runtime: Runtime,
    data: KeypointData,
    boxes: Path | None = None,
    flip: bool = False,
    by_keypoint: bool = True,
    track: Callable[[Iterable[BoxedImage]], Iterable[BoxedImage]] = iter,
    batch_size: int | None = None,
    shard: tuple[int, int] = (0, 1),
    resamples: int = 1000,
) -> tuple[Accuracy, COCOeval]:
    """COCO accuracy of a model, and the matches behind it (for ``bootstrap.ap_difference``).

    Several processes of a ``torch.distributed`` job share the images where each of them calls this
    with its own ``shard``; each gets the figures that one process alone would get.

    Args:
        runtime: any loaded model.
        data: the images and labels.
        boxes: a file of COCO detection results; None takes the annotated boxes.
        flip: average with mirrored crops.
        by_keypoint: also the AP of each keypoint alone.
        track: wraps the images, to show progress.
        batch_size: as in ``predict_dataset``.
        shard: rank of this process and number of processes that share the images.
        resamples: for the interval of the AP; 0 leaves it out.

    Raises:
        InputError: the labels have other keypoints than the model, or other than their file.
    """
    if data.mapped:
        raise InputError(
            f"the labels of {data.annotations} were mapped onto other keypoints; COCO AP is "
            "measured against the file itself",
            "evaluate on data with the model's own keypoints",
        )
    if data.skeleton.keypoints != runtime.spec.skeleton.keypoints:
        raise InputError(
            f"the data has {len(data.skeleton.keypoints)} keypoints, the model "
            f"{len(runtime.spec.skeleton.keypoints)}",
            "evaluate on the keypoint set that the model was trained for",
        )
    images = detected_boxes(data, boxes) if boxes else ground_truth_boxes(data)
    results = predict_together(runtime, images, flip, track, batch_size, shard)
    matches = score_results(data, results)
    stats = matches.stats
    accuracy = Accuracy(
        ap=float(stats[0]),
        ap50=float(stats[1]),
        ap75=float(stats[2]),
        ap_medium=float(stats[3]),
        ap_large=float(stats[4]),
        ar=float(stats[5]),
        ap_by_keypoint=keypoint_aps(matches, data.skeleton) if by_keypoint else {},
        protocol={
            "model": runtime.spec.name,
            **runtime.protocol,
            "annotations": data.annotations.name,
            "boxes": boxes.name if boxes else "ground truth",
            "flip_test": flip,
            "decode": runtime.spec.decode.method,
            "images": len(images),
            "people": sum(len(item.boxes_xywh_px) for item in images),
        },
        ap_interval=ap_interval(matches, resamples) if resamples else None,
        resamples=resamples,
    )
    return accuracy, matches
