"""From a camera's buffer to the upright picture, and from there to what is seen on a screen.

Pixel centres of buffers and pictures are whole numbers; a view measures from edge to edge, so that
the centre of pixel i lies at (i + 0.5) times the scale.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mvpose.errors import InputError

Floats = NDArray[np.float64]
Rotation = Literal[0, 90, 180, 270]


def upright_wh(buffer_wh: tuple[int, int], rotation_deg: Rotation) -> tuple[int, int]:
    """Width and height of the picture once it stands upright."""
    width, height = buffer_wh
    return (height, width) if rotation_deg in (90, 270) else (width, height)


def upright_matrix(buffer_wh: tuple[int, int], rotation_deg: Rotation) -> Floats:
    """The (2, 3) matrix from the buffer to the upright picture.

    Args:
        buffer_wh: width and height of the buffer.
        rotation_deg: clockwise turn that makes it upright.

    Raises:
        InputError: the turn is no multiple of 90 degrees within 0..270.
    """
    right, bottom = buffer_wh[0] - 1, buffer_wh[1] - 1
    matrices = {
        0: [[1, 0, 0], [0, 1, 0]],
        90: [[0, -1, bottom], [1, 0, 0]],
        180: [[-1, 0, right], [0, -1, bottom]],
        270: [[0, 1, 0], [-1, 0, right]],
    }
    if rotation_deg not in matrices:
        raise InputError(
            f"a camera's picture is turned by 0, 90, 180 or 270 degrees, not {rotation_deg}"
        )
    return np.array(matrices[rotation_deg], np.float64)


def view_matrix(
    image_wh: tuple[int, int], view_wh: tuple[float, float], mirror: bool, fill: bool
) -> Floats:
    """The (2, 3) matrix from the upright picture to the view, in which it is centred.

    Args:
        image_wh: width and height of the upright picture.
        view_wh: width and height of the view.
        mirror: exchange left and right, as a front camera's preview does.
        fill: cover the view and cut off what reaches beyond; otherwise show the whole picture.
    """
    scales = np.divide(view_wh, image_wh)
    scale = float(scales.max() if fill else scales.min())
    matrix = np.array([[scale, 0.0, 0.0], [0.0, scale, 0.0]])
    matrix[:, 2] = scale * 0.5 + (np.array(view_wh) - scale * np.array(image_wh)) / 2
    if mirror:
        matrix[0] = -matrix[0]
        matrix[0, 2] += view_wh[0]
    return matrix


def compose(outer: Floats, inner: Floats) -> Floats:
    """The (2, 3) matrix that applies ``inner``, then ``outer``."""
    linear = outer[:, :2] @ inner[:, :2]
    offset = outer[:, :2] @ inner[:, 2] + outer[:, 2]
    return np.column_stack([linear, offset])
