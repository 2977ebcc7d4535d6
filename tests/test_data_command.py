"""mvpose-data: packs, checks and draws; says what is wrong in one line."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mvpose.commands import data as data_module
from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.data.shards import ShardCrops

Run = Callable[..., int]


@pytest.fixture
def mvpose_data(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in this process; gives its exit code."""

    def run(*arguments: object) -> int:
        monkeypatch.setattr("sys.argv", ["mvpose-data", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            data_module.main()
        assert isinstance(caught.value.code, int)
        return caught.value.code

    return run


def test_packs_and_checks(
    mvpose_data: Run,
    drawn_data: KeypointData,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = drawn_data.annotations.parents[1]
    options = ["--split", "val", "--workers", "1"]
    arguments = ["pack", folder, "-o", tmp_path, *options, "--shard-size", "3", "--side", "96"]
    assert mvpose_data(*arguments) == 0
    count = len(drawn_data.people)
    assert f"{count} people in {-(-count // 3)} shards" in capsys.readouterr().out
    crops = ShardCrops.open(tmp_path, "val")
    assert max(max(crops[n].image.shape) for n in range(len(crops))) <= 96
    assert mvpose_data("check", tmp_path, "--split", "val") == 0
    assert f"{count} people, everything is whole" in capsys.readouterr().out

    shard = tmp_path / "val-000000.tar"
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    assert mvpose_data("check", tmp_path, "--split", "val") == 1
    shown = capsys.readouterr()
    assert str(shard) in shown.out
    assert "--overwrite" in shown.err
    assert mvpose_data("pack", folder, "-o", tmp_path, *options) == 1
    assert "packed otherwise" in capsys.readouterr().err


def test_interrupted_pack_says_how_to_go_on(
    mvpose_data: Run,
    drawn_data: KeypointData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(people: Iterable[Any], *_: object) -> Iterator[Any]:
        for number, person in enumerate(people):
            if number == 4:
                raise KeyboardInterrupt
            yield person

    folder = drawn_data.annotations.parents[1]
    arguments = ["pack", folder, "-o", tmp_path, "--split", "val", "--workers", "1"]
    with monkeypatch.context() as patch:
        patch.setattr(data_module, "progress", stopped)
        assert mvpose_data(*arguments, "--shard-size", "3") == 130
    assert "3 people are packed; the same command goes on from there" in capsys.readouterr().err
    assert mvpose_data(*arguments, "--shard-size", "3") == 0
    assert len(ShardCrops.open(tmp_path, "val")) == len(drawn_data.people)


def test_draws(mvpose_data: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["draw", "2", "-o", tmp_path, "--split", "val", "--seed", "5"]
    assert mvpose_data(*arguments) == 0
    data = load_keypoints(tmp_path, "val")
    assert len(json.loads(data.annotations.read_text())["images"]) == 2
    first = data.people[0].image.read_bytes()
    assert mvpose_data("check", tmp_path, "--split", "val") == 0
    capsys.readouterr()

    assert mvpose_data(*arguments) == 1
    assert "exists already" in capsys.readouterr().err
    assert mvpose_data(*arguments[:-1], "6", "--overwrite") == 0
    assert load_keypoints(tmp_path, "val").people[0].image.read_bytes() != first


def test_check_names_bad_images(
    mvpose_data: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mvpose_data("draw", "1", "-o", tmp_path) == 0
    image = load_keypoints(tmp_path, "train").people[0].image
    image.write_bytes(image.read_bytes()[:900])
    capsys.readouterr()
    assert mvpose_data("check", tmp_path) == 1
    shown = capsys.readouterr()
    assert str(image) in shown.out
    assert "1 files of" in shown.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(["pack", "{tmp}/gone", "-o", "{tmp}/x"], 1, "no annotations", id="no data"),
        pytest.param(["check", "{tmp}"], 1, "no annotations", id="nothing to check"),
        pytest.param(["pack", "{tmp}"], 2, "--out", id="no folder for the shards"),
        pytest.param(["pack", "{tmp}", "-o", "{tmp}", "--side", "8"], 2, "side", id="too small"),
        pytest.param(["draw", "0", "-o", "{tmp}"], 2, "COUNT", id="nothing to draw"),
        pytest.param(["squash"], 2, "squash", id="unknown"),
    ],
)
def test_refuses(
    mvpose_data: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    assert mvpose_data(*(text.format(tmp=tmp_path) for text in arguments)) == code
    assert message in "".join(capsys.readouterr())
