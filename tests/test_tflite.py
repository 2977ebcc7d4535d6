"""Exported ``.tflite`` files: the same network, in the operators and types that were asked for."""

from __future__ import annotations

import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import small_export
from numpy.typing import NDArray

from mvpose.artefact import read_artefact
from mvpose.codec.decode import decode
from mvpose.export import pipeline
from mvpose.export.conversion import Conversions
from mvpose.export.graph import Graph, read_graph
from mvpose.export.pipeline import Exported
from mvpose.quantize.calibration import drawn_crops
from mvpose.quantize.recipes import RECIPES
from mvpose.runtime.litert import LiteRTRuntime, open_interpreter, restore, store
from mvpose.runtime.torch_runtime import TorchRuntime
from mvpose.spec import ModelSpec

LAYERS = 2 + 4 + 3
"""Transformer layers of every size."""
NORMS = 2 * LAYERS + 3
"""Two per layer, one after each of the three stacks."""
STATIC = ("static_wi8_ai8_mixed", "static_wi8_ai8")


@pytest.fixture(scope="module")
def crops(small_spec: ModelSpec) -> NDArray[np.uint8]:
    return drawn_crops(small_spec, 4, seed=7)


@pytest.fixture(scope="module")
def integer_ends(
    float_runtime: TorchRuntime, float_files: Conversions, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Exported]:
    """The static recipes with INT8 input and output."""
    pytest.importorskip("ai_edge_quantizer", reason="needs mvpose[tflite]")
    folder = tmp_path_factory.mktemp("integer")
    exporter = small_export(float_runtime, float_files, io="int8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "PARITY_CROPS", 4)
        return {name: exporter.export(RECIPES[name], folder / f"{name}.tflite") for name in STATIC}


def test_float_file_is_the_network(
    float_runtime: TorchRuntime, exports: dict[str, Exported], crops: NDArray[np.uint8]
) -> None:
    expected = float_runtime.heatmaps(crops)
    found = LiteRTRuntime(exports["fp32"].path).heatmaps(crops)
    assert found.shape == expected.shape == (4, 17, 32, 16)
    assert np.abs(found - expected).max() < 1e-4 * np.ptp(expected)
    cells = [decode(maps, float_runtime.spec.decode)[0] for maps in (expected, found)]
    assert np.abs(cells[0] - cells[1]).max() * 127 / 31 < 0.01


def test_float_parity_is_reported(exports: dict[str, Exported]) -> None:
    parity = exports["fp32"].parity
    assert parity.keypoints > 17
    assert parity.max_difference < 1e-4
    assert parity.shift_max_px < 0.01
    assert parity.oks > 0.9999


def test_noise_grows_with_the_recipe(exports: dict[str, Exported]) -> None:
    """On random weights INT8 is noisy, but a broken calibration would leave nothing at all."""
    sqnr_db = {name: exported.parity.sqnr_db for name, exported in exports.items()}
    assert sqnr_db["fp32"] > 90
    assert 45 < sqnr_db["fp16"] < 90
    assert 15 < sqnr_db["wi8_afp32"] < 45
    assert sqnr_db["dynamic_wi8"] < sqnr_db["wi8_afp32"]
    assert sqnr_db["static_wi8_ai8_mixed"] > 6
    assert sqnr_db["static_wi8_ai8"] > 6


def test_layout(exports: dict[str, Exported]) -> None:
    for name, exported in exports.items():
        _, interpreter = open_interpreter(exported.path)
        (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
        assert given["shape"].tolist() == [1, 128, 64, 3], name
        assert made["shape"].tolist() == [1, 32, 16, 17], name
        assert given["dtype"] == made["dtype"] == np.float32, name


@pytest.mark.parametrize("name", STATIC)
def test_integer_ends(
    name: str,
    integer_ends: dict[str, Exported],
    exports: dict[str, Exported],
    crops: NDArray[np.uint8],
) -> None:
    """Bytes go in as they are; the heatmaps are those of the file with float ends."""
    runtime = LiteRTRuntime(integer_ends[name].path)
    given, made = runtime.artefact.input, runtime.artefact.output
    assert (given.dtype, given.scale, given.zero_point) == ("int8", 1, -128)
    assert made.dtype == "int8"
    assert made.scale > 0
    (interpreter_input,) = runtime.interpreter.get_input_details()
    assert interpreter_input["dtype"] == np.int8
    with_float_ends = LiteRTRuntime(exports[name].path).heatmaps(crops)
    assert np.abs(runtime.heatmaps(crops) - with_float_ends).max() <= made.scale * 1.001


def test_every_byte_survives_the_integer_input(integer_ends: dict[str, Exported]) -> None:
    info = LiteRTRuntime(integer_ends["static_wi8_ai8"].path).artefact.input
    image = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(restore(store(image, info), info), image)


def test_loadable_anywhere(exports: dict[str, Exported]) -> None:
    for name, exported in exports.items():
        assert exported.inventory.foreign == (), name
        assert exported.inventory.highest_rank == 4, name
        assert not any(k.startswith(("CUSTOM", "FLEX")) for k in exported.inventory.operators), name


@pytest.mark.parametrize("name", ["fp32", "fp16", "wi8_afp32", "static_wi8_ai8_mixed"])
def test_delegate_takes_everything(name: str, exports: dict[str, Exported]) -> None:
    assert exports[name].inventory.undelegated == {}


def test_what_full_int8_costs(exports: dict[str, Exported]) -> None:
    """Divisions by computed numbers fall out of the delegate; products of matrices do not."""
    left = exports["static_wi8_ai8"].inventory.undelegated
    assert left == {"RSQRT": NORMS, "SOFTMAX": LAYERS}


def floats(graph: Graph) -> set[int]:
    """Operators that compute on floats."""
    return {
        i
        for i, op in enumerate(graph.operators)
        if op.kind not in ("QUANTIZE", "DEQUANTIZE")
        and any(graph.tensors[t].dtype == "float32" for t in (*op.inputs, *op.outputs))
    }


def normalisation(graph: Graph) -> set[int]:
    """The operators of all layer normalisations: x * rsqrt(weighted sum of x * x)."""
    found: set[int] = set()
    for index, op in enumerate(graph.operators):
        if op.kind != "RSQRT":
            continue
        found.update([index, *graph.consumers(op.outputs[0])])
        before = graph.producer(op.inputs[0])
        while graph.operators[before].kind != "MUL":  # from the sum to the squares
            found.add(before)
            before = graph.producer(graph.operators[before].inputs[0])
        found.add(before)
    return found


def test_mixed_leaves_three_groups_in_float(exports: dict[str, Exported]) -> None:
    graph = read_graph(exports["static_wi8_ai8_mixed"].path)
    attention = {
        i for i, op in enumerate(graph.operators) if op.kind in ("SOFTMAX", "BATCH_MATMUL")
    }
    assert len(attention) == 3 * LAYERS
    assert floats(graph) == normalisation(graph) | attention
    counted = exports["static_wi8_ai8_mixed"].inventory.float_operators
    assert sum(counted.values()) == len(floats(graph))


def test_mixed_keeps_weights_in_int8(exports: dict[str, Exported]) -> None:
    """No layer that the converter fused with a float group may stay float with it."""
    graph = read_graph(exports["static_wi8_ai8_mixed"].path)
    weighty = [
        op for op in graph.operators
        if op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    ]  # fmt: skip
    integer = [op for op in weighty if graph.tensors[op.inputs[1]].dtype == "int8"]
    assert len(integer) == 41 + 7 + 6 * LAYERS
    assert len(weighty) - len(integer) == NORMS, "sums of squares, of one row each"
    assert {graph.tensors[op.outputs[0]].dtype for op in integer} == {"int8"}


def test_full_int8_has_no_float_operator(exports: dict[str, Exported]) -> None:
    exported = exports["static_wi8_ai8"]
    graph = read_graph(exported.path)
    assert exported.inventory.float_operators == {}
    assert floats(graph) == set()
    conversions = [
        op.kind
        for op in graph.operators
        if "float32" in {graph.tensors[t].dtype for t in (*op.inputs, *op.outputs)}
    ]
    assert conversions == ["QUANTIZE", "DEQUANTIZE"]


@pytest.mark.parametrize("name", STATIC)
def test_integer_ends_leave_no_conversion_at_the_ends(
    name: str, integer_ends: dict[str, Exported]
) -> None:
    graph = read_graph(integer_ends[name].path)
    assert {graph.tensors[t].dtype for t in (*graph.inputs, *graph.outputs)} == {"int8"}
    if name == "static_wi8_ai8":
        assert "float32" not in {t.dtype for t in graph.tensors}


def test_sizes(exports: dict[str, Exported]) -> None:
    size = {name: exported.inventory.size_bytes for name, exported in exports.items()}
    whole = size["fp32"]
    assert 0.49 < size["fp16"] / whole < 0.55
    for name in ("wi8_afp32", "dynamic_wi8", *STATIC):
        assert 0.24 < size[name] / whole < 0.31, name
    assert size["dynamic_wi8"] <= size["wi8_afp32"] < size["fp16"]


def test_normalisation_is_found(float_file: Path) -> None:
    graph = read_graph(float_file)
    found = normalisation(graph)
    kinds = Counter(graph.operators[i].kind for i in found)
    expected = {"MUL": 2 * NORMS, "FULLY_CONNECTED": NORMS, "RSQRT": NORMS}
    assert {kind: kinds[kind] for kind in expected} == expected
    assert set(kinds) <= {*expected, "RESHAPE"}


def network_of(path: Path) -> bytes:
    """The file without the description at its end."""
    with zipfile.ZipFile(path) as archive:
        return path.read_bytes()[: archive.infolist()[0].header_offset]


@pytest.mark.parametrize("name", ["fp32", *STATIC])
def test_same_inputs_same_bytes(
    name: str,
    exports: dict[str, Exported],
    float_runtime: TorchRuntime,
    float_files: Conversions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline, "PARITY_CROPS", 4)
    again = small_export(float_runtime, float_files).export(RECIPES[name], tmp_path / "a.tflite")
    first = exports[name].path
    assert network_of(again.path) == network_of(first)
    assert len(network_of(first)) > 1e6
    # the last digits of the parity follow the number of threads that PyTorch has
    described = [replace(read_artefact(path), parity=None) for path in (again.path, first)]
    assert described[0] == described[1]
