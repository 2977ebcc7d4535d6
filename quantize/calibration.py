"""The crops that fix the ranges of static recipes, and the manifest of their origin."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass as record

from mvpose.data.coco import Person, load_keypoints
from mvpose.data.images import read_image
from mvpose.data.synthetic import draw_person
from mvpose.estimate import make_crops
from mvpose.spec import FROZEN, ModelSpec, Record

DEFAULT_COUNT = 128


@record(frozen=True, config=FROZEN)
class Calibration(Record):
    """What was used to calibrate.

    Attributes:
        source: "drawn people", or the annotation file.
        count: number of crops.
        seed: of the choice.
        sample_ids: annotation ids of the people, empty for drawn ones.
        crops_sha256: of the crops' bytes, after cropping.
        ranges: how a tensor's range follows from the crops.
    """

    source: str
    count: int
    seed: int
    sample_ids: tuple[int, ...]
    crops_sha256: str
    ranges: str = "moving average of each crop's minimum and maximum (0.95)"


@dataclass(frozen=True)
class CalibrationSet:
    """Crops (N, height, width, 3) in 0..255 and their manifest."""

    crops: NDArray[np.uint8]
    manifest: Calibration


def drawn_calibration(spec: ModelSpec, count: int = DEFAULT_COUNT, seed: int = 0) -> CalibrationSet:
    """Crops of drawn people: needs no data."""
    return _with_manifest(drawn_crops(spec, count, seed), "drawn people", seed, ())


def data_calibration(
    folder: Path, split: str, spec: ModelSpec, count: int = DEFAULT_COUNT, seed: int = 0
) -> CalibrationSet:
    """Crops of people chosen at random from a COCO-format data set.

    Raises:
        InputError: the data set can't be read.
    """
    data = load_keypoints(folder, split, spec.skeleton)
    order = np.random.default_rng(seed).permutation(len(data.people))[:count]
    people = [data.people[i] for i in order]
    ids = tuple(person.annotation_id for person in people)
    return _with_manifest(crops_of(people, spec), data.annotations.name, seed, ids)


def drawn_crops(spec: ModelSpec, count: int, seed: int) -> NDArray[np.uint8]:
    """Crops (count, height, width, 3) of drawn people."""
    rng = np.random.default_rng(seed)
    crops = []
    for _ in range(count):
        image, _, box = draw_person(rng)
        crops.append(make_crops(image, box[None], spec)[0][0])
    return np.stack(crops)


def crops_of(people: list[Person], spec: ModelSpec) -> NDArray[np.uint8]:
    """Crops (N, height, width, 3) of people in photographs."""
    return np.concatenate(
        [make_crops(read_image(p.image), p.box_xywh_px[None], spec)[0] for p in people]
    )


def _with_manifest(
    crops: NDArray[np.uint8], source: str, seed: int, ids: tuple[int, ...]
) -> CalibrationSet:
    digest = hashlib.sha256(crops.tobytes()).hexdigest()
    return CalibrationSet(crops, Calibration(source, len(crops), seed, ids, digest))
