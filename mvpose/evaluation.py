"""COCO keypoint AP of any runtime, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Len
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from pydantic import FiniteFloat, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from mvpose.data.coco import KeypointData
from mvpose.data.images import read_image
from mvpose.errors import InputError
from mvpose.estimate import estimate
from mvpose.runtime.base import Runtime
from mvpose.spec import Record, Skeleton, first_problem


@dataclass(frozen=True)
class Accuracy(Record):
    """COCO figures of one model on one data set, 0..1, with their protocol.

    Attributes:
        ap, ap50, ap75, ap_medium, ap_large, ar: as pycocotools defines them; -1 where undefined.
        ap_by_keypoint: AP with OKS over that keypoint alone.
        protocol: model, runtime, data, boxes, flip test, number of images and people.
    """

    ap: float
    ap50: float
    ap75: float
    ap_medium: float
    ap_large: float
    ar: float
    ap_by_keypoint: dict[str, float]
    protocol: dict[str, str | int | bool]


class _Detection(TypedDict):
    image_id: int
    category_id: int
    bbox: Annotated[list[FiniteFloat], Len(4, 4)]
    score: FiniteFloat


@dataclass(frozen=True)
class BoxedImage:
    """The boxes of one image: (N, 4) left, top, width, height in pixels, and (N,) scores."""

    image_id: int
    path: Path
    boxes_xywh_px: NDArray[np.float64]
    scores: NDArray[np.float64]


def ground_truth_boxes(data: KeypointData) -> list[BoxedImage]:
    """The annotated boxes of all people with labelled keypoints."""
    people = defaultdict(list)
    for person in data.people:
        people[person.image_id, person.image].append(person.box_xywh_px)
    return [
        BoxedImage(image_id, path, np.stack(boxes), np.ones(len(boxes)))
        for (image_id, path), boxes in people.items()
    ]


def detected_boxes(data: KeypointData, path: Path) -> list[BoxedImage]:
    """Boxes of category 1 from a file of COCO detection results.

    Raises:
        InputError: the file is unreadable or holds no box for these images.
    """
    try:
        detections = TypeAdapter(list[_Detection]).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        cause = first_problem(error) if isinstance(error, ValidationError) else error
        raise InputError(
            f"cannot read {path} as detection results: {cause}",
            "expected a JSON list of image_id, category_id, bbox (x, y, w, h), score",
        ) from error
    images = {person.image_id: person.image for person in data.people}
    rows = defaultdict(list)
    for row in detections:
        if row["category_id"] == 1 and row["image_id"] in images and min(row["bbox"][2:]) > 0:
            rows[row["image_id"]].append([*row["bbox"], row["score"]])
    tables = {image_id: np.array(table) for image_id, table in rows.items()}
    found = [BoxedImage(i, images[i], t[:, :4], t[:, 4]) for i, t in tables.items()]
    if not found:
        raise InputError(f"{path} holds no person box for these images", "is it for another split?")
    return found


def predict_dataset(
    runtime: Runtime,
    images: list[BoxedImage],
    flip: bool = False,
    track: Callable[[Iterable[BoxedImage]], Iterable[BoxedImage]] = iter,
) -> list[dict[str, Any]]:
    """COCO keypoint results for all boxes; near-duplicates of one image are suppressed by OKS.

    Args:
        track: wraps the images, to show progress.
    """
    results = []
    for item in track(images):
        poses = estimate(runtime, read_image(item.path), item.boxes_xywh_px, flip)
        scores = poses.pose_scores * item.scores
        rows = np.concatenate([poses.keypoints_px, poses.scores[..., None]], 2)
        areas = item.boxes_xywh_px[:, 2] * item.boxes_xywh_px[:, 3]
        for i in oks_nms(poses.keypoints_px, scores, areas, runtime.spec.skeleton):
            results.append(
                {
                    "image_id": item.image_id,
                    "category_id": 1,
                    "keypoints": rows[i].round(4).ravel().tolist(),
                    "score": float(scores[i]),
                }
            )
    return results


def oks_nms(
    keypoints_px: NDArray[np.float64],
    scores: NDArray[np.float64],
    areas_px: NDArray[np.float64],
    skeleton: Skeleton,
    threshold: float = 0.9,
) -> list[int]:
    """Indices of the poses kept, best first; a pose more than ``threshold`` like a better one goes.

    Args:
        keypoints_px: (N, K, 2).
        scores, areas_px: (N,).
    """
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        similar = (
            oks(keypoints_px[i], keypoints_px[j], (areas_px[i] + areas_px[j]) / 2, skeleton)
            for j in kept
        )
        if all(value <= threshold for value in similar):
            kept.append(int(i))
    return kept


def oks(
    a_px: NDArray[np.floating[Any]],
    b_px: NDArray[np.floating[Any]],
    area_px: float,
    skeleton: Skeleton,
    counted: NDArray[np.bool_] | None = None,
) -> float:
    """Object keypoint similarity of two poses (K, 2), 0..1.

    Args:
        a_px, b_px: the poses.
        area_px: area of the person, in square pixels.
        skeleton: for the sigmas.
        counted: (K,) which keypoints; None is all.
    """
    variances = (2 * np.array(skeleton.sigmas)) ** 2
    distance = ((np.asarray(a_px, np.float64) - b_px) ** 2).sum(-1)
    similarity = np.exp(-distance / variances / (area_px + np.spacing(1)) / 2)
    return float(similarity[counted if counted is not None else slice(None)].mean())


def score_results(
    data: KeypointData, results: list[dict[str, Any]], only_keypoint: int | None = None
) -> COCOeval:
    """Run pycocotools; ``only_keypoint`` leaves the labels of that keypoint alone."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(data.annotations))
        for row in truth.dataset["annotations"]:
            if only_keypoint is not None:
                keep = 3 * only_keypoint
                labels = [0] * len(row["keypoints"])
                labels[keep : keep + 3] = row["keypoints"][keep : keep + 3]
                row["keypoints"] = labels
                row["num_keypoints"] = int(labels[keep + 2] > 0)
        evaluator = COCOeval(truth, truth.loadRes(results), "keypoints")
        evaluator.params.kpt_oks_sigmas = np.array(data.skeleton.sigmas)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


def evaluate(
    runtime: Runtime,
    data: KeypointData,
    boxes: Path | None = None,
    flip: bool = False,
    by_keypoint: bool = True,
    track: Callable[[Iterable[BoxedImage]], Iterable[BoxedImage]] = iter,
) -> tuple[Accuracy, COCOeval]:
    """COCO accuracy of a model, and the matches behind it (for ``bootstrap.ap_difference``).

    Args:
        runtime: any loaded model.
        data: the images and labels.
        boxes: a file of COCO detection results; None takes the annotated boxes.
        flip: average with mirrored crops.
        by_keypoint: also the AP of each keypoint alone.
        track: wraps the images, to show progress.

    Raises:
        InputError: the labels have other keypoints than the model.
    """
    if data.skeleton.keypoints != runtime.spec.skeleton.keypoints:
        raise InputError(
            f"the data has {len(data.skeleton.keypoints)} keypoints, the model "
            f"{len(runtime.spec.skeleton.keypoints)}",
            "evaluate on the keypoint set that the model was trained for",
        )
    images = detected_boxes(data, boxes) if boxes else ground_truth_boxes(data)
    results = predict_dataset(runtime, images, flip, track)
    matches = score_results(data, results)
    stats = matches.stats
    names = data.skeleton.keypoints if by_keypoint else ()
    accuracy = Accuracy(
        ap=float(stats[0]),
        ap50=float(stats[1]),
        ap75=float(stats[2]),
        ap_medium=float(stats[3]),
        ap_large=float(stats[4]),
        ar=float(stats[5]),
        ap_by_keypoint={
            name: float(score_results(data, results, k).stats[0]) for k, name in enumerate(names)
        },
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
    )
    return accuracy, matches
