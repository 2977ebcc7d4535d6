"""Keypoints that do not tremble: the One Euro filter."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LONGEST_GAP_S = 0.5


@dataclass(frozen=True)
class OneEuro:
    """Settings of the filter (Casiez, Roussel & Vogel, "1 Euro Filter", CHI 2012).

    Attributes:
        min_cutoff_hz: cut-off frequency at rest; lower trembles less.
        beta: growth of the cut-off with speed, in Hz for one person's length a second; higher lags
            less.
        speed_cutoff_hz: cut-off frequency of the speed itself.
    """

    min_cutoff_hz: float = 1.5
    beta: float = 10.0
    speed_cutoff_hz: float = 1.0


@dataclass
class PoseSmoother:
    """The filter of one person's keypoints.

    Speeds count in lengths of the person, so that settings hold for any size of picture.

    Attributes:
        keypoints: how many.
        score_floor: a keypoint below it is forgotten and comes out as it is.
        settings: of the filter.
    """

    keypoints: int
    score_floor: float
    settings: OneEuro = OneEuro()
    _time_s: float | None = None
    _points: Floats = field(init=False)
    _speeds: Floats = field(init=False)

    def __post_init__(self) -> None:
        self._points = np.full((self.keypoints, 2), np.nan)
        self._speeds = np.zeros((self.keypoints, 2))

    def forget(self) -> None:
        """Begin anew with the next frame."""
        self._points[:] = np.nan

    def smooth(self, points_px: Floats, scores: Floats, scale_px: float, time_s: float) -> Floats:
        """The smoothed keypoints (K, 2) of a frame.

        Args:
            points_px: (K, 2) as found.
            scores: (K,).
            scale_px: the person's length: the longer side of the box looked in.
            time_s: of the frame. A step back, or one longer than half a second, begins anew.
        """
        step_s = np.nan if self._time_s is None else time_s - self._time_s
        self._time_s = time_s
        if not 0 < step_s <= LONGEST_GAP_S:
            self.forget()
            step_s = 1.0
        seen = np.asarray(np.isfinite(self._points).all(1))
        share = self._share(np.array(self.settings.speed_cutoff_hz), step_s)
        last = np.where(seen[:, None], self._points, points_px)
        speeds = share * (points_px - last) / step_s / scale_px + (1 - share) * self._speeds
        self._speeds = np.where(seen[:, None], speeds, 0.0)
        cutoff = self.settings.min_cutoff_hz + self.settings.beta * np.linalg.norm(
            self._speeds, axis=1
        )
        share = self._share(cutoff, step_s)[:, None]
        smoothed = np.where(seen[:, None], share * points_px + (1 - share) * last, points_px)
        trusted = (scores >= self.score_floor)[:, None]
        self._points = np.where(trusted, smoothed, np.nan)
        return np.where(trusted, smoothed, points_px)

    @staticmethod
    def _share(cutoff_hz: Floats, step_s: float) -> Floats:
        """How much of the new value a low-pass filter takes."""
        return np.asarray(1 / (1 + 1 / (2 * np.pi * cutoff_hz * step_s)), np.float64)
