"""mvpose-export: what it writes, what it refuses, and what it leaves behind when it fails."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mvpose.artefact import read_artefact
from mvpose.data.coco import KeypointData
from mvpose.data.synthetic import write_synthetic
from mvpose.errors import InputError
from mvpose.export import conversion, pipeline
from mvpose.export.command import export
from mvpose.export.jobs import check_options
from mvpose.export.options import Options
from mvpose.files import sha256
from mvpose.quantize.recipes import RECIPES

RECIPES_ASKED = ("fp32", "static_wi8_ai8_mixed", "dynamic_wi8")


@dataclass(frozen=True)
class Run:
    """One whole export: its folder, what it printed and the rows that it wrote."""

    out: Path
    shown: str
    rows: list[dict[str, Any]]


@pytest.fixture(scope="module")
def run(
    checkpoint: Path, drawn_data: KeypointData, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """Conversion included; calibrated and measured on drawn pictures."""
    pytest.importorskip("litert_torch", reason="needs mvpose[tflite]")
    folder = tmp_path_factory.mktemp("command")
    data = drawn_data.annotations.parents[1]
    write_synthetic(folder, 6, seed=3, split="train")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as shown:
        patch.setenv("COLUMNS", "200")
        export(
            str(checkpoint),
            options=Options(
                target=["tflite"],
                fp32=True,
                recipe=["static_wi8_ai8_mixed", "dynamic_wi8", "fp32"],
                calib=folder,
                data=str(data),
                out=folder / "new" / "out",
            ),
            json=folder / "rows.json",
        )
    rows = json.loads((folder / "rows.json").read_text())
    return Run(folder / "new" / "out", shown.getvalue(), rows)


def test_files(run: Run) -> None:
    names = [f"small.{r}.tflite{end}" for r in RECIPES_ASKED for end in ("", ".json")]
    assert sorted(path.name for path in run.out.iterdir()) == sorted([*names, "MODELCARD.md"])


def test_files_carry_what_was_measured(
    run: Run, drawn_data: KeypointData, checkpoint: Path
) -> None:
    artefact = read_artefact(run.out / "small.static_wi8_ai8_mixed.tflite")
    assert artefact.weights_sha256 == sha256(checkpoint)
    assert artefact.calibration is not None
    assert artefact.calibration["source"] == "person_keypoints_train.json"
    assert artefact.calibration["count"] == len(artefact.calibration["sample_ids"]) > 6
    assert artefact.calibration["apart_from"]["evaluation"] == drawn_data.annotations.name
    assert artefact.parity is not None
    assert artefact.parity["crops_source"] == drawn_data.annotations.name
    assert artefact.accuracy is not None
    assert artefact.accuracy["protocol"]["precision"] == "static_wi8_ai8_mixed"


def test_tables(run: Run) -> None:
    people = run.rows[0]["parity"]["crops"]
    shown = " ".join(run.shown.split())  # titles are wrapped
    for text in (
        f"Difference from the float network on {people} crops (person_keypoints_val.json)",
        "Operators",
        f"AP on 8 images, {people} people of person_keypoints_val.json, ground truth boxes",
        "flip test off",
        "float network",
        *(f"wrote {run.out / f'small.{recipe}.tflite'}" for recipe in RECIPES_ASKED),
    ):
        assert text in shown
    assert run.shown.count("static_wi8_ai8_mixed") == 4


def test_rows(run: Run) -> None:
    assert [row["recipe"] for row in run.rows] == list(RECIPES_ASKED)
    for row in run.rows:
        path = run.out / row["file"]
        assert set(row) == {
            "kind", "file", "sha256", "format", "recipe", "weights_sha256", "inventory", "parity",
            "accuracy", "ap_difference", "comparison", "timing",
        }  # fmt: skip
        assert row["kind"] == "export"
        assert row["sha256"] == sha256(path)
        assert row["parity"] == read_artefact(path).parity
        assert set(row["ap_difference"]) == {
            "difference", "low", "high", "resamples", "images", "standard_error",
        }  # fmt: skip
    float_row = run.rows[0]
    assert float_row["parity"]["max_difference"] < 1e-4
    assert abs(float_row["ap_difference"]["difference"]) < 1e-3


def test_another_conversion_gives_the_same_bytes(run: Run, float_file: Path) -> None:
    written = (run.out / "small.fp32.tflite").read_bytes()
    assert written.startswith(float_file.read_bytes())


@pytest.fixture
def small(
    checkpoint: Path, float_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """The command on the small checkpoint, the conversion taken from the session's."""

    def convert(_function: object, *arguments: object, what: str) -> None:
        assert "litert-torch" in what
        shutil.copyfile(float_file, arguments[-1])

    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(conversion, "run_apart", convert)
    monkeypatch.setattr(pipeline, "PARITY_CROPS", 2)

    def command(*, json: Path | None = None, **options: Any) -> None:
        export(str(checkpoint), options=Options(**{"target": ["tflite"], **options}), json=json)

    return command


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_default_is_the_float_file(small: Callable[..., None], tmp_path: Path) -> None:
    small(out=tmp_path / "out")
    assert set(contents(tmp_path / "out")) == {
        "small.fp32.tflite", "small.fp32.tflite.json", "MODELCARD.md",
    }  # fmt: skip
    assert contents(tmp_path / "temporary") == {}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("small.fp32.tflite", id="file"),
        pytest.param("small.fp16.tflite", id="file of the second recipe"),
        pytest.param("small.fp32.tflite.json", id="description beside it"),
        pytest.param("rows.json", id="result rows"),
    ],
)
def test_refuses_to_replace(name: str, small: Callable[..., None], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_bytes(b"precious")
    call = partial(small, fp32=True, fp16=True, out=out, json=out / "rows.json")
    with pytest.raises(InputError, match="exists already") as caught:
        call()
    assert str(out / name) in caught.value.what
    assert "--overwrite" in caught.value.hint
    assert contents(out) == {name: b"precious"}
    call(overwrite=True)
    assert len(contents(out)) == 6
    assert contents(out)[name] != b"precious"


def test_folder_with_other_files_keeps_them(small: Callable[..., None], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in ("probe", "small.tflite", "float.tflite"):
        (out / name).write_bytes(b"precious")
    small(out=out)
    kept = contents(out)
    assert {n for n, value in kept.items() if value == b"precious"} == {
        "probe", "small.tflite", "float.tflite",
    }  # fmt: skip


def test_all_formats_in_one_run(small: Callable[..., None], tmp_path: Path) -> None:
    """One calibration for all, and the same summary."""
    for module in ("onnx", "openvino", "coremltools"):
        pytest.importorskip(module, reason="NOT TESTED: needs mvpose[all]")
    out = tmp_path / "out"
    formats = ["coreml", "onnx", "openvino", "tflite"]
    small(target=formats, int8=True, fp16=True, plain=True, out=out, json=tmp_path / "rows.json")
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [(row["format"], row["recipe"]) for row in rows] == [
        (name, recipe)
        for name in ("tflite", "onnx", "openvino", "coreml")
        for recipe in ("fp16", "static_wi8_ai8_mixed")
    ]
    timed = [row["format"] for row in rows if row["timing"]]
    evaluated = set() if sys.platform == "darwin" else {"coreml"}
    assert set(timed) == {"tflite", "onnx", "openvino", "coreml"} - evaluated
    described = [json.loads((out / f"{row['file']}.json").read_text()) for row in rows]
    calibrations = [d["calibration"]["crops_sha256"] for d in described if d["calibration"]]
    assert len(calibrations) == 4 and len(set(calibrations)) == 1
    card = (out / "MODELCARD.md").read_text()
    assert all(f"`{row['file']}`" in card for row in rows)
    assert "import CoreML" in card
    for row in rows:
        assert row["sha256"] == sha256(out / row["file"])


def test_the_gate_needs_tflite(small: Callable[..., None], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--max-drop asks for the AP"):
        small(target=["onnx"], int8=True, max_drop=1.0, data="synthetic:2", out=tmp_path / "out")


def test_onnx2tf_takes_no_scales() -> None:
    with pytest.raises(InputError, match="onnx2tf calibrates INT8 itself"):
        check_options([], "float32", own_scales=True, converter="onnx2tf")


def test_unknown_recipe(small: Callable[..., None], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown recipe 'int4'") as caught:
        small(recipe=["int4"], out=tmp_path / "out")
    assert all(name in caught.value.hint for name in RECIPES)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("inside", ["", "sub", "sub/deeper"], ids=["itself", "child", "grandchild"])
def test_out_is_a_file(inside: str, small: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"precious")
    out = tmp_path / "taken" / inside
    with pytest.raises(InputError, match="cannot write") as caught:
        small(out=out)
    assert str(out) in caught.value.what
    assert "choose another" in caught.value.hint
    assert (tmp_path / "taken").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        pytest.param(KeyboardInterrupt(), KeyboardInterrupt, id="interrupted"),
        pytest.param(OSError(28, "No space left on device"), InputError, id="disk full"),
        pytest.param(RuntimeError("a bug"), RuntimeError, id="defect"),
    ],
)
@pytest.mark.parametrize(
    "old",
    [{}, {"small.fp32.tflite": b"old", "small.fp32.tflite.json": b"old"}],
    ids=["new", "over old files"],
)
def test_crash_in_the_middle(
    old: dict[str, bytes],
    error: BaseException,
    seen: type[BaseException],
    small: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop(*_: object) -> None:
        raise error

    out = tmp_path / "out"
    out.mkdir()
    for name, value in old.items():
        (out / name).write_bytes(value)
    monkeypatch.setattr(pipeline, "measure_parity", stop)
    with pytest.raises(seen):
        small(fp32=True, fp16=True, out=out, overwrite=True)
    assert contents(out) == old
    assert contents(tmp_path / "temporary") == {}


@pytest.mark.parametrize("absent", ["litert_torch", "ai_edge_quantizer", "ai_edge_litert"])
def test_missing_extra(
    absent: str, small: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, package=None: None if name == absent else find(name, package),
    )
    with pytest.raises(InputError, match=absent) as caught:
        small(int8=True, out=tmp_path / "out")
    assert caught.value.hint == "pip install 'mvpose[tflite]'"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["{checkpoint}", "--recipe", "int4"], "unknown recipe 'int4'", id="recipe"),
        pytest.param(["{broken}", "--int8"], "cannot read .*broken.safetensors", id="damaged"),
    ],
)
def test_error_on_the_command_line(
    arguments: list[str], message: str, checkpoint: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(checkpoint.read_bytes()[:1000])
    given = [text.format(checkpoint=checkpoint, broken=broken) for text in arguments]
    code = "from mvpose.export.command import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *given, "--target", "tflite", "-o", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert re.search(message, line)
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "out").exists()
