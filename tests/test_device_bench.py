"""The stand-alone measurement on small computers, and the golden vectors it compares with."""

from __future__ import annotations

import ast
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_tflite import convolution

from mvpose.artefact import Artefact, append_artefact
from mvpose.benchmark import device_bench
from mvpose.benchmark.document import read_document
from mvpose.benchmark.golden import golden, write_golden
from mvpose.codec.affine import cells_to_input
from mvpose.codec.decode import decode
from mvpose.errors import InputError
from mvpose.runtime.litert import LiteRTRuntime, file_tensors
from mvpose.spec import Decode, ForeignNetwork, ModelSpec, Preprocess, Skeleton

SCRIPT = Path(device_bench.__file__)
EXAMPLE = Path(__file__).parents[1] / "examples" / "keypoints.py"


@pytest.fixture(params=["dark", "quarter"], scope="module")
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An INT8 network of one convolution, with a description."""
    path = tmp_path_factory.mktemp("file") / f"small.{request.param}.tflite"
    convolution().write(path)
    given, made = file_tensors(path)
    skeleton = Skeleton(tuple("abcde"), ((1, 2),), (), (0.1,) * 5)
    spec = ModelSpec(
        name="small",
        network=ForeignNetwork("foreign", keypoints=5, heatmap_stride=4),
        skeleton=skeleton,
        preprocess=Preprocess(64, 64),
        decode=Decode(request.param, grid="stride" if request.param == "quarter" else "corners"),
    )
    append_artefact(path, Artefact(spec, "tflite", "NHWC", given, made, "static_wi8_ai8", "0", {}))
    return path


@pytest.fixture(scope="module")
def golden_file(file: Path) -> Path:
    path = file.with_suffix(".npz")
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (3, 64, 64, 3), np.uint8)
    write_golden(LiteRTRuntime(file), crops, path)
    return path


def bench(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the file alone, in a Python that cannot import mvpose."""
    alone = """
import runpy, sys
sys.modules["mvpose"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    return subprocess.run(
        [sys.executable, "-c", alone, SCRIPT, "--rounds", "6", *words],
        capture_output=True,
        text=True,
        cwd=SCRIPT.anchor,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )


def test_the_document_is_read_by_the_benchmark(
    file: Path, golden_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "result.json"
    done = bench(file, "--golden", golden_file, "--json", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout == out.read_text()
    document = read_document(out)
    (row,) = document.rows
    assert document.reference == row.label
    assert (row.model, row.precision, row.file) == ("small", "static_wi8_ai8", file.name)
    assert row.sha256 == LiteRTRuntime(file).protocol["sha256"]
    assert row.timing is not None and len(row.samples_ms) == row.timing.rounds == 6
    assert row.timing.median_ms == pytest.approx(np.median(row.samples_ms))
    assert row.timing.warm_up >= 10
    assert row.device_facts is not None
    assert row.device_facts["peak_memory_mb"] > 10
    told = row.device_facts["golden"]
    assert told["crops"] == 3
    assert told["heatmap_max_difference"] == 0
    assert told["heatmap_range"] > 0
    assert told["keypoint_max_px"] < 1e-3
    assert told["keypoints_within_half_px"] == 1


def test_a_difference_is_told(file: Path, golden_file: Path, tmp_path: Path) -> None:
    with np.load(golden_file) as found:
        arrays = dict(found)
    arrays["keypoints_px"] = arrays["keypoints_px"] + np.array([3.0, 4.0])
    arrays["heatmaps"] = arrays["heatmaps"] - 0.25
    moved = tmp_path / "moved.npz"
    np.savez(moved, **arrays)
    model = device_bench.Model(file, 1)
    told = device_bench.compare(model, moved)
    assert told["keypoint_max_px"] == pytest.approx(5, abs=1e-3)
    assert told["keypoints_within_half_px"] == 0
    assert told["heatmap_max_difference"] == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize("method", ["dark", "quarter"])
@pytest.mark.parametrize("grid", ["corners", "stride"])
@pytest.mark.parametrize("shape", [(64, 48), (64, 64), (16, 16)], ids=str)
def test_keypoints_agree_with_the_codec(method: Any, grid: Any, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    rows, columns = shape
    rule = Decode(method, grid=grid)
    centres = rng.uniform([0, 0], [columns - 1, rows - 1], (40, 2))
    centres[:4] = [[0, 0], [columns - 1, rows - 1], [0, rows / 2], [columns / 3, 0]]
    y, x = np.mgrid[:rows, :columns]
    cx, cy = centres.T[:, :, None, None]
    maps = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 8)
    maps = (maps + rng.normal(0, 0.02, maps.shape)).astype(np.float32)
    maps[-1] = 0.5  # flat
    size = (4 * columns, 4 * rows)
    about = {
        "model": {
            "preprocess": {"input_width_px": size[0], "input_height_px": size[1]},
            "decode": {"method": method, "sigma_cells": rule.sigma_cells, "grid": grid},
        }
    }
    expected = cells_to_input(decode(maps, rule)[0], (columns, rows), size, grid)
    assert np.abs(device_bench.keypoints_px(maps, about) - expected).max() < 1e-3


def test_the_example_decodes_alike(file: Path, golden_file: Path) -> None:
    example = runpy.run_path(str(EXAMPLE))["decode"]
    maps = np.load(golden_file)["heatmaps"].reshape(-1, 16, 16)
    alone = device_bench.decode(maps, {"method": "quarter"})
    np.testing.assert_allclose([example(one)[:2] for one in maps], alone)


def test_syntax_of_python_3_8() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 8))


def test_latency_of_a_file_of_another_maker(tmp_path: Path) -> None:
    path = convolution().write(tmp_path / "other.tflite")
    done = bench(path, "--json", tmp_path / "o.json")
    assert done.returncode == 0, done.stderr
    (row,) = read_document(tmp_path / "o.json").rows
    assert (row.model, row.precision) == ("other", "unknown")


def test_golden_vectors_of_another_file_are_marked(
    file: Path, golden_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(file.read_bytes())
    with np.load(golden_file) as found:
        arrays = dict(found)
    arrays["sha256"] = np.array("0" * 64)
    np.savez(tmp_path / "g.npz", **arrays)
    row = device_bench.measure(other, 1, 3, tmp_path / "g.npz")
    assert row["marks"][-1] == "the golden vectors are those of another file"


@pytest.mark.parametrize(
    "case", ["no file", "no model", "no golden", "damaged golden", "no description", "other size"]
)
def test_bad_input_is_one_line(file: Path, golden_file: Path, tmp_path: Path, case: str) -> None:
    bad, cut = tmp_path / "bad", tmp_path / "cut.npz"
    other = convolution().write(tmp_path / "other.tflite")
    words: dict[str, tuple[list[str | Path], str]] = {
        "no file": ([tmp_path / "none.tflite"], "cannot read"),
        "no model": ([bad], "cannot load"),
        "no golden": ([file, "--golden", tmp_path / "none.npz"], "no golden vectors"),
        "damaged golden": ([file, "--golden", bad], "no golden vectors"),
        "no description": ([other, "--golden", golden_file], "no description"),
        "other size": ([file, "--golden", cut], "size"),
    }
    bad.write_bytes(b"nothing of use")
    with np.load(golden_file) as found:
        np.savez(cut, **{**found, "crops": found["crops"][:, :32]})
    done = bench(*words[case][0])
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if "INFO" not in line]
    assert len(errors) == 1
    assert errors[0].startswith("error: ")
    assert words[case][1] in done.stderr


def test_golden_vectors_of_drawn_people(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    golden(str(file), out=path, crops=2)
    with np.load(path) as found:
        assert found["crops"].shape == (2, 64, 64, 3)
        assert found["crops"].std() > 10
        assert found["heatmaps"].shape == (2, 5, 16, 16)
        assert found["keypoints_px"].shape == (2, 5, 2)
    with pytest.raises(InputError, match="exists already"):
        golden(str(file), out=path)
    with pytest.raises(InputError, match="0 crops"):
        golden(str(file), out=path, crops=0)
    with pytest.raises(InputError, match="npz"):
        golden(str(file), out=tmp_path / "golden.bin")
