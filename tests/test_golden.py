"""The golden vectors hold what the code says today; Kotlin and JavaScript read the same files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_vectors.descriptions import refusal
from golden_vectors.detections import cases as detector_cases
from golden_vectors.detections import write as write_detections
from golden_vectors.store import Store
from golden_vectors.tracks import write as write_tracks
from golden_vectors.views import write as write_views

from mvpose.codec.affine import box_to_region, crop, crop_matrix, invert, transform
from mvpose.codec.decode import decode_px
from mvpose.estimate import Poses
from mvpose.live.view import compose, upright_matrix
from mvpose.spec import Decode

STORE = Store()


def cases(topic: str) -> Any:
    return pytest.mark.parametrize(
        "case", [pytest.param(case, id=case["name"]) for case in STORE.read(topic)["cases"]]
    )


@cases("crop")
def test_crops(case: dict[str, Any]) -> None:
    buffer = STORE.get(case["picture"])
    size = tuple(case["input_wh"])
    centre, region = box_to_region(np.array(case["box_xywh_px"]), size, case["padding"])
    matrix = crop_matrix(centre, region, size)
    np.testing.assert_allclose(matrix, case["matrix"], rtol=1e-12, atol=1e-12)
    turn = upright_matrix((buffer.shape[1], buffer.shape[0]), case["rotation_deg"])
    np.testing.assert_allclose(compose(matrix, turn), case["buffer_matrix"], rtol=1e-12, atol=1e-9)
    found = crop(buffer, np.array(case["buffer_matrix"]), size)
    np.testing.assert_array_equal(found, STORE.get(case["crop"]))


@cases("crop")
def test_a_crop_of_the_buffer_is_one_of_the_upright_picture(case: dict[str, Any]) -> None:
    buffer = STORE.get(case["picture"])
    upright = np.rot90(buffer, -case["rotation_deg"] // 90).copy()
    found = crop(upright, np.array(case["matrix"]), tuple(case["input_wh"]))
    difference = np.abs(found.astype(int) - STORE.get(case["crop"]))
    assert difference.max() <= 255 / 32 + 1  # a coordinate between two steps of 1/32 px


@cases("decode")
def test_heatmaps(case: dict[str, Any]) -> None:
    maps = STORE.get(case["heatmaps"]).transpose(2, 0, 1)
    rule, expected = Decode(**case["decode"]), case["expected"]
    in_crop, scores = decode_px(maps, rule, tuple(case["input_wh"]))
    np.testing.assert_allclose(in_crop, expected["keypoints_crop_px"], atol=1e-9)
    in_image = transform(invert(np.array(case["matrix"])), in_crop)
    np.testing.assert_allclose(in_image, expected["keypoints_px"], atol=1e-9)
    np.testing.assert_array_equal(scores, expected["scores"])
    poses = Poses(in_image[None], scores[None], np.zeros((1, 4)), rule.score_floor)
    assert poses.pose_scores[0] == pytest.approx(expected["pose_score"])


@cases("metadata")
def test_descriptions(case: dict[str, Any]) -> None:
    assert refusal(case["document"]) == case["reason"]
    assert case["usable"] == (case["reason"] is None)


@pytest.mark.parametrize(
    ("topic", "write"),
    [("track", write_tracks), ("view", write_views), ("detect", write_detections)],
    ids=["track", "view", "detect"],
)
def test_written_anew_they_are_the_same(topic: str, write: Any, tmp_path: Path) -> None:
    made = Store(tmp_path)
    write(made)
    found, kept = (list(leaves(store.read(topic))) for store in (made, STORE))
    assert [place for place, _ in found] == [place for place, _ in kept]
    for (place, new), (_, old) in zip(found, kept, strict=True):
        assert new == pytest.approx(old, abs=1e-9), place


def leaves(value: Any, place: str = "") -> Any:
    """The numbers and words of a document with their places."""
    if isinstance(value, dict | list):
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in entries:
            yield from leaves(inner, f"{place}/{key}")
    else:
        yield place, value


def test_every_detector_is_there() -> None:
    assert [case["name"] for case in STORE.read("detect")["cases"]] == list(detector_cases())


@pytest.mark.parametrize("topic", ["crop", "decode", "detect"])
def test_arrays_have_the_size_that_their_document_says(topic: str) -> None:
    for place, name in leaves(STORE.read(topic)):
        if place.endswith("/file") and "/model/" not in place:
            assert (STORE.folder / name).is_file(), place
