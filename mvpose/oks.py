"""Object keypoint similarity: how alike two poses are, and leaving out near-duplicates by it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.spec import Skeleton


def oks(
    a_px: NDArray[np.floating[Any]],
    b_px: NDArray[np.floating[Any]],
    area_px: float | NDArray[np.float64],
    skeleton: Skeleton,
    counted: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Object keypoint similarity (...), 0..1, of poses (..., K, 2) with each other.

    Args:
        a_px, b_px: the poses.
        area_px: (...) area of the person, in square pixels.
        skeleton: for the sigmas.
        counted: (K,) which keypoints; None is all.
    """
    variances = (2 * np.array(skeleton.sigmas)) ** 2
    distance = ((np.asarray(a_px, np.float64) - b_px) ** 2).sum(-1)
    similarity = np.exp(
        -distance / variances / (np.asarray(area_px)[..., None] + np.spacing(1)) / 2
    )
    return np.asarray(similarity[..., counted if counted is not None else slice(None)].mean(-1))


def oks_nms(
    keypoints_px: NDArray[np.float64],
    scores: NDArray[np.float64],
    areas_px: NDArray[np.float64],
    skeleton: Skeleton,
    threshold: float = 0.9,
) -> list[int]:
    """Indices of the poses kept, best first; a pose more than ``threshold`` like a better one goes.

    Args:
        keypoints_px: (N, K, 2).
        scores, areas_px: (N,).
    """
    areas = (areas_px[:, None] + areas_px) / 2
    similar = oks(keypoints_px[:, None], keypoints_px, areas, skeleton)  # [N, N]
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        if (similar[i, kept] <= threshold).all():
            kept.append(int(i))
    return kept
