"""Parameters and multiply-accumulates, counted, against a hand count and the paper."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mvpose import benchmark
from mvpose.benchmark.complexity import Complexity, complexity, count
from mvpose.benchmark.complexity_tables import (
    against_published,
    blocks_table,
    complexity_table,
    published_table,
)
from mvpose.errors import InputError
from mvpose.models.mobilevit import MOBILEVIT
from mvpose.spec import Preprocess
from mvpose.zoo import zoo_spec

COUNTED = {
    "mobilevitpose-s": (9.662, 3.528, 0.1776),
    "mobilevitpose-xs": (5.609, 2.486, 0.1173),
    "mobilevitpose-xxs": (4.365, 1.851, 0.0782),
    "mobilevitpose-s-bilinear": (5.036, 2.401, 0.1776),
    "mobilevitpose-xs-bilinear": (1.992, 1.266, 0.1173),
    "mobilevitpose-xxs-bilinear": (1.000, 0.608, 0.0782),
    "vitpose-b": (89.995, 18.523, 0.6795),
    "vitpose-b-simple": (85.912, 17.461, 0.6795),
}
PUBLISHED = Path(benchmark.__file__).with_name("published.csv")
PAPER = {"mobilevitpose-s": (9.72, 3.28), "mobilevitpose-xxs": (4.42, 1.78)}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the command writes of the models that publications have."""
    path = tmp_path_factory.mktemp("complexity") / "rows.json"
    count(["mobilevitpose-s", "mobilevitpose-xxs", "vitpose-b"], json=path)
    return json.loads(path.read_text())


@pytest.mark.parametrize("name", COUNTED)
def test_counts(name: str) -> None:
    params_m, gflops, attention_gflops = COUNTED[name]
    found = complexity(zoo_spec(name))
    assert found.params_m == pytest.approx(params_m, abs=5e-4)
    assert found.gflops == pytest.approx(gflops, abs=5e-4)
    assert found.attention_gflops == pytest.approx(attention_gflops, abs=5e-5)


@pytest.mark.parametrize("name", PAPER)
def test_near_the_paper(name: str) -> None:
    """The paper's GFLOPs leave the attention products out; so counted, we are within 2.5 %."""
    params_m, gflops = PAPER[name]
    found = complexity(zoo_spec(name))
    assert found.params_m == pytest.approx(params_m, rel=0.015)
    assert found.gflops - found.attention_gflops == pytest.approx(gflops, rel=0.025)
    assert found.gflops > 1.035 * gflops


@pytest.mark.parametrize(
    ("name", "decoder_params_m", "decoder_gflops"),
    [
        pytest.param(
            "vitpose-b",
            (768 * 256 + 256**2) * 16 / 1e6 + (4 * 256 + 256 * 17 + 17) / 1e6,
            (768 * 256 * 16 * 16 * 12 + 256**2 * 16 * 32 * 24 + 256 * 17 * 64 * 48) / 1e9,
            id="classic",
        ),
        pytest.param(
            "vitpose-b-simple",
            (768 * 17 * 9 + 17) / 1e6,
            768 * 17 * 9 * 64 * 48 / 1e9,
            id="simple",
        ),
    ],
)
def test_vitpose_near_the_paper(name: str, decoder_params_m: float, decoder_gflops: float) -> None:
    """The published 86 M and 17 G are the backbone alone; the classic decoder adds 5 and 8 %."""
    published = next(
        row
        for row in csv.DictReader(PUBLISHED.read_text().splitlines())
        if row["model"] == "ViTPose-B"
    )
    found = complexity(zoo_spec(name))
    backbone = (found.params_m - decoder_params_m, found.gflops - decoder_gflops)
    assert backbone == pytest.approx((85.795, 17.100), abs=5e-4)
    assert backbone[0] == pytest.approx(float(published["params_m"]), rel=0.01)
    assert backbone[1] == pytest.approx(float(published["gflops"]), rel=0.01)


@pytest.mark.parametrize("size", MOBILEVIT)
def test_attention_by_hand(size: str) -> None:
    """Two products of N x N x C for each of four patch positions and each layer."""
    cfg = MOBILEVIT[size]
    tokens = [(256 // stride // cfg.patch) ** 2 for stride in (8, 16, 32)]
    macs = sum(
        depth * 2 * cfg.patch**2 * n**2 * dim
        for n, dim, depth in zip(tokens, cfg.transformer_dims, cfg.transformer_depths, strict=True)
    )
    found = complexity(zoo_spec(f"mobilevitpose-{size}")).attention_gflops
    assert found == pytest.approx(macs / 1e9)


def test_head_by_hand() -> None:
    """The two heads of a size differ by their convolutions alone."""
    up = sum(c * 256 * 16 * side**2 for c, side in ((320, 8), (256, 16), (256, 32)))
    deconv = up + 256 * 17 * 64**2
    bilinear = 320 * 17 * 9 * 64**2
    found = [complexity(zoo_spec(f"mobilevitpose-xxs{head}")).gflops for head in ("", "-bilinear")]
    assert found[0] - found[1] == pytest.approx((deconv - bilinear) / 1e9)


@pytest.mark.parametrize(
    ("width", "height"),
    [pytest.param(192, 256, id="256x192"), pytest.param(512, 256, id="256x512")],
)
def test_input_size(width: int, height: int) -> None:
    """Convolutions grow with the area, attention with its square; parameters stay."""
    square = zoo_spec("mobilevitpose-xxs")
    wide = dataclasses.replace(square, preprocess=Preprocess(width, height))
    a, b = complexity(square), complexity(wide)
    area = width * height / 256**2
    assert b.params_m == a.params_m
    assert b.attention_gflops == pytest.approx(area**2 * a.attention_gflops)
    assert b.gflops - b.attention_gflops == pytest.approx(area * (a.gflops - a.attention_gflops))


def test_like_mobilevit() -> None:
    """MobileViT's paper has 5.6 M and 1.3 M parameters with a classifier of 1,000 classes."""
    for size, published in (("s", 5.6), ("xs", 2.3), ("xxs", 1.3)):
        bilinear = complexity(zoo_spec(f"mobilevitpose-{size}-bilinear")).params_m
        channels = MOBILEVIT[size].channels[-1]
        classifier = (channels * 1000 + 1000 - channels * 17 * 9 - 17) / 1e6
        assert bilinear + classifier == pytest.approx(published, abs=0.05)


def test_every_difference_to_published_figures_is_explained(rows: list[dict[str, Any]]) -> None:
    """Counted as the publications count, we are within 2.2 %; above 2 %, a reason is given."""
    found = against_published(rows, PUBLISHED)
    assert {row["model"] for row in found} == {"MobileViTPose-S", "MobileViTPose-XXS", "ViTPose-B"}
    for row in found:
        assert row["as_published_ratio"] == pytest.approx(1, abs=0.022), row
        assert abs(row["ratio"] - 1) <= 0.02 or row["why"], row


@pytest.mark.parametrize(
    ("model", "figure", "ratio", "alike"),
    [
        pytest.param("MobileViTPose-S", "GFLOPs", 1.0756, 1.0215, id="s, operations"),
        pytest.param("MobileViTPose-S", "M params", 0.9940, 0.9940, id="s, parameters"),
        pytest.param("MobileViTPose-XXS", "GFLOPs", 1.0399, 0.9959, id="xxs, operations"),
        pytest.param("MobileViTPose-XXS", "M params", 0.9875, 0.9875, id="xxs, parameters"),
        pytest.param("ViTPose-B", "GFLOPs", 1.0896, 1.0059, id="vitpose, operations"),
        pytest.param("ViTPose-B", "M params", 1.0464, 0.9976, id="vitpose, parameters"),
    ],
)
def test_ratio_to_published(
    rows: list[dict[str, Any]], model: str, figure: str, ratio: float, alike: float
) -> None:
    (row,) = (
        r
        for r in against_published(rows, PUBLISHED)
        if (r["model"], r["figure"]) == (model, figure)
    )
    assert row["ratio"] == pytest.approx(ratio, abs=2e-4)
    assert row["as_published_ratio"] == pytest.approx(alike, abs=2e-4)


def test_every_model_at_every_size(rows: list[dict[str, Any]]) -> None:
    assert Counter(row["input"] for row in rows) == {"256x256": 2, "256x192": 3}


def test_tables(rows: list[dict[str, Any]]) -> None:
    assert "| `vitpose-b` | 256x192 | 89.99 | 18.52 | 0.679 |" in complexity_table(rows)
    assert "| all | 4,364.8 | 1,850.9 |" in blocks_table(rows, "mobilevitpose-xxs", "256x256")
    assert published_table(rows, PUBLISHED).count("\n") == 8


def test_unknown_model() -> None:
    with pytest.raises(InputError, match="unknown model 'resnet'"):
        count(["resnet"])


def test_json() -> None:
    found = complexity(zoo_spec("mobilevitpose-xxs"))
    assert Complexity.from_json(found.to_json()) == found
