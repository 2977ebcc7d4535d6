"""Two models on the same images: by size and by keypoint, and how many images would tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import perfect_results
from pycocotools.cocoeval import COCOeval
from resampling import Results, blurred, drawn_copy

from mvpose.bootstrap import (
    APDifference,
    Comparison,
    ap_difference,
    compare,
    describe,
    describe_resolution,
    images_to_resolve,
    table_difference,
)
from mvpose.data.coco import KeypointData
from mvpose.errors import InputError
from mvpose.evaluation import keypoint_aps, score_results
from mvpose.matches import MatchTable, match_table
from mvpose.spec import COCO17

MEASURED = APDifference(
    difference=-0.0031, low=-0.0062, high=0.0001, resamples=500, images=90, standard_error=0.005
)


def edited(
    data: KeypointData, edit: Callable[[dict[str, Any]], None], folder: Path
) -> KeypointData:
    """The same data with other annotations."""
    document = json.loads(data.annotations.read_text())
    edit(document)
    path = folder / "edited.json"
    path.write_text(json.dumps(document))
    return replace(data, annotations=path)


def spoiled(data: KeypointData, keypoint: int) -> Results:
    """The labels, one keypoint of everyone off by the size of the box."""
    results = perfect_results(data)
    for person, row in zip(data.people, results, strict=True):
        row["keypoints"][3 * keypoint] += person.box_xywh_px[2:].max()
    return results


def aps(matches: COCOeval) -> dict[str, float]:
    """What pycocotools says of all people, each size and each keypoint."""
    sizes = zip(("all", "medium", "large"), matches.stats[[0, 3, 4]], strict=True)
    return {**dict(sizes), **keypoint_aps(matches, COCO17)}


def parts(comparison: Comparison) -> dict[str, APDifference]:
    return {"all": comparison.ap, **comparison.by_size, **comparison.by_keypoint}


def test_equals_data_sets_of_the_drawn_images(drawn_data: KeypointData, tmp_path: Path) -> None:
    """Each draw written out as a COCO file with repeated images, and scored by pycocotools."""
    before, after = blurred(drawn_data, 0.06), blurred(drawn_data, 0.08, seed=1)
    found = parts(
        compare(
            score_results(drawn_data, before),
            score_results(drawn_data, after),
            COCO17,
            resamples=3,
            seed=7,
        )
    )
    rng = np.random.default_rng(7)
    draws = [list(range(8)), *(rng.integers(8, size=8).tolist() for _ in range(3))]
    assert any(len(set(draw)) < 7 for draw in draws)
    scored = [
        [aps(score_results(*drawn_copy(drawn_data, poses, draw, tmp_path))) for draw in draws]
        for poses in (before, after)
    ]
    assert set(found) == set(scored[0][0])
    for name, change in found.items():
        whole, *drawn = [new[name] - old[name] for old, new in zip(*scored, strict=True)]
        assert change.difference == pytest.approx(whole, abs=1e-12)
        assert change.low == pytest.approx(np.percentile(drawn, 2.5), abs=1e-12)
        assert change.high == pytest.approx(np.percentile(drawn, 97.5), abs=1e-12)
        assert change.standard_error == pytest.approx(np.std(drawn, ddof=1), abs=1e-12)


def test_whole_is_ap_difference(drawn_data: KeypointData) -> None:
    pair = [score_results(drawn_data, blurred(drawn_data, share)) for share in (0.06, 0.08)]
    found = compare(pair[0], pair[1], COCO17, resamples=50, seed=3)
    assert found.ap == ap_difference(pair[0], pair[1], resamples=50, seed=3)
    assert Comparison.from_json(found.to_json()) == found


@pytest.mark.parametrize("name", ["nose", "left_wrist", "right_ankle"])
def test_spoiled_keypoint_shows_in_that_keypoint(name: str, drawn_data: KeypointData) -> None:
    found = compare(
        score_results(drawn_data, perfect_results(drawn_data)),
        score_results(drawn_data, spoiled(drawn_data, COCO17.keypoints.index(name))),
        COCO17,
        resamples=100,
    )
    own = found.by_keypoint[name]
    assert own.difference < -0.8
    assert own.high < -0.5
    for other, change in found.by_keypoint.items():
        assert other == name or (abs(change.difference) < 0.03 and change.high >= 0)
    assert found.ap.high < 0


def test_spoiled_size_shows_in_that_size(drawn_data: KeypointData) -> None:
    poses = [
        worse if person.area_px > 96**2 else right
        for person, worse, right in zip(
            drawn_data.people,
            blurred(drawn_data, 0.12),
            perfect_results(drawn_data),
            strict=True,
        )
    ]
    found = compare(
        score_results(drawn_data, perfect_results(drawn_data)),
        score_results(drawn_data, poses),
        COCO17,
        resamples=100,
    )
    assert found.by_size["large"].high < -0.3
    medium = found.by_size["medium"]
    assert (medium.difference, medium.low, medium.high) == (0, 0, 0)


def test_equal_models_differ_by_nothing(drawn_data: KeypointData) -> None:
    pair = [score_results(drawn_data, blurred(drawn_data, 0.06)) for _ in range(2)]
    found = compare(pair[0], pair[1], COCO17, resamples=50)
    assert len(parts(found)) == 20
    for change in parts(found).values():
        assert (change.difference, change.low, change.high, change.standard_error) == (0, 0, 0, 0)
    assert images_to_resolve(found.ap, 0.003) is None
    assert "unknown, the difference is the same in every draw" in describe_resolution(
        found.ap, 0.003
    )


def test_one_image_says_nothing_of_others(drawn_data: KeypointData, tmp_path: Path) -> None:
    """Every draw of it is the same."""
    pair = [
        score_results(*drawn_copy(drawn_data, blurred(drawn_data, share), [3], tmp_path))
        for share in (0.06, 0.2)
    ]
    found = compare(pair[0], pair[1], COCO17, resamples=20)
    assert found.ap.difference < -0.01
    assert (found.ap.standard_error, images_to_resolve(found.ap, 0.003)) == (0, None)
    assert (found.by_size, found.by_keypoint) == ({}, {})


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        pytest.param(0, False, id="nobody"),
        pytest.param(1, False, id="one image"),
        pytest.param(2, True, id="two images"),
    ],
)
def test_keypoint_of_few_images(
    images: int, expected: bool, drawn_data: KeypointData, tmp_path: Path
) -> None:
    """A bootstrap over one image has no spread, which would pass for certainty."""

    def keep_noses(document: dict[str, Any]) -> None:
        labelled = [row for row in document["annotations"] if row["keypoints"][2]]
        kept = list(dict.fromkeys(row["image_id"] for row in labelled))[:images]
        for row in labelled:
            if row["image_id"] not in kept:
                row["keypoints"][:3] = 0, 0, 0

    data = edited(drawn_data, keep_noses, tmp_path)
    pair = [score_results(data, blurred(drawn_data, share)) for share in (0.06, 0.08)]
    found = compare(pair[0], pair[1], COCO17, resamples=50)
    assert ("nose" in found.by_keypoint) == expected
    assert len(found.by_keypoint) == 16 + expected
    assert all(np.isfinite([c.low, c.high, c.standard_error]).all() for c in parts(found).values())


def drop_image(document: dict[str, Any]) -> None:
    gone = document["images"].pop()["id"]
    document["annotations"] = [r for r in document["annotations"] if r["image_id"] != gone]


def move_label(document: dict[str, Any]) -> None:
    document["annotations"][-1]["keypoints"][0] += 1


def drop_person(document: dict[str, Any]) -> None:
    document["annotations"].pop()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        pytest.param(drop_image, r"on different images \(8 and 7\)", id="images"),
        pytest.param(move_label, "against different labels", id="one label"),
        pytest.param(drop_person, "against different labels", id="one person fewer"),
    ],
)
def test_refuses_other_images_or_labels(
    edit: Callable[[dict[str, Any]], None],
    message: str,
    drawn_data: KeypointData,
    tmp_path: Path,
) -> None:
    other = edited(drawn_data, edit, tmp_path)
    kept = {row["id"] for row in json.loads(other.annotations.read_text())["images"]}
    poses = perfect_results(drawn_data)
    reference = score_results(drawn_data, poses)
    candidate = score_results(other, [row for row in poses if row["image_id"] in kept])
    with pytest.raises(InputError, match=message) as caught:
        compare(reference, candidate, COCO17)
    assert caught.value.hint
    with pytest.raises(InputError, match=message):
        ap_difference(reference, candidate)


def test_refuses_other_sigmas(drawn_data: KeypointData) -> None:
    lenient = replace(COCO17, sigmas=tuple(2 * sigma for sigma in COCO17.sigmas))
    pair = [
        score_results(replace(drawn_data, skeleton=skeleton), perfect_results(drawn_data))
        for skeleton in (COCO17, lenient)
    ]
    with pytest.raises(InputError, match="different labels"):
        compare(pair[0], pair[1], COCO17)


@pytest.mark.parametrize(
    ("ap", "power", "images"),
    [
        pytest.param(0.01, 0.5, 87, id="1 AP"),
        pytest.param(0.005, 0.5, 346, id="half of that takes four times as many"),
        pytest.param(0.003, 0.5, 961, id="0.3 AP"),
        pytest.param(0.003, 0.8, 1963, id="0.3 AP, found 4 times in 5"),
    ],
)
def test_images_to_resolve(ap: float, power: float, images: int) -> None:
    assert images_to_resolve(MEASURED, ap, power) == images


@pytest.mark.parametrize("ap", [0, -0.003, np.nan, np.inf])
def test_no_images_resolve(ap: float) -> None:
    with pytest.raises(InputError, match="no number of images resolves"):
        images_to_resolve(MEASURED, ap)


def copies(table: MatchTable, count: int) -> MatchTable:
    """The table of a data set that holds each image ``count`` times under other names."""
    return MatchTable(
        image=(table.image[:, None] + len(table.people) * np.arange(count)).ravel(),
        right=np.repeat(table.right, count, axis=1),
        wrong=np.repeat(table.wrong, count, axis=1),
        people=np.tile(table.people, count),
        recalls=table.recalls,
    )


def test_so_many_images_do_resolve(drawn_data: KeypointData) -> None:
    """16 times the images, as asked for: half their interval is the difference asked about."""
    tables = [
        match_table(score_results(drawn_data, blurred(drawn_data, share)))
        for share in (0.06, 0.065)
    ]
    few, many = (
        table_difference(copies(tables[0], count), copies(tables[1], count), resamples=300, seed=0)
        for count in (2, 32)
    )
    half_width = 1.96 * few.standard_error / 4
    assert images_to_resolve(few, half_width) == pytest.approx(16 * 16, abs=1)
    assert (many.high - many.low) / 2 == pytest.approx(half_width, rel=0.25)
    assert many.difference == pytest.approx(few.difference, abs=0.002)


@pytest.mark.parametrize(
    ("difference", "line"),
    [
        pytest.param(MEASURED, "-0.31 AP [-0.62, +0.01] on 90 images", id="loss"),
        pytest.param(
            replace(MEASURED, difference=-1e-6, low=-1e-9, high=0.0, images=1),
            "+0.00 AP [+0.00, +0.00] on 1 image",
            id="next to nothing",
        ),
    ],
)
def test_as_a_line(difference: APDifference, line: str) -> None:
    assert describe(difference) == line


def test_resolution_as_a_line() -> None:
    assert describe_resolution(MEASURED, 0.003) == (
        "to tell 0.3 AP from none at 95 % confidence: "
        "about 970 images like these; 2,000 to find it 4 times in 5"
    )
