"""Object keypoint similarity, and leaving out near-duplicates by it."""

from __future__ import annotations

import numpy as np
import pytest

from mvpose.oks import oks, oks_nms
from mvpose.spec import COCO17

WRIST = COCO17.keypoints.index("left_wrist")


def test_oks_by_hand() -> None:
    """One keypoint off by its own COCO distance: e^-1/2; the others exact."""
    a = np.zeros((17, 2))
    b = a.copy()
    b[WRIST] = 2 * COCO17.sigmas[WRIST] * 100, 0
    expected = np.exp(-0.5)
    assert oks(a, b, 100**2, COCO17) == pytest.approx((16 + expected) / 17)
    only = np.arange(17) == WRIST
    assert oks(a, b, 100**2, COCO17, only) == pytest.approx(expected)


def test_oks_nms_drops_duplicates() -> None:
    poses = np.random.default_rng(0).uniform(0, 100, (3, 17, 2))
    poses = np.concatenate([poses, poses + 0.5])  # each once more, half a pixel away
    scores = np.array([0.5, 0.9, 0.2, 0.4, 0.1, 0.3])
    areas = np.full(6, 100.0**2)
    assert oks_nms(poses, scores, areas, COCO17) == [1, 0, 5]
    assert oks_nms(poses, scores, areas, COCO17, threshold=1.0) == [1, 0, 3, 5, 2, 4]
    assert oks_nms(poses[:0], scores[:0], areas[:0], COCO17) == []


def test_oks_of_many() -> None:
    """Arrays of poses and areas give what one pair after the other gives."""
    rng = np.random.default_rng(0)
    poses, areas = rng.uniform(0, 30, (4, 17, 2)), rng.uniform(100, 900, (4, 4))
    counted = rng.uniform(size=17) < 0.5
    for kept in (None, counted):
        table = oks(poses[:, None], poses, areas, COCO17, kept)
        single = [
            [oks(a, b, areas[i, j], COCO17, kept) for j, b in enumerate(poses)]
            for i, a in enumerate(poses)
        ]
        np.testing.assert_allclose(table, single, rtol=1e-12)
        assert 0 < table.min() < 0.5 < table.max() == 1


def test_oks_nms_compares_with_kept_poses_only() -> None:
    """A chain: each like the next, the first not like the third, which stays."""
    pose = np.random.default_rng(0).uniform(0, 100, (17, 2))
    chain = pose + np.array([0, 4, 8])[:, None, None] * [1, 0]
    areas = np.full(3, 100.0**2)
    first_second = float(oks(chain[0], chain[1], areas[0], COCO17))
    first_third = float(oks(chain[0], chain[2], areas[0], COCO17))
    threshold = (first_second + first_third) / 2
    assert oks_nms(chain, np.array([0.9, 0.8, 0.7]), areas, COCO17, threshold) == [0, 2]
