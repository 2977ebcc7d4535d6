"""COCO keypoint results of a data set: boxes -> crops -> network -> poses.

The network gets crops of several images at a time where that pays. Images are read and cropped
ahead, and heatmaps read behind it, in threads; several processes can share the images.
"""

from __future__ import annotations

import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from annotated_types import Len
from numpy.typing import NDArray
from pydantic import FiniteFloat, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from mvpose.data.coco import KeypointData, read_document
from mvpose.data.images import read_image
from mvpose.errors import InputError
from mvpose.estimate import Poses, crop_heatmaps, make_crops, read_poses
from mvpose.oks import oks_nms
from mvpose.runtime.base import Runtime
from mvpose.spec import ModelSpec, Skeleton, first_problem

T = TypeVar("T")
R = TypeVar("R")
Result = dict[str, Any]

BATCH_SIZE = 32
MOST_THREADS = 8


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


@dataclass(frozen=True)
class Boxes:
    """The boxes of a data set.

    Attributes:
        images: those with a box.
        protocol: where the boxes come from, under "boxes", and how.
    """

    images: list[BoxedImage]
    protocol: dict[str, str | int | float]


def all_images(data: KeypointData) -> dict[int, Path]:
    """Every image of the split by its id, also those without an annotated person."""
    names = {row["id"]: row["file_name"] for row in read_document(data.annotations)["images"]}
    known = data.people[0]
    folder = known.image.parents[len(Path(names[known.image_id]).parts) - 1]
    return {image_id: folder / name for image_id, name in names.items()}


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
    """Boxes of category 1 from a file of COCO detection results, in all images of the split.

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
    images = all_images(data)
    rows = defaultdict(list)
    for row in detections:
        if row["category_id"] == 1 and row["image_id"] in images and min(row["bbox"][2:]) > 0:
            rows[row["image_id"]].append([*row["bbox"], row["score"]])
    tables = {image_id: np.array(table) for image_id, table in rows.items()}
    found = [BoxedImage(i, images[i], t[:, :4], t[:, 4]) for i, t in tables.items()]
    if not found:
        raise InputError(f"{path} holds no person box for these images", "is it for another split?")
    return found


@dataclass(frozen=True)
class CroppedImages:
    """Crops (N, height, width, 3) of all people of some images, and their matrices (2, 3)."""

    images: list[BoxedImage]
    crops: NDArray[np.uint8]
    matrices: list[NDArray[np.float64]]


def predict_dataset(
    runtime: Runtime,
    images: list[BoxedImage],
    flip: bool = False,
    track: Callable[[Iterable[BoxedImage]], Iterable[BoxedImage]] = iter,
    batch_size: int | None = None,
    shard: tuple[int, int] = (0, 1),
) -> list[Result]:
    """COCO keypoint results for all boxes; near-duplicates of one image are suppressed by OKS.

    Args:
        runtime: any loaded model.
        images: their boxes are what is looked at.
        flip: average with mirrored crops.
        track: wraps the images, to show progress.
        batch_size: crops that the network gets at a time at most, of whole images where they fit.
            None is 32; on the CPU it is also one image's, since larger batches, which fall out of
            the caches, are slower there.
        shard: this process's number and how many share the batches, which are the same for any
            number of processes, and so are the results.

    Raises:
        InputError: an image is unreadable, or a box lies outside it.
    """
    number, count = shard
    most = batch_size or BATCH_SIZE
    alone = batch_size is None and runtime.protocol["device"] == "cpu"
    batches = list(group(images, 1 if alone else most))[number::count]
    threads = min(MOST_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        cropped = ahead(pool, partial(crop_images, spec=runtime.spec), batches, threads)
        mapped = ((batch, batch_heatmaps(runtime, batch.crops, flip, most)) for batch in cropped)
        found = ahead(pool, partial(batch_results, spec=runtime.spec), mapped, depth=1)
        shown = track(list(chain.from_iterable(batches)))
        return [
            result
            for _, results in zip(shown, chain.from_iterable(found), strict=True)
            for result in results
        ]


def predict_together(
    runtime: Runtime,
    images: list[BoxedImage],
    flip: bool = False,
    track: Callable[[Iterable[BoxedImage]], Iterable[BoxedImage]] = iter,
    batch_size: int | None = None,
    shard: tuple[int, int] = (0, 1),
) -> list[Result]:
    """``predict_dataset`` by all processes of a job: each gets the results of all, in one order.

    Raises:
        InputError: in every process, where it was raised in one.
    """
    part: list[Result] | InputError
    try:
        part = predict_dataset(runtime, images, flip, track, batch_size, shard)
    except InputError as error:
        part = error
    parts = gather(part) if shard[1] > 1 else [part]
    results: list[Result] = []
    for part in parts:
        if isinstance(part, InputError):
            raise part
        results += part
    order = {item.image_id: place for place, item in enumerate(images)}
    return sorted(results, key=lambda row: order[row["image_id"]])


def gather(part: T) -> list[T]:
    """What each process of the ``torch.distributed`` job holds, by rank; all must call this."""
    from torch import distributed

    parts: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(parts, part)
    return parts


def group(images: list[BoxedImage], size: int) -> Iterator[list[BoxedImage]]:
    """Images in a row with ``size`` boxes together at most, or one image with more."""
    batch: list[BoxedImage] = []
    boxes = 0
    for item in images:
        if batch and boxes + len(item.boxes_xywh_px) > size:
            yield batch
            batch, boxes = [], 0
        batch.append(item)
        boxes += len(item.boxes_xywh_px)
    if batch:
        yield batch


def ahead(
    pool: Executor, function: Callable[[T], R], items: Iterable[T], depth: int
) -> Iterator[R]:
    """``map`` in a pool, in order; up to ``depth`` calls are begun before they are asked for."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > depth:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def crop_images(images: list[BoxedImage], spec: ModelSpec) -> CroppedImages:
    """Read images and cut out their people."""
    parts = [make_crops(read_image(item.path), item.boxes_xywh_px, spec) for item in images]
    return CroppedImages(
        images,
        np.concatenate([crops for crops, _ in parts]),
        [matrix for _, matrices in parts for matrix in matrices],
    )


def batch_heatmaps(
    runtime: Runtime, crops: NDArray[np.uint8], flip: bool, most: int
) -> NDArray[np.floating[Any]]:
    """Heatmaps of any number of crops; the network gets ``most`` of them at a time."""
    starts = range(0, len(crops), most)
    return np.concatenate([crop_heatmaps(runtime, crops[i : i + most], flip) for i in starts])


def coco_results(item: BoxedImage, poses: Poses, skeleton: Skeleton) -> list[Result]:
    """The poses of one image as COCO wants them, best first, without near-duplicates."""
    scores = poses.pose_scores * item.scores
    rows = np.concatenate([poses.keypoints_px, poses.scores[..., None]], 2).round(4)
    areas = item.boxes_xywh_px[:, 2] * item.boxes_xywh_px[:, 3]
    return [
        {
            "image_id": item.image_id,
            "category_id": 1,
            "keypoints": rows[i].ravel().tolist(),
            "score": float(scores[i]),
        }
        for i in oks_nms(poses.keypoints_px, scores, areas, skeleton)
    ]


def batch_results(
    mapped: tuple[CroppedImages, NDArray[np.floating[Any]]], spec: ModelSpec
) -> list[list[Result]]:
    """The results of each image of a batch, from the heatmaps of its people."""
    batch, heatmaps = mapped
    boxes = [item.boxes_xywh_px for item in batch.images]
    poses = read_poses(heatmaps, batch.matrices, np.concatenate(boxes), spec)
    ends = np.cumsum([len(b) for b in boxes])
    return [
        coco_results(item, poses[end - len(b) : end], spec.skeleton)
        for item, b, end in zip(batch.images, boxes, ends, strict=True)
    ]
