"""Weights as indices into a table of few values.

The table is that of k-means in one dimension (Han et al., "Deep Compression", ICLR 2016,
https://arxiv.org/abs/1510.00149).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_WEIGHTS = 8192
"""Smaller weights have INT8 instead, a scale for each channel: they are a twentieth of the shipped
network, but among them are those that one table serves badly (the projections behind a
normalisation, whose gain makes channels unequal). Its heatmaps gain 11 dB of SQNR by it."""
BINS, ROUNDS = 2048, 300


def palette(weight: NDArray[Any], bits: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """The table (2 ** bits,) of a weight, ascending and of its type, and its indices.

    Lloyd's rounds from levels as dense as the cube root of the weights' density, which is the
    optimum for many levels (Panter and Dite, "Quantization Distortion in Pulse-Count Modulation
    with Nonuniform Spacing of Levels", 1951). The same weight gives the same table.
    """
    ordered = np.sort(weight, axis=None).astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    levels = 2**bits
    counts, edges = np.histogram(ordered, BINS)
    dense = np.concatenate([[0.0], np.cumsum(np.cbrt(counts))])
    table = np.interp((np.arange(levels) + 0.5) / levels * dense[-1], dense, edges)
    for _ in range(ROUNDS):
        limits = np.searchsorted(ordered, (table[1:] + table[:-1]) / 2)
        ends = np.concatenate([[0], limits, [ordered.size]])
        counts = np.diff(ends)
        means = np.where(counts, np.diff(sums[ends]) / np.maximum(counts, 1), table)
        if np.array_equal(means, table):
            break
        table = means
    table = table.astype(weight.dtype)
    middles = (table[1:].astype(np.float64) + table[:-1]) / 2
    return table, np.searchsorted(middles, weight.ravel()).astype(np.uint8)


def pack(indices: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Indices of few bits one after the other, the least significant bit first."""
    spread = np.unpackbits(indices[:, None], axis=1, count=bits, bitorder="little")
    return np.packbits(spread, bitorder="little")
