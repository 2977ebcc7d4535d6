"""Weights as indices into tables."""

from __future__ import annotations

import numpy as np
import pytest

from mvpose.export.palette import pack, palette


@pytest.mark.parametrize("bits", [4, 6])
def test_palette(bits: int) -> None:
    """As many values as there are levels come back; of more, the table beats an even one."""
    few = np.linspace(-1, 1, 2**bits, dtype=np.float32)
    table, indices = palette(np.repeat(few, 3), bits)
    assert table[indices] == pytest.approx(np.repeat(few, 3), abs=1e-6)
    many = np.random.default_rng(0).laplace(size=20000).astype(np.float32)
    table, indices = palette(many, bits)
    even = np.linspace(many.min(), many.max(), 2**bits)
    evenly = even[np.abs(many[:, None] - even).argmin(1)]
    assert np.square(table[indices] - many).mean() < 0.5 * np.square(evenly - many).mean()


def test_packed_indices() -> None:
    """coremltools' example: 0, 3, 2, 1, 3 in two bits each."""
    packed = pack(np.array([0, 3, 2, 1, 3], np.uint8), 2)
    assert packed.tolist() == [0b01101100, 0b00000011]
