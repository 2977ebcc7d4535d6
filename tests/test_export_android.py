"""Exported files into the Android app: what gets there, and what is refused."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mvpose.artefact import ENTRY, append_artefact, read_artefact
from mvpose.errors import InputError
from mvpose.export.android import MODELS, embed, find_app, split_exported
from mvpose.export.command import export, main, models_first
from mvpose.export.options import Options
from mvpose.export.pipeline import Exported
from mvpose.runtime.litert import LiteRTRuntime

RECIPE = "static_wi8_ai8_mixed"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An empty project with a manifest."""
    manifest = tmp_path / "app" / "app/src/main/AndroidManifest.xml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("<manifest/>", encoding="utf-8")
    return tmp_path / "app"


@pytest.fixture
def file(exports: dict[str, Exported], tmp_path: Path) -> Path:
    """An INT8 file of the small network."""
    return Path(shutil.copy(exports[RECIPE].path, tmp_path / "small.tflite"))


def test_an_exported_file_goes_in_as_it_is(app: Path, file: Path) -> None:
    export(str(file), options=Options(target=["android"]), to_android=app)
    embedded = app / MODELS / file.name
    assert embedded.read_bytes() == file.read_bytes()
    described = json.loads(Path(f"{embedded}.json").read_text("utf-8"))
    assert described == json.loads(read_artefact(file).to_json())
    assert LiteRTRuntime(embedded).spec == read_artefact(file).model


def test_a_checkpoint_is_exported_and_embedded(
    app: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("litert_torch", reason="needs mvpose[tflite]")
    monkeypatch.setattr("mvpose.export.pipeline.PARITY_CROPS", 2)
    out = tmp_path / "out"
    options = Options(target=["android"], fp16=True, out=out)
    export(str(checkpoint), options=options, to_android=app)
    names = {path.name for path in (app / MODELS).iterdir()}
    assert names == {"small.fp16.tflite", "small.fp16.tflite.json"}
    assert (out / "small.fp16.tflite").read_bytes() == (
        app / MODELS / "small.fp16.tflite"
    ).read_bytes()


def test_files_in_the_app_are_replaced_only_when_asked(app: Path, file: Path) -> None:
    embed([file], app, overwrite=False)
    with pytest.raises(InputError, match="--overwrite"):
        embed([file], app, overwrite=False)
    embed([file], app, overwrite=True)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_the_app_cannot_run(app: Path, file: Path, tmp_path: Path) -> None:
    artefact = read_artefact(file)
    spec = artefact.model
    other = replace(
        artefact, model=replace(spec, decode=replace(spec.decode, method="coordinates"))
    )
    changed = tmp_path / "coordinates.tflite"
    changed.write_bytes(file.read_bytes())
    append_artefact(changed, other)
    with pytest.raises(InputError, match="coordinates, not heatmaps"):
        embed([file, changed], app, overwrite=False)
    assert not (app / MODELS).exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_of_a_newer_mvpose(app: Path, file: Path) -> None:
    newer = json.loads(read_artefact(file).to_json()) | {"schema_version": 2}
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(ENTRY, json.dumps(newer))
    with pytest.raises(InputError, match="has schema version 2, this mvpose reads 1"):
        embed([file], app, overwrite=False)
    assert not (app / MODELS).exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(
            lambda data: data[:1000], "carries no description of mvpose-export", id="cut off"
        ),
        pytest.param(lambda data: b"\0" * 64 + data[64:], "cannot load", id="no model"),
    ],
)
def test_a_damaged_file(damage: object, message: str, app: Path, file: Path) -> None:
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        embed([file], app, overwrite=False)
    assert not (app / MODELS).exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"dtype": "int8"}, id="element type"),
        pytest.param({"scale": 0.5}, id="scale"),
        pytest.param({"shape": (1, 8, 8, 17)}, id="size"),
    ],
)
def test_a_file_with_another_output_than_described(
    change: dict[str, Any], app: Path, file: Path
) -> None:
    artefact = read_artefact(file)
    append_artefact(file, replace(artefact, output=replace(artefact.output, **change)))
    with pytest.raises(InputError, match="has another input or output than its description says"):
        embed([file], app, overwrite=False)
    assert not (app / MODELS).exists()


def test_there_is_no_file(app: Path) -> None:
    with pytest.raises(InputError, match=r"no such file: missing\.tflite"):
        export("missing.tflite", options=Options(target=["android"]), to_android=app)


def test_files_of_one_name(app: Path, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(file, other)
    with pytest.raises(InputError, match=r"2 of the files are named small\.tflite"):
        embed([file, other / file.name], app, overwrite=True)
    assert not (app / MODELS).exists()


def test_nothing_is_exported_where_the_app_cannot_take_it(app: Path, tmp_path: Path) -> None:
    (app / MODELS).parent.mkdir()
    (app / MODELS).write_text("in the way", encoding="utf-8")
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"cannot write .*models"):
        export(options=Options(target=["android"], out=out), to_android=app)
    assert not out.exists()


def test_an_app_takes_no_other_format(app: Path) -> None:
    with pytest.raises(InputError, match=r"the app runs \.tflite files"):
        export(options=Options(target=["onnx"]), to_android=app)


def test_there_is_no_app(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no project of the Android app"):
        find_app(tmp_path)


def test_an_exported_file_is_not_exported_again() -> None:
    with pytest.raises(InputError, match="is exported already"):
        split_exported(["a.tflite"], None)


@pytest.mark.parametrize(
    ("models", "ready", "rest"),
    [
        pytest.param((), [], [None], id="the shipped one"),
        pytest.param(("a.tflite",), ["a.tflite"], [], id="a file"),
        pytest.param(("s", "a.tflite", "b"), ["a.tflite"], ["s", "b"], id="mixed"),
    ],
)
def test_models(models: tuple[str, ...], ready: list[str], rest: list[str | None]) -> None:
    assert split_exported(models, Path()) == ([Path(name) for name in ready], rest)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--target android mine.tflite --int8", "mine.tflite --target android --int8"),
        ("--target tflite onnx --int8", "--target tflite onnx --int8"),
        ("s --target tflite -o out", "s --target tflite -o out"),
        ("--out a --target android a b --json c", "a b --out a --target android --json c"),
        ("--recipe fp16 --target android", "--recipe fp16 --target android"),
        ("--target=android mine.tflite", "mine.tflite --target=android"),
        ("--target tflte mine.tflite", "mine.tflite --target tflte"),
        ("--target", "--target"),
    ],
)
def test_models_may_stand_behind_the_targets(words: str, expected: str) -> None:
    assert models_first(words.split()) == expected.split()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param("--target", "requires at least 1", id="no target"),
        pytest.param("--target tflte", 'Did you mean "tflite"?', id="misspelt"),
        pytest.param("--target mobilevitpose-xxs", "Choose from", id="a model"),
        pytest.param("--target tflite --qat", "requires at least 1", id="no checkpoint"),
    ],
)
def test_wrong_usage(
    words: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["mvpose-export", *words.split()])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
