"""Crops out of a camera's buffer, for every rotation."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from golden_vectors.store import Store
from mvpose.codec.affine import box_to_region, crop, crop_matrix
from mvpose.live.view import compose, upright_matrix

PADDING = 1.25
CASES: dict[str, tuple[str, int, tuple[float, float, float, float], tuple[int, int]]] = {
    "person, 256 x 256": ("person", 0, (25.5, 4.25, 90.0, 150.0), (256, 256)),
    "sensor turned by 90": ("person", 90, (40.2, 30.7, 70.1, 95.3), (64, 64)),
    "sensor turned by 180": ("person", 180, (30.0, 20.0, 60.0, 120.0), (48, 64)),
    "sensor turned by 270": ("person", 270, (12.34, 56.78, 100.5, 60.25), (64, 48)),
    "whole picture": ("person", 0, (0.0, 0.0, 120.0, 160.0), (64, 64)),
    "beyond the border": ("person", 0, (-40.0, -30.0, 80.0, 90.0), (64, 64)),
    "smaller than a cell": ("person", 0, (60.3, 80.9, 2.0, 3.0), (64, 64)),
    "larger than the picture": ("person", 90, (-300.0, -200.0, 900.0, 700.0), (64, 64)),
    "noise, wide box": ("noise", 0, (3.7, 5.1, 83.3, 21.9), (96, 64)),
    "noise, wide box, turned by 270": ("noise", 270, (3.7, 5.1, 43.3, 21.9), (96, 64)),
}


def write(store: Store, person: NDArray[np.uint8]) -> None:
    """Write ``crop.json``.

    Args:
        person: (h, w, 3) a picture of a person, 120 x 160 once scaled.
    """
    small = cv2.resize(person, (120, 160), interpolation=cv2.INTER_AREA).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (53, 91, 3), np.uint8)
    pictures = {"person": small, "noise": noise}
    stored = {name: store.put(f"picture-{name}.u8", image) for name, image in pictures.items()}
    cases: list[dict[str, Any]] = []
    for number, (name, (picture, rotation, box, input_wh)) in enumerate(CASES.items()):
        buffer = pictures[picture]
        centre, region = box_to_region(np.array(box), input_wh, PADDING)
        matrix = crop_matrix(centre, region, input_wh)
        turned = compose(matrix, upright_matrix((buffer.shape[1], buffer.shape[0]), rotation))  # type: ignore[arg-type]
        cases.append(
            {
                "name": name,
                "picture": stored[picture],
                "rotation_deg": rotation,
                "box_xywh_px": box,
                "input_wh": input_wh,
                "padding": PADDING,
                "matrix": matrix,
                "buffer_matrix": turned,
                "crop": store.put(f"crop-{number}.u8", crop(buffer, turned, input_wh)),
            }
        )
    store.write("crop", {"cases": cases})
