"""The switches that reproduce what others publish, alone and in mvpose-eval."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import random_pose_net
from dot_finder import DOTS
from small_onnx import write_coordinates

from mvpose.checkpoint import save_checkpoint
from mvpose.codec.decode import decode
from mvpose.commands import evaluate as command
from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.errors import InputError
from mvpose.peers.adapter import CoordinateOutput, NetworkInput, PoseAdapter
from mvpose.peers.runtime import PeerRuntime
from mvpose.protocol import (
    SINGLE_PERSON,
    Protocol,
    Rule,
    parse_size,
    single_person_images,
    with_decode,
    with_input_size,
)
from mvpose.runtime.torch_runtime import TorchRuntime
from mvpose.spec import Decode, ModelSpec


def peer(folder: Path) -> PeerRuntime:
    output = CoordinateOutput("coordinates", ("y", "x", "score"))
    adapter = PoseAdapter("pose", "dots", NetworkInput(64, 96, "NCHW"), output, skeleton=DOTS)
    return PeerRuntime(write_coordinates(folder / "dots.onnx"), adapter)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        pytest.param("argmax", (5, 7), id="argmax"),
        pytest.param("quarter", (5.25, 6.75), id="quarter"),
        pytest.param("dark", (5.3, 6.8), id="dark"),
    ],
)
def test_decode_rules(method: Rule, expected: tuple[float, float]) -> None:
    y, x = np.mgrid[:64, :48]
    maps = np.exp(-((x - 5.3) ** 2 + (y - 6.8) ** 2) / 8)[None]
    cells, scores = decode(maps, Decode(method))
    assert cells[0] == pytest.approx(expected, abs=0.05)
    assert scores[0] == maps.max()


def test_decode_switch(float_runtime: TorchRuntime) -> None:
    """The same heatmaps, read otherwise; the runtime itself stays as it is."""
    crops = np.zeros((1, 128, 64, 3), np.uint8)
    switched = with_decode(float_runtime, "argmax")
    assert switched.spec.decode == replace(float_runtime.spec.decode, method="argmax")
    assert float_runtime.spec.decode.method == "dark"
    np.testing.assert_array_equal(switched.heatmaps(crops), float_runtime.heatmaps(crops))


def test_input_size_switch(float_runtime: TorchRuntime) -> None:
    larger = with_input_size(float_runtime, height_px=192, width_px=96)
    maps = larger.heatmaps(np.zeros((2, 192, 96, 3), np.uint8))
    assert maps.shape == (2, 17, 48, 24)
    assert larger.spec.heatmap_wh == (24, 48)


def test_switches_refused(float_runtime: TorchRuntime, tmp_path: Path) -> None:
    network = peer(tmp_path)
    with pytest.raises(InputError, match=r"--decode dark can't be .* dots.onnx: it gives coord"):
        with_decode(network, "dark")
    with pytest.raises(InputError, match=r"dots.onnx takes crops of 96x64 alone"):
        with_input_size(network, 256, 192)
    with pytest.raises(InputError, match="250x192 is no multiple of 32"):
        with_input_size(float_runtime, 250, 192)


@pytest.mark.parametrize(
    "text", ["256", "256x", "axb", "0x192", "256x192x3", "-32x64", "00x32", ""]
)
def test_bad_sizes(text: str) -> None:
    with pytest.raises(InputError, match="is no input size") as caught:
        parse_size(text)
    assert "HEIGHTxWIDTH" in caught.value.hint


def test_size_is_height_first() -> None:
    assert parse_size("256x192") == (256, 192)


def two_alone(data: KeypointData, folder: Path) -> KeypointData:
    """One picture with one person, one with a crowd besides, one with an unlabelled person."""
    document = json.loads(data.annotations.read_text())
    first = {row["image_id"]: row for row in document["annotations"]}
    images = list(first)[:3]
    crowd = {**first[images[1]], "id": 901, "iscrowd": 1}
    unlabelled = {**first[images[2]], "id": 902, "keypoints": [0] * 51, "num_keypoints": 0}
    document["images"] = [row for row in document["images"] if row["id"] in images]
    document["annotations"] = [*(first[i] for i in images), crowd, unlabelled]
    path = folder / "person_keypoints_val.json"
    path.write_text(json.dumps(document))
    kept = {row["id"] for row in document["annotations"]}
    people = [person for person in data.people if person.annotation_id in kept]
    return replace(data, annotations=path, people=people)


def test_single_person(drawn_data: KeypointData, tmp_path: Path) -> None:
    data = two_alone(drawn_data, tmp_path)
    assert len(data.people) == 3
    (tmp_path / "kept").mkdir()
    alone = single_person_images(data, tmp_path / "kept")
    assert [person.image_id for person in alone.people] == [data.people[0].image_id]
    document = json.loads(alone.annotations.read_text())
    assert [row["id"] for row in document["images"]] == [data.people[0].image_id]
    assert len(document["annotations"]) == 1
    with pytest.raises(InputError, match="no image with exactly one person"):
        single_person_images(replace(data, people=data.people[1:]), tmp_path / "kept")


def test_single_person_photographs(shared_data: Path, tmp_path: Path) -> None:
    data = load_keypoints(shared_data / "coco_mini", "val")
    alone = single_person_images(data, tmp_path)
    assert len(alone.people) == len({p.image_id for p in alone.people}) == 36


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        pytest.param(Protocol(boxes="b.json", detector="d"), "exclude each other", id="both"),
        pytest.param(Protocol(detector_score=0.1), "needs a detector", id="score-alone"),
        pytest.param(Protocol(input_size="big"), "is no input size", id="size"),
    ],
)
def test_conflicts(protocol: Protocol, message: str) -> None:
    with pytest.raises(InputError, match=message):
        protocol.check()


def test_protocol_json() -> None:
    protocol = Protocol(detector="rtmdet:x.onnx", decode="argmax", input_size="256x192")
    assert Protocol.from_json(protocol.to_json()) == protocol


def test_command(
    small_spec: ModelSpec,
    shared_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every switch is printed with the number and stored beside it."""
    model = tmp_path / "small.safetensors"
    save_checkpoint(model, random_pose_net(small_spec).state_dict(), small_spec)
    command.evaluate(
        str(model),
        data=str(shared_data / "coco_mini"),
        detector=f"rtmdet:{shared_data}/peers/rtmdet_nano_person.onnx",
        detector_score=0.5,
        flip=True,
        decode="quarter",
        input_size="96x64",
        single_person=True,
        limit=4,
        threads=1,
        json_file=tmp_path / "eval.json",
    )
    protocol = json.loads((tmp_path / "eval.json").read_text())["protocol"]
    stated = {
        "boxes": "detector",
        "detector": "rtmdet",
        "detector_file": "rtmdet_nano_person.onnx",
        "detector_score_floor": 0.5,
        "detector_iou_ceiling": 0.6,
        "detector_images": 4,
        "flip_test": True,
        "decode": "quarter",
        "input": "96x64",
        "subset": SINGLE_PERSON,
        "limit": 4,
    }
    assert {key: protocol[key] for key in stated} == stated
    assert len(protocol["detector_sha256"]) == 64
    printed = capsys.readouterr().out.splitlines()
    for key, value in stated.items():
        assert f"{key}: {value}" in printed


def test_command_with_nobody(checkpoint: Path, drawn_data: KeypointData, shared_data: Path) -> None:
    with pytest.raises(InputError, match=r"rtmdet_nano_person.onnx finds nobody in any of 8 im"):
        command.evaluate(
            str(checkpoint),
            data=str(drawn_data.annotations.parents[1]),
            detector=f"rtmdet:{shared_data}/peers/rtmdet_nano_person.onnx",
            detector_score=0.999,
            threads=1,
        )
