"""What the tests of the bootstrap share: spoiled poses, and draws of images written out in full."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from conftest import perfect_results
from numpy.typing import NDArray

from mvpose.data.coco import KeypointData
from mvpose.matches import MatchTable, resampled_aps

Results = list[dict[str, Any]]


def blurred(data: KeypointData, share: float, seed: int = 0) -> Results:
    """The labels with noise of a random strength per person, up to ``share`` of the box."""
    rng = np.random.default_rng(seed)
    results = perfect_results(data)
    for person, row in zip(data.people, results, strict=True):
        keypoints = np.reshape(row["keypoints"], (17, 3)).copy()
        strength = share * rng.uniform() * person.box_xywh_px[2:].mean()
        keypoints[:, :2] += rng.normal(0, strength, (17, 2))
        row["keypoints"] = keypoints.ravel().tolist()
    return results


def drawn_ap(table: MatchTable, draw: NDArray[np.int64]) -> float:
    """AP over one draw of images."""
    return float(resampled_aps(table, np.bincount(draw, minlength=len(table.people))[None])[0])


def drawn_copy(
    data: KeypointData, results: Results, draw: list[int], folder: Path
) -> tuple[KeypointData, Results]:
    """The data set and poses of the drawn images alone, each as often as it was drawn.

    Args:
        draw: places in the rising ids of the images.
    """
    document = json.loads(data.annotations.read_text())
    ids = sorted(row["id"] for row in document["images"])
    images: Results = []
    labels: Results = []
    predictions: Results = []
    for new, place in enumerate(draw, start=1):
        images += [{**row, "id": new} for row in document["images"] if row["id"] == ids[place]]
        for row in document["annotations"]:
            if row["image_id"] == ids[place]:
                labels.append({**row, "id": len(labels) + 1, "image_id": new})
        predictions += [{**r, "image_id": new} for r in results if r["image_id"] == ids[place]]
    path = folder / "drawn.json"
    path.write_text(json.dumps({**document, "images": images, "annotations": labels}))
    return replace(data, annotations=path), predictions
