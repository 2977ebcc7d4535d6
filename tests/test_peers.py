"""Files of other makers: an adapter makes them models like our own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from dot_finder import DOTS, dot_weights, draw_dots
from numpy.typing import NDArray
from small_onnx import HEIGHT, WIDTH, write_coordinates, write_heatmaps, write_simcc

from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.data.images import read_image
from mvpose.errors import InputError
from mvpose.estimate import estimate
from mvpose.evaluation import evaluate
from mvpose.peers.adapter import (
    SHIPPED,
    CoordinateOutput,
    HeatmapOutput,
    NetworkInput,
    PoseAdapter,
    PoseOutput,
    SimccOutput,
    read_adapter,
    split_adapter,
)
from mvpose.peers.runtime import PeerRuntime
from mvpose.results import ground_truth_boxes, predict_dataset
from mvpose.runtime.load import load_runtime
from mvpose.spec import Decode, Skeleton

INPUT = NetworkInput(WIDTH, HEIGHT, "NCHW", std=(255, 255, 255))
HEATMAPS = HeatmapOutput("heatmaps", "maps", "NCHW", 4, Decode("dark", grid="stride"))
COORDINATES = CoordinateOutput("coordinates", ("y", "x", "score"))
SIMCC = SimccOutput("simcc", bins_per_px=1)
PEOPLE = np.array([[(60, 40), (90, 80), (40, 110)], [(220, 50), (260, 90), (230, 120)]], float)
BOXES = np.array([[30, 20, 80, 110], [200, 25, 80, 110]], float)


def adapter_of(output: PoseOutput, **changes: Any) -> PoseAdapter:
    return replace(PoseAdapter("pose", "dots", INPUT, output, skeleton=DOTS), **changes)


def picture() -> NDArray[np.uint8]:
    return draw_dots(PEOPLE, (320, 160)).round().astype(np.uint8)


def saved(folder: Path, adapter: PoseAdapter, file: Path) -> str:
    """The MODEL argument of an adapter of one's own."""
    path = folder / "mine.json"
    path.write_text(adapter.to_json())
    return f"{path}:{file}"


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.json")))
def test_shipped_adapters(name: str) -> None:
    adapter = read_adapter(SHIPPED / f"{name}.json")
    assert type(adapter).from_json(adapter.to_json()) == adapter


def test_adapters_of_the_documentation(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "docs" / "peers.md").read_text("utf-8")
    examples = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    kinds = []
    for number, example in enumerate(examples):
        path = tmp_path / f"{number}.json"
        path.write_text(example)
        kinds.append(read_adapter(path).kind)
    assert kinds == ["pose", "detector"]


def test_heatmaps(tmp_path: Path) -> None:
    """Normalised per channel in the file's order, several crops at once."""
    mean, std = (120.0, 110.0, 100.0), (60.0, 65.0, 70.0)
    given = replace(INPUT, color="bgr", mean=mean, std=std)
    adapter = adapter_of(HEATMAPS, input=given)
    runtime = load_runtime(saved(tmp_path, adapter, write_heatmaps(tmp_path / "dots.onnx")))
    crops = np.random.default_rng(0).integers(0, 256, (3, HEIGHT, WIDTH, 3), np.uint8)
    x = torch.from_numpy(((crops[..., ::-1] - np.array(mean)) / std).astype(np.float32))
    expected = F.conv2d(x.permute(0, 3, 1, 2), torch.from_numpy(dot_weights()), stride=4)
    np.testing.assert_allclose(runtime.heatmaps(crops), expected.numpy(), atol=1e-4)
    assert runtime.spec.preprocess.mean == mean[::-1]
    assert runtime.spec.heatmap_wh == (WIDTH // 4, HEIGHT // 4)


def test_quantised_file(tmp_path: Path) -> None:
    """Values go in and out by the file's own scales: -128 is 0, 127 is 1, a step out is 0.02."""
    pytest.importorskip("ai_edge_litert", reason="needs mvpose[litert]")
    from small_tflite import convolution

    from mvpose.runtime.litert import open_interpreter

    path = convolution(output_scale=0.02).write(tmp_path / "bytes.tflite")
    five = Skeleton(tuple("abcde"), (), (), (0.1,) * 5)
    adapter = PoseAdapter(
        "pose",
        "bytes",
        NetworkInput(64, 64, std=(255, 255, 255)),
        HeatmapOutput("heatmaps"),
        skeleton=five,
    )
    crops = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    runtime = PeerRuntime(path, adapter)
    _, interpreter = open_interpreter(path)
    for crop, maps in zip(crops, runtime.heatmaps(crops), strict=True):
        interpreter.set_tensor(
            interpreter.get_input_details()[0]["index"], (crop[None].astype(int) - 128).astype("i1")
        )
        interpreter.invoke()
        stored = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
        assert np.ptp(stored) > 10
        np.testing.assert_allclose(maps, 0.02 * stored.transpose(2, 0, 1), atol=1e-5)
    assert runtime.protocol["precision"] == "int8"


@pytest.mark.parametrize("flip", [False, True], ids=["plain", "flip"])
@pytest.mark.parametrize(
    ("output", "write", "tolerance_px"),
    [
        pytest.param(HEATMAPS, write_heatmaps, 3, id="heatmaps"),
        pytest.param(COORDINATES, write_coordinates, 0.5, id="coordinates"),
        pytest.param(SIMCC, write_simcc, 1, id="simcc"),
    ],
)
def test_finds_dots(
    output: PoseOutput,
    write: Callable[[Path], Path],
    tolerance_px: float,
    flip: bool,
    tmp_path: Path,
) -> None:
    """Every kind of output goes through the one road from box to keypoint."""
    model = saved(tmp_path, adapter_of(output), write(tmp_path / "dots.onnx"))
    poses = estimate(load_runtime(model), picture(), BOXES, flip)
    assert np.abs(poses.keypoints_px - PEOPLE).max() < tolerance_px
    assert poses.scores.min() > 0.5


def test_flip_averages_mirrored_pairs(tmp_path: Path) -> None:
    """A network that calls left what is on the left of the picture: pairs change places."""
    skeleton = replace(DOTS, flip_pairs=((0, 1),))
    path = write_coordinates(tmp_path / "dots.onnx")
    runtime = PeerRuntime(path, adapter_of(COORDINATES, skeleton=skeleton))
    plain, flipped = (estimate(runtime, picture(), BOXES, flip) for flip in (False, True))
    expected = plain.keypoints_px[:, [1, 0, 2]]
    np.testing.assert_allclose(flipped.keypoints_px, (plain.keypoints_px + expected) / 2, atol=0.1)


def test_landmarks_are_mapped(tmp_path: Path) -> None:
    path = write_coordinates(tmp_path / "dots.onnx")
    mapped = PeerRuntime(path, adapter_of(COORDINATES, landmarks=(2, 0, 1)))
    found = estimate(mapped, picture(), BOXES).keypoints_px
    assert np.abs(found - PEOPLE[:, [2, 0, 1]]).max() < 0.5


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"unit": "px"}, (0.5, 0.25, 0.75), id="pixels"),
        pytest.param({"logits": True}, (0.5, 0.25, 1 / (1 + np.exp(-0.75))), id="logits"),
        pytest.param({"columns": ("x", "y", "score")}, (0.25, 0.5, 0.75), id="x-first"),
        pytest.param(
            {"columns": ("y", "x", "sure"), "score": "sure"}, (0.5, 0.25, 0.75), id="score-name"
        ),
    ],
)
def test_columns(
    change: dict[str, Any], expected: tuple[float, float, float], tmp_path: Path
) -> None:
    """One bright pixel at a quarter of the height and half of the width, of 0.75."""
    crop = np.zeros((1, HEIGHT, WIDTH, 3), np.uint8)
    crop[:, HEIGHT // 4 - 1 : HEIGHT // 4 + 1, WIDTH // 2 - 1 : WIDTH // 2 + 1] = round(0.75 * 255)
    output = replace(COORDINATES, **change)
    runtime = PeerRuntime(write_coordinates(tmp_path / "dots.onnx"), adapter_of(output))
    x, y, score = runtime.heatmaps(crop)[0, 0, 0]
    width, height = (1, 1) if output.unit == "px" else (WIDTH, HEIGHT)
    assert (x + 0.5) / width == pytest.approx(expected[0], abs=1e-4)
    assert (y + 0.5) / height == pytest.approx(expected[1], abs=1e-4)
    assert score == pytest.approx(expected[2], abs=1e-2)


@pytest.mark.parametrize(
    ("floor", "score"), [pytest.param(-1, 0.4, id="all"), pytest.param(0.2, 0.55, id="confident")]
)
def test_pose_score(floor: float, score: float, tmp_path: Path) -> None:
    image = np.zeros((160, 320, 3), np.uint8)
    image[60:90, 60:90] = [round(255 * share) for share in (0.6, 0.5, 0.1)]
    output = replace(COORDINATES, score_floor=floor)
    runtime = PeerRuntime(write_coordinates(tmp_path / "dots.onnx"), adapter_of(output))
    assert estimate(runtime, image, BOXES[:1]).pose_scores == pytest.approx([score], abs=0.02)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("movenet:a/b.tflite", (SHIPPED / "movenet.json", "a/b.tflite"), id="shipped"),
        pytest.param("my/own.json:b.onnx", (Path("my/own.json"), "b.onnx"), id="own"),
        pytest.param("C:/a.json:D:/b.onnx", (Path("C:/a.json"), "D:/b.onnx"), id="drives"),
        pytest.param("movenet:C:/b.onnx", (SHIPPED / "movenet.json", "C:/b.onnx"), id="drive"),
        pytest.param("C:/b.onnx", (None, "C:/b.onnx"), id="path-with-drive"),
        pytest.param("nobody:b.onnx", (None, "nobody:b.onnx"), id="unknown"),
        pytest.param("mobilevitpose-s", (None, "mobilevitpose-s"), id="zoo"),
    ],
)
def test_split(text: str, expected: tuple[Path | None, str]) -> None:
    assert split_adapter(text) == (expected[0], Path(expected[1]))


def test_existing_file_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("movenet:net.tflite").touch()
    assert split_adapter("movenet:net.tflite") == (None, Path("movenet:net.tflite"))


GOOD = json.loads(adapter_of(COORDINATES).to_json())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{", "mine.json is no adapter.*JSON", id="broken"),
        pytest.param("{}", "mine.json is no adapter.*kind", id="empty"),
        pytest.param(json.dumps({**GOOD, "colour": "rgb"}), "colour: Unexpected", id="unknown"),
        pytest.param(
            json.dumps({**GOOD, "landmarks": [0, 1]}), "2 landmarks for 3 keypoints", id="landmarks"
        ),
        pytest.param(
            json.dumps({**GOOD, "output": {"kind": "coordinates", "columns": ["y", "x"]}}),
            "no column score",
            id="columns",
        ),
        pytest.param(
            json.dumps({**GOOD, "output": {"kind": "boxes"}}), "output.*kind|boxes", id="output"
        ),
        pytest.param(
            json.dumps({**GOOD, "input": {"width_px": 0, "height_px": 96}}), "width_px", id="size"
        ),
        pytest.param(
            json.dumps({**GOOD, "input": {"width_px": 64, "height_px": 64, "layout": "NCHW"}}),
            "takes 1 x 3 x 96 x 64, its adapter says 3 x 64 x 64",
            id="other-size",
        ),
        pytest.param(
            json.dumps({**GOOD, "input": {"width_px": 64, "height_px": 96}}),
            r"its adapter says 96 x 64 x 3 \(NHWC\)",
            id="other-layout",
        ),
        pytest.param(
            json.dumps({**GOOD, "output": {**GOOD["output"], "tensor": "heat"}}),
            "has no output 'heat' .it has 0: points",
            id="output-name",
        ),
        pytest.param(
            json.dumps({**GOOD, "output": {**GOOD["output"], "tensor": 1}}),
            "has no output 1 ",
            id="output-index",
        ),
        pytest.param(
            json.dumps({**GOOD, "output": {**GOOD["output"], "columns": ["x", "y", "score", "z"]}}),
            "the output 3x3 of .*dots.onnx is not what the adapter dots says",
            id="columns-do-not-divide",
        ),
        pytest.param(
            json.dumps({**GOOD, "landmarks": [0, 1, 3]}),
            "is not what the adapter dots says",
            id="landmark-beyond",
        ),
    ],
)
def test_bad_adapters(text: str, message: str, tmp_path: Path) -> None:
    file, adapter = write_coordinates(tmp_path / "dots.onnx"), tmp_path / "mine.json"
    adapter.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        estimate(load_runtime(f"{adapter}:{file}"), picture(), BOXES)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        pytest.param("movenet:gone.tflite", "no file or model 'movenet:gone.tflite'", id="gone"),
        pytest.param("gone.json:{}", r"cannot read the adapter gone\.json", id="no-adapter"),
        pytest.param("nobody:{}", "no file or model 'nobody:", id="unknown-adapter"),
        pytest.param("rtmdet:{}", "rtmdet is a detector", id="detector"),
        pytest.param("movenet:{}", "cannot load .*text.onnx", id="damaged"),
        pytest.param("movenet:{}.txt", "can't be run with an adapter", id="other-format"),
    ],
)
def test_bad_models(model: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "text.onnx"
    for path in (file, file.with_name("text.onnx.txt")):
        path.write_text("no network")
    with pytest.raises(InputError, match=message) as caught:
        load_runtime(model.format(file))
    assert caught.value.hint


@pytest.mark.parametrize("flip", [False, True], ids=["plain", "flip"])
def test_nan_is_refused(flip: bool, drawn_data: KeypointData, tmp_path: Path) -> None:
    """Wherever outputs enter, and by the file's name."""
    path = write_coordinates(tmp_path / "sick.onnx", scale=float("nan"))
    runtime = PeerRuntime(path, adapter_of(COORDINATES))
    images = ground_truth_boxes(drawn_data)
    with pytest.raises(InputError, match=r"sick\.onnx gives NaN or infinity in onnxruntime"):
        estimate(runtime, picture(), BOXES, flip)
    with pytest.raises(InputError, match=r"sick\.onnx gives NaN or infinity in onnxruntime"):
        predict_dataset(runtime, images[:2], flip)


def test_movenet_as_known(shared_data: Path) -> None:
    """AP .354 with a square crop of side 1.25 x the longer side and the mean of the scores."""
    pytest.importorskip("ai_edge_litert", reason="needs mvpose[litert]")
    model = f"movenet:{shared_data}/peers/movenet_lightning_int8.tflite"
    data = load_keypoints(shared_data / "coco_mini", "val")
    accuracy, _ = evaluate(load_runtime(model), data, by_keypoint=False, resamples=0)
    assert accuracy.ap == pytest.approx(0.354, abs=0.005)
    stated = {
        "model": "movenet-lightning",
        "adapter": "movenet-lightning",
        "precision": "int8",
        "decode": "coordinates",
        "input": "192x192",
        "boxes": "ground truth",
        "people": 267,
    }
    assert {key: accuracy.protocol[key] for key in stated} == stated


def test_blazepose_landmarks_are_coco_keypoints(shared_data: Path) -> None:
    """On large, wholly labelled people every keypoint lies nearer to its own label than others."""
    pytest.importorskip("ai_edge_litert", reason="needs mvpose[litert]")
    runtime = load_runtime(f"blazepose:{shared_data}/peers/blazepose_lite_fp16.tflite")
    data = load_keypoints(shared_data / "coco_mini", "train")
    people = [p for p in data.people if (p.keypoints_px[:, 2] == 2).sum() >= 16][:8]
    apart = []
    for person in people:
        found = estimate(runtime, read_image(person.image), person.box_xywh_px[None])
        labels = person.keypoints_px[:, :2]
        distance = np.linalg.norm(found.keypoints_px[0][:, None] - labels[None], axis=-1)
        apart.append(distance / person.box_xywh_px[2:].max())
    nearest = np.median(apart, 0)
    body = range(5, 17)  # a face's points lie too close together for this
    assert [int(nearest[k, 5:].argmin()) + 5 for k in body] == list(body)
    assert nearest[range(17), range(17)].max() < 0.1
