"""mvpose-doctor: the command, what it prints, and the model of a keypoint's step."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_tflite import convolution

from mvpose.codec.affine import px_per_cell
from mvpose.errors import InputError
from mvpose.export.doctor.clipping import Range, clipping_findings
from mvpose.export.doctor.command import doctor
from mvpose.export.doctor.examine import examine
from mvpose.export.doctor.findings import short
from mvpose.export.doctor.outputs import QuantisedOutput, keypoint_step_px, rounding_px
from mvpose.export.doctor.toolchain import oldest_tested, release
from mvpose.spec import Decode


@pytest.fixture
def healthy(tmp_path: Path) -> Path:
    return convolution().write(tmp_path / "healthy.tflite")


@pytest.fixture
def warned(tmp_path: Path) -> Path:
    model = convolution()
    model.model.description = b"TOCO Converted."
    return model.write(tmp_path / "warned.tflite")


@pytest.fixture
def sick(tmp_path: Path) -> Path:
    model = convolution()
    model.find("output").quantization.zeroPoint[:] = 200
    return model.write(tmp_path / "sick.tflite")


def test_a_folder_of_the_packages_name_is_not_in_the_way(
    healthy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mvpose").mkdir()
    (tmp_path / "mvpose/__init__.py").write_text("raise ImportError", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert "not-loaded" not in {finding.code for finding in examine(healthy).findings}


def test_healthy_file_in_one_line(healthy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    doctor([healthy])
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{healthy}: healthy, 1 note (TFLite, 0.0 MB). Checked: 1 operator, ")
    for text in ("4 quantised tensors", "1 activation range on 4 drawn people", "px", "assumed"):
        assert text in first
    assert not [line for line in rest if line.startswith(("  error", "  warning"))]


def test_sick_file(sick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="1 of 1 files failed") as caught:
        doctor([sick])
    assert str(sick) in caught.value.what
    shown = capsys.readouterr().out
    assert "[zero-point-range]" in shown
    assert shown.index("[zero-point-range]") < shown.index("[no-description]")
    assert all(word in shown for word in ("where    output", "cause", "mend"))


def test_strict_counts_warnings(warned: Path) -> None:
    doctor([warned])
    with pytest.raises(InputError, match="failed"):
        doctor([warned], strict=True)


def test_json(healthy: Path, sick: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    missing = tmp_path / "gone.tflite"
    with pytest.raises(InputError, match="2 of 3 files failed"):
        doctor([healthy, missing, sick], json=path)
    rows = json.loads(path.read_text())
    assert [row["file"] for row in rows] == [str(healthy), str(sick)]
    (finding,) = [f for f in rows[1]["findings"] if f["code"] == "zero-point-range"]
    assert finding["severity"] == "error"
    assert finding["where"] == ["output"]
    with pytest.raises(InputError, match="exists already"):
        doctor([healthy], json=path)


def folder(path: Path) -> None:
    path.mkdir()


def broken_package(path: Path) -> None:
    path.mkdir()
    (path / "Manifest.json").write_text("{")


def cut_off(path: Path) -> None:
    whole = convolution().write(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        pytest.param("a.tflite", None, "no such file", id="missing"),
        pytest.param("a.tflite", Path.touch, "is empty", id="empty"),
        pytest.param("a.onnx", Path.touch, "is empty", id="empty ONNX"),
        pytest.param("a.mlmodel", Path.touch, "is empty", id="empty Core ML"),
        pytest.param("a.tflite", folder, "is a folder", id="folder"),
        pytest.param("a.onnx", folder, "is a folder", id="folder named ONNX"),
        pytest.param("a.mlpackage", folder, "no Manifest.json", id="empty package"),
        pytest.param("a.mlpackage", broken_package, "damaged", id="broken manifest"),
        pytest.param("a.mlpackage", Path.touch, "is empty", id="package that is a file"),
        pytest.param(
            "a.tflite", lambda p: p.write_text("GIF89a" * 99), "not a TFLite", id="picture"
        ),
        pytest.param("a.onnx", lambda p: p.write_text("GIF89a" * 99), "not an ONNX", id="no ONNX"),
        pytest.param("a.tflite", cut_off, "damaged", id="cut off"),
        pytest.param("a.txt", Path.touch, "not a file that mvpose-doctor reads", id="text"),
    ],
)
def test_not_a_model(
    name: str, make: Callable[[Path], object] | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if make:
        make(path)
    with pytest.raises(InputError, match=message) as caught:
        examine(path)
    assert str(tmp_path) in caught.value.what
    assert "\n" not in str(caught.value)
    assert caught.value.hint


OUTPUT = QuantisedOutput(
    name="heatmaps",
    step=0.01,
    lowest=0,
    highest=1,
    shape=(1, 64, 48, 17),
    size_wh=(192, 256),
    described=Decode(),
)


def test_step_of_dark_decoding() -> None:
    """Against Newton's step on the logarithm of the blurred Gaussian, to first order.

    Blurring doubles the variance and halves the height; a step s in cell c adds s k(p - c) to the
    blurred map at p, and moves the maximum by 2 sigma^2 times the slope of that in the logarithm.
    """
    sigma = OUTPUT.decode.sigma_cells

    def slope(cell: tuple[int, int], axis: int) -> float:
        def logarithm(p: tuple[int, int]) -> float:
            kernel = math.exp(-(math.dist(p, cell) ** 2) / (2 * sigma**2)) / (
                2 * math.pi * sigma**2
            )
            blurred = math.exp(-(math.dist(p, (0, 0)) ** 2) / (4 * sigma**2)) / 2
            return OUTPUT.step * kernel / blurred

        ahead, behind = ((1, 0), (-1, 0)) if axis == 0 else ((0, 1), (0, -1))
        return (logarithm(ahead) - logarithm(behind)) / 2

    px = px_per_cell(OUTPUT.heatmap_wh, OUTPUT.size_wh)
    cells = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)]
    shifts = [2 * sigma**2 * math.hypot(slope(c, 0) * px[0], slope(c, 1) * px[1]) for c in cells]
    found = keypoint_step_px(replace(OUTPUT, highest=1.0))
    assert found == pytest.approx(max(shifts), rel=0.15)


@pytest.mark.parametrize("method", ["dark", "quarter"])
def test_coarser_steps_move_keypoints_farther(method: str) -> None:
    rule = Decode(method)  # type: ignore[arg-type]
    outputs = [replace(OUTPUT, step=step, described=rule) for step in (0.004, 0.04, 0.4)]
    assert np.all(np.diff([keypoint_step_px(output) for output in outputs]) > 0)
    roundings = [rounding_px(output, 1.0) for output in outputs]
    assert np.all(np.diff(roundings) >= 0)
    assert roundings[0] < 0.05
    assert roundings[-1] > 0.2


def test_lower_peaks_are_coarser() -> None:
    low = replace(OUTPUT, peaks=(0.1, 0.1, 0.9))
    assert low.peak == 0.1
    assert keypoint_step_px(low) == pytest.approx(10 * keypoint_step_px(OUTPUT), rel=0.15)


@pytest.mark.parametrize(
    ("changes", "clipped"),
    [
        pytest.param({}, 0.3, id="upper end"),
        pytest.param({"at_lowest": 0.4}, 0.4, id="lower end"),
        pytest.param({"lowest": 0.0, "at_lowest": 0.9, "at_highest": 0}, 0, id="zeros"),
        pytest.param({"function": "RELU6", "highest": 6.0}, 0, id="ReLU6 at 6"),
        pytest.param({"function": "RELU6", "highest": 4.0}, 0.3, id="ReLU6 below 6"),
        pytest.param(
            {"function": "SILU", "lowest": -0.28, "at_lowest": 0.9, "at_highest": 0},
            0,
            id="SiLU at its minimum",
        ),
        pytest.param(
            {"function": "SILU", "lowest": -0.2, "at_lowest": 0.9}, 0.9, id="SiLU cut above it"
        ),
    ],
)
def test_what_counts_as_clipped(changes: dict[str, float], clipped: float) -> None:
    cut = Range("x", 0.02, -2.56, 2.54, at_lowest=0.0, at_highest=0.3, function="CONV_2D")
    given = replace(cut, **changes)  # type: ignore[arg-type]
    assert given.clipped == clipped
    assert len(list(clipping_findings([given], 4))) == (clipped > 0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("a.b.Net/c.d.Block_0/e.f.Conv2d_0;1", "Net/Block_0/Conv2d_0;1", id="module"),
        pytest.param("model/Relu6;model/bn/Fused;model/Conv", "model/Relu6", id="fused"),
        pytest.param("a/b/c/d/e", "c/d/e", id="three parts"),
        pytest.param("arith.constant39", "arith.constant39", id="plain"),
        pytest.param("head.conv:12", "head.conv:12", id="layer"),
        pytest.param("1.0", "1.0", id="number"),
        pytest.param("", "", id="nameless"),
    ],
)
def test_short_names(name: str, expected: str) -> None:
    assert short(name) == expected


def test_tested_versions_are_those_of_the_package() -> None:
    oldest = oldest_tested()
    assert release(oldest["torch"]) >= (2, 11)
    assert "ai-edge-quantizer" in oldest


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(
            "movenet_lightning_int8.tflite", {"undelegated", "float-islands"}, id="MoveNet"
        ),
        pytest.param("blazepose_lite_fp16.tflite", set(), id="BlazePose"),
        pytest.param(
            "rtmdet_nano_person.onnx",
            {"old-opset", "dynamic-shape", "stale-toolchain"},
            id="RTMDet",
        ),
    ],
)
def test_files_of_others(name: str, expected: set[str], shared_data: Path) -> None:
    if name.endswith("onnx"):
        pytest.importorskip("onnx", reason="needs mvpose[onnx]")
    report = examine(shared_data / "peers" / name)
    assert {f.code for f in report.findings} == expected | {"no-description"}
    assert report.count("error") == 0
    step = "one output step is 0.79 px"  # MoveNet's scores and coordinates share 244 steps
    assert (step in " ".join(report.checked)) == name.startswith("movenet")
