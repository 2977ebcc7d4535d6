"""From an image and boxes to keypoints in image coordinates, with any runtime."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.codec.affine import (
    align_mirrored,
    box_to_region,
    crop,
    crop_matrix,
    invert,
    transform,
)
from mvpose.codec.decode import average_flipped, average_flipped_points, decode_px
from mvpose.errors import InputError
from mvpose.runtime.base import Runtime
from mvpose.spec import Decode, ModelSpec

SCORE_FLOOR = Decode.score_floor


@dataclass(frozen=True)
class Poses:
    """Keypoints of N people.

    Attributes:
        keypoints_px: (N, K, 2) x, y in the image.
        scores: (N, K) peak heights, about 0..1.
        boxes_xywh_px: (N, 4) the boxes that they were found in.
        score_floor: as in ``Decode``.
    """

    keypoints_px: NDArray[np.float64]
    scores: NDArray[np.float64]
    boxes_xywh_px: NDArray[np.float64]
    score_floor: float = SCORE_FLOOR

    def __post_init__(self) -> None:
        n, k = self.scores.shape
        if self.keypoints_px.shape != (n, k, 2) or self.boxes_xywh_px.shape != (n, 4):
            raise ValueError(
                f"expected keypoints ({n}, {k}, 2) and boxes ({n}, 4), got "
                f"{self.keypoints_px.shape} and {self.boxes_xywh_px.shape}"
            )

    def __getitem__(self, people: slice) -> Poses:
        """The poses of some of the people."""
        return replace(
            self,
            keypoints_px=self.keypoints_px[people],
            scores=self.scores[people],
            boxes_xywh_px=self.boxes_xywh_px[people],
        )

    @property
    def pose_scores(self) -> NDArray[np.float64]:
        """(N,) mean of the keypoint scores above ``score_floor``; 0 where there are none."""
        kept = self.scores > self.score_floor
        return np.where(kept, self.scores, 0).sum(1) / np.maximum(kept.sum(1), 1)


def make_crops(
    image: NDArray[np.uint8], boxes_xywh_px: NDArray[np.floating[Any]], spec: ModelSpec
) -> tuple[NDArray[np.uint8], list[NDArray[np.float64]]]:
    """Cut a person's crop for each box.

    Returns:
        (N, height, width, 3) crops and, for each, the (2, 3) matrix from image to crop.

    Raises:
        InputError: a box has no area or lies outside the image.
    """
    height, width = image.shape[:2]
    size = spec.preprocess.size_wh
    matrices = []
    for x, y, w, h in np.asarray(boxes_xywh_px, np.float64):
        if not (w > 0 and h > 0):
            raise InputError(f"the box {x:g},{y:g},{w:g},{h:g} has no area", "boxes are x,y,w,h")
        if x >= width or y >= height or x + w <= 0 or y + h <= 0:
            raise InputError(
                f"the box {x:g},{y:g},{w:g},{h:g} lies outside the {width} x {height} image",
                "boxes are x,y,w,h in pixels of the image as displayed",
            )
        centre, region = box_to_region(np.array([x, y, w, h]), size, spec.preprocess.box_padding)
        matrices.append(crop_matrix(centre, region, size))
    return np.stack([crop(image, matrix, size) for matrix in matrices]), matrices


def crop_heatmaps(
    runtime: Runtime, crops: NDArray[np.uint8], flip: bool = False
) -> NDArray[np.floating[Any]]:
    """Heatmaps (N, K, h, w) of crops (N, height, width, 3).

    Args:
        flip: average with the mirrored crops.

    Raises:
        InputError: the network gives NaN or infinity.
    """
    maps = _finite_heatmaps(runtime, crops)
    if not flip:
        return maps
    spec = runtime.spec
    mirrored = _finite_heatmaps(runtime, np.ascontiguousarray(crops[:, :, ::-1]))
    if spec.decode.method == "coordinates":
        width_px = spec.preprocess.input_width_px
        return average_flipped_points(maps, mirrored, spec.skeleton.flip_order, width_px)
    mirrored = align_mirrored(mirrored, spec.preprocess.size_wh, spec.decode.grid)
    return average_flipped(maps, mirrored, spec.skeleton.flip_order)


def _finite_heatmaps(runtime: Runtime, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    maps = runtime.heatmaps(crops)
    if not np.isfinite(maps).all():
        name = runtime.protocol.get("file", runtime.spec.name)
        raise InputError(
            f"{name} gives NaN or infinity in {runtime.protocol['runtime']}",
            "its weights are damaged, or its training diverged; take another file",
        )
    return maps


def read_poses(
    heatmaps: NDArray[np.floating[Any]],
    matrices: list[NDArray[np.float64]],
    boxes_xywh_px: NDArray[np.floating[Any]],
    spec: ModelSpec,
) -> Poses:
    """Read N people's keypoints off what the network gave (N, K, h, w) for their crops.

    Args:
        matrices: of each person, from image to crop, as ``make_crops`` gives them.
        boxes_xywh_px: (N, 4) the boxes that were cropped.
    """
    points, scores = decode_px(heatmaps, spec.decode, spec.preprocess.size_wh)
    in_image = [transform(invert(m), p) for m, p in zip(matrices, points, strict=True)]
    boxes = np.asarray(boxes_xywh_px, np.float64)
    return Poses(np.stack(in_image), scores, boxes, spec.decode.score_floor)


def estimate(
    runtime: Runtime,
    image: NDArray[np.uint8],
    boxes_xywh_px: NDArray[np.floating[Any]],
    flip: bool = False,
) -> Poses:
    """Find the keypoints of the person in each box.

    Args:
        runtime: any loaded model.
        image: (height, width, 3) RGB.
        boxes_xywh_px: (N, 4) left, top, width, height; N > 0.
        flip: average with the mirrored crop (costs twice the time).
    """
    crops, matrices = make_crops(image, boxes_xywh_px, runtime.spec)
    maps = crop_heatmaps(runtime, crops, flip)
    return read_poses(maps, matrices, boxes_xywh_px, runtime.spec)
