"""The second road to TFLite, on the same weights as the first."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mvpose.errors import InputError
from mvpose.export.graph import read_graph
from mvpose.export.inventory import take_inventory
from mvpose.export.onnx2tf_road import SUPPORTED, convert_by_onnx2tf
from mvpose.export.onnx_qdq import write_onnx
from mvpose.export.pipeline import Exported
from mvpose.models.deploy import deploy
from mvpose.parity import compare_heatmaps
from mvpose.quantize.calibration import drawn_crops
from mvpose.quantize.network import capture
from mvpose.quantize.recipes import RECIPES
from mvpose.quantize.simulate import QuantNet
from mvpose.runtime.litert import open_interpreter, restore, store, tensor_info
from mvpose.runtime.torch_runtime import TorchRuntime

CALIBRATION_CROPS = 16
FILES = [*((name, "float32") for name in SUPPORTED), ("static_wi8_ai8", "int8")]


@pytest.fixture(scope="module")
def onnx_file(float_runtime: TorchRuntime, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small network, in float."""
    pytest.importorskip("onnx", reason="needs mvpose[onnx]")
    spec = float_runtime.spec
    graph = capture(deploy(float_runtime.model, spec.preprocess), spec.preprocess)
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    write_onnx(QuantNet(graph, graph.roles), spec, path)
    return path


@pytest.fixture(scope="module")
def converted(
    onnx_file: Path, float_runtime: TorchRuntime, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Path]:
    """Files by recipe and type of input and output, each made once."""
    for module in ("onnx2tf", "tensorflow"):
        pytest.importorskip(module, reason="NOT TESTED: needs mvpose[onnx2tf]")
    folder = tmp_path_factory.mktemp("onnx2tf")
    crops = drawn_crops(float_runtime.spec, CALIBRATION_CROPS, seed=0)

    def make(recipe: str, io: str = "float32") -> Path:
        path = folder / f"{recipe}.{io}.tflite"
        if not path.exists():
            convert_by_onnx2tf(onnx_file, RECIPES[recipe], path, crops, io)
        return path

    return make


def heatmaps(path: Path, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, K, h, w), in LiteRT."""
    _, interpreter = open_interpreter(path)
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    maps = []
    for crop in crops:
        interpreter.set_tensor(given["index"], store(crop[None], tensor_info(given)))
        interpreter.invoke()
        maps.append(restore(interpreter.get_tensor(made["index"]), tensor_info(made)))
    return np.concatenate(maps).transpose(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("recipe", "io", "floor_db"),
    [
        ("fp32", "float32", 100),
        ("fp16", "float32", 50),
        ("dynamic_wi8", "float32", 15),
        ("static_wi8_ai8", "float32", 5),
        ("static_wi8_ai8", "int8", 5),
    ],
)
def test_both_roads_lead_to_one_network(
    recipe: str,
    io: str,
    floor_db: float,
    converted: Callable[[str, str], Path],
    exports: dict[str, Exported],
    float_runtime: TorchRuntime,
) -> None:
    crops = drawn_crops(float_runtime.spec, 4, seed=1)
    ours, theirs = heatmaps(exports[recipe].path, crops), heatmaps(converted(recipe, io), crops)
    truth = float_runtime.heatmaps(crops)
    for expected, actual in ((truth, theirs), (ours, theirs)):
        parity = compare_heatmaps(expected, actual, float_runtime.spec, "drawn people")
        assert parity.sqnr_db > floor_db
        if recipe == "fp32":
            assert parity.max_difference < 1e-4


@pytest.mark.parametrize(("recipe", "io"), FILES)
def test_plain_runtimes_load_its_operators(
    recipe: str,
    io: str,
    converted: Callable[[str, str], Path],
    exports: dict[str, Exported],
    float_runtime: TorchRuntime,
) -> None:
    path = converted(recipe, io)
    width, height = float_runtime.spec.preprocess.size_wh
    graph, inventory = read_graph(path), take_inventory(path)
    (image,), (maps,) = graph.inputs, graph.outputs
    assert graph.tensors[image].shape == (1, height, width, 3)
    assert graph.tensors[maps].shape == (1, height // 4, width // 4, 17)
    assert graph.tensors[image].dtype == graph.tensors[maps].dtype == io
    assert inventory.foreign == ()
    assert inventory.highest_rank <= 4
    if recipe == "static_wi8_ai8":
        assert inventory.float_operators == {}
        assert inventory.operators["RSQRT"] and "SQRT" not in inventory.operators
    ours = exports[recipe].inventory.size_bytes
    assert 0.8 * ours < inventory.size_bytes < 1.2 * ours


def test_the_same_again(
    onnx_file: Path, converted: Callable[[str, str], Path], tmp_path: Path
) -> None:
    again = tmp_path / "again.tflite"
    convert_by_onnx2tf(onnx_file, RECIPES["fp32"], again)
    assert again.read_bytes() == converted("fp32", "float32").read_bytes()


def test_a_file_that_is_no_network(tmp_path: Path) -> None:
    pytest.importorskip("onnx2tf", reason="NOT TESTED: needs mvpose[onnx2tf]")
    pytest.importorskip("tensorflow", reason="NOT TESTED: needs mvpose[onnx2tf]")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a network")
    with pytest.raises(InputError, match=r"conversion by onnx2tf failed.*last lines"):
        convert_by_onnx2tf(broken, RECIPES["fp32"], tmp_path / "x.tflite")
    assert not (tmp_path / "x.tflite").exists()


@pytest.mark.parametrize(
    ("recipe", "given", "message"),
    [
        ("static_wi8_ai8_mixed", {}, "does not write static_wi8_ai8_mixed.*fp32, fp16"),
        ("static_wi8_ai16", {}, "does not write static_wi8_ai16"),
        ("fp32", {"io": "int8"}, "does not write fp32 with int8"),
        ("static_wi8_ai8", {"io": "uint8"}, "with uint8 input"),
        ("static_wi8_ai8", {}, "needs crops"),
        ("static_wi8_ai8", {"crops": np.zeros((0, 8, 8, 3), np.uint8)}, "needs crops"),
    ],
)
def test_what_it_does_not_write(
    recipe: str, given: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        convert_by_onnx2tf(tmp_path / "x.onnx", RECIPES[recipe], tmp_path / "x.tflite", **given)


@pytest.mark.parametrize("missing", ["onnx2tf", "tensorflow"])
def test_a_missing_package_is_named(
    missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == missing else object()
    )
    with pytest.raises(InputError, match=rf"'{missing}', .*mvpose\[onnx2tf\]"):
        convert_by_onnx2tf(tmp_path / "x.onnx", RECIPES["fp32"], tmp_path / "x.tflite")
