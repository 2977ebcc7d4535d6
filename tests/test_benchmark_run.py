"""A whole benchmark run: real models and files, what is kept, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mvpose.benchmark import run as benchmark_run
from mvpose.benchmark.command import benchmark
from mvpose.benchmark.document import Document, read_document
from mvpose.benchmark.latency.cpu import OnePerson, opening_order, time_rows
from mvpose.benchmark.latency.cuda import Variant, time_on_cuda
from mvpose.benchmark.latency.subjects import subjects
from mvpose.benchmark.plan import seconds
from mvpose.checkpoint import read_safetensors
from mvpose.errors import InputError
from mvpose.export.pipeline import Exported
from mvpose.timing import GROUPS, interleave

pytestmark = pytest.mark.usefixtures("one_thread")
needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="NOT TESTED: needs a CUDA GPU"
)
ROUNDS = 10


@pytest.fixture(scope="module")
def exported_file(exports: dict[str, Exported]) -> Path:
    return exports["static_wi8_ai8_mixed"].path


@pytest.fixture(scope="module")
def document(
    checkpoint: Path, exported_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Document:
    """Two models, one that can't be opened, one of random weights."""
    path = tmp_path_factory.mktemp("benchmark") / "result.json"
    names = [str(checkpoint), str(exported_file), "gone.onnx", "random:mobilevitpose-xxs"]
    benchmark(names, rounds=ROUNDS, data="synthetic:2", baseline=names[1], json=path)
    return read_document(path)


def test_rows(document: Document, checkpoint: Path, exported_file: Path) -> None:
    first, second, gone, drawn = document.rows
    assert [row.format for row in document.rows] == ["torch", "tflite", "", "torch"]
    assert (first.file, second.file) == (checkpoint.name, exported_file.name)
    assert document.reference == first.label
    assert second.precision == "static_wi8_ai8_mixed"
    assert gone.timing is None and gone.error and "no file or model 'gone.onnx'" in gone.error
    for row in (first, second, drawn):
        assert row.timing and row.stages and row.complexity
        assert len(row.samples_ms) == row.timing.rounds == ROUNDS
        assert row.timing.median_ms == pytest.approx(row.stages["inference"].median_ms)
        assert row.stages["together"].median_ms > row.stages["inference"].median_ms
        assert row.timing.protocol["threads"] == 1
        assert row.timing.warm_up >= 10


def test_accuracies(document: Document) -> None:
    first, second, _, drawn = document.rows
    assert first.accuracy and second.accuracy
    assert drawn.random_weights and drawn.accuracy is None
    assert first.against_float is None and first.against_baseline
    assert second.against_float and second.against_baseline is None
    difference = second.accuracy.ap - first.accuracy.ap
    assert second.against_float.ap.difference == pytest.approx(difference)
    assert first.against_baseline.ap.difference == pytest.approx(-difference)
    assert document.baseline == second.label


def test_labels_tell_apart(checkpoint: Path, exported_file: Path) -> None:
    names = [str(exported_file), str(checkpoint), str(exported_file)]
    labels = [subject.row.label for subject in subjects(names, 1)]
    assert len(set(labels)) == 3
    assert labels[1] == checkpoint.name


def test_weights_that_are_not_numbers(checkpoint: Path, tmp_path: Path) -> None:
    weights = load_file(checkpoint)
    name = next(name for name, w in weights.items() if w.is_floating_point())
    weights[name][...] = float("nan")
    path = tmp_path / "nan.safetensors"
    save_file(weights, path, read_safetensors(checkpoint)[0])
    (subject,) = subjects([str(path)], 1)
    assert subject.row.error and "nan.safetensors" in subject.row.error


def test_stages_add_up(checkpoint: Path) -> None:
    (subject,) = subjects([str(checkpoint)], 1)
    step = OnePerson(subject.open())
    for _ in range(3):
        step()
    taken = np.stack(step.taken_ms)
    assert taken.shape == (3, 4) and (taken > 0).all()
    np.testing.assert_allclose(taken[:, :3].sum(1), taken[:, 3])


@pytest.mark.parametrize("count", [1, 2, 5])
def test_opening_orders_are_balanced(count: int) -> None:
    """Of any two models each is opened first as often."""
    opened = [opening_order(count, number) for number in range(GROUPS)]
    assert all(sorted(order) == list(range(count)) for order in opened)
    places = np.array([np.argsort(order) for order in opened])
    for one, other in combinations(range(count), 2):
        assert 2 * (places[:, one] < places[:, other]).sum() == GROUPS


def test_a_package_that_is_only_evaluated_has_no_latency(checkpoint: Path) -> None:
    (subject,) = subjects([str(checkpoint)], 1)
    evaluated = replace(subject, evaluated=True)
    *_, (here, there) = time_rows([subject, evaluated], ROUNDS)
    assert here.timing and there.timing is None
    assert there.error and "needs macOS" in there.error


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"rounds": 5}, "--rounds 5 tells nothing", id="too few rounds"),
        pytest.param({"device": "tpu"}, "no device 'tpu'", id="device"),
        pytest.param(
            {"baseline": "vitpose-b", "data": "synthetic:2"}, "not among the models", id="baseline"
        ),
        pytest.param({"models": ["gone.tflite"]}, "no model could be opened", id="nothing"),
        pytest.param({"device": "adb"}, "needs the program", id="phone without binary"),
        pytest.param({"sustained": "10m"}, "are for phones", id="sustained without a phone"),
        pytest.param({"flip": True}, "switches of AP, but no data", id="switches without data"),
        pytest.param({"batch": (0,)}, "holds no crop", id="empty batch"),
        pytest.param({"data": "gone"}, "gone", id="data"),
    ],
)
def test_refusals(given: dict[str, Any], message: str, checkpoint: Path) -> None:
    with pytest.raises(InputError, match=message):
        benchmark(**{"models": [str(checkpoint)], "rounds": ROUNDS, **given})


def test_refuses_to_replace(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("precious")
    with pytest.raises(InputError, match=r"old\.csv"):
        benchmark([str(checkpoint)], csv=tmp_path / "old.csv")
    assert (tmp_path / "old.csv").read_text() == "precious"


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), InputError("the disk went away"), ValueError("a bug")]
)
def test_what_was_measured_is_kept(
    error: BaseException, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(benchmark_run, "_judge", fail)
    path = tmp_path / "part.json"
    with pytest.raises(type(error)):
        benchmark([str(checkpoint)], rounds=ROUNDS, data="synthetic:2", json=path)
    kept = read_document(path)
    assert kept.rows[0].timing and kept.rows[0].accuracy is None
    assert kept.ended_early


def test_an_interrupted_part_keeps_those_before(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = iter(range(4))

    def interrupt(*arguments: Any) -> Any:
        if next(parts) == 3:
            raise KeyboardInterrupt
        return interleave(*arguments)

    monkeypatch.setattr("mvpose.benchmark.latency.cpu.interleave", interrupt)
    path = tmp_path / "part.json"
    with pytest.raises(KeyboardInterrupt):
        benchmark([str(checkpoint)], rounds=12, json=path)
    (row,) = read_document(path).rows
    assert row.timing and row.timing.rounds == 6


def test_a_file_that_cannot_be_written_keeps_none_of_the_others_from_it(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise InputError("the disk is full")

    monkeypatch.setattr(benchmark_run, "write_document", full)
    with pytest.raises(InputError, match="the disk is full"):
        benchmark(
            [str(checkpoint)], rounds=ROUNDS, json=tmp_path / "a.json", csv=tmp_path / "a.csv"
        )
    assert (tmp_path / "a.csv").is_file()


def test_outputs_are_tried_before_measuring(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        benchmark([str(checkpoint)], json=tmp_path / "file" / "a.json")


def test_a_baseline_that_cannot_be_opened(checkpoint: Path) -> None:
    with pytest.raises(InputError, match="the baseline can't be opened"):
        benchmark([str(checkpoint), "gone.onnx"], baseline="gone.onnx", data="synthetic:2")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"schema": 99}, "schema version 99", id="newer"),
        pytest.param({"kind": "other"}, "holds no benchmark", id="something else"),
        pytest.param({"rows": [{"label": 3}]}, "is damaged: .*rows", id="damaged"),
    ],
)
def test_documents_that_cannot_be_read(
    change: dict[str, Any], message: str, document: Document, tmp_path: Path
) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps({**json.loads(document.to_json()), **change}))
    with pytest.raises(InputError, match=message):
        read_document(path)


@pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("10m", 600), ("1.5h", 5400)])
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["10", "m", "-5s", "5 minutes"])
def test_no_durations(text: str) -> None:
    with pytest.raises(InputError, match="is no duration"):
        seconds(text)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu(checkpoint: Path) -> None:
    with pytest.raises(InputError, match="finds no CUDA GPU"):
        benchmark([str(checkpoint)], rounds=ROUNDS, device="cuda")


@needs_cuda
def test_on_a_gpu(checkpoint: Path, exported_file: Path) -> None:
    """Two networks, as captured graphs of one must outlive the capture of the next."""
    names = [str(checkpoint), "random:mobilevitpose-xs", str(exported_file)]
    found = subjects(names, 1)
    rows = list(time_on_cuda(found, ROUNDS, batches=(1, 4), precisions=("fp32", "fp16")))
    timed = [row for row in rows if row.timing]
    assert len(timed) == 2 * 2 * 3 * 2
    assert {row.batch for row in timed} == {1, 4}
    assert all(row.device_facts and row.device_facts["crops_per_s"] > 0 for row in timed)
    assert any(row.error and "does not run on a CUDA GPU" in row.error for row in rows)


def test_variants_have_names() -> None:
    assert str(Variant("graphs", "bf16", 64)) == "graphs bf16 batch 64"
