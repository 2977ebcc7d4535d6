"""Exported files in tflite-runtime, the small interpreter of older devices and of the demos.

It needs NumPy 1 and so an environment of its own: ``MVPOSE_TFLITE_RUNTIME_PYTHON`` names the Python
interpreter of one that has tflite-runtime 2.14.0. Nothing of mvpose is needed there: all that a
reader has to know travels in the file.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import OpResolverType
from numpy.typing import NDArray

from mvpose.export.pipeline import Exported
from mvpose.quantize.calibration import drawn_crops
from mvpose.runtime.litert import LiteRTRuntime, open_interpreter
from mvpose.spec import ModelSpec

VARIABLE = "MVPOSE_TFLITE_RUNTIME_PYTHON"

READER = """
import json, sys, zipfile
import numpy as np
from tflite_runtime.interpreter import Interpreter
about = json.loads(zipfile.ZipFile(sys.argv[1]).read("mvpose.json"))
net = Interpreter(sys.argv[1])
net.allocate_tensors()
maps = []
for crop in np.load(sys.argv[2]):
    assert list(crop.shape) == about["input"]["shape"][1:]
    net.set_tensor(net.get_input_details()[0]["index"], crop[None].astype(about["input"]["dtype"]))
    net.invoke()
    maps.append(net.get_tensor(net.get_output_details()[0]["index"]))
np.save(sys.argv[3], np.concatenate(maps).transpose(0, 3, 1, 2))
"""


@pytest.fixture(scope="module")
def python() -> str:
    found = os.environ.get(VARIABLE)
    if not found:
        pytest.skip(
            f"NOT TESTED in tflite-runtime: set {VARIABLE} to the Python of an environment with "
            "tflite-runtime==2.14.0 and numpy<2"
        )
    return found


@pytest.fixture(scope="module")
def crops(small_spec: ModelSpec) -> NDArray[np.uint8]:
    return drawn_crops(small_spec, 4, seed=7)


@pytest.fixture
def in_tflite_runtime(
    python: str, crops: NDArray[np.uint8], tmp_path: Path
) -> Callable[[Path], NDArray[np.float32]]:
    """Heatmaps of a file, from an interpreter of its own in another environment."""

    def heatmaps(path: Path) -> NDArray[np.float32]:
        given, made = tmp_path / "crops.npy", tmp_path / "heatmaps.npy"
        np.save(given, crops)
        subprocess.run([python, "-c", READER, *map(str, (path, given, made))], check=True)
        found: NDArray[np.float32] = np.load(made)
        return found

    return heatmaps


@pytest.mark.parametrize("name", ["fp32", "fp16"])
def test_float(
    name: str,
    in_tflite_runtime: Callable[[Path], NDArray[np.float32]],
    exports: dict[str, Exported],
    crops: NDArray[np.uint8],
) -> None:
    expected = LiteRTRuntime(exports[name].path).heatmaps(crops)
    found = in_tflite_runtime(exports[name].path)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4 * np.ptp(expected)


@pytest.mark.parametrize("name", ["static_wi8_ai8_mixed", "static_wi8_ai8"])
def test_integer(
    name: str,
    in_tflite_runtime: Callable[[Path], NDArray[np.float32]],
    exports: dict[str, Exported],
    crops: NDArray[np.uint8],
) -> None:
    """It runs INT8 without XNNPACK, so it is held against LiteRT without XNNPACK.

    Kernels round differently, and sixty layers on random weights make much of one bit: LiteRT's own
    two sets of kernels are 15 dB apart. From tflite-runtime to the like set of LiteRT it was 17 dB.
    """
    path = exports[name].path
    runtime = LiteRTRuntime(path)
    delegated = runtime.heatmaps(crops)
    _, runtime.interpreter = open_interpreter(
        path, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    plain = runtime.heatmaps(crops)
    found = in_tflite_runtime(path)
    assert 0 < rms(delegated - plain) < rms(plain) / 2
    assert rms(found - plain) <= rms(delegated - plain)


def rms(values: NDArray[np.float32]) -> float:
    return float(np.sqrt((values.astype(np.float64) ** 2).mean()))
