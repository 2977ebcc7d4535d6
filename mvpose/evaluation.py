"""COCO keypoint AP of any runtime, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mvpose.bootstrap import ap_interval
from mvpose.data.coco import KeypointData
from mvpose.errors import InputError
from mvpose.matches import each_keypoint
from mvpose.results import (
    BoxedImage,
    Boxes,
    detected_boxes,
    ground_truth_boxes,
    predict_together,
)
from mvpose.runtime.base import Runtime
from mvpose.spec import ModelSpec, Record, Skeleton


@dataclass(frozen=True)
class Accuracy(Record):
    """COCO figures of one model on one data set, 0..1, with their protocol.

    Attributes:
        ap, ap50, ap75, ap_medium, ap_large, ar: as pycocotools defines them; -1 where undefined.
        ap_by_keypoint: AP with OKS over that keypoint alone.
        protocol: model, runtime, data, boxes, flip test, input size (height x width), decode rule,
            number of images and people.
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
    protocol: dict[str, str | int | float | bool]
    ap_interval: tuple[float, float] | None = None
    resamples: int = 0


def score_results(
    data: KeypointData,
    results: list[dict[str, Any]],
    kind: Literal["keypoints", "bbox"] = "keypoints",
) -> COCOeval:
    """Run pycocotools."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(data.annotations))
        evaluator = COCOeval(truth, truth.loadRes(results), kind)
        evaluator.params.kpt_oks_sigmas = np.array(data.skeleton.sigmas)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


def keypoint_aps(matches: COCOeval, skeleton: Skeleton) -> dict[str, float]:
    """AP of each keypoint alone: people without its label are ignored, OKS is over it only.

    Args:
        matches: of all keypoints; its labels are left as they were.
    """
    aps = {}
    for name, alone in zip(skeleton.keypoints, each_keypoint(matches), strict=True):
        with contextlib.redirect_stdout(io.StringIO()):
            alone.accumulate()
        precision = alone.eval["precision"]
        defined = precision[precision > -1]
        aps[name] = float(defined.mean()) if defined.size else -1.0
    return aps


def box_ap(data: KeypointData, images: list[BoxedImage]) -> float:
    """COCO AP of the boxes themselves, against all annotated people."""
    rows = [
        {"image_id": item.image_id, "category_id": 1, "bbox": box.tolist(), "score": float(score)}
        for item in images
        for box, score in zip(item.boxes_xywh_px, item.scores, strict=True)
    ]
    return float(score_results(data, rows, "bbox").stats[0])


def choose_boxes(data: KeypointData, boxes: Path | Boxes | None) -> Boxes:
    """The boxes of ``evaluate``, with the AP of those that are not the annotated ones."""
    if boxes is None:
        return Boxes(ground_truth_boxes(data), {"boxes": "ground truth"})
    if isinstance(boxes, Path):
        boxes = Boxes(detected_boxes(data, boxes), {"boxes": boxes.name})
    return replace(
        boxes, protocol={**boxes.protocol, "box_ap": round(box_ap(data, boxes.images), 4)}
    )


def check_labels(data: KeypointData, spec: ModelSpec) -> None:
    """Raise InputError where a model's poses can't be scored against the labels."""
    if data.mapped:
        raise InputError(
            f"the labels of {data.annotations} were mapped onto other keypoints; COCO AP is "
            "measured against the file itself",
            "evaluate on data with the model's own keypoints",
        )
    if data.skeleton.keypoints != spec.skeleton.keypoints:
        raise InputError(
            f"the data has {len(data.skeleton.keypoints)} keypoints, the model "
            f"{len(spec.skeleton.keypoints)}",
            "evaluate on the keypoint set that the model was trained for",
        )


def evaluate(
    runtime: Runtime,
    data: KeypointData,
    boxes: Path | Boxes | None = None,
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
        boxes: a file of COCO detection results, or what a detector found; None takes the
            annotated boxes.
        flip: average with mirrored crops.
        by_keypoint: also the AP of each keypoint alone.
        track: wraps the images, to show progress.
        batch_size: as in ``predict_dataset``.
        shard: rank of this process and number of processes that share the images.
        resamples: for the interval of the AP; 0 leaves it out.

    Raises:
        InputError: the labels have other keypoints than the model, or other than their file.
    """
    check_labels(data, runtime.spec)
    chosen = choose_boxes(data, boxes)
    images = chosen.images
    width_px, height_px = runtime.spec.preprocess.size_wh
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
            **chosen.protocol,
            "flip_test": flip,
            "input": f"{height_px}x{width_px}",
            "decode": runtime.spec.decode.method,
            "images": len(images),
            "people": sum(len(item.boxes_xywh_px) for item in images),
        },
        ap_interval=ap_interval(matches, resamples) if resamples else None,
        resamples=resamples,
    )
    return accuracy, matches
