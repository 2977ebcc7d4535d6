"""One-operator INT8 files: what XNNPACK takes, and that its product of activations is right."""

import json
from pathlib import Path

import numpy as np
import pytest

from mvpose.benchmark.delegation import Case, Operand, cases, delegation, write_case
from mvpose.export.inventory import undelegated
from mvpose.runtime.litert import open_interpreter

LEFT = Operand((2, 16, 24), 0.02, -7)
OUT = Operand((2, 16, 16), 0.5, 3)
TRANSPOSED = ("BatchMatMulOptions", {"adjY": True})


def product(zero_point: int) -> Case:
    right = Operand((2, 16, 24), 0.03, zero_point)
    return Case("BATCH_MATMUL", "", (LEFT, right), OUT, 1, TRANSPOSED)


@pytest.mark.parametrize("zero_point", [0, 1], ids=["delegated", "builtin kernel"])
def test_product_of_activations(tmp_path: Path, zero_point: int) -> None:
    path = tmp_path / "one.tflite"
    case = product(zero_point)
    write_case(case, path)
    assert dict(undelegated(path)) == ({"BATCH_MATMUL": 1} if zero_point else {})

    _, interpreter = open_interpreter(path)
    rng = np.random.default_rng(0)
    stored = [rng.integers(-128, 128, x.shape) for x in case.inputs]
    for details, values in zip(interpreter.get_input_details(), stored, strict=True):
        interpreter.set_tensor(details["index"], values.astype(np.int8))
    interpreter.invoke()
    left, right = (x.scale * (s - x.zero_point) for x, s in zip(case.inputs, stored, strict=True))
    exact = left @ right.transpose(0, 2, 1) / OUT.scale + OUT.zero_point
    got = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert np.abs(got - exact.clip(-128, 127)).max() <= 0.51


def test_every_case_loads_and_says_yes_or_no(tmp_path: Path) -> None:
    delegation(json=tmp_path / "delegation.json")
    rows = json.loads((tmp_path / "delegation.json").read_text())
    assert len(rows) == len(list(cases()))
    assert {row["delegated"] for row in rows} == {"yes", "no"}
