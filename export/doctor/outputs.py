"""What the quantisation of the outputs does to the keypoints that are read off them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mvpose.codec.affine import px_per_cell
from mvpose.codec.decode import Floats, decode
from mvpose.export.doctor.findings import Finding
from mvpose.spec import Decode

COARSE_PX = 1.0
WEAK = 0.25
"""Height of a weak but useful peak, relative to a typical one."""
FLAT_STEPS = 2
CUT_PEAKS_SHARE = 0.05


@dataclass(frozen=True)
class QuantisedOutput:
    """An output that a file computes in integers.

    Attributes:
        name: of the tensor.
        step: real difference of two neighbouring integers.
        lowest, highest: real numbers at the ends of the type.
        shape: with channels last.
        size_wh: of the network's input in pixels.
        described: the decode rule, where the file says it.
        peaks: heights of the heatmaps' peaks on drawn people; empty where the file was not run.
    """

    name: str
    step: float
    lowest: float
    highest: float
    shape: tuple[int, ...]
    size_wh: tuple[int, int]
    described: Decode | None = None
    peaks: tuple[float, ...] = ()

    @property
    def is_heatmaps(self) -> bool:
        """(1, h, w, K), both sides the same fraction, 1 / 2 to 1 / 32, of the input's."""
        if len(self.shape) != 4 or min(self.shape[1:]) < 4:
            return False
        stride = self.size_wh[1] / self.shape[1]
        return 2 <= stride <= 32 and self.size_wh[0] / self.shape[2] == stride

    @property
    def is_coordinates(self) -> bool:
        """K rows of x, y and perhaps a score, in 0..1."""
        return (
            len(self.shape) >= 2
            and self.shape[-1] in (2, 3)
            and self.shape[-2] >= 5
            and max(self.shape[:-2], default=1) == 1
            and self.lowest == 0
            and self.highest <= 1.1
        )

    @property
    def heatmap_wh(self) -> tuple[int, int]:
        return self.shape[2], self.shape[1]

    @property
    def decode(self) -> Decode:
        """The rule, mvpose's default where the file says none."""
        return self.described or Decode()

    @property
    def peak(self) -> float:
        """Of a typical keypoint: the median on drawn people, else the highest possible one."""
        return float(np.median(self.peaks)) if self.peaks else self.highest

    @property
    def model(self) -> str:
        """What ``keypoint_step_px`` assumes."""
        height = "median on drawn people" if self.peaks else "upper end of the range"
        return (
            f"Gaussian of height {self.peak:.3g}, {height}; sigma {self.decode.sigma_cells:g} cells"
            f" at 64, {self.decode.method} decoding, {'described' if self.described else 'assumed'}"
        )


def keypoint_step_px(output: QuantisedOutput) -> float:
    """How far one step of the output in one cell moves a keypoint, in input pixels.

    The model: a Gaussian peak without noise, read by the decode rule; one step is added to each of
    the nine cells at the peak in turn, and the largest shift counts; the mean over the places of
    the peak within its cell. DARK's shift grows with step / peak; the quarter rule's is the chance
    that the step turns the sign of a difference.
    """
    bells, at = _bells(output, output.peak)
    maps = np.repeat(bells[:, None], 10, axis=1)
    for number, (dy, dx) in enumerate(np.ndindex(3, 3), start=1):
        maps[:, number, at[1] + dy - 1, at[0] + dx - 1] += output.step
    shifts = _shifts_px(output, maps)
    return float(shifts.max(axis=1).mean())


def rounding_px(output: QuantisedOutput, peak: float) -> float:
    """How far rounding the whole heatmap moves a keypoint: root mean square, in input pixels.

    The model is that of ``keypoint_step_px``, with a peak of that height.
    """
    bells, _ = _bells(output, peak)
    rounded = np.round(bells / output.step) * output.step
    shifts = _shifts_px(output, np.stack([bells, rounded], axis=1))
    return float(np.sqrt((shifts**2).mean()))


def output_facts(outputs: Sequence[QuantisedOutput]) -> list[str]:
    """What a step of the outputs means in pixels, in one clause each."""
    facts = []
    for output in outputs:
        if output.is_heatmaps:
            facts.append(
                f"one output step moves a keypoint by {keypoint_step_px(output):.2g} px, rounding "
                f"by {rounding_px(output, output.peak):.2g} px ({output.model})"
            )
        elif output.is_coordinates:
            facts.append(
                f"one output step is {_coordinate_px(output):.2g} px, if the output is coordinates "
                "in 0..1"
            )
    return facts


def output_findings(outputs: Sequence[QuantisedOutput]) -> Iterator[Finding]:
    """Findings on coarse heatmaps and coordinates, and on peaks that are cut off."""
    for output in outputs:
        if output.is_heatmaps:
            yield from _heatmap_findings(output)
        elif output.is_coordinates and _coordinate_px(output) > COARSE_PX:
            yield Finding(
                "warning",
                "coarse-coordinates",
                f"one step of the output is {_coordinate_px(output):.2g} px of the input, if it is "
                "coordinates in 0..1",
                "coordinates and scores share one scale of 8 bits",
                "leave the last operators in float, or put out heatmaps and decode outside",
                (output.name,),
            )


def _heatmap_findings(output: QuantisedOutput) -> Iterator[Finding]:
    weak_px = rounding_px(output, output.peak * WEAK)
    high = f"a typical peak is only {output.peak / output.step:.0f} output steps high"
    cause = "outliers widened the output's range, or one scale serves heatmaps and other values"
    mend = (
        "calibrate without outliers (mvpose-export --calibrator percentile:99.99), or leave the "
        "output in float (--recipe dynamic_wi8)"
    )
    if output.peak < FLAT_STEPS * output.step:
        what = f"flat heatmaps: {high}, so that chance places the keypoints"
        yield Finding("error", "flat-heatmaps", what, cause, mend, (output.name,))
    elif weak_px > COARSE_PX:
        yield Finding(
            "warning",
            "coarse-heatmaps",
            f"{high}: rounding moves a keypoint by {rounding_px(output, output.peak):.2g} px of "
            f"the input, one whose peak is {WEAK:g} times as high by {weak_px:.2g} px (model: "
            f"{output.model})",
            cause,
            mend,
            (output.name,),
        )
    cut = np.asarray(output.peaks) >= output.highest - output.step / 2
    if cut.size and cut.mean() > CUT_PEAKS_SHARE:
        yield Finding(
            "warning",
            "clipped-peaks",
            f"{cut.mean():.0%} of the heatmaps' peaks on drawn people are cut off at "
            f"{output.highest:.3g}: flat tops, on which decoding cannot tell the middle",
            "calibration averaged the extremes of its pictures, so that the surest keypoints lie "
            "beyond the output's range",
            "calibrate the output by its maximum, on pictures that show people as clearly as those "
            "in use (mvpose-export --calibrator minmax --calib DIR)",
            (output.name,),
        )


def _coordinate_px(output: QuantisedOutput) -> float:
    return output.step * max(output.size_wh)


def _bells(output: QuantisedOutput, peak: float) -> tuple[Floats, tuple[int, int]]:
    """(64, height, width) peaks at 8 x 8 places within one cell, and that cell's x, y."""
    width, height = output.heatmap_wh
    sigma = output.decode.sigma_cells * height / 64
    at = width // 2, height // 2
    places = (np.arange(8) + 0.5) / 8 - 0.5
    across = np.exp(-((np.arange(width) - at[0] - places[:, None]) ** 2) / (2 * sigma**2))
    down = np.exp(-((np.arange(height) - at[1] - places[:, None]) ** 2) / (2 * sigma**2))
    bells = peak * down[:, None, :, None] * across[None, :, None, :]
    return bells.reshape(-1, height, width), at


def _shifts_px(output: QuantisedOutput, maps: Floats) -> Floats:
    """Distances (P, M - 1) of the keypoints in maps (P, M, height, width) from those of map 0."""
    cells, _ = decode(maps, output.decode)
    px = (cells - cells[:, :1]) * px_per_cell(output.heatmap_wh, output.size_wh, output.decode.grid)
    return np.linalg.norm(px[:, 1:], axis=-1)
