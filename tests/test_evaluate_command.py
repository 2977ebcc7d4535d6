"""mvpose-eval with a second model: what it prints and writes, and what it refuses."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import random_pose_net

from mvpose.bootstrap import APDifference, describe, images_to_resolve, points
from mvpose.checkpoint import load_checkpoint, save_checkpoint
from mvpose.commands import evaluate as command
from mvpose.data.coco import KeypointData
from mvpose.errors import InputError
from mvpose.files import sha256
from mvpose.spec import COCO17, ModelSpec
from mvpose.zoo import SHIPPED


@dataclass(frozen=True)
class Run:
    """What was printed, and the row that was written."""

    shown: str
    row: dict[str, Any]

    def change(self, *keys: str) -> APDifference:
        found = self.row["difference"]
        for key in keys:
            found = found[key]
        return APDifference(**found)


@pytest.fixture(scope="module")
def wristless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped checkpoint with one heatmap empty."""
    network, spec, _ = load_checkpoint(SHIPPED)
    weights = network.state_dict()
    last = [name for name in weights if name.endswith(".weight")][-1]
    assert len(weights[last]) == len(COCO17.keypoints)
    weights[last][COCO17.keypoints.index("left_wrist")] = 0
    path = tmp_path_factory.mktemp("spoiled") / "wristless.safetensors"
    save_checkpoint(path, weights, spec)
    return path


@pytest.fixture(scope="module")
def run(wristless: Path, drawn_data: KeypointData, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The spoiled checkpoint against the one that it was made from."""
    path = tmp_path_factory.mktemp("eval") / "eval.json"
    with redirect_stdout(io.StringIO()) as shown:
        command.evaluate(
            str(wristless),
            against=SHIPPED.stem,
            data=str(drawn_data.annotations.parents[1]),
            resolve=0.5,
            threads=1,
            json_file=path,
        )
    return Run(shown.getvalue(), json.loads(path.read_text()))


def test_loss_is_in_the_spoiled_keypoint(run: Run) -> None:
    row, difference = run.row, run.row["difference"]
    assert run.change("ap").difference == pytest.approx(row["ap"] - difference["against"]["ap"])
    assert run.change("ap").high < 0
    assert set(difference["by_size"]) == {"medium", "large"}
    assert set(difference["by_keypoint"]) == set(COCO17.keypoints)
    losses = {name: run.change("by_keypoint", name).difference for name in COCO17.keypoints}
    assert min(losses, key=lambda name: losses[name]) == "left_wrist"
    assert run.change("by_keypoint", "left_wrist").high < 0
    assert row["ap_by_keypoint"]["left_wrist"] < 0.02


def test_row_names_both_protocols(run: Run, wristless: Path) -> None:
    difference = run.row["difference"]
    assert difference["protocol"] == run.row["protocol"]
    ours, other = difference["protocol"], difference["against"]["protocol"]
    assert (ours["file"], ours["sha256"]) == (wristless.name, sha256(wristless))
    assert (other["file"], other["sha256"]) == (SHIPPED.name, sha256(SHIPPED))
    same = ("annotations", "boxes", "flip_test", "images", "people", "data")
    assert [ours[key] for key in same] == [other[key] for key in same]


def test_row_says_how_many_images_resolve(run: Run) -> None:
    change = run.change("ap")
    assert run.row["difference"]["resolve"] == {
        "ap": 0.005,
        "images": images_to_resolve(change, 0.005),
        "images_for_80_percent_power": images_to_resolve(change, 0.005, power=0.8),
    }


def test_printed(run: Run) -> None:
    lines = run.shown.splitlines()
    for text in (
        f"wristless.safetensors against {SHIPPED.name}: {describe(run.change('ap'))}",
        "to tell 0.5 AP from none at 95 % confidence: about ",
    ):
        assert any(line.startswith(text) for line in lines)
    for label, change in (
        ("all", run.change("ap")),
        ("medium", run.change("by_size", "medium")),
        ("left_wrist", run.change("by_keypoint", "left_wrist")),
    ):
        (line,) = (line for line in lines if line.startswith(f"│ {label} "))
        assert points(change) in line
    for file in ("wristless.safetensors", SHIPPED.name):
        assert f"file: {file}" in lines
    assert sum("right_ankle" in line for line in lines) == 1


def test_model_against_itself(checkpoint: Path, drawn_data: KeypointData, tmp_path: Path) -> None:
    """On the first pictures only; no number of images follows from no difference."""
    with redirect_stdout(io.StringIO()) as shown:
        command.evaluate(
            str(checkpoint),
            against=str(checkpoint),
            data=str(drawn_data.annotations.parents[1]),
            limit=3,
            threads=1,
            json_file=tmp_path / "eval.json",
        )
    assert "+0.00 AP [+0.00, +0.00] on 3 images" in shown.getvalue()
    row = json.loads((tmp_path / "eval.json").read_text())
    assert row["difference"]["against"] == {k: v for k, v in row.items() if k != "difference"}
    assert row["difference"]["resolve"]["images"] is None


@pytest.mark.parametrize("keypoints", [13, 17], ids=["fewer", "other names"])
def test_refuses_other_keypoints_before_measuring(
    keypoints: int,
    checkpoint: Path,
    small_spec: ModelSpec,
    drawn_data: KeypointData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = tuple(f"point_{k}" for k in range(keypoints))
    other = replace(
        small_spec,
        network=replace(small_spec.network, keypoints=keypoints),
        skeleton=replace(
            COCO17, keypoints=names, sigmas=(0.05,) * keypoints, flip_pairs=(), edges=()
        ),
    )
    path = tmp_path / "other.safetensors"
    save_checkpoint(path, random_pose_net(other).state_dict(), other)
    monkeypatch.setattr(command, "progress", lambda *_, **__: pytest.fail("measured a model"))
    with pytest.raises(InputError, match="the model"):
        command.evaluate(
            str(checkpoint),
            against=str(path),
            data=str(drawn_data.annotations.parents[1]),
            threads=1,
        )


@pytest.mark.parametrize("value", ["0", "-1", "101", "nan", "all"])
def test_refuses_to_resolve(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["mvpose-eval", "--data", "nowhere", "--resolve", value])
    with pytest.raises(SystemExit) as caught:
        command.main()
    assert caught.value.code == 2
    assert "--resolve" in capsys.readouterr().err
