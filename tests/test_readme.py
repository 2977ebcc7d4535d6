"""The README says what was measured, and its commands exist."""

from pathlib import Path

import pytest

from mvpose.benchmark.readme import fill, tables

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_tables_are_those_of_the_results() -> None:
    assert fill(README, tables(ROOT / "benchmark")) == README


@pytest.mark.parametrize("name", ["files", "keypoints", "published"])
def test_a_changed_result_would_be_seen(name: str) -> None:
    assert fill(README, {name: "| nothing |\n"}) != README


@pytest.mark.parametrize("link", ["mvpose/assets/MODEL_CARD.md", "mvpose/training/recipes"])
def test_links_lead_somewhere(link: str) -> None:
    assert f"({link})" in README
    assert (ROOT / link).exists()
