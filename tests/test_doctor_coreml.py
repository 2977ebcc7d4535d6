"""mvpose-doctor on Core ML models, each sick in one way."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvpose.errors import InputError
from mvpose.export.doctor.examine import examine
from mvpose.export.doctor.findings import Report, Severity
from mvpose.quiet import quiet

with quiet():
    ct = pytest.importorskip("coremltools", reason="needs mvpose[coreml]")
    from coremltools.converters import mil

mb = mil.Builder
FOREIGN = "no-description"
WEIGHT = np.random.default_rng(0).normal(size=(8, 3, 3, 3)).astype(np.float32)


def package(path: Path, body: Callable[[Any], Any], batch: int = 1, **options: Any) -> Path:
    """Write a program of one input (batch, 3, 16, 16)."""
    with quiet():

        @mb.program(input_specs=[mb.TensorSpec((batch, 3, 16, 16))], opset_version=ct.target.iOS17)
        def program(x: Any) -> Any:
            return body(x)

        target = {"minimum_deployment_target": ct.target.iOS17, **options}
        ct.convert(program, **target).save(str(path))
    return path


def convolution(x: Any) -> Any:
    return mb.silu(x=mb.conv(x=x, weight=WEIGHT, pad_type="same", name="conv"))


def deep(x: Any) -> Any:
    split = mb.reshape(x=mb.conv(x=x, weight=WEIGHT, pad_type="same"), shape=(8, 8, 2, 8, 2))
    return mb.transpose(x=split, perm=(0, 2, 4, 1, 3))


def integer(scale: float) -> Callable[[Any], Any]:
    """The first convolution on INT8 activations, the second on floats."""

    def body(x: Any) -> Any:
        stored = mb.quantize(input=x, scale=np.float32(scale), output_dtype="int8", name="stored")
        first = mb.conv(
            x=mb.dequantize(input=stored, scale=np.float32(scale)), weight=WEIGHT, name="first"
        )
        return mb.conv(x=first, weight=np.ones((2, 8, 1, 1), np.float32), name="second")

    return body


def codes(report: Report) -> dict[str, Severity]:
    return {f.code: f.severity for f in report.findings if f.code != FOREIGN}


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(tmp_path_factory.mktemp("coreml") / "healthy.mlpackage", convolution)


def test_healthy(healthy: Path) -> None:
    report = examine(healthy)
    assert codes(report) == {}
    assert report.summary.startswith("Core ML mlProgram")
    assert report.checked[0] == "specification 8 (iOS 17)"


@pytest.mark.parametrize(
    ("body", "options", "expected"),
    [
        pytest.param(
            convolution,
            {"compute_precision": ct.precision.FLOAT32},
            {"float32": "warning"},
            id="32 bits",
        ),
        pytest.param(deep, {}, {"rank": "warning"}, id="rank 5"),
        pytest.param(convolution, {"batch": 2}, {"batch": "warning"}, id="batch 2"),
        pytest.param(integer(0.1), {}, {"float-islands": "warning"}, id="one convolution in float"),
        pytest.param(
            integer(1e5),
            {"compute_precision": ct.precision.FLOAT32},
            {"float-islands": "warning", "giant-scale": "error", "float32": "warning"},
            id="giant scale",
        ),
    ],
)
def test_findings(
    body: Callable[[Any], Any],
    options: dict[str, Any],
    expected: dict[str, Severity],
    tmp_path: Path,
) -> None:
    report = examine(package(tmp_path / "sick.mlpackage", body, **options))
    assert codes(report) == expected


def test_older_format(tmp_path: Path) -> None:
    path = tmp_path / "old.mlmodel"
    with quiet():

        @mb.program(input_specs=[mb.TensorSpec((1, 3, 16, 16))])
        def program(x: Any) -> Any:
            return mb.relu(x=x)

        ct.convert(program, convert_to="neuralnetwork").save(str(path))
    assert codes(examine(path)) == {"neural-network": "warning"}


def test_per_tensor_weights(healthy: Path, tmp_path: Path) -> None:
    from coremltools.optimize import coreml as optimize

    with quiet():
        config = optimize.OptimizationConfig(
            optimize.OpLinearQuantizerConfig(granularity="per_tensor", weight_threshold=0)
        )
        model = ct.models.MLModel(str(healthy), skip_model_load=True)
        optimize.linear_quantize_weights(model, config).save(str(tmp_path / "w8.mlpackage"))
    report = examine(tmp_path / "w8.mlpackage")
    assert codes(report) == {"per-tensor-weights": "warning"}


@pytest.fixture
def copy(healthy: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(healthy, tmp_path / "copy.mlpackage"))


@pytest.mark.parametrize("kept", [None, 40], ids=["missing", "cut off"])
def test_weight_file(kept: int | None, copy: Path) -> None:
    weights = copy / "Data" / "com.apple.CoreML" / "weights" / "weight.bin"
    if kept is None:
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:kept])
    assert codes(examine(copy)) == {"external-data": "error"}


@pytest.mark.parametrize("kept", [0, 100], ids=["empty", "cut off"])
def test_damaged_model(kept: int, copy: Path) -> None:
    model = copy / "Data" / "com.apple.CoreML" / "model.mlmodel"
    model.write_bytes(model.read_bytes()[:kept])
    with pytest.raises(InputError, match="not a Core ML model") as caught:
        examine(copy)
    assert str(copy) in caught.value.what


def test_model_missing_in_the_package(copy: Path) -> None:
    (copy / "Data" / "com.apple.CoreML" / "model.mlmodel").unlink()
    with pytest.raises(InputError, match=r"holds no com.apple.CoreML/model.mlmodel"):
        examine(copy)


def test_unreadable_description(healthy: Path, tmp_path: Path) -> None:
    with quiet():
        model = ct.models.MLModel(str(healthy), skip_model_load=True)
        model.user_defined_metadata["mvpose.json"] = "{}"
        model.save(str(tmp_path / "named.mlpackage"))
    assert codes(examine(tmp_path / "named.mlpackage")) == {"bad-description": "error"}
