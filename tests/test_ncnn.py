"""ncnn files: the same heatmaps as the network they hold, and clear words where they don't fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from dot_finder import CELL_PX, DOT_FINDER, dot_weights, write_ncnn

from mvpose.data.coco import load_keypoints
from mvpose.data.images import read_image
from mvpose.errors import InputError
from mvpose.estimate import estimate
from mvpose.oks import oks
from mvpose.runtime.load import load_runtime
from mvpose.spec import ForeignNetwork, Preprocess

pytest.importorskip("ncnn", reason="needs mvpose[ncnn]")

PREPROCESS = Preprocess(64, 96, mean=(120.0, 110.0, 100.0), std=(60.0, 65.0, 70.0))
SPEC = replace(DOT_FINDER, preprocess=PREPROCESS)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("half", "precision"),
    [pytest.param(False, "fp32", id="fp32"), pytest.param(True, "fp16", id="fp16")],
)
def test_heatmaps(half: bool, precision: str, threads: int, tmp_path: Path) -> None:
    """Many crops at once, so that memory that was given back too early would show."""
    rng = np.random.default_rng(0)
    weights = rng.normal(0, 0.1, (3, 3, CELL_PX, CELL_PX)).astype(np.float32)
    path = write_ncnn(tmp_path / "net.ncnn.param", weights, SPEC, half, bias=0.5)
    crops = rng.integers(0, 256, (12, 96, 64, 3), dtype=np.uint8)
    runtime = load_runtime(str(path), threads)
    maps = runtime.heatmaps(crops)
    values = (crops - np.array(PREPROCESS.mean)) / np.array(PREPROCESS.std)
    x = torch.from_numpy(values.astype(np.float32)).permute(0, 3, 1, 2)
    stored = weights.astype(np.float16).astype(np.float32) if half else weights
    expected = F.conv2d(x, torch.from_numpy(stored), stride=CELL_PX) + 0.5
    assert maps.dtype == np.float32
    assert maps == pytest.approx(expected.numpy(), abs=1e-2 if half else 1e-4)
    assert runtime.protocol["precision"] == precision
    assert runtime.protocol["threads"] == threads


def rename_output(path: Path) -> None:
    extra = "ReLU more 1 1 image second\n"
    path.write_text(path.read_text().replace("2 2\n", "3 3\n") + extra)


def cut_weights(path: Path) -> None:
    weights = path.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[:-40])


def poison(path: Path) -> None:
    write_ncnn(path, np.full_like(dot_weights(), np.nan))


def other_spec(path: Path) -> None:
    wide = replace(SPEC, network=ForeignNetwork(kind="foreign", keypoints=3, heatmap_stride=8))
    path.with_name("net.json").write_text(wide.to_json())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda p: p.with_name("net.json").unlink(), "nothing says what", id="no-spec"),
        pytest.param(
            lambda p: p.with_name("net.json").write_text("{}"), r"net\.json.*name", id="bad-spec"
        ),
        pytest.param(lambda p: p.with_suffix(".bin").unlink(), "no weights", id="no-weights"),
        pytest.param(cut_weights, "cannot load", id="weights-cut-off"),
        pytest.param(lambda p: p.write_text("hello\n"), "not an ncnn", id="foreign-text"),
        pytest.param(lambda p: p.write_bytes(b"\xff\xd8\x00"), "not an ncnn", id="binary"),
        pytest.param(lambda p: p.write_text(""), "not an ncnn", id="empty"),
        pytest.param(
            lambda p: p.write_text("7767517\n1 1\nInput in\n"), "damaged", id="line-cut-off"
        ),
        pytest.param(rename_output, "1 inputs and 2 outputs", id="two-outputs"),
        pytest.param(poison, "NaN", id="nan"),
        pytest.param(other_spec, "belongs to another network", id="other-size"),
    ],
)
def test_bad_files(spoil: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    path = write_ncnn(tmp_path / "net.ncnn.param", dot_weights(), SPEC)
    spoil(path)
    with pytest.raises(InputError, match=message):
        load_runtime(str(path)).heatmaps(np.zeros((1, 96, 64, 3), np.uint8))


@pytest.mark.parametrize("flip", [False, True], ids=["plain", "flip"])
def test_pp_tinypose_finds_people(flip: bool, shared_data: Path) -> None:
    """Large, wholly labelled people of the training pictures."""
    runtime = load_runtime(str(shared_data / "peers" / "pp_tinypose_256x192.ncnn.param"))
    data = load_keypoints(shared_data / "coco_mini", "train", runtime.spec.skeleton)
    people = [p for p in data.people if (p.keypoints_px[:, 2] == 2).sum() >= 15][:6]
    found = []
    for person in people:
        poses = estimate(runtime, read_image(person.image), person.box_xywh_px[None], flip)
        labels = person.keypoints_px
        counted = labels[:, 2] > 0
        found.append(
            oks(poses.keypoints_px[0], labels[:, :2], person.area_px, data.skeleton, counted)
        )
    assert len(found) == 6
    assert np.median(found) > 0.8
