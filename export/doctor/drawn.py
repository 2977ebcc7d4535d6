"""Drawn people for files of any input size."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from mvpose.artefact import Artefact
from mvpose.quantize.calibration import drawn_crops
from mvpose.spec import ModelSpec
from mvpose.zoo import zoo_spec

PEOPLE = 4
SEED = 3
LARGEST_SIDE_PX = 4096


def drawn_people(size_wh: tuple[int, int], artefact: Artefact | None) -> NDArray[np.uint8]:
    """Crops (N, height, width, 3) of that size, by the file's preprocessing where it says it."""
    if artefact is not None and artefact.model.preprocess.size_wh == size_wh:
        return _crops(artefact.model)
    crops = _crops(zoo_spec("mobilevitpose-xxs"))
    return np.stack([cv2.resize(crop, size_wh, interpolation=cv2.INTER_AREA) for crop in crops])


@cache
def _crops(spec: ModelSpec) -> NDArray[np.uint8]:
    return drawn_crops(spec, PEOPLE, SEED)
