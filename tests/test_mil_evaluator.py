"""Packages that the evaluator does not take, each with a clear line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mvpose.errors import InputError
from mvpose.runtime.mil_evaluator import MilEvaluator

ct = pytest.importorskip("coremltools", reason="NOT TESTED: needs mvpose[coreml]")

from coremltools.converters.mil import Builder  # noqa: E402


def package(path: Path, function: Callable[[Any], Any]) -> Path:
    """A program of one argument ``x`` of shape (1, 2, 4, 4)."""

    @Builder.program(input_specs=[Builder.TensorSpec((1, 2, 4, 4))], opset_version=ct.target.iOS17)
    def program(x: Any) -> Any:
        return function(x)

    model = ct.convert(
        program,
        minimum_deployment_target=ct.target.iOS17,
        compute_precision=ct.precision.FLOAT32,
        skip_model_load=True,
    )
    model.save(str(path))
    return path


@pytest.mark.parametrize(
    ("function", "words"),
    [
        pytest.param(lambda x: Builder.erf(x=x), "no operator 'erf'", id="operator"),
        pytest.param(
            lambda x: Builder.slice_by_index(
                x=x, begin=[0, 0, 0, 0], end=[1, 2, 4, 4], stride=[1, 1, 2, 2]
            ),
            "slice_by_index.*stride",
            id="argument",
        ),
        pytest.param(
            lambda x: Builder.pad(x=x, pad=[1, 1], mode="reflect"), "mode 'reflect'", id="mode"
        ),
        pytest.param(
            lambda x: Builder.concat(values=[x, x], axis=1, interleave=True),
            "interleave",
            id="interleaved",
        ),
    ],
)
def test_unknown(function: Callable[[Any], Any], words: str, tmp_path: Path) -> None:
    evaluate = MilEvaluator(package(tmp_path / "net.mlpackage", function))
    with pytest.raises(InputError, match=words):
        evaluate(x=torch.zeros(1, 2, 4, 4))


def test_not_a_package(tmp_path: Path) -> None:
    (tmp_path / "net.mlpackage").mkdir()
    with pytest.raises(InputError, match="can't be read as an ML Program"):
        MilEvaluator(tmp_path / "net.mlpackage")


def test_float16_between_operators(tmp_path: Path) -> None:
    """1 + 0.0004 is 1 in float16, whose step there is 0.001."""

    @Builder.program(
        input_specs=[Builder.TensorSpec((1,), dtype=ct.converters.mil.mil.types.fp16)],
        opset_version=ct.target.iOS17,
    )
    def program(x: Any) -> Any:
        import numpy as np

        return Builder.sub(x=Builder.add(x=x, y=np.float16(0.0004)), y=np.float16(1), name="y")

    model = ct.convert(program, minimum_deployment_target=ct.target.iOS17, skip_model_load=True)
    model.save(str(tmp_path / "net.mlpackage"))
    (y,) = MilEvaluator(tmp_path / "net.mlpackage")(x=torch.ones(1)).values()
    assert y.item() == 0
