"""From buffer to screen, for all rotations and mirrorings."""

from __future__ import annotations

from itertools import product

import numpy as np

from golden_vectors.store import Store
from mvpose.codec.affine import invert, transform
from mvpose.live.view import upright_matrix, upright_wh, view_matrix

BUFFER_WH = (640, 480)
VIEWS = {"portrait": (1080.0, 2148.0), "landscape": (1280.5, 720.25)}


def write(store: Store) -> None:
    """Write ``view.json``."""
    right, bottom = BUFFER_WH[0] - 1, BUFFER_WH[1] - 1
    points = np.array([(0, 0), (right, 0), (0, bottom), (right, bottom), (123.4, 321.0)], float)
    cases = []
    for (name, view_wh), rotation, mirror, fill in product(
        VIEWS.items(), (0, 90, 180, 270), (False, True), (False, True)
    ):
        turned = upright_matrix(BUFFER_WH, rotation)  # type: ignore[arg-type]
        image_wh = upright_wh(BUFFER_WH, rotation)  # type: ignore[arg-type]
        shown = view_matrix(image_wh, view_wh, mirror, fill)
        upright = transform(turned, points)
        cases.append(
            {
                "name": f"{name}, turned by {rotation}, {'mirrored, ' if mirror else ''}"
                f"{'filled' if fill else 'fitted'}",
                "buffer_wh": BUFFER_WH,
                "rotation_deg": rotation,
                "mirror": mirror,
                "fill": fill,
                "view_wh": view_wh,
                "upright_wh": image_wh,
                "buffer_to_upright": turned,
                "upright_to_view": shown,
                "view_to_upright": invert(shown),
                "points_buffer_px": points,
                "points_upright_px": upright,
                "points_view_px": transform(shown, upright),
            }
        )
    store.write("view", {"cases": cases})
