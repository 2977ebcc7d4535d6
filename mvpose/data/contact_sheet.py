"""A sheet of drawn pictures, every second one with the labelled skeletons.

python -m mvpose.data.contact_sheet docs/drawn-people.jpg
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

TILE_PX = 200
GAP_PX = 4


def contact_sheet(columns: int, rows: int, seed: int) -> NDArray[np.uint8]:
    """Pictures of drawn people in a grid, (H, W, 3) RGB; each fits a square tile."""
    from mvpose.data.pose_prior import shipped_prior
    from mvpose.data.synthetic import MOST_PEOPLE, draw_scene
    from mvpose.drawing import draw_poses
    from mvpose.estimate import Poses
    from mvpose.spec import COCO17

    pitch = TILE_PX + GAP_PX
    sheet = np.full((rows * pitch + GAP_PX, columns * pitch + GAP_PX, 3), 255, np.uint8)
    for number in range(columns * rows):
        rng = np.random.default_rng([seed, number])
        image, people = draw_scene(rng, shipped_prior().sample_count(rng, MOST_PEOPLE))
        row, column = divmod(number, columns)
        if (row + column) % 2:
            points = np.stack([person.keypoints_px for person in people])
            boxes = np.stack([person.box_xywh_px for person in people])
            labelled = (points[..., 2] > 0).astype(np.float64)
            image = draw_poses(image, Poses(points[..., :2], labelled, boxes), COCO17)
        small = _fitted(image)
        height, width = small.shape[:2]
        top = row * pitch + GAP_PX + (TILE_PX - height) // 2
        left = column * pitch + GAP_PX + (TILE_PX - width) // 2
        sheet[top : top + height, left : left + width] = small
    return sheet


def write_sheet(out: Path, *, columns: int = 6, rows: int = 4, seed: int = 0) -> None:
    """Draw people and write a sheet of the pictures.

    Examples:

    python -m mvpose.data.contact_sheet docs/drawn-people.jpg

    Args:
        out: the JPEG to write.
        columns: pictures side by side.
        rows: of pictures.
        seed: the same seed draws the same pictures.
    """
    from mvpose.files import replacing

    sheet = cv2.cvtColor(contact_sheet(columns, rows, seed), cv2.COLOR_RGB2BGR)
    encoded = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, 82])[1]
    with replacing(out) as temporary:
        temporary.write_bytes(encoded.tobytes())


def _fitted(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture, shrunk to a tile with its shape kept."""
    scale = TILE_PX / max(image.shape[:2])
    size = [round(side * scale) for side in image.shape[1::-1]]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


if __name__ == "__main__":
    from mvpose.cli import run

    run(write_sheet, "contact-sheet")
