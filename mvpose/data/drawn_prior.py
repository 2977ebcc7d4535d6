"""Fits the pose prior to labelled people, and measures how near drawn poses are to real ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.data.drawn_actions import guess_poses
from mvpose.data.drawn_fit import Fits, People, Track, fit_figures
from mvpose.data.drawn_mixture import fit_mixture
from mvpose.data.drawn_people import FEWEST_KEYPOINTS, place_people
from mvpose.data.drawn_pose import POSE, Floats, articulate
from mvpose.data.pose_prior import CROWDS, LOG_SCALE, PosePrior, crowd_of, to_features
from mvpose.errors import InputError
from mvpose.files import replacing
from mvpose.spec import COCO17

COMPONENTS = 128
PEOPLE_PER_COMPONENT = 20
FLOOR = 0.04
FEWEST_PEOPLE = 200
HELD_OUT = 10
FEWEST_LABELS = 6
WORST_FIT = 0.025
BODY = slice(5, 17)
LEGS = slice(13, 17)
QUANTILES = np.linspace(0, 1, 65)
USUAL_SIZES = 12
MOST_COUNTED = 13


def split_people(people: People) -> tuple[People, People]:
    """People to fit to, and those of every tenth image id, held out to compare with."""
    held = people.image % HELD_OUT == 0
    return people.chosen(~held), people.chosen(held)


def fit_prior(people: People, count: int, seed: int = 0, track: Track = iter) -> PosePrior:
    """Fit the prior to ``count`` of the people, chosen at random.

    Args:
        track: wraps batches and rounds, to show progress.

    Raises:
        InputError: too few people are labelled well enough.
    """
    rng = np.random.default_rng(seed)
    labelled = people.keypoints_px[..., 2] > 0
    fit = (labelled.sum(1) >= FEWEST_LABELS) & labelled[:, 5:7].any(1)
    rows = np.flatnonzero(fit)
    if len(rows) < FEWEST_PEOPLE:
        raise InputError(
            f"{len(rows)} people are labelled well enough to fit poses to, not {FEWEST_PEOPLE}",
            "give more people with a shoulder and at least six keypoints labelled",
        )
    rows = np.sort(rng.choice(rows, min(count, len(rows)), replace=False))
    _, of_image, size = np.unique(people.image, return_inverse=True, return_counts=True)
    crowds = np.array([crowd_of(n) for n in size])[of_image]
    fits = fit_figures(people.chosen(rows), seed, track)
    good = fits.error < WORST_FIT
    rows, fits = rows[good], Fits(*(a[good] for a in vars(fits).values()))

    chosen = people.chosen(rows)
    root_area = np.sqrt(chosen.size_wh.prod(1))
    frame = np.column_stack([np.log(fits.scale_px / root_area), fits.pelvis_px / chosen.size_wh])
    features = to_features(fits.pose, frame)
    floor = (FLOOR * features.std(0)) ** 2
    components = min(COMPONENTS, max(1, len(features) // PEOPLE_PER_COMPONENT))
    _, means, factors, shares = fit_mixture(features, components, floor, seed, track=track)
    members = [_enough(crowds[rows] == crowd) for crowd in range(len(CROWDS))]
    weights = np.stack([shares[m].sum(0) for m in members])
    tall = np.log(people.box_xywh_px[:, 3])
    everyone = [_enough(crowds == crowd) for crowd in range(len(CROWDS))]
    usual = Counter(map(tuple, people.size_wh.astype(int).tolist())).most_common(USUAL_SIZES)
    counts = np.bincount(np.minimum(size, MOST_COUNTED))[1:]
    return PosePrior(
        weights=weights / weights.sum(1, keepdims=True),
        means=means,
        factors=factors,
        log_scales=np.stack([np.quantile(features[m, LOG_SCALE], QUANTILES) for m in members]),
        scale_correlation=np.array([_pair_correlation(tall[m], people.image[m]) for m in everyone]),
        counts=counts / counts.sum(),
        sizes_wh=np.array([wh for wh, _ in usual]),
        size_weights=np.array([n for _, n in usual]) / sum(n for _, n in usual),
        legs_hidden=_legs_hidden(fits, chosen),
    )


def save_prior(prior: PosePrior, path: Path) -> None:
    """Write a prior: the mixture in half precision, no pose of any person."""
    half = {"weights", "means", "factors"}
    arrays: dict[str, Any] = {
        name: np.asarray(value, np.float16 if name in half else None)
        for name, value in vars(prior).items()
    }
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, names=np.array(list(POSE)), **arrays)


def drawn_keypoints(prior: PosePrior, count: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Keypoints (count, 17, 3) of people of the prior, and the heights (count,) of their pictures.

    As they are drawn, but for what hides them.
    """
    rng = np.random.default_rng(seed)
    people: list[Floats] = []
    heights: list[int] = []
    while len(people) < count:
        size = tuple(prior.sizes_wh[rng.choice(len(prior.sizes_wh), p=prior.size_weights)].tolist())
        placed = place_people(rng, prior, prior.sample_count(rng, MOST_COUNTED), size)
        people += [person.keypoints_px(size) for person in placed]
        heights += [size[1]] * len(placed)
    return np.stack(people[:count]), np.array(heights[:count], np.float64)


def compare(
    prior: PosePrior, known: People, held_out: People, count: int = 4000, seed: int = 0
) -> list[dict[str, str | float]]:
    """Rows of how near poses are to held-out real ones, and how they lie in their pictures.

    Args:
        known, held_out: real people.
        count: whole bodies of each kind that are compared, at most.

    Returns:
        a row for the real people, for those of the prior, and for the hand-written table of poses,
        which knows no pictures: ``energy`` as ``energy_distance`` and ``missed`` and ``odd`` as
        ``pose_distances`` give them, ``keypoints`` labelled on average, ``no_ankles`` the share
        without either, and the quartiles of the height of the keypoints as a share of the
        picture's.
    """
    rng = np.random.default_rng(seed)
    count = min(count, len(held_out.image))
    real = held_out.chosen(rng.permutation(len(held_out.image)))
    other = known.chosen(rng.permutation(len(known.image))[: len(real.image)])
    guesses = articulate(guess_poses(rng, count), np.zeros((count, 6)))
    guessed = guesses.keypoints(COCO17.keypoints)
    guessed[..., 2] = 2
    drawn, heights = drawn_keypoints(prior, 3 * count, seed)
    shapes = [body_shapes(k) for k in (real.keypoints_px, other.keypoints_px, drawn, guessed)]
    size = min(count, *map(len, shapes))
    truth, *rest = (shape[:size] for shape in shapes)
    framed = [_framing(other.keypoints_px, other.size_wh[:, 1]), _framing(drawn, heights), {}]
    rows: list[dict[str, str | float]] = []
    for name, shape, frame in zip(("real", "prior", "table"), rest, framed, strict=True):
        missed, odd = pose_distances(truth, shape)
        distances = {"energy": energy_distance(truth, shape), "missed": missed, "odd": odd}
        rows.append({"poses": name, **{k: round(v, 4) for k, v in distances.items()}, **frame})
    return rows


def pose_distances(real: Floats, drawn: Floats) -> tuple[float, float]:
    """How far two equally large sets of body shapes (N, 12, 2) are apart.

    The distance of two shapes is the root mean square over their joints; a body's own is 1.

    Returns:
        mean distance of the real people to the nearest drawn one (what is missed), and of the drawn
        ones to the nearest real one (what is odd).
    """
    distances = _distances(real, drawn)
    return float(distances.min(1).mean()), float(distances.min(0).mean())


def energy_distance(first: Floats, second: Floats) -> float:
    """How different the distributions are that two equally large sets of shapes (N, 12, 2) show.

    0 for the same distribution, to about 0.002 with a thousand shapes; without bias, so that it may
    fall below (Szekely & Rizzo, "Energy statistics", 2013).
    """
    count = len(first)
    across = _distances(first, second).mean()
    within = _distances(first, first).sum() + _distances(second, second).sum()
    return float(2 * across - within / (count * (count - 1)))


def _distances(first: Floats, second: Floats) -> Floats:
    """Root mean square distances (N, M) over the joints of two sets of shapes."""
    a, b = first.reshape(len(first), -1), second.reshape(len(second), -1)
    squares = (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)
    return np.asarray(np.sqrt(np.maximum(squares, 0) / 12))


def body_shapes(keypoints: Floats) -> Floats:
    """Joints (N, 12, 2) of the people (M, 17, 3) whose bodies are labelled whole.

    Moved to a mean of 0 and scaled to a root mean square distance from it of 1.
    """
    whole = keypoints[(keypoints[:, BODY, 2] > 0).all(1)][:, BODY, :2]
    centred = whole - whole.mean(1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).sum(2).mean(1))[:, None, None])


def _enough(members: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The members of a crowd, or everyone where there are too few of them."""
    return members if members.sum() >= PEOPLE_PER_COMPONENT else np.ones_like(members)


def _framing(keypoints: Floats, picture_height: Floats) -> dict[str, float]:
    labelled = keypoints[..., 2] > 0
    enough = labelled.sum(1) >= FEWEST_KEYPOINTS
    labelled, y = labelled[enough], keypoints[enough, :, 1]
    tall = np.where(labelled, y, -np.inf).max(1) - np.where(labelled, y, np.inf).min(1)
    quartiles = np.quantile(tall / picture_height[enough], [0.25, 0.5, 0.75])
    return {
        "keypoints": round(float(labelled.sum(1).mean()), 2),
        "no_ankles": round(float((~labelled[:, 15:]).all(1).mean()), 3),
        **{f"height_{q}": round(float(v), 3) for q, v in zip((25, 50, 75), quartiles, strict=True)},
    }


def _legs_hidden(fits: Fits, people: People) -> float:
    """Share of the figures with knees and ankles in the picture of which none is labelled seen."""
    figure = articulate(fits.pose, np.zeros((len(fits.pose), 6)))
    legs = figure.keypoints(COCO17.keypoints[LEGS])[..., :2]
    points = legs * fits.scale_px[:, None, None] + fits.pelvis_px[:, None]
    inside = ((points >= 0) & (points < people.size_wh[:, None])).all((1, 2))
    unseen = (people.keypoints_px[:, LEGS, 2] < 2).all(1)
    return float((inside & unseen).sum() / inside.sum())


def _pair_correlation(values: Floats, image: NDArray[np.int64]) -> float:
    """Correlation of the normal scores of two people of one image."""
    ranks = (values.argsort().argsort() + 0.5) / len(values)
    scores = np.log(ranks / (1 - ranks)) / 1.702
    scores = (scores - scores.mean()) / scores.std()
    _, group = np.unique(image, return_inverse=True)
    total = np.bincount(group, scores)
    squares, size = np.bincount(group, scores**2), np.bincount(group)
    pairs = (size * (size - 1)).sum()
    return float(np.clip((total**2 - squares).sum() / pairs, 0, 1)) if pairs else 0.0
