"""Files cut into parts: the parts compute what the whole does, and none is lost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mvpose.benchmark import roofline
from mvpose.benchmark.file_counts import count_file
from mvpose.benchmark.profile import profile, profile_file
from mvpose.benchmark.segments import Cutter, runs
from mvpose.errors import InputError
from mvpose.export.graph import read_graph
from mvpose.export.pipeline import Exported
from mvpose.runtime.litert import open_interpreter


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param("", [], id="none"),
        pytest.param("aab", [("a", range(2)), ("b", range(2, 3))], id="two"),
        pytest.param("aba", [("a", range(1)), ("b", range(1, 2)), ("a", range(2, 3))], id="apart"),
    ],
)
def test_runs(labels: str, expected: list[tuple[str, range]]) -> None:
    assert runs(labels) == expected


@pytest.mark.parametrize("recipe", ["fp32", "static_wi8_ai8_mixed", "dynamic_wi8"])
def test_parts_compute_what_the_whole_does(
    exports: dict[str, Exported], tmp_path: Path, recipe: str
) -> None:
    path = exports[recipe].path
    graph = read_graph(path)
    crop = np.random.default_rng(0).uniform(0, 255, graph.tensors[graph.inputs[0]].shape)
    _, whole = open_interpreter(path)
    whole.set_tensor(whole.get_input_details()[0]["index"], crop.astype(np.float32))
    whole.invoke()
    expected = whole.get_tensor(whole.get_output_details()[0]["index"])

    cutter, names = Cutter(path, graph), [tensor.name for tensor in graph.tensors]
    held = {names[graph.inputs[0]]: crop.astype(np.float32)}
    count = len(graph.operators)
    for start in range(0, count, 60):
        part = tmp_path / "part.tflite"
        cutter.write(range(start, min(start + 60, count)), part)
        _, interpreter = open_interpreter(part)
        for given in interpreter.get_input_details():
            interpreter.set_tensor(given["index"], held[given["name"]])
        interpreter.invoke()
        for made in interpreter.get_output_details():
            held[made["name"]] = interpreter.get_tensor(made["index"]).copy()
    np.testing.assert_allclose(held[names[graph.outputs[0]]], expected, atol=1e-4)


def test_blocks(exports: dict[str, Exported]) -> None:
    path = exports["static_wi8_ai8_mixed"].path
    found, counts = profile_file(path, "blocks", rounds=2), count_file(path)
    assert counts is not None
    macs = {part.part: part.macs for part in found.parts}
    assert sum(macs.values()) == counts.macs
    assert sum(part.share for part in found.parts) == pytest.approx(1)
    assert sum(part.ms for part in found.parts) == pytest.approx(found.parts_ms)
    height, width = 128 // 4, 64 // 4
    assert macs["last convolution"] == height * width * 256 * 17
    assert macs["deconvolution 3"] == height * width * 4 * 256**2
    tokens, dim = 16 * 8, 64
    assert macs["stage 3: projections"] == 2 * 4 * tokens * dim**2
    assert macs["stage 3: attention"] == 2 * 2 * tokens * (tokens // 4) * dim


def test_operators(exports: dict[str, Exported]) -> None:
    found = profile_file(exports["static_wi8_ai8_mixed"].path, "operators", rounds=1)
    parts = {part.part for part in found.parts}
    assert {"convolution, int8", "SiLU, int8", "softmax, float32", "moving"} <= parts


def test_file_of_another_maker(shared_data: Path) -> None:
    path = shared_data / "peers" / "movenet_lightning_int8.tflite"
    with pytest.raises(InputError, match="carries no description of mvpose-export"):
        profile_file(path, "blocks", rounds=1)
    with pytest.raises(InputError, match="cannot be run in parts"):
        profile_file(path, "operators", rounds=1)


def test_command(
    exports: dict[str, Exported], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setattr(roofline, "measured_peak", lambda runtime, precision, threads: 100.0)
    profile(exports["fp32"].path, rounds=1, json=tmp_path / "profile.json")
    row = json.loads((tmp_path / "profile.json").read_text())
    assert row["peaks_gmacs"] == {"int8": 100.0, "fp32": 100.0}
    assert row["protocol"]["by"] == "blocks"
    assert row["parts_ms"] == pytest.approx(sum(part["ms"] for part in row["parts"]))
