"""Box -> crop -> box: the affine map between an image and the network's input.

UDP's convention (Huang et al., "The Devil is in the Details: Delving into Unbiased Data Processing
for Human Pose Estimation", CVPR 2020, arXiv 1911.07524): lengths are counted between pixel
centres, so a region of w pixels spans w units of the image and ``width - 1`` units of the crop,
and a heatmap of c cells spans c - 1. Networks of other projects may lay their cells out otherwise
(``Decode.grid``).
"""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Grid = Literal["corners", "stride"]


def box_to_region(
    box_xywh_px: NDArray[np.floating[Any]], size_wh: tuple[int, int], padding: float
) -> tuple[Floats, Floats]:
    """The region about a box that has the crop's aspect ratio.

    Args:
        box_xywh_px: left, top, width, height.
        size_wh: width and height of the crop.
        padding: growth of the region about the box's centre.

    Returns:
        centre (2,) and size (2,) of the region, in image pixels.
    """
    left, top, width, height = np.asarray(box_xywh_px, np.float64)
    aspect = size_wh[0] / size_wh[1]
    region = np.array([max(width, height * aspect), max(height, width / aspect)])
    return np.array([left + width / 2, top + height / 2]), region * padding


def crop_matrix(
    centre_px: Floats,
    region_px: Floats,
    size_wh: tuple[int, int],
    rotation_deg: float = 0.0,
    mirror: bool = False,
) -> Floats:
    """The (2, 3) matrix from image to crop coordinates.

    Args:
        centre_px: (2,) centre of the region in the image.
        region_px: (2,) width and height of the region.
        size_wh: width and height of the crop in pixels.
        rotation_deg: clockwise rotation of the picture within the crop.
        mirror: exchange left and right.
    """
    width, height = size_wh
    angle = np.deg2rad(rotation_deg)
    scale = np.array([(width - 1) / region_px[0], (height - 1) / region_px[1]])
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = rotation * scale[:, None]
    offset = np.array([(width - 1) / 2, (height - 1) / 2]) - linear @ centre_px
    matrix = np.concatenate([linear, offset[:, None]], axis=1)
    if mirror:
        matrix[0] = -matrix[0]
        matrix[0, 2] += width - 1
    return matrix


def invert(matrix: Floats) -> Floats:
    """The (2, 3) matrix of the opposite direction."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.concatenate([linear, -linear @ matrix[:, 2:]], axis=1)


def transform(matrix: Floats, points: NDArray[np.floating[Any]]) -> Floats:
    """Apply a (2, 3) matrix to points (..., 2)."""
    return np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]


def crop(image: NDArray[np.uint8], matrix: Floats, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Cut a crop (height, width, 3) out of an image, bilinearly, black outside the image."""
    return cv2.warpAffine(image, matrix, size_wh, flags=cv2.INTER_LINEAR).astype(
        np.uint8, copy=False
    )


def px_per_cell(
    heatmap_wh: tuple[int, int], size_wh: tuple[int, int], grid: Grid = "corners"
) -> Floats:
    """(2,) crop pixels from one heatmap cell to the next; cell 0 lies on pixel 0.

    Args:
        heatmap_wh: width and height of the heatmaps in cells.
        size_wh: width and height of the crop in pixels.
        grid: as in ``Decode.grid``.
    """
    ends = 1 if grid == "corners" else 0
    return np.asarray(np.subtract(size_wh, ends) / np.subtract(heatmap_wh, ends), np.float64)


def cells_to_input(
    cells: NDArray[np.floating[Any]],
    heatmap_wh: tuple[int, int],
    size_wh: tuple[int, int],
    grid: Grid = "corners",
) -> Floats:
    """Heatmap coordinates (..., 2) in cells -> crop coordinates in pixels."""
    return np.asarray(cells, np.float64) * px_per_cell(heatmap_wh, size_wh, grid)


def input_to_cells(
    points_px: NDArray[np.floating[Any]],
    heatmap_wh: tuple[int, int],
    size_wh: tuple[int, int],
    grid: Grid = "corners",
) -> Floats:
    """Crop coordinates (..., 2) in pixels -> heatmap coordinates in cells."""
    return np.asarray(points_px, np.float64) / px_per_cell(heatmap_wh, size_wh, grid)


def align_mirrored(
    mirrored: NDArray[np.floating[Any]], size_wh: tuple[int, int], grid: Grid = "corners"
) -> NDArray[np.floating[Any]]:
    """Heatmaps of a mirrored crop, moved so that reversing their columns mirrors the crop's grid.

    With the grid "stride" and s pixels a cell, the last column lies s - 1 pixels short of the
    crop's edge and the first on it: the maps move by (s - 1) / s of a cell towards column 0, which
    is to the right once they are reversed. The last column is repeated beyond the border.

    Args:
        mirrored: (..., height, width), as the network gave them.
        size_wh: width and height of the crop in pixels.
        grid: as in ``Decode.grid``.
    """
    if grid == "corners":
        return mirrored
    share = 1 - mirrored.shape[-1] / size_wh[0]
    following = np.concatenate([mirrored[..., 1:], mirrored[..., -1:]], axis=-1)
    return (1 - share) * mirrored + share * following
