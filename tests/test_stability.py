"""How far the ranges from two calibration sets are apart: the figure, its halves, its benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mvpose.benchmark import calibration as benchmark
from mvpose.benchmark.quantisation_tables import calibration_tables
from mvpose.data.coco import KeypointData
from mvpose.data.synthetic import write_synthetic
from mvpose.errors import InputError
from mvpose.models.deploy import deploy
from mvpose.quantize.calibration import (
    FEWEST,
    CalibrationSet,
    crops_digest,
    data_calibration,
    drawn_calibration,
)
from mvpose.quantize.network import QuantGraph, Role, capture
from mvpose.quantize.observers import find_calibrator
from mvpose.quantize.ranges import measure_ranges
from mvpose.quantize.stability import (
    compare_ranges,
    describe_stability,
    halve,
    stability,
    subset,
)
from mvpose.runtime.torch_runtime import TorchRuntime
from mvpose.spec import ModelSpec

MINMAX = find_calibrator("minmax")


@pytest.fixture(scope="module")
def graph(float_runtime: TorchRuntime) -> QuantGraph:
    preprocess = float_runtime.spec.preprocess
    return capture(deploy(float_runtime.model, preprocess), preprocess)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, small_spec: ModelSpec) -> CalibrationSet:
    """Several people in each of a few pictures."""
    folder = tmp_path_factory.mktemp("calibrate")
    write_synthetic(folder, 6, seed=3, split="train")
    return data_calibration(folder, "train", small_spec, 1000)


@pytest.fixture(scope="module")
def drawn(small_spec: ModelSpec) -> CalibrationSet:
    """The fewest that are not too few."""
    return drawn_calibration(small_spec, FEWEST)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param((-1, 2), (-1, 2), 0, id="the same"),
        pytest.param((0, 3), (0, 4), 0.25, id="one end"),
        pytest.param((-1, 2), (-2, 1), 0.5, id="the same width elsewhere"),
        pytest.param((-1, 0), (0, 1), 1, id="nothing but 0 in common"),
        pytest.param((0, 0), (0, 1), 1, id="one constant"),
        pytest.param((0, 0), (0, 0), 0, id="both constant"),
    ],
)
def test_difference_of_one_tensor(
    graph: QuantGraph, a: tuple[float, float], b: tuple[float, float], expected: float
) -> None:
    same = dict.fromkeys(graph.tensors, (-1.0, 1.0))
    tensor = graph.tensors[-1]
    found = compare_ranges(graph, same | {tensor: a}, same | {tensor: b})
    assert found.largest == pytest.approx(expected)
    assert found.median == 0
    if expected:
        assert (found.tensor, found.path) == (tensor, graph.path[tensor])


def test_fixed_ranges_are_not_compared(graph: QuantGraph) -> None:
    fixed = [t for t in graph.tensors if graph.roles[t] is Role.UNIT or graph.kind[t] == "input"]
    same = dict.fromkeys(graph.tensors, (-1.0, 1.0))
    found = compare_ranges(graph, same, same | dict.fromkeys(fixed, (-9.0, 9.0)))
    assert fixed
    assert found.largest == 0
    assert found.tensors == len(graph.tensors) - len(fixed)


def test_halves_share_no_picture(people: CalibrationSet) -> None:
    one, other = halve(people)
    assert one.pictures is not None
    assert other.pictures is not None
    assert not set(one.pictures.sha256) & set(other.pictures.sha256)
    ids = [number for half in (one, other) for number in half.manifest.sample_ids]
    assert sorted(ids) == sorted(people.manifest.sample_ids)
    largest = max(people.pictures.sha256.count(s) for s in people.pictures.sha256)  # type: ignore[union-attr]
    assert abs(len(one.crops) - len(other.crops)) <= largest
    for half in (one, other):
        assert half.manifest.count == len(half.crops)
        assert half.manifest.crops_sha256 == crops_digest(half.crops)
        for crop, number in enumerate(half.manifest.sample_ids):
            whole = people.manifest.sample_ids.index(number)
            assert half.name(crop) == people.name(whole)
            assert (half.crops[crop] == people.crops[whole]).all()


def test_halves_of_drawn_people(drawn: CalibrationSet) -> None:
    one, other = halve(drawn)
    assert (one.crops == drawn.crops[::2]).all()
    assert (other.crops == drawn.crops[1::2]).all()


def test_sets_that_share_people_are_refused(graph: QuantGraph, people: CalibrationSet) -> None:
    for one, other in (
        (subset(people, [0, 1, 2]), subset(people, [2, 3])),
        (subset(people, [0, 1]), people),
    ):
        with pytest.raises(InputError, match="share pictures"):
            stability(graph, one, other, MINMAX)


def test_same_drawn_people_are_refused(graph: QuantGraph, small_spec: ModelSpec) -> None:
    with pytest.raises(InputError, match="share pictures"):
        stability(graph, *(drawn_calibration(small_spec, 2) for _ in range(2)), MINMAX)


def test_more_people_differ_less(graph: QuantGraph, drawn: CalibrationSet) -> None:
    large = halve(drawn)
    small = [subset(one, range(2)) for one in large]
    of_few, of_many = (stability(graph, *pair, MINMAX) for pair in (small, large))
    assert 0 < of_many.median < of_few.median < of_few.largest < 1


def test_too_few_people_are_described(graph: QuantGraph, people: CalibrationSet) -> None:
    few = subset(people, range(8))
    found = stability(graph, *halve(few), MINMAX)
    text = describe_stability(graph, few, MINMAX)
    assert text is not None
    assert text.startswith("only 8 people of person_keypoints_train.json calibrate")
    assert f"two halves of these differ by {100 * found.median:.0f} % (median)" in text
    assert f"up to {100 * found.largest:.0f} % ({found.path})" in text
    assert "\n" not in text


def test_one_picture_has_no_halves(graph: QuantGraph, people: CalibrationSet) -> None:
    alone = subset(people, [0])
    assert describe_stability(graph, alone, MINMAX) == alone.warning
    with pytest.raises(InputError, match="can't be halved"):
        halve(alone)


def test_enough_people_need_no_words(graph: QuantGraph, drawn: CalibrationSet) -> None:
    assert describe_stability(graph, drawn, MINMAX) is None


def test_benchmark(
    checkpoint: Path,
    drawn_data: KeypointData,
    graph: QuantGraph,
    small_spec: ModelSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows for a data set and for drawn people, the ranges as measured here, and the tables."""
    monkeypatch.setattr(benchmark, "TRIED", ("mse",))
    monkeypatch.setattr(benchmark, "CURVES", ("average",))
    monkeypatch.setattr(benchmark, "SIZES", (1, 4, 1000))
    monkeypatch.setattr(benchmark, "SIZES_WITH_AP", (4,))
    write_synthetic(tmp_path, 8, seed=5, split="train")
    path = tmp_path / "calibration.json"
    data = str(drawn_data.annotations.parents[1])
    benchmark.calibration(str(checkpoint), data=data, calib=tmp_path, calib_count=8, json=path)
    result: dict[str, Any] = json.loads(path.read_text())
    rows = result["rows"]
    name = "person_keypoints_train.json"
    assert [(r["kind"], r["source"], r["calibrator"], r["crops"]) for r in rows] == [
        ("calibrator", name, "mse", 8),
        ("size", name, "average", 1),
        ("size", name, "average", 4),
        ("calibrator", "drawn people", "mse", 8),
    ]
    assert result["protocol"]["people"] == len(drawn_data.people)
    forms = [f for r in rows for f in (r.get("forms") or dict(enumerate(r["sets"]))).values()]
    assert min(form["parity"]["sqnr_db"] for form in forms) > 5
    without_ap = [form["ap_difference"] is None for form in forms]
    assert without_ap == [False] * 2 + [True] * 2 + [False] * 4
    assert [row["ap_between"] is None for row in rows[1:3]] == [True, False]

    everybody = data_calibration(tmp_path, "train", small_spec, 1000)
    average = find_calibrator("average")
    ranges = [measure_ranges(graph, half.crops[:4], average) for half in halve(everybody)]
    assert rows[2]["ranges"]["median"] == pytest.approx(compare_ranges(graph, *ranges).median)

    text = calibration_tables(result)
    assert text.count("| person_keypoints_train | `average` |") == 2
    assert "| 8 of drawn people | `mse` |" in text
    sqnr = [f"{one['parity']['sqnr_db']:.1f}" for one in rows[2]["sets"]]
    assert f"| {', '.join(sqnr)} |" in text
    with pytest.raises(InputError, match="exists already"):
        benchmark.calibration(str(checkpoint), data=data, json=path)
