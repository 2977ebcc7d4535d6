"""Checkpoints that nobody trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mvpose.benchmark.latency.subjects import subjects
from mvpose.benchmark.untrained import untrained
from mvpose.errors import InputError
from mvpose.runtime.load import load_runtime


def test_is_written_and_marked(tmp_path: Path) -> None:
    untrained("mobilevitpose-xxs", out=tmp_path)
    path = tmp_path / "mobilevitpose-xxs.random.safetensors"
    maps = load_runtime(str(path)).heatmaps(np.full((1, 256, 256, 3), 90, np.uint8))
    assert 0.01 < maps.std() < 100
    (subject,) = subjects([str(path)], 1)
    assert subject.row.random_weights
    with pytest.raises(InputError, match="exists already"):
        untrained("mobilevitpose-xxs", out=tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [("vitpose-b", "no MobileViTPose"), ("mobilevitpose-xxl", "unknown model")],
)
def test_refused(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        untrained(name, out=tmp_path)
    assert not list(tmp_path.iterdir())
