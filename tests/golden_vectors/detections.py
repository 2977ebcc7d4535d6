"""What detectors of several makes give, and the people in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from small_onnx import write_boxes

from golden_vectors.store import Store
from mvpose.detection.detector import FileDetector
from mvpose.peers.adapter import DetectorAdapter, NetworkInput

Table = NDArray[np.float32]

INPUT = NetworkInput(64, 64, "NCHW", mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5))
ROWS = [
    (10.5, 20.25, 40.0, 80.5, 0.9),
    (11.0, 21.0, 41.0, 79.0, 0.8),
    (30.0, 40.0, 60.0, 70.0, 0.7),
    (-20.0, -10.0, 12.0, 14.0, 0.6),
    (50.0, 50.0, 50.0, 60.0, 0.95),
    (5.0, 5.0, 9.0, 9.0, 0.2),
]


@dataclass(frozen=True)
class Case:
    """A detector's adapter, its outputs in the file's order, and the picture's size."""

    adapter: DetectorAdapter
    outputs: list[Table]
    image_wh: tuple[int, int]


def table(rows: list[tuple[float, ...]]) -> Table:
    """(1, N, columns)."""
    return np.array([rows], np.float32)


def cases() -> dict[str, Case]:
    """By name."""
    corners = ("x1", "y1", "x2", "y2", "score")
    centred = [((a + c) / 2, (b + d) / 2, c - a, d - b, s) for a, b, c, d, s in ROWS]
    fractions = [(b / 64, a / 64, d / 64, c / 64) for a, b, c, d, _ in ROWS]
    scores = np.array([[row[4] for row in ROWS]], np.float32)
    classes = np.array([[0, 0, 17, 0, 0, 0]], np.float32)
    return {
        "corners and score": Case(
            DetectorAdapter("detector", "corners", INPUT, 0, corners), [table(ROWS)], (320, 240)
        ),
        "centre and size, classes, picture in the middle": Case(
            DetectorAdapter(
                "detector",
                "centred",
                INPUT,
                0,
                ("cx", "cy", "w", "h", "score"),
                classes=1,
                letterbox="centre",
            ),
            [table(centred), classes],
            (240, 320),
        ),
        "columns first": Case(
            DetectorAdapter("detector", "turned", INPUT, 0, corners, columns_first=True),
            [table(ROWS).transpose(0, 2, 1).copy()],
            (640, 480),
        ),
        "fractions, three outputs, stretched": Case(
            DetectorAdapter(
                "detector",
                "fractions",
                INPUT,
                0,
                ("y1", "x1", "y2", "x2"),
                "fraction",
                scores=1,
                classes=2,
                letterbox="stretch",
                score_floor=0.5,
                iou_ceiling=0.3,
            ),
            [table(fractions), scores, classes],
            (333, 217),
        ),
        "nobody": Case(
            DetectorAdapter("detector", "nobody", INPUT, 0, corners),
            [table(ROWS[-1:])],
            (320, 240),
        ),
    }


def write(store: Store) -> None:
    """Write ``detect.json``."""
    rows: list[dict[str, Any]] = []
    for number, (name, case) in enumerate(cases().items()):
        width, height = case.image_wh
        picture = np.zeros((height, width, 3), np.uint8)
        with TemporaryDirectory() as folder:
            tables = {f"output {i}": output for i, output in enumerate(case.outputs)}
            detector = FileDetector(write_boxes(Path(folder) / "d.onnx", tables), case.adapter)
            found = detector.detect(picture)
            _, matrix = detector.letterbox(picture)
        rows.append(
            {
                "name": name,
                "adapter": json.loads(case.adapter.to_json()),
                "image_wh": case.image_wh,
                "letterbox": matrix,
                "outputs": [
                    store.put(f"detector-{number}-{i}.f32", output)
                    for i, output in enumerate(case.outputs)
                ],
                "boxes_xywh_px": found.boxes_xywh_px,
                "scores": found.scores,
            }
        )
    store.write("detect", {"cases": rows})
