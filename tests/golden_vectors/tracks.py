"""A person who walks, trembles, is lost, is chosen and is found again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden_vectors.store import Store
from mvpose import prediction
from mvpose.estimate import Poses
from mvpose.live.session import LiveSession
from mvpose.live.smoothing import LONGEST_GAP_S, OneEuro, PoseSmoother
from mvpose.live.tracking import PersonTracker

Floats = NDArray[np.float64]

KEYPOINTS = 6
SCORE_FLOOR = 0.2
BODY = np.array([(0, -80), (-20, -50), (22, -48), (-15, 10), (17, 12), (3, 75)], float)
SEQUENCES: dict[str, tuple[tuple[int, int], tuple[str, ...]]] = {
    "walks": ((320, 240), ("walk",) * 12),
    "stands and trembles": ((240, 320), ("stand",) * 8),
    "lost and found": ((320, 240), ("walk", "walk", "few", "walk", "walk", "nobody", "walk")),
    "chosen, then tracked": ((320, 240), ("walk", "walk", "chosen", "walk", "walk")),
    "clock": ((320, 240), ("walk", "walk", "again", "walk", "late", "walk", "back", "walk")),
    "uncertain keypoints": ((320, 240), ("walk", "two", "walk", "two", "two", "walk")),
    "leaves the picture": ((100, 120), ("walk",) * 9),
    "below the picture": ((320, 12), ("walk",) * 2),
    "on one spot": ((320, 240), ("walk", "spot", "walk")),
    "on a line": ((320, 240), ("walk", "line", "walk")),
    "lies down": ((320, 240), ("walk",) + ("lie",) * 4),
    "behind the corner": ((320, 240), ("walk",) + ("corner",) * 3),
    "three, then four confident keypoints": ((320, 240), ("walk", "three", "four", "four")),
    "every half second": ((320, 240), ("half",) * 4),
}
STEPS_S = {"again": 0.0, "half": LONGEST_GAP_S, "late": 0.75, "back": -0.2}


def write(store: Store) -> None:
    """Write ``track.json``."""
    names = ("CONFIDENT", "FEWEST_CONFIDENT", "NARROWEST", "POSE_PADDING", "SMALLEST_PX")
    constants = {name.lower(): getattr(prediction, name) for name in names}
    store.write(
        "track",
        {
            "constants": {**constants, "longest_gap_s": LONGEST_GAP_S, **asdict(OneEuro())},
            "sequences": [
                sequence(name, image_wh, frames) for name, (image_wh, frames) in SEQUENCES.items()
            ],
        },
    )


def sequence(name: str, image_wh: tuple[int, int], frames: tuple[str, ...]) -> dict[str, Any]:
    """One sequence; each frame's word says what happens in it."""
    rng = np.random.default_rng(len(name))
    session = LiveSession(PersonTracker(image_wh), PoseSmoother(KEYPOINTS, SCORE_FLOOR))
    rows, time_s = [], 10.0
    for number, word in enumerate(frames):
        chosen = np.array([40.5, 30.25, 120.0, 170.0]) if word == "chosen" else None
        if chosen is not None:
            session.tracker.choose(chosen)
        box = session.look()
        points, scores = pose(word, number, rng)
        poses = Poses(points[None], scores[None], box[None], SCORE_FLOOR)
        time_s += STEPS_S.get(word, 1 / 30 + 0.002 * (number % 3))
        shown = session.read(poses, time_s)
        rows.append(
            {
                "time_s": time_s,
                "chosen_xywh_px": chosen,
                "keypoints_px": points,
                "scores": scores,
                "box_xywh_px": box,
                "next_xywh_px": session.tracker.box_xywh_px,
                "smoothed_px": shown.keypoints_px[0],
            }
        )
    return {"name": name, "image_wh": image_wh, "score_floor": SCORE_FLOOR, "frames": rows}


def pose(word: str, number: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Keypoints and scores of a frame."""
    stride = 0.0 if word == "stand" else 6.5 * number
    points = BODY + np.array([90.0 + stride, 110.0 + 0.4 * stride])
    points += rng.normal(0, 1.2, points.shape)
    scores = rng.uniform(0.35, 1.0, KEYPOINTS)
    if word == "few":
        scores[2:] = 0.25
    elif word == "nobody":
        scores[:] = 0.05
    elif word == "two":
        scores[:2] = 0.1
    elif word == "spot":
        points[:] = points[0]
    elif word == "line":
        points[:, 0] = points[0, 0]
    elif word == "lie":
        points = points[:, ::-1]
    elif word == "corner":
        points -= 100.0
    elif word in ("three", "four"):
        scores[:] = 0.31
        scores[3 if word == "three" else 4 :] = 0.29
    return points, scores
