"""The paired bootstrap: equal evaluations differ by nothing, spoiled ones by what was spoiled."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import perfect_results
from pycocotools.cocoeval import COCOeval
from resampling import blurred, drawn_ap, drawn_copy

from mvpose.bootstrap import APDifference, ap_difference, ap_interval
from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.evaluation import score_results
from mvpose.matches import match_table


@pytest.fixture(scope="module")
def perfect(drawn_data: KeypointData) -> COCOeval:
    return score_results(drawn_data, perfect_results(drawn_data))


@pytest.fixture(scope="module")
def worse(drawn_data: KeypointData) -> COCOeval:
    return score_results(drawn_data, blurred(drawn_data, 0.06))


def test_all_images_give_the_ap_of_pycocotools(worse: COCOeval) -> None:
    assert 0.2 < worse.stats[0] < 0.9
    everything = np.arange(len(worse.params.imgIds))
    assert drawn_ap(match_table(worse), everything) == pytest.approx(worse.stats[0], abs=1e-12)


def test_photographs_too(shared_data: Path) -> None:
    """Where crowds and people without labels are to be ignored."""
    data = load_keypoints(shared_data / "coco_mini", "val")
    evaluation = score_results(data, blurred(data, 0.06))
    assert 0.2 < evaluation.stats[0] < 0.9
    everything = np.arange(len(evaluation.params.imgIds))
    found = drawn_ap(match_table(evaluation), everything)
    assert found == pytest.approx(evaluation.stats[0], abs=1e-12)


def test_resampling_leaves_the_evaluation_alone(worse: COCOeval) -> None:
    before = worse.stats.copy(), len(worse.params.imgIds), len(worse.evalImgs)
    ap_difference(worse, worse, resamples=3)
    worse.accumulate()
    worse.summarize()
    np.testing.assert_array_equal(worse.stats, before[0])
    assert (len(worse.params.imgIds), len(worse.evalImgs)) == before[1:]


@pytest.mark.parametrize(
    "draw",
    [
        pytest.param([0, 1, 2, 3, 4, 5, 6], id="one image left out"),
        pytest.param([2, 2, 2, 5], id="one image three times"),
        pytest.param([7, 0, 0, 4, 4, 1], id="two images twice"),
    ],
)
def test_draw_equals_a_data_set_of_the_drawn_images(
    draw: list[int], drawn_data: KeypointData, worse: COCOeval, tmp_path: Path
) -> None:
    copy, results = drawn_copy(drawn_data, blurred(drawn_data, 0.06), draw, tmp_path)
    expected = score_results(copy, results).stats[0]
    found = drawn_ap(match_table(worse), np.array(draw))
    assert found == pytest.approx(expected, abs=1e-12)


def test_identical_evaluations(worse: COCOeval) -> None:
    found = ap_difference(worse, worse, resamples=20)
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert (found.resamples, found.images) == (20, 8)


@pytest.mark.parametrize(
    ("order", "sign"),
    [
        pytest.param(lambda a, b: (a, b), -1, id="candidate worse"),
        pytest.param(lambda a, b: (b, a), 1, id="candidate better"),
    ],
)
def test_spoiled_evaluation(
    order: Callable[[COCOeval, COCOeval], tuple[COCOeval, COCOeval]],
    sign: int,
    perfect: COCOeval,
    worse: COCOeval,
) -> None:
    found = ap_difference(*order(perfect, worse), resamples=200)
    assert found.difference == pytest.approx(sign * (1 - worse.stats[0]))
    assert found.low <= found.difference <= found.high
    assert found.high - found.low > 0.01
    assert sign * found.low > 0 and sign * found.high > 0


def test_pairing_narrows_the_interval(drawn_data: KeypointData, worse: COCOeval) -> None:
    """A little more of the same noise: the difference is surer than either AP."""
    candidate = score_results(drawn_data, blurred(drawn_data, 0.065))
    found = ap_difference(worse, candidate, resamples=200)
    rng = np.random.default_rng(0)
    alone = [drawn_ap(match_table(worse), rng.integers(8, size=8)) for _ in range(200)]
    low, high = np.percentile(alone, [2.5, 97.5])
    assert -0.1 < found.difference < 0
    assert 0 < found.high - found.low < (high - low) / 2


def test_interval_of_one_ap(perfect: COCOeval, worse: COCOeval) -> None:
    """The percentiles of what pycocotools' AP would be on each draw of images."""
    low, high = ap_interval(worse, resamples=300, seed=5)
    rng = np.random.default_rng(5)
    draws = [rng.integers(8, size=8) for _ in range(300)]
    aps = [drawn_ap(match_table(worse), draw) for draw in draws]
    assert (low, high) == pytest.approx(tuple(np.percentile(aps, [2.5, 97.5])))
    assert 0 < low < worse.stats[0] < high < 1
    assert ap_interval(worse, resamples=300, seed=6) != (low, high)
    assert ap_interval(perfect, resamples=50) == (1, 1)


def test_images_without_people(drawn_data: KeypointData, tmp_path: Path) -> None:
    """They are drawn too; a draw of nobody has no AP, and tells nothing of any interval."""
    document = json.loads(drawn_data.annotations.read_text())
    document["images"].append({**document["images"][0], "id": 999})
    path = tmp_path / "one_more.json"
    path.write_text(json.dumps(document))
    more = replace(drawn_data, annotations=path)
    evaluation = score_results(more, perfect_results(drawn_data))
    empty = evaluation.params.imgIds.index(999)
    assert np.isnan(drawn_ap(match_table(evaluation), np.full(9, empty)))
    assert drawn_ap(match_table(evaluation), np.array([empty, 0])) == pytest.approx(1)


def test_same_seed_same_interval(perfect: COCOeval, worse: COCOeval) -> None:
    first, again, other = (
        ap_difference(perfect, worse, resamples=30, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again
    assert (first.low, first.high) != (other.low, other.high)
    assert APDifference.from_json(first.to_json()) == first
