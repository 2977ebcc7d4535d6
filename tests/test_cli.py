"""Commands: help with examples, one-line errors, exit codes."""

import importlib
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from cyclopts import App
from PIL import Image

from mvpose.checkpoint import save_checkpoint
from mvpose.cli import make_app, run
from mvpose.commands import evaluate as evaluate_module
from mvpose.commands import predict as predict_module
from mvpose.errors import InputError
from mvpose.export import quantize_command
from mvpose.models.pose import PoseNet
from mvpose.zoo import zoo_spec

ROOT = Path(__file__).parent.parent
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]


def start(monkeypatch: pytest.MonkeyPatch, main: Callable[[], None], *arguments: str) -> int:
    """The exit code of a command run in this process."""
    monkeypatch.setattr("sys.argv", ["command", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture(params=SCRIPTS)
def script(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def main_of(script: str) -> Callable[[], None]:
    module, _, name = SCRIPTS[script].partition(":")
    main: Callable[[], None] = getattr(importlib.import_module(module), name)
    return main


def app_of(script: str, monkeypatch: pytest.MonkeyPatch) -> tuple[App, str]:
    """The command line of a script, and the texts of its help."""
    main = main_of(script)
    found: list[tuple[App, str]] = []

    def built(
        command: Callable[..., object] | Mapping[str, Callable[..., object]],
        name: str = "",
        about: str = "",
    ) -> None:
        functions = list(command.values()) if isinstance(command, Mapping) else [command]
        texts = [about, *(function.__doc__ or "" for function in functions)]
        found.append((make_app(command, script, about), "".join(texts)))

    monkeypatch.setattr(f"{main.__module__}.run", built)
    main()
    return found[0]


def test_help_shows_name_and_examples(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start(monkeypatch, main_of(script), "--help") == 0
    shown = capsys.readouterr().out
    assert f"Usage: {script} " in shown
    assert len(re.findall(rf"^ *{script} ", shown, re.MULTILINE)) >= 2


def test_examples_fit_the_options(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if script == "mvpose-quantize":
        app_for = quantize_command.app_for
        modes = quantize_command.MODES.values()
        help_texts = quantize_command.ABOUT + "".join(mode.__doc__ or "" for mode in modes)
    else:
        app, help_texts = app_of(script, monkeypatch)
        app_for = lambda _words: app  # noqa: E731
    texts = help_texts + (ROOT / "README.md").read_text("utf-8").replace("\\\n", "")
    examples = re.findall(rf"^ *(?:\.venv/bin/)?{script} (.+)$", texts, re.MULTILINE)
    assert len(examples) >= 2
    for example in examples:
        app_for(example.split()).parse_args(example, exit_on_error=False, print_error=False)


def test_unknown_option_is_wrong_usage(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start(monkeypatch, main_of(script), "--no-such-option") == 2
    assert "--no-such-option" in "".join(capsys.readouterr())


def bad_input() -> None:
    raise InputError("the file is upside down", "turn it over")


def interrupted() -> None:
    raise KeyboardInterrupt


def fine() -> None:
    pass


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        pytest.param(fine, 0, "", id="done"),
        pytest.param(
            bad_input, 1, "error: the file is upside down - turn it over\n", id="bad input"
        ),
        pytest.param(interrupted, 130, "\nInterrupted", id="interrupted"),
    ],
)
def test_exit_codes(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: Callable[[], None],
    code: int,
    message: str,
) -> None:
    assert start(monkeypatch, lambda: run(command)) == code
    shown = capsys.readouterr()
    assert shown.err.startswith(message)
    assert "Traceback" not in shown.err


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    spec = zoo_spec("mobilevitpose-xxs")
    torch.manual_seed(0)
    save_checkpoint(path, PoseNet(spec.network).state_dict(), spec)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a.jpg", "b.png"):
        Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)).save(folder / name)
    return folder


def test_predict_writes_drawings_and_json(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = [str(checkpoint), str(photos), "-o", str(out), "--threads", "1"]
    assert start(monkeypatch, predict_module.main, *arguments, "--box", "1,2,30,40") == 0
    assert sorted(path.name for path in out.iterdir()) == ["a.jpg", "b.jpg", "predictions.json"]
    assert Image.open(out / "b.jpg").size == (64, 48)
    document = json.loads((out / "predictions.json").read_text())
    assert [Path(row["image"]).name for row in document["results"]] == ["a.jpg", "b.png"]
    assert document["results"][0]["people"][0]["box_xywh_px"] == [1, 2, 30, 40]
    assert document["protocol"]["file"] == "random.safetensors"

    assert start(monkeypatch, predict_module.main, *arguments) == 1
    assert start(monkeypatch, predict_module.main, *arguments, "--overwrite") == 0


def test_predict_goes_on_after_a_damaged_picture(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    checkpoint: Path,
    photos: Path,
    tmp_path: Path,
) -> None:
    (photos / "a.jpg").write_bytes(b"no picture")
    out = tmp_path / "out"
    arguments = [str(checkpoint), str(photos), "-o", str(out), "--threads", "1"]
    assert start(monkeypatch, predict_module.main, *arguments) == 1
    assert len(json.loads((out / "predictions.json").read_text())["results"]) == 1
    shown = capsys.readouterr()
    assert "a.jpg" in shown.out
    assert "1 of 2 files" in shown.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["gone.jpg"], "no such file or folder: gone.jpg", id="missing picture"),
        pytest.param(["mobilevitpose-xxs"], "no picture given", id="no picture"),
        pytest.param(["{photos}/a.jpg", "--box", "1,2"], "not four numbers", id="bad box"),
        pytest.param(
            ["{photos}/a.jpg", "--box", "1,2,3,4", "--boxes", "b.json"], "exclude", id="two boxes"
        ),
        pytest.param(
            ["{photos}/a.jpg", "-o", "{photos}", "--overwrite"], "would replace", id="onto input"
        ),
        pytest.param(["no-model", "{photos}/a.jpg"], "no-model", id="unknown model"),
        pytest.param(
            ["{checkpoint}", "{photos}/a.jpg", "--box", "900,2,3,4"], "outside", id="box outside"
        ),
    ],
)
def test_predict_refuses(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    checkpoint: Path,
    photos: Path,
    tmp_path: Path,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [text.format(photos=photos, checkpoint=checkpoint) for text in arguments]
    assert start(monkeypatch, predict_module.main, *given) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if "predicting" not in line]
    assert len(errors) == 1
    assert message in errors[0]
    assert sorted(path.name for path in photos.iterdir()) == ["a.jpg", "b.png"]


def test_eval_prints_and_writes_ap(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    checkpoint: Path,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = tmp_path / "eval.json"
    arguments = [str(checkpoint), "--data", "synthetic:3", "--threads", "1", "--json", str(path)]
    assert start(monkeypatch, evaluate_module.main, *arguments, "--limit", "2") == 0
    row = json.loads(path.read_text())
    assert 0 <= row["ap"] <= 1
    assert row["protocol"]["images"] == 2
    assert row["protocol"]["data"] == "synthetic:3"
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("AP50", "left_wrist", "boxes: ground truth"))
