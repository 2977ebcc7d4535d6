"""A Gaussian mixture by expectation-maximisation (Dempster, Laird & Rubin 1977)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHRINK = 8.0
"""Covariances lean on their mean over the components as if so many samples had shown it."""


def fit_mixture(
    samples: Floats,
    components: int,
    floor: Floats,
    seed: int = 0,
    rounds: int = 20,
    track: Callable[[Sequence[Any]], Iterable[Any]] = iter,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Fit weights, means and full covariances.

    Args:
        samples: (N, D).
        floor: (D,) variances added to the covariances, so that none collapses.
        track: wraps the rounds, to show progress.

    Returns:
        weights (K,), means (K, D), Cholesky factors (K, D, D), and the shares (N, K) of the
        components in each sample.
    """
    rng = np.random.default_rng(seed)
    spread = samples.std(0)
    means = _scattered(rng, samples / spread, components) * spread
    nearest = _squared(samples / spread, means / spread).argmin(1)
    shares = np.eye(components)[nearest]
    for _ in track(range(rounds)):
        weights, means, factors = _maximise(samples, shares, floor)
        shares = _expect(samples, weights, means, factors)
    return weights, means, factors, shares


def log_density(samples: Floats, means: Floats, factors: Floats) -> Floats:
    """Log density (N, K) of samples (N, D) under each Gaussian, but for a constant."""
    columns = []
    for mean, factor in zip(means, factors, strict=True):
        whitened = np.linalg.inv(factor) @ (samples - mean).T
        columns.append(-0.5 * (whitened**2).sum(0) - np.log(np.diag(factor)).sum())
    return np.stack(columns, 1)


def _expect(samples: Floats, weights: Floats, means: Floats, factors: Floats) -> Floats:
    logs = log_density(samples, means, factors) + np.log(weights)
    shares = np.exp(logs - logs.max(1, keepdims=True))
    return np.asarray(shares / shares.sum(1, keepdims=True))


def _maximise(samples: Floats, shares: Floats, floor: Floats) -> tuple[Floats, Floats, Floats]:
    mass = shares.sum(0) + 1e-3
    means = shares.T @ samples / mass[:, None]
    scatter = []
    for k, mean in enumerate(means):
        centred = samples - mean
        scatter.append((shares[:, k, None] * centred).T @ centred)
    within = np.sum(scatter, axis=0) / mass.sum()
    factors = [
        np.linalg.cholesky((own + SHRINK * within) / (m + SHRINK) + np.diag(floor))
        for own, m in zip(scatter, mass, strict=True)
    ]
    return mass / mass.sum(), means, np.stack(factors)


def _scattered(rng: np.random.Generator, samples: Floats, count: int) -> Floats:
    """Seeds (count, D) far from each other: k-means++ (Arthur & Vassilvitskii 2007)."""
    seeds = [samples[rng.integers(len(samples))]]
    nearest = _squared(samples, seeds[0][None])[:, 0]
    for _ in range(count - 1):
        seeds.append(samples[rng.choice(len(samples), p=nearest / nearest.sum())])
        nearest = np.minimum(nearest, _squared(samples, seeds[-1][None])[:, 0])
    return np.stack(seeds)


def _squared(a: Floats, b: Floats) -> Floats:
    squares = (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)
    return np.asarray(np.maximum(squares, 0))
