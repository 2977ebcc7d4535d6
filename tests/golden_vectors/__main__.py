"""Write tests/golden anew:

PYTHONPATH=tests python -m golden_vectors out/mobilevitpose-xxs.static_wi8_ai8_mixed.tflite
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from golden_vectors import crops, descriptions, detections, heatmaps, tracks, views
from golden_vectors.store import FOLDER, Store
from mvpose.data.images import read_image
from mvpose.data.synthetic import draw_person
from mvpose.runtime.litert import LiteRTRuntime


def main(model: Path) -> None:
    """Write every topic.

    Args:
        model: the exported file whose heatmaps are stored.
    """
    FOLDER.mkdir(exist_ok=True)
    store = Store()
    runtime = LiteRTRuntime(model)
    docs = Path(__file__).parents[2] / "docs"
    astronaut = read_image(docs / "astronaut.jpg")
    drawn, _, box = draw_person(np.random.default_rng(3))
    people = {
        "astronaut": (astronaut, np.array([60.0, 0.0, 420.0, 512.0])),
        "cameraman": (read_image(docs / "cameraman.jpg"), np.array([75.0, 40.0, 230.0, 470.0])),
        "drawn": (drawn, box),
    }
    crops.write(store, astronaut)
    heatmaps.write(store, runtime, people)
    tracks.write(store)
    views.write(store)
    detections.write(store)
    descriptions.write(store, runtime.artefact)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
