"""The proof on emulated ARM: the pieces, the judgement, and a real run where it can be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvpose.benchmark.arm.parity import emulate, parity
from mvpose.benchmark.arm.pieces import write_pieces
from mvpose.benchmark.arm.verdict import ArmParity, Kind, summarise
from mvpose.errors import InputError
from mvpose.export.pipeline import Exported
from mvpose.quantize.calibration import drawn_crops
from mvpose.runtime.litert import open_interpreter
from mvpose.spec import ModelSpec


@pytest.mark.parametrize(
    ("recipe", "kinds"),
    [
        pytest.param("fp32", {"float"}, id="float"),
        pytest.param("static_wi8_ai8_mixed", {"int8", "float"}, id="mixed"),
        pytest.param("static_wi8_ai8", {"int8", "int8 softmax", "float"}, id="every operator INT8"),
    ],
)
def test_pieces_give_here_what_they_gave(
    recipe: str,
    kinds: set[str],
    exports: dict[str, Exported],
    small_spec: ModelSpec,
    tmp_path: Path,
) -> None:
    write_pieces(exports[recipe].path, drawn_crops(small_spec, 1, 0), tmp_path)
    found = json.loads((tmp_path / "pieces.json").read_text("utf-8"))
    assert set(found) == kinds
    for number in range(len(found)):
        with np.load(tmp_path / f"{number}.npz") as arrays:
            _, interpreter = open_interpreter(tmp_path / f"{number}.tflite")
            for place, given in enumerate(interpreter.get_input_details()):
                interpreter.set_tensor(given["index"], arrays[f"input_{place}"])
            interpreter.invoke()
            for place, made in enumerate(interpreter.get_output_details()):
                here = interpreter.get_tensor(made["index"])
                np.testing.assert_array_equal(here, arrays[f"output_{place}"])


def output(kind: str, dtype: str, different: int = 0, largest: float = 0.0) -> dict[str, Any]:
    return {
        "kind": kind,
        "dtype": dtype,
        "values": 100,
        "different": different,
        "largest": largest,
        "range": 4.0,
    }


@pytest.mark.parametrize(
    ("found", "expected", "holds"),
    [
        pytest.param(output("int8", "int8"), Kind("int8", 1, 1, 0, 0), True, id="same integers"),
        pytest.param(
            output("int8", "int8", 1, 1), Kind("int8", 1, 0, 0.01, 1), False, id="other integers"
        ),
        pytest.param(
            output("int8 softmax", "int8", 2, 1),
            Kind("int8 softmax", 1, 0, 0.02, 1),
            True,
            id="softmax, one level",
        ),
        pytest.param(
            output("float", "float32", 50, 2e-5),
            Kind("float", 1, 0, 0.5, 5e-6),
            True,
            id="rounding of floats",
        ),
        pytest.param(
            output("float", "float32", 50, 2e-4),
            Kind("float", 1, 0, 0.5, 5e-5),
            False,
            id="other floats",
        ),
        pytest.param(
            output("float", "int8", 3, 2),
            Kind("float to int8", 1, 0, 0.03, 2),
            False,
            id="floats rounded to another level",
        ),
    ],
)
def test_what_holds(found: dict[str, Any], expected: Kind, holds: bool) -> None:
    assert summarise([found]) == (expected,)
    assert expected.holds == holds


@pytest.mark.parametrize(
    ("kinds", "difference", "holds"),
    [
        pytest.param(("float",), 1e-6, True, id="float file"),
        pytest.param(("float",), 1e-3, False, id="float file, too far"),
        pytest.param(("float", "int8"), 1e-2, True, id="INT8: judged by its pieces"),
    ],
)
def test_a_float_file_is_judged_as_a_whole(
    kinds: tuple[str, ...], difference: float, holds: bool
) -> None:
    whole = {"heatmap_max_difference": difference, "heatmap_range": 1.0}
    pieces = tuple(Kind(kind, 1, 1, 0, 0) for kind in kinds)
    assert ArmParity("a", "0", "fp32", "cortex-a53", pieces, whole).holds == holds


def test_there_is_no_emulator(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no emulated Python"):
        emulate(tmp_path, "cortex-a53", tmp_path)


def test_a_real_run(exports: dict[str, Exported], tmp_path: Path) -> None:
    parts = os.environ.get("MVPOSE_ARM_PARTS")
    if not parts or not Path(parts, "complete").exists():
        pytest.skip(
            "NOT TESTED on ARM: MVPOSE_ARM_PARTS names no folder of benchmark/arm_parity.sh"
        )
    result = tmp_path / "arm.json"
    path = exports["static_wi8_ai8_mixed"].path
    parity([path], parts=Path(parts), cpu=["cortex-a53"], json=result)
    (row,) = json.loads(result.read_text("utf-8"))["rows"]
    kinds = {kind["kind"]: kind for kind in row["kinds"]}
    assert kinds["int8"]["outputs"] == kinds["int8"]["identical"] > 5
    assert row["whole"]["crops"] == 2
