"""Specs: JSON both ways, and what they refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from mvpose.errors import InputError
from mvpose.spec import (
    COCO17,
    AnyNetwork,
    Decode,
    ForeignNetwork,
    ModelSpec,
    Network,
    Preprocess,
    Record,
    Skeleton,
    VitPoseNetwork,
)
from mvpose.zoo import names, zoo_spec

TWO = Skeleton(keypoints=("a", "b"), flip_pairs=((0, 1),), edges=((0, 1),), sigmas=(0.1, 0.2))


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(COCO17, id="skeleton"),
        pytest.param(Preprocess(192, 256, (1.5, 2, 3), (4, 5, 6), 1.1), id="preprocess"),
        pytest.param(Decode("quarter", 1.5), id="decode"),
        pytest.param(Network("s", "bilinear", 2, 1), id="network"),
        pytest.param(VitPoseNetwork(decoder="simple", knowledge_token=True), id="vitpose"),
        pytest.param(ModelSpec("two", Network(keypoints=2), TWO), id="model"),
        pytest.param(ModelSpec("two", ForeignNetwork("foreign", 2, 8), TWO), id="foreign-model"),
        *(pytest.param(zoo_spec(name), id=name) for name in names()),
    ],
)
def test_json_both_ways(record: Record) -> None:
    assert type(record).from_json(record.to_json()) == record
    assert type(record).from_json(record.to_json(indent=2).encode()) == record


def test_json_is_plain() -> None:
    """Other languages read the specs: the names and nesting of the JSON are an interface."""
    found = json.loads(ModelSpec("two", Network(keypoints=2), TWO).to_json())
    assert found == {
        "name": "two",
        "network": {
            "backbone": "xxs",
            "head": "deconv",
            "keypoints": 2,
            "deconvs": 3,
            "kind": "mobilevitpose",
        },
        "skeleton": {
            "keypoints": ["a", "b"],
            "flip_pairs": [[0, 1]],
            "edges": [[0, 1]],
            "sigmas": [0.1, 0.2],
        },
        "preprocess": {
            "input_width_px": 256,
            "input_height_px": 256,
            "mean": [0.0, 0.0, 0.0],
            "std": [255.0, 255.0, 255.0],
            "box_padding": 1.25,
            "color": "rgb",
            "affine": "udp",
        },
        "decode": {"method": "dark", "sigma_cells": 2.0, "grid": "corners", "score_floor": 0.2},
    }


@pytest.mark.parametrize(
    ("network", "read"),
    [
        pytest.param({}, Network(), id="empty"),
        pytest.param({"backbone": "s", "deconvs": 2}, Network("s", deconvs=2), id="without-kind"),
        pytest.param(
            {"kind": "mobilevitpose", "backbone": "xs"}, Network("xs"), id="mobilevitpose"
        ),
        pytest.param(
            {"kind": "vitpose", "decoder": "simple"},
            VitPoseNetwork(decoder="simple"),
            id="vitpose",
        ),
        pytest.param(
            {"kind": "foreign", "keypoints": 17}, ForeignNetwork("foreign", 17), id="foreign"
        ),
    ],
)
def test_network_by_kind(network: dict[str, Any], read: AnyNetwork) -> None:
    """Files written before there were kinds hold a MobileViTPose."""
    data = json.loads(zoo_spec("vitpose-b").to_json()) | {"network": network}
    assert ModelSpec.from_json(json.dumps(data)).network == read


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"network": {"keypoints": 5}}, "5 heatmaps.*2 keypoints", id="keypoints"),
        pytest.param(
            {"network": {"backbone": "xl"}}, r"network\.mobilevitpose\.backbone", id="backbone"
        ),
        pytest.param({"network": {"head": "mlp"}}, r"network\.mobilevitpose\.head", id="head"),
        pytest.param({"network": {"kind": "cnn"}}, "the kind of a network is mobilev", id="kind"),
        pytest.param({"network": 3}, "the kind of a network is mobilev", id="no-network"),
        pytest.param(
            {"network": {"kind": "vitpose"}},
            r"network\.vitpose\.backbone: Input should be 'b'",
            id="mixed-kinds",
        ),
        pytest.param({"preprocess": {"input_width_px": 250}}, "multiples of 32", id="odd-width"),
        pytest.param({"preprocess": {"input_height_px": 0}}, "multiples of 32", id="no-height"),
        pytest.param({"preprocess": {"mean": [0, 0]}}, "preprocess.mean", id="two-means"),
        pytest.param({"preprocess": {"color": "bgr"}}, "preprocess.color", id="color"),
        pytest.param({"preprocess": {"colour": "rgb"}}, "preprocess.colour", id="unknown-field"),
        pytest.param({"decode": {"method": "median"}}, "decode.method", id="decode"),
        pytest.param({"skeleton": {"sigmas": [0.1]}}, "2 keypoints but 1 sigmas", id="sigmas"),
        pytest.param({"skeleton": {"edges": [[0, 2]]}}, "names keypoint 2", id="edge"),
        pytest.param({"skeleton": {"flip_pairs": [[7, 1]]}}, "names keypoint 7", id="flip-pair"),
        pytest.param({"name": None}, "name", id="no-name"),
    ],
)
def test_refused(change: dict[str, Any], message: str) -> None:
    data = json.loads(ModelSpec("two", Network(keypoints=2), TWO).to_json())
    for key, value in change.items():
        data[key] = {**data[key], **value} if isinstance(value, dict) else value
    with pytest.raises(InputError, match=f"not a valid ModelSpec: .*{message}"):
        ModelSpec.from_json(json.dumps(data))


def test_vitpose_has_one_size() -> None:
    """Its position embedding is learned for one grid of patches."""
    with pytest.raises(ValidationError, match="192 pixels wide and 256 high"):
        ModelSpec("m", VitPoseNetwork(), COCO17, Preprocess(256, 256))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"name": "x"}'], ids=repr)
def test_no_spec(text: str) -> None:
    with pytest.raises(InputError, match="not a valid ModelSpec"):
        ModelSpec.from_json(text)


def test_frozen() -> None:
    with pytest.raises((AttributeError, ValidationError)):
        Decode().method = "quarter"  # type: ignore[misc]


def test_flip_order() -> None:
    order = COCO17.flip_order
    assert [order[i] for i in order] == list(range(17))
    mirrored = {COCO17.keypoints[i]: COCO17.keypoints[j] for i, j in enumerate(order)}
    assert mirrored["nose"] == "nose"
    for name, other in mirrored.items():
        assert other == name.replace("left", "L").replace("right", "left").replace("L", "right")


@pytest.mark.parametrize(
    ("network", "size_wh", "heatmap_wh"),
    [
        pytest.param(Network(), (256, 256), (64, 64), id="three-deconvs"),
        pytest.param(Network(), (192, 256), (48, 64), id="256x192"),
        pytest.param(Network(deconvs=1), (256, 256), (16, 16), id="one-deconv"),
        pytest.param(Network(deconvs=4), (288, 384), (144, 192), id="four-deconvs"),
        pytest.param(Network(head="bilinear", deconvs=4), (288, 384), (72, 96), id="bilinear"),
        pytest.param(VitPoseNetwork(), (192, 256), (48, 64), id="vitpose"),
        pytest.param(ForeignNetwork("foreign", 17, 8), (192, 256), (24, 32), id="foreign"),
    ],
)
def test_heatmap_size(
    network: AnyNetwork, size_wh: tuple[int, int], heatmap_wh: tuple[int, int]
) -> None:
    assert ModelSpec("m", network, COCO17, Preprocess(*size_wh)).heatmap_wh == heatmap_wh
