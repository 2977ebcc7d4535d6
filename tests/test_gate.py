"""The gate: it stops at the first rung that holds, and writes nothing where none does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import CALIBRATION_CROPS

from mvpose.artefact import read_artefact
from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.data.synthetic import write_synthetic
from mvpose.errors import InputError
from mvpose.export import gate, pipeline
from mvpose.export.command import export
from mvpose.export.conversion import Conversions
from mvpose.export.gate import Tried, check_passed, pass_gate
from mvpose.export.ladder import COUNTS
from mvpose.export.options import Options
from mvpose.export.pipeline import Exporter, float_truth
from mvpose.export.targets.tflite import TFLiteTarget
from mvpose.quantize.calibration import drawn_calibration
from mvpose.runtime.torch_runtime import TorchRuntime


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> KeypointData:
    folder = tmp_path_factory.mktemp("judges")
    write_synthetic(folder, 2, seed=8, split="train")
    return load_keypoints(folder, "train")


@pytest.fixture
def exporter(
    float_runtime: TorchRuntime,
    float_files: Conversions,
    drawn_data: KeypointData,
    monkeypatch: pytest.MonkeyPatch,
) -> Exporter:
    """Of the small network, whose weights are random: its AP is 0 in any form."""
    pytest.importorskip("ai_edge_quantizer", reason="needs mvpose[tflite]")
    monkeypatch.setattr(pipeline, "PARITY_CROPS", 2)
    monkeypatch.setattr(gate, "ROUNDS", 3)
    truth = float_truth(float_runtime, str(drawn_data.annotations.parents[1]), "val", flip=False)
    return Exporter(
        float_runtime,
        [TFLiteTarget(float_files)],
        lambda: drawn_calibration(float_runtime.spec, CALIBRATION_CROPS),
        truth=truth,
        plain=True,
    )


def climbed(
    exporter: Exporter, path: Path, judges: KeypointData, max_drop: float
) -> tuple[list[Tried], list[str]]:
    said: list[str] = []
    tried = pass_gate(exporter, path, lambda: judges, max_drop, allow_slower=True, say=said.append)
    return tried, said


def test_first_rung_that_holds_is_written(
    exporter: Exporter, judges: KeypointData, tmp_path: Path
) -> None:
    path = tmp_path / "out" / "small.int8.tflite"
    tried, said = climbed(exporter, path, judges, max_drop=0.01)
    assert [rung.holds for rung in tried] == [True]
    check_passed(tried, 0.01)
    artefact = read_artefact(path)
    assert artefact.recipe == tried[0].exported.recipe.name == "static_wi8_ai8"
    assert json.loads(Path(f"{path}.json").read_text())["recipe"] == "static_wi8_ai8"
    assert {file.name for file in path.parent.iterdir()} == {path.name, "small.int8.tflite.json"}
    assert said[0].startswith("rung 1: every operator INT8, calibrated: +0.00 AP [+0.00, +0.00], ")
    assert said[0].endswith(" MB: holds")
    assert said[1] == f"wrote {path}"
    assert json.loads(json.dumps(tried[0].row))["timing"]["rounds"] == 3


def test_no_rung_holds(exporter: Exporter, judges: KeypointData, tmp_path: Path) -> None:
    """A gain of AP, which no form of the network has, is asked for."""
    path = tmp_path / "small.int8.tflite"
    tried, said = climbed(exporter, path, judges, max_drop=-0.5)
    assert len(tried) == len(said) == 2 + len(COUNTS)
    assert not any(rung.holds for rung in tried)
    assert list(tmp_path.iterdir()) == []
    floats = [sum(rung.exported.inventory.float_operators.values()) for rung in tried]
    assert floats == sorted(floats) and len(set(floats)) == len(floats), "islands grow"
    with pytest.raises(InputError, match="no INT8 form") as caught:
        check_passed(tried, -0.5)
    assert "may lose more than allowed" in caught.value.what
    assert "mvpose-quantize --qat" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"int8": True}, "--max-drop asks for the AP", id="no data"),
        pytest.param({"data": "synthetic:1"}, "--max-drop asks for the AP", id="no INT8"),
    ],
)
def test_budget_without_its_file(
    options: dict[str, object], message: str, checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        export(
            str(checkpoint),
            options=Options(target=["tflite"], max_drop=1.0, out=tmp_path / "out", **options),  # type: ignore[arg-type]
        )
    assert not (tmp_path / "out").exists()
