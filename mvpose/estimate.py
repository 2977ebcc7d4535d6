"""From an image and boxes to keypoints in image coordinates, with any runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.codec.affine import (
    align_mirrored,
    box_to_region,
    cells_to_input,
    crop,
    crop_matrix,
    invert,
    transform,
)
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

    def __getitem__(self, people: slice) -> Poses:
        """The poses of some of the people."""
        return Poses(self.keypoints_px[people], self.scores[people], self.boxes_xywh_px[people])

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


def crop_heatmaps(
    runtime: Runtime, crops: NDArray[np.uint8], flip: bool = False
) -> NDArray[np.floating[Any]]:
    """Heatmaps (N, K, h, w) of crops (N, height, width, 3).

    Args:
        flip: average with the mirrored crops.
    """
    maps = runtime.heatmaps(crops)
    if not flip:
        return maps
    spec = runtime.spec
    mirrored = runtime.heatmaps(np.ascontiguousarray(crops[:, :, ::-1]))
    mirrored = align_mirrored(mirrored, spec.preprocess.size_wh, spec.decode.grid)
    return average_flipped(maps, mirrored, spec.skeleton.flip_order)


def read_poses(
    heatmaps: NDArray[np.floating[Any]],
    matrices: list[NDArray[np.float64]],
    boxes_xywh_px: NDArray[np.floating[Any]],
    spec: ModelSpec,
) -> Poses:
    """Read N people's keypoints off their heatmaps (N, K, h, w).

    Args:
        matrices: of each person, from image to crop, as ``make_crops`` gives them.
        boxes_xywh_px: (N, 4) the boxes that were cropped.
    """
    size, rule = spec.preprocess.size_wh, spec.decode
    cells, scores = decode(heatmaps, rule)
    heatmap_wh = (heatmaps.shape[-1], heatmaps.shape[-2])
    points = cells_to_input(cells, heatmap_wh, size, rule.grid)
    in_image = [transform(invert(m), p) for m, p in zip(matrices, points, strict=True)]
    return Poses(np.stack(in_image), scores, np.asarray(boxes_xywh_px, np.float64))


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
