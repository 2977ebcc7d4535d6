"""From an image and boxes to keypoints in image coordinates, with any runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.codec.affine import box_to_region, cells_to_input, crop, crop_matrix, invert, transform
from mvpose.codec.decode import average_flipped, decode
from mvpose.errors import InputError
from mvpose.runtime.base import Runtime
from mvpose.spec import ModelSpec

SCORE_FLOOR = 0.2


@dataclass(frozen=True)
class Poses:
    """Keypoints of N people.

    Attributes:
        keypoints_px: (N, K, 2) x, y in the image.
        scores: (N, K) peak heights, about 0..1.
        boxes_xywh_px: (N, 4) the boxes that they were found in.
    """

    keypoints_px: NDArray[np.float64]
    scores: NDArray[np.float64]
    boxes_xywh_px: NDArray[np.float64]

    def __post_init__(self) -> None:
        n, k = self.scores.shape
        if self.keypoints_px.shape != (n, k, 2) or self.boxes_xywh_px.shape != (n, 4):
            raise ValueError(
                f"expected keypoints ({n}, {k}, 2) and boxes ({n}, 4), got "
                f"{self.keypoints_px.shape} and {self.boxes_xywh_px.shape}"
            )

    @property
    def pose_scores(self) -> NDArray[np.float64]:
        """(N,) mean of the keypoint scores above 0.2; 0 where there are none."""
        kept = self.scores > SCORE_FLOOR
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


def crop_keypoints(
    runtime: Runtime, crops: NDArray[np.uint8], flip: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Keypoints (N, K, 2) in crop pixels and scores (N, K) of crops (N, height, width, 3)."""
    maps = runtime.heatmaps(crops)
    if flip:
        mirrored = runtime.heatmaps(np.ascontiguousarray(crops[:, :, ::-1]))
        maps = average_flipped(maps, mirrored, runtime.spec.skeleton.flip_order)
    cells, scores = decode(maps, runtime.spec.decode)
    heatmap_wh = (maps.shape[-1], maps.shape[-2])
    return cells_to_input(cells, heatmap_wh, runtime.spec.preprocess.size_wh), scores


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
    points, scores = crop_keypoints(runtime, crops, flip)
    in_image = [transform(invert(m), p) for m, p in zip(matrices, points, strict=True)]
    return Poses(np.stack(in_image), scores, np.asarray(boxes_xywh_px, np.float64))
