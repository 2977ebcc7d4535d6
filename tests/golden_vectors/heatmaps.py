"""Heatmaps of real and drawn people and of everything that a decoder trips over."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden_vectors.store import Store
from mvpose.codec.affine import box_to_region, cells_to_input, crop_matrix, invert, transform
from mvpose.codec.decode import decode
from mvpose.estimate import Poses, make_crops
from mvpose.runtime.litert import LiteRTRuntime
from mvpose.spec import Decode

Floats = NDArray[np.float64]

RULES = {
    "dark": Decode(),
    "dark, cells on strides": Decode(grid="stride"),
    "dark, narrow Gaussian": Decode(sigma_cells=1.2),
    "quarter": Decode("quarter"),
    "argmax": Decode("argmax", score_floor=-1),
    "every keypoint a guess": Decode(score_floor=9),
}


def write(
    store: Store, runtime: LiteRTRuntime, people: dict[str, tuple[NDArray[np.uint8], Floats]]
) -> None:
    """Write ``decode.json``.

    Args:
        runtime: the network whose heatmaps are stored.
        people: by name, a picture (h, w, 3) and the box (4,) of a person in it.
    """
    spec, cases = runtime.spec, []
    for name, (image, box) in people.items():
        crops, matrices = make_crops(image, box[None], spec)
        maps = runtime.heatmaps(crops)[0]
        size = spec.preprocess.size_wh
        cases.append(case(store, name, maps, spec.decode, size, matrices[0]))
    maps = hard_maps()
    box = np.array([31.5, -20.25, 117.0, 310.0])
    size = (160, 128)
    matrix = crop_matrix(*box_to_region(box, size, 1.25), size)
    for name, rule in RULES.items():
        cases.append(case(store, f"hard cases: {name}", maps, rule, size, matrix))
    model = {"kernels": "XNNPACK", **runtime.protocol}
    store.write("decode", {"model": model, "cases": cases})


def case(
    store: Store,
    name: str,
    maps: NDArray[np.float32],
    rule: Decode,
    size_wh: tuple[int, int],
    matrix: Floats,
) -> dict[str, Any]:
    """One case of maps (K, h, w)."""
    cells, scores = decode(maps, rule)
    in_crop = cells_to_input(cells, (maps.shape[2], maps.shape[1]), size_wh, rule.grid)
    in_image = transform(invert(matrix), in_crop)
    box = np.zeros((1, 4))
    poses = Poses(in_image[None], scores[None], box, rule.score_floor)
    file = f"heatmaps-{name.partition(':')[0].replace(' ', '-')}.f32"
    return {
        "name": name,
        "heatmaps": store.put(file, maps.transpose(1, 2, 0)),
        "decode": asdict(rule),
        "input_wh": size_wh,
        "matrix": matrix,
        "expected": {
            "cells": cells,
            "keypoints_crop_px": in_crop,
            "keypoints_px": in_image,
            "scores": scores,
            "pose_score": poses.pose_scores[0],
        },
    }


def hard_maps() -> NDArray[np.float32]:
    """(K, 32, 40) maps: peaks within and on every border, two alike, flat, a wide hill, a saddle,
    a lone cell in a hollow, noise."""
    height, width = 32, 40
    y, x = np.mgrid[:height, :width].astype(float)

    def gaussian(cx: float, cy: float, peak: float = 0.9) -> Floats:
        return np.asarray(peak * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 2))

    hollow = np.minimum(0.2 * ((x - 20.2) ** 2 + (y - 16.1) ** 2), 0.85)
    hollow[16, 20] = 0.9
    noise = np.random.default_rng(1).normal(0, 0.1, (height, width))
    maps = [
        gaussian(13.37, 8.81),
        gaussian(20.5, 15.5),
        gaussian(0.3, 12.2),
        gaussian(width - 1.2, 5.6),
        gaussian(17.7, 0.1),
        gaussian(6.4, height - 1.3),
        gaussian(-0.4, -0.3),
        gaussian(width - 0.8, height - 0.8),
        gaussian(10, 10) + gaussian(30, 20),
        np.zeros((height, width)),
        np.full((height, width), -0.25),
        0.9 * np.exp(-((x - 20.3) ** 2 + (y - 15.6) ** 2) / 7200),
        0.5 + 0.01 * ((x - 20) ** 2 - (y - 16) ** 2),
        hollow,
        gaussian(25.25, 21.75, 2e-4),
        noise,
        gaussian(9.8, 27.1) + noise,
        -gaussian(22.0, 11.0),
    ]
    return np.stack(maps).astype(np.float32)
