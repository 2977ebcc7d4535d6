"""The README says what was measured, and its commands exist."""

from pathlib import Path

import pytest

from mvpose.benchmark.readme import fill, tables
from mvpose.files import sha256
from mvpose.zoo import SHIPPED

ROOT = Path(__file__).parent.parent
README, CARD, INT8, FORMATS, BENCHMARK, DEVICES, DEMOS = (
    (ROOT / name).read_text("utf-8")
    for name in (
        "README.md",
        "mvpose/assets/MODEL_CARD.md",
        "docs/int8.md",
        "docs/formats.md",
        "docs/benchmark.md",
        "docs/devices.md",
        "docs/demos.md",
    )
)


@pytest.mark.parametrize(
    "text",
    [README, CARD, INT8, FORMATS, BENCHMARK, DEVICES, DEMOS],
    ids=["README", "model card", "int8", "formats", "benchmark", "devices", "demos"],
)
def test_tables_are_those_of_the_results(text: str) -> None:
    assert fill(text, tables(ROOT / "benchmark")) == text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *((README, name) for name in ("files", "vitpose", "keypoints", "loader")),
        *((INT8, name) for name in ("calibration", "gate", "sensitivity", "remedies", "qat")),
        *((FORMATS, name) for name in ("formats", "roads")),
        *((BENCHMARK, name) for name in ("matrix", "published", "complexity", "counted", "blocks")),
        *((BENCHMARK, name) for name in ("self_check", "profile")),
        (DEVICES, "arm"),
        *((DEMOS, name) for name in ("demos", "web_parity")),
        *((CARD, name) for name in ("checkpoint", "keypoints", "decoding", "ablation")),
    ],
)
def test_a_changed_result_would_be_seen(text: str, name: str) -> None:
    assert fill(text, {name: "| nothing |\n"}) != text


def test_the_card_is_of_the_checkpoint() -> None:
    assert sha256(SHIPPED) in CARD


@pytest.mark.parametrize(
    "link",
    [
        "mvpose/assets/MODEL_CARD.md",
        "mvpose/training/recipes",
        "docs/int8.md",
        "docs/formats.md",
        "docs/benchmark.md",
        "docs/devices.md",
        "docs/peers.md",
        "docs/demos.md",
        "android_demo/README.md",
        "android_demo/verify/README.md",
        "web_demo/README.md",
        "examples/keypoints.py",
    ],
)
def test_links_lead_somewhere(link: str) -> None:
    assert f"({link})" in README
    assert (ROOT / link).exists()
