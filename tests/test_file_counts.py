"""Operators, bytes and multiply-accumulates of files, against the network and a hand count."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_tflite import convolution

from mvpose.benchmark.complexity import complexity
from mvpose.benchmark.file_counts import FileCounts, count_file
from mvpose.errors import InputError
from mvpose.export.inventory import take_inventory
from mvpose.export.pipeline import Exported
from mvpose.export.targets.base import Job, Target
from mvpose.export.targets.coreml import CoreMLTarget
from mvpose.export.targets.onnx import OnnxTarget
from mvpose.export.targets.openvino import OpenVINOTarget
from mvpose.models.deploy import deploy
from mvpose.quantize.network import capture
from mvpose.quantize.recipes import RECIPES
from mvpose.runtime.torch_runtime import TorchRuntime

NEAR = 0.01
"""The deploy form takes the means of its norms by multiplying."""


def near_the_network(found: FileCounts | None, reference: TorchRuntime) -> bool:
    macs = complexity(reference.spec).gflops * 1e9
    return found is not None and found.macs == pytest.approx(macs, rel=NEAR)


@pytest.mark.parametrize("recipe", ["fp32", "fp16", "dynamic_wi8", "static_wi8_ai8_mixed"])
def test_tflite(exports: dict[str, Exported], float_runtime: TorchRuntime, recipe: str) -> None:
    path = exports[recipe].path
    found = count_file(path)
    assert found is not None
    assert near_the_network(found, float_runtime)
    assert found.operators == take_inventory(path).operators
    assert 0.5 < found.weight_bytes / path.stat().st_size < 1


def test_integers_are_smaller(exports: dict[str, Exported]) -> None:
    plain, mixed = (count_file(exports[r].path) for r in ("fp32", "static_wi8_ai8_mixed"))
    assert plain is not None and mixed is not None
    assert 3.5 < plain.weight_bytes / mixed.weight_bytes < 4
    assert 2 < plain.written_bytes / mixed.written_bytes < 4


@pytest.mark.parametrize(
    ("target", "package", "recipe"),
    [
        pytest.param(OnnxTarget(), "onnxruntime", "fp32", id="onnx"),
        pytest.param(OnnxTarget(dynamic_batch=True), "onnxruntime", "fp32", id="onnx, open batch"),
        pytest.param(OpenVINOTarget(), "openvino", "fp32", id="openvino"),
        pytest.param(CoreMLTarget(), "coremltools", "fp16", id="coreml"),
    ],
)
def test_other_formats(
    float_runtime: TorchRuntime, tmp_path: Path, target: Target, package: str, recipe: str
) -> None:
    pytest.importorskip(package)
    spec = float_runtime.spec
    network = deploy(float_runtime.model, spec.preprocess)
    path = tmp_path / f"small{target.suffix}"
    job = Job(spec, RECIPES[recipe], network, lambda: capture(network, spec.preprocess), list)
    target.write(job, path)
    found = count_file(path)
    assert found is not None
    assert near_the_network(found, float_runtime)
    assert found.operators == target.inventory(path).operators
    weights = sum(p.numel() for p in network.parameters()) * (2 if recipe == "fp16" else 4)
    assert found.weight_bytes == pytest.approx(weights, rel=0.02)
    assert found.written_bytes > 0


def test_by_hand(tmp_path: Path) -> None:
    path = convolution(size=64, stride=4, channels=5).write(tmp_path / "one.tflite")
    assert count_file(path) == FileCounts(
        operators={"CONV_2D": 1},
        weight_bytes=5 * 4 * 4 * 3 + 5 * 4,
        written_bytes=16 * 16 * 5,
        macs=16 * 16 * 5 * 4 * 4 * 3,
    )


def test_no_file_of_ours(checkpoint: Path) -> None:
    assert count_file(checkpoint) is None


@pytest.mark.parametrize("suffix", [".tflite", ".onnx", ".xml", ".mlpackage"])
@pytest.mark.parametrize(
    "content", [None, b"", b"not a model at all"], ids=["absent", "empty", "text"]
)
def test_damaged(tmp_path: Path, suffix: str, content: bytes | None) -> None:
    path = tmp_path / f"bad{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"bad{suffix}"):
        count_file(path)


def test_cut_off(exports: dict[str, Exported], tmp_path: Path) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(exports["fp32"].path.read_bytes()[:50_000])
    with pytest.raises(InputError, match="damaged"):
        count_file(path)
