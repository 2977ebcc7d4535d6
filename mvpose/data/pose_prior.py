"""How people stand, move and are framed in photographs: a density fitted to COCO's labels.

The labels are fitted with 3-D figures (`mvpose.data.drawn_fit`), and a Gaussian mixture with their
joint angles, proportions, sizes and places. Only the mixture ships. To fit it again:

    python -m mvpose.data.pose_prior coco2017_person_poses.npz pose_prior.npz
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mvpose.data.drawn_pose import HIGH, INDEX, LOW, POSE, Floats, mirrored
from mvpose.errors import InputError

SHIPPED = Path(__file__).parents[1] / "assets" / "pose_prior.npz"
CROWDS = (1, 2, 3, 5)
NARROWED = 0.85
FRAME = ("log_scale", "x", "y")
_ANGLES = [i for name, i in INDEX.items() if name not in ("yaw", "roll")]
_ROUND = [INDEX["yaw"], INDEX["roll"]]
FEATURES = len(_ANGLES) + 2 * len(_ROUND) + len(FRAME)
LOG_SCALE = FEATURES - len(FRAME)


@dataclass(frozen=True)
class PosePrior:
    """What the fit has found.

    Attributes:
        weights: (C, K) of the mixture's components, for pictures with at least ``CROWDS`` people.
        means, factors: (K, D) and Cholesky factors (K, D, D) of the components' features: angles in
            degrees and proportions, cosine and sine of yaw and roll, and the framing: log of body
            height over the root of the picture's area, and the pelvis as shares of width and
            height.
        log_scales: (C, Q) quantiles of the log scale.
        scale_correlation: (C,) of two people's log scales, as normal scores, in one picture.
        counts: probability of 1, 2, ... people in a picture that has any.
        sizes_wh, size_weights: (S, 2) usual sizes of pictures in pixels, and how often.
        legs_hidden: share of people whose knees and ankles lie in the picture, behind something.
    """

    weights: Floats
    means: Floats
    factors: Floats
    log_scales: Floats
    scale_correlation: Floats
    counts: Floats
    sizes_wh: NDArray[np.int64]
    size_weights: Floats
    legs_hidden: float

    def sample_count(self, rng: np.random.Generator, most: int) -> int:
        """Draw how many people a picture has."""
        return min(most, 1 + int(rng.choice(len(self.counts), p=self.counts)))

    def sample_log_scales(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw the log scales (count,) of the people of one picture, smallest first."""
        crowd = crowd_of(count)
        shared = self.scale_correlation[crowd]
        scores = np.sqrt(shared) * rng.normal() + np.sqrt(1 - shared) * rng.normal(size=count)
        quantiles = self.log_scales[crowd]
        grid = np.linspace(0, 1, len(quantiles))
        return np.sort(np.interp(_normal_cdf(scores), grid, quantiles))

    def sample(
        self, rng: np.random.Generator, count: int, log_scale: float
    ) -> tuple[Floats, Floats]:
        """Draw a pose vector (P,) and the place (2,) of the pelvis, as shares of width and height.

        The components are drawn a little narrower than they are, which leaves out odd poses.

        Args:
            count: people in the picture.
            log_scale: log of body height over the root of the picture's area.
        """
        off = log_scale - self.means[:, LOG_SCALE]
        spread = np.linalg.norm(self.factors[:, LOG_SCALE], axis=1)
        likelihood = np.exp(-0.5 * (off / spread) ** 2) / spread
        share = self.weights[crowd_of(count)] * likelihood + 1e-12 * self.weights[0]
        factor_row = rng.choice(len(share), p=share / share.sum())
        factor = self.factors[factor_row]
        draw = NARROWED * (factor @ rng.normal(size=FEATURES))
        gain = factor @ factor[LOG_SCALE] / spread[factor_row] ** 2
        draw += gain * (off[factor_row] - draw[LOG_SCALE])
        pose, frame = from_features((self.means[factor_row] + draw)[None])
        if rng.random() < 0.5:
            return mirrored(pose[0]), np.array([1 - frame[0, 1], frame[0, 2]])
        return pose[0], frame[0, 1:]


def crowd_of(count: int) -> int:
    """The row of ``CROWDS`` that a picture of ``count`` people belongs to."""
    return int(np.searchsorted(CROWDS, count, "right")) - 1


def to_features(pose: Floats, frame: Floats) -> Floats:
    """Pose vectors (N, P) and framings (N, 3) as features (N, D)."""
    turns = np.deg2rad(pose[:, _ROUND])
    return np.concatenate([pose[:, _ANGLES], np.cos(turns), np.sin(turns), frame], 1)


def from_features(features: Floats) -> tuple[Floats, Floats]:
    """The inverse of ``to_features``, within the limits of the joints."""
    pose = np.zeros((len(features), len(POSE)))
    straight, cosine, sine, frame = np.split(
        features, np.cumsum([len(_ANGLES), len(_ROUND), len(_ROUND)]), 1
    )
    pose[:, _ANGLES] = straight
    pose[:, _ROUND] = np.rad2deg(np.arctan2(sine, cosine))
    return pose.clip(LOW, HIGH), frame


def load_prior(path: Path) -> PosePrior:
    """Read a fitted prior.

    Raises:
        InputError: the file is missing or damaged, or was fitted for other angles.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            names = tuple(file["names"].tolist())
            values = {name: file[name] for name in PosePrior.__dataclass_fields__}
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(
            f"cannot read the pose prior {path}: {error}", "fit it again, or reinstall the package"
        ) from error
    if names != tuple(POSE):
        raise InputError(
            f"{path} was fitted for other joint angles",
            "fit it again: python -m mvpose.data.pose_prior FIT_NPZ OUT",
        )
    floats = {
        name: value.astype(np.float64)
        for name, value in values.items()
        if name not in ("sizes_wh", "legs_hidden", "weights")
    }
    weights = values["weights"].astype(np.float64)
    weights /= weights.sum(1, keepdims=True)
    hidden = float(values["legs_hidden"])
    return PosePrior(weights=weights, sizes_wh=values["sizes_wh"], legs_hidden=hidden, **floats)


@cache
def shipped_prior() -> PosePrior:
    """The prior that comes with the package."""
    return load_prior(SHIPPED)


def _normal_cdf(scores: Floats) -> Floats:
    """The standard normal distribution function, to 2e-4 (Page 1977, logistic approximation)."""
    return np.asarray(1 / (1 + np.exp(-scores * (1.59577 + 0.07139 * scores**2))))


def fit(
    fit_npz: Path,
    out: Path,
    *,
    leave_out: tuple[Path, ...] = (),
    people: int = 16_000,
    seed: int = 0,
) -> None:
    """Fit the prior to labelled people and say how near its poses are to held-out ones.

    Only people of train2017 are used, and every tenth image id is held out to compare with.

    Examples:

    python -m mvpose.data.pose_prior coco2017_person_poses.npz pose_prior.npz

    Args:
        fit_npz: keypoints of COCO's people: arrays keypoints (N, 17, 3), bbox_xywh (N, 4), start
            (M + 1), and for each of M images image_id, is_val2017, width and height.
        out: the file to write.
        leave_out: annotation files in COCO's format whose images may not be used.
        people: how many to fit to.
        seed: the same seed finds the same prior.
    """
    from rich.table import Table

    from mvpose.cli import console, progress
    from mvpose.data.coco import read_document
    from mvpose.data.drawn_fit import read_people
    from mvpose.data.drawn_prior import compare, fit_prior, save_prior, split_people

    ids = {row["id"] for path in leave_out for row in read_document(path)["images"]}
    known, held_out = split_people(read_people(fit_npz, frozenset(ids)))
    prior = fit_prior(known, people, seed, lambda parts: progress(parts, "fitting", len(parts)))
    save_prior(prior, out)
    rows = compare(load_prior(out), known, held_out)
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(str(row.get(name, "")) for name in rows[0]))
    console().print(table)


if __name__ == "__main__":
    from mvpose.cli import run

    run(fit, "pose-prior")
