"""The roofs: what they allow, what can be measured, and that a chain of convolutions is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mvpose.benchmark import roofline
from mvpose.benchmark.complexity import complexity
from mvpose.benchmark.document import Row
from mvpose.benchmark.roofline import (
    Roof,
    arithmetic,
    chain_macs,
    measured_bandwidth,
    measured_peak,
    roof,
    with_peak,
)
from mvpose.errors import InputError
from mvpose.timing import Timing
from mvpose.zoo import zoo_spec


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small and short: what is measured is not looked at."""
    monkeypatch.setattr(roofline, "SECONDS", 0.01)
    monkeypatch.setattr(roofline, "WIDTHS", (32,))
    monkeypatch.setattr(roofline, "SQUARES", {"cpu": (64,), "cuda": (64,)})
    monkeypatch.setattr(roofline, "COPIED_BYTES", 2**16)
    measured_peak.cache_clear()
    measured_bandwidth.cache_clear()


@pytest.mark.parametrize(
    ("macs_per_byte", "attainable"),
    [
        pytest.param(0.0, 0.0, id="copies"),
        pytest.param(2.0, 20.0, id="bound by memory"),
        pytest.param(10.0, 100.0, id="ridge"),
        pytest.param(1e6, 100.0, id="bound by arithmetic"),
    ],
)
def test_roof(macs_per_byte: float, attainable: float) -> None:
    assert Roof(100.0, 10.0).attainable(macs_per_byte) == attainable


def test_share() -> None:
    assert Roof(100.0, 10.0).share(25.0) == 0.25


def test_macs_of_the_chain() -> None:
    crop = torch.zeros(1, 3, roofline.SIDE_PX, roofline.SIDE_PX)
    with FlopCounterMode(display=False) as counter:
        roofline._chain(48)(crop)
    assert chain_macs(48) == counter.get_total_flops() // 2


@pytest.mark.parametrize(
    ("runtime", "precision", "package"),
    [
        pytest.param("torch", "fp32", "torch", id="torch"),
        pytest.param("torch", "bf16", "torch", id="torch, bf16"),
        pytest.param("onnxruntime", "int8", "onnxruntime", id="onnxruntime, int8"),
        pytest.param("openvino", "bf16", "openvino", id="openvino, bf16"),
        pytest.param("ai-edge-litert", "int8", "litert_torch", id="litert, int8"),
    ],
)
def test_measured(runtime: str, precision: str, package: str) -> None:
    pytest.importorskip(package)
    found = roof(runtime, precision)
    assert found.peak_gmacs > 0
    assert found.bandwidth_gbs > 0
    assert measured_peak(runtime, precision, 1, "cpu") == found.peak_gmacs


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        pytest.param(("abacus", "fp32"), "no peak of 'abacus'", id="runtime"),
        pytest.param(("openvino", "fp64"), "in 'fp64'", id="precision"),
        pytest.param(("torch", "tf32"), "TF32", id="TF32 on a CPU"),
        pytest.param(("torch", "fp32", 1, "tpu"), "unknown device", id="device"),
    ],
)
def test_refused(ask: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        measured_peak(*ask)  # type: ignore[arg-type]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA GPU")
def test_no_gpu() -> None:
    with pytest.raises(InputError, match="no CUDA GPU"):
        measured_peak("torch", "fp16", 1, "cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="NOT TESTED: needs a CUDA GPU")
@pytest.mark.parametrize("precision", roofline.PRECISIONS["torch"])
def test_gpu(precision: str) -> None:
    assert roof("torch", precision, 1, "cuda").peak_gmacs > 0


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("fp32", "fp32"),
        ("fp16", "fp32"),
        ("wi8_afp32", "fp32"),
        ("dynamic_wi8", "int8"),
        ("static_wi8_ai8_mixed", "int8"),
        ("bf16", "bf16"),
    ],
)
def test_what_a_recipe_multiplies_in(recipe: str, expected: str) -> None:
    assert arithmetic(recipe) == expected


def test_rows_get_the_peak_of_their_runtime() -> None:
    timing = Timing(10.0, 11.0, 12.0, 1.0, 1.0, 1.0, 5, {"runtime": "torch", "threads": 1})
    size = complexity(zoo_spec("mobilevitpose-xxs"))
    row = Row("a", "a", "torch", "fp32", "a", "", 1, complexity=size, timing=timing)
    assert with_peak(row).peak_gmacs == measured_peak("torch", "fp32", 1, "cpu")
    foreign = replace(row, timing=replace(timing, protocol={"runtime": "ncnn", "threads": 1}))
    assert with_peak(foreign) == foreign
    assert with_peak(replace(row, timing=None)).peak_gmacs is None
