"""mvpose-doctor on ``.tflite`` files, each sick in one way."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_tflite import SmallModel, convolution

from mvpose.artefact import TensorInfo, append_artefact, read_artefact
from mvpose.errors import InputError
from mvpose.export.doctor.examine import examine
from mvpose.export.doctor.findings import Finding, Report, Severity
from mvpose.export.doctor.tflite_checks import graph_findings
from mvpose.export.graph import read_graph
from mvpose.export.pipeline import Exported

FOREIGN = "no-description"


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def found(report: Report, code: str) -> Finding:
    return next(finding for finding in report.findings if finding.code == code)


def zero_point(name: str, value: int) -> Callable[[SmallModel], None]:
    def edit(model: SmallModel) -> None:
        model.find(name).quantization.zeroPoint[:] = value

    return edit


def scale(name: str, factor: float) -> Callable[[SmallModel], None]:
    def edit(model: SmallModel) -> None:
        model.find(name).quantization.scale[:] *= np.float32(factor)

    return edit


def no_scale(model: SmallModel) -> None:
    model.find("output").quantization = None


def one_weight_scale(model: SmallModel) -> None:
    for name in ("weight", "bias"):
        about = model.find(name).quantization
        about.scale, about.zeroPoint = about.scale[:1], about.zeroPoint[:1]


def saturated(model: SmallModel) -> None:
    weight = np.full(model.find("weight").shape, 3, np.int8)
    weight[..., 0] = -127
    model.set_data("weight", weight)


def overflown(model: SmallModel) -> None:
    model.set_data("bias", np.full(5, -(2**31), np.int32))


def batch(model: SmallModel) -> None:
    for name in ("input", "output"):
        model.find(name).shape[0] = 2


def open_size(model: SmallModel) -> None:
    model.find("input").shapeSignature = np.array([1, -1, -1, 3], np.int32)


def fifth_dimension(model: SmallModel) -> None:
    shape = np.array([1, 4, 4, 16, 5], np.int32)
    index = model.tensor("shape", (5,), "INT32", data=shape)
    model.append("RESHAPE", "deep", index, shape=shape, scale=0.02)


def hard_swish(model: SmallModel) -> None:
    model.append("HARD_SWISH", "swish", scale=0.02)


def flex(model: SmallModel) -> None:
    model.append("CUSTOM", "split", scale=0.02, custom="FlexSplitV")


def custom(model: SmallModel) -> None:
    model.append("CUSTOM", "landmarks", scale=0.02, custom="TransformLandmarks")


def island(model: SmallModel) -> None:
    for name in ("first", "second"):
        model.append("DEQUANTIZE", f"{name} in", dtype="FLOAT32")
        model.append("COS", f"{name} cosine", dtype="FLOAT32")
        model.append("COS", f"{name} cosine again", dtype="FLOAT32")
        model.append("QUANTIZE", f"{name} out", scale=1 / 127)
        model.append("LOGISTIC", f"{name} sigmoid", scale=1 / 256, zero_point=-128)


def float_tail(model: SmallModel) -> None:
    model.append("DEQUANTIZE", "tail", dtype="FLOAT32")
    model.append("COS", "cosine", dtype="FLOAT32")


def detour(model: SmallModel) -> None:
    model.append("DEQUANTIZE", "there", dtype="FLOAT32")
    model.append("QUANTIZE", "back", scale=0.02)


def infinite(model: SmallModel) -> None:
    float_tail(model)
    data = np.array([1, np.inf], np.float32)
    constant = model.tensor("infinity", (2,), "FLOAT32", data=data)
    model.operator("ABS", (constant,), (model.tensor("more", (2,), "FLOAT32"),))


def old_converter(model: SmallModel) -> None:
    model.model.description = b"TOCO Converted."


def new_runtime(model: SmallModel) -> None:
    model.note("min_runtime_version", b"2.18.0\0\0")


def plus_and_minus(model: SmallModel) -> None:
    weight = np.full(model.find("weight").shape, 127, np.int8)
    weight[..., 0] = -127
    model.set_data("weight", weight)


def rsqrt(model: SmallModel) -> None:
    """Between operators that XNNPACK takes."""
    model.append("LOGISTIC", "sigmoid", scale=1 / 256, zero_point=-128)
    model.append("RSQRT", "root", scale=0.1, zero_point=-128)
    model.append("LOGISTIC", "another", scale=1 / 256, zero_point=-128)


@pytest.mark.parametrize(
    ("edit", "code", "severity", "where"),
    [
        pytest.param(zero_point("output", 200), "zero-point-range", "error", "output", id="range"),
        pytest.param(zero_point("bias", 1), "zero-point-type", "error", "bias", id="type"),
        pytest.param(zero_point("weight", 3), "weight-zero-point", "error", "weight", id="weight"),
        pytest.param(scale("output", 0), "bad-scale", "error", "output", id="scale 0"),
        pytest.param(scale("output", np.nan), "bad-scale", "error", "output", id="scale NaN"),
        pytest.param(scale("output", 1e-38), "denormal-scale", "error", "output", id="denormal"),
        pytest.param(scale("output", 1e7), "giant-scale", "error", "output", id="giant"),
        pytest.param(scale("bias", 1.1), "bias-scale", "error", "bias", id="bias scale"),
        pytest.param(no_scale, "no-scale", "error", "output", id="no scale"),
        pytest.param(
            one_weight_scale, "per-tensor-weights", "warning", "weight", id="one weight scale"
        ),
        pytest.param(saturated, "saturated-weights", "warning", "weight", id="saturated"),
        pytest.param(overflown, "bias-overflow", "error", "bias", id="bias overflow"),
        pytest.param(infinite, "not-finite", "error", "infinity", id="infinite constant"),
        pytest.param(batch, "batch", "warning", "input", id="batch 2"),
        pytest.param(open_size, "dynamic-shape", "warning", "input", id="open size"),
        pytest.param(fifth_dimension, "rank", "warning", "deep", id="rank 5"),
        pytest.param(hard_swish, "int8-hard-swish", "warning", "swish", id="hard-swish"),
        pytest.param(flex, "flex-operators", "error", "split", id="Flex"),
        pytest.param(custom, "custom-operators", "warning", "landmarks", id="custom operator"),
        pytest.param(island, "float-islands", "warning", "first cosine", id="island"),
        pytest.param(detour, "float-detours", "warning", "there", id="detour"),
        pytest.param(old_converter, "stale-converter", "warning", None, id="TOCO"),
        pytest.param(new_runtime, "needs-litert", "note", None, id="newer runtime"),
    ],
)
def test_sick_graph(
    edit: Callable[[SmallModel], None],
    code: str,
    severity: Severity,
    where: str | None,
    tmp_path: Path,
) -> None:
    """Each sickness gives its own finding and no other."""
    model = convolution()
    edit(model)
    (finding,) = graph_findings(read_graph(model.write(tmp_path / "sick.tflite")))
    assert (finding.code, finding.severity) == (code, severity)
    assert finding.where[:1] == ((where,) if where else ())
    assert finding.cause
    assert finding.mend


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda model: None, id="as it is"),
        pytest.param(float_tail, id="float tail is no island"),
        pytest.param(zero_point("output", 127), id="zero point at the limit"),
        pytest.param(plus_and_minus, id="weights of plus and minus one constant"),
    ],
)
def test_healthy_graph(edit: Callable[[SmallModel], None], tmp_path: Path) -> None:
    model = convolution()
    edit(model)
    assert graph_findings(read_graph(model.write(tmp_path / "healthy.tflite"))) == []


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        pytest.param(lambda model: None, {}, id="healthy"),
        pytest.param(
            scale("output", 1 / 20),
            {"clipped-activations": "warning", "clipped-peaks": "warning"},
            id="range too narrow",
        ),
        pytest.param(scale("output", 1.5), {"coarse-heatmaps": "warning"}, id="range too wide"),
        pytest.param(
            scale("output", 1000),
            {"flat-heatmaps": "error", "dead-output": "error"},
            id="nothing left",
        ),
        pytest.param(rsqrt, {"undelegated": "warning"}, id="delegate has no such kernel"),
        pytest.param(flex, {"flex-operators": "error", "not-loaded": "error"}, id="not loadable"),
    ],
)
def test_sick_when_run(
    edit: Callable[[SmallModel], None], expected: dict[str, Severity], tmp_path: Path
) -> None:
    model = convolution()
    edit(model)
    report = examine(model.write(tmp_path / "sick.tflite"))
    assert {f.code: f.severity for f in report.findings if f.code != FOREIGN} == expected


def test_islands_are_counted_with_their_conversions(tmp_path: Path) -> None:
    model = convolution()
    island(model)
    (finding,) = graph_findings(read_graph(model.write(tmp_path / "islands.tflite")))
    values = 16 * 16 * 5
    what = finding.what
    assert what.startswith("2 float islands")
    assert "4 operators (4 COS), 2 conversions to float and 2 back" in what
    assert f"{4 * values:,} values" in what


def test_damaged_bytes_are_bad_input_or_findings(tmp_path: Path) -> None:
    """Whatever is hit: names, sizes, types, indices, offsets."""
    whole = convolution().write(tmp_path / "whole.tflite").read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.tflite"
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(8, len(whole), 3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            graph_findings(read_graph(path))
        except InputError as error:
            assert str(path) in error.what
            refused += 1
    assert 10 < refused < 150


def test_interpreter_that_dies_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = convolution().write(tmp_path / "heavy.tflite")
    monkeypatch.setattr("sys.executable", shutil.which("false"))
    assert "the interpreter died of it" in found(examine(path), "not-loaded").what


def test_files_of_mvpose(exports: dict[str, Exported]) -> None:
    reports = {name: examine(exported.path) for name, exported in exports.items()}
    for name in ("fp32", "fp16", "wi8_afp32"):
        assert reports[name].findings == (), name
    mixed, full = reports["static_wi8_ai8_mixed"], reports["static_wi8_ai8"]
    islands = found(mixed, "float-islands")
    assert islands.severity == "note"
    assert "static_wi8_ai8_mixed" in islands.cause
    assert "float-islands" not in codes(full)
    for name, report in reports.items():
        assert not report.count("error"), name
        left = exports[name].inventory.undelegated
        assert ("undelegated" in codes(report)) == bool(left), name
        for kind, count in list(left.items())[:4]:
            assert f"{count} {kind}" in found(report, "undelegated").what


@pytest.fixture
def described(
    exports: dict[str, Exported], float_file: Path, tmp_path: Path
) -> Callable[..., Report]:
    """The report on the float file with its description changed."""

    def report(**changes: object) -> Report:
        path = Path(shutil.copy(float_file, tmp_path / "described.tflite"))
        artefact = read_artefact(exports["fp32"].path)
        append_artefact(path, replace(artefact, **changes))
        return examine(path)

    return report


def test_description_at_odds_with_the_file(described: Callable[..., Report]) -> None:
    given = TensorInfo((1, 128, 64, 3), "int8", 1.0, -128)
    assert found(described(input=given), "bad-description").severity == "error"


def test_stale_toolchain(described: Callable[..., Report]) -> None:
    report = described(toolchain={"ai-edge-quantizer": "0.4.1", "torch": "2.13.0+cpu"})
    stale = found(report, "stale-toolchain")
    assert "ai-edge-quantizer 0.4.1 (tested from 0.10)" in stale.what
    assert "torch" not in stale.what
