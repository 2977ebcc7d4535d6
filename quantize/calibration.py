"""The crops that fix the ranges of static recipes, and the manifest of their origin."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass as record

from mvpose.data.coco import KeypointData, Person, load_keypoints
from mvpose.data.images import read_image
from mvpose.data.synthetic import draw_person
from mvpose.errors import InputError
from mvpose.estimate import make_crops
from mvpose.quantize.disjoint import Disjointness, Fingerprints, prove_disjoint
from mvpose.quantize.observers import CALIBRATORS, Calibrator
from mvpose.quantize.strata import (
    Stratum,
    choose,
    luma_and_contrast,
    sizes_px,
    stratum_of,
    tally,
)
from mvpose.spec import FROZEN, ModelSpec, Preprocess, Record

DEFAULT_COUNT = 128
FEWEST = 32
LOOKED_AT = 8  # people whose brightness is measured for one that is chosen
LEAST_CONTRAST = 2.0
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


@record(frozen=True, config=FROZEN)
class Calibration(Record):
    """What was used to calibrate.

    Attributes:
        source: "drawn people", or the annotation file.
        count: number of crops.
        seed: of the choice.
        sample_ids: annotation ids of the people, in the order of the crops; empty for drawn ones.
        crops_sha256: of the crops' bytes, after cropping.
        preprocess: how they were cropped.
        preprocess_sha256: of its JSON.
        strata: sizes and brightnesses that they cover; empty for drawn people.
        apart_from: the evaluation data that shares no picture with them, where there was any.
        ranges: how a tensor's range follows from the crops.
    """

    source: str
    count: int
    seed: int
    sample_ids: tuple[int, ...]
    crops_sha256: str
    preprocess: Preprocess
    preprocess_sha256: str
    strata: tuple[Stratum, ...] = ()
    apart_from: Disjointness | None = None
    ranges: Calibrator = CALIBRATORS["average"]


@dataclass(frozen=True)
class CalibrationSet:
    """Crops and where they come from.

    Attributes:
        crops: (N, height, width, 3) in 0..255.
        manifest: of their origin.
        pictures: hashes of the files that they were cut from, one for each crop; none where the
            people were drawn.
    """

    crops: NDArray[np.uint8]
    manifest: Calibration
    pictures: Fingerprints | None = None

    def name(self, crop: int) -> str:
        """What a crop shows, for messages."""
        if self.pictures is None:
            return f"drawn person {crop}"
        return f"annotation {self.manifest.sample_ids[crop]} in {self.pictures.names[crop]}"

    @property
    def warning(self) -> str | None:
        """One line where there are too few crops to rely on."""
        if len(self.crops) >= FEWEST:
            return None
        return (
            f"only {len(self.crops)} people of {self.manifest.source} calibrate: ranges from fewer "
            f"than {FEWEST} depend on who they are; {DEFAULT_COUNT} are usual"
        )


def drawn_calibration(spec: ModelSpec, count: int = DEFAULT_COUNT, seed: int = 0) -> CalibrationSet:
    """Crops of drawn people: needs no data.

    Raises:
        InputError: nobody is asked for.
    """
    _check_count(count)
    return _with_manifest(drawn_crops(spec, count, seed), spec, "drawn people", seed)


def data_calibration(
    folder: Path,
    split: str,
    spec: ModelSpec,
    count: int = DEFAULT_COUNT,
    seed: int = 0,
    apart_from: KeypointData | None = None,
    without: Collection[Calibration] = (),
) -> CalibrationSet:
    """Crops of people of a COCO-format data set, whose sizes and brightnesses are the data set's.

    Args:
        folder: in COCO layout.
        split: the training split.
        spec: for the preprocessing and the skeleton.
        count: of people; where there are fewer, all are taken.
        seed: of the choice.
        apart_from: the evaluation data, which must share no picture with the people chosen.
        without: sets of the same data whose pictures are left out, to have several that share none.

    Raises:
        InputError: the data set can't be read, has nobody left or evaluates; a person chosen is in
            a picture that evaluates, or shows nothing.
    """
    _check_count(count)
    _refuse_plain_pictures(folder, spec)
    data = load_keypoints(folder, split, spec.skeleton)
    if apart_from is not None and data.annotations.samefile(apart_from.annotations):
        raise InputError(
            f"{data.annotations} would calibrate and evaluate",
            "calibrate on the training split: --calib-split train",
        )
    people, strata = _choose_people(_left_over(data, without), count, seed)
    pictures = Fingerprints.of([person.image for person in people])
    proof = None if apart_from is None else prove_apart(pictures, data.annotations.name, apart_from)
    ids = tuple(person.annotation_id for person in people)
    return _with_manifest(
        crops_of(people, spec), spec, data.annotations.name, seed, ids, strata, proof, pictures
    )


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


def prove_apart(pictures: Fingerprints, source: str, evaluation: KeypointData) -> Disjointness:
    """Compare calibration pictures with those of the people that evaluate.

    Raises:
        InputError: one of them is in both.
    """
    images = list(dict.fromkeys(person.image for person in evaluation.people))
    return prove_disjoint(pictures, Fingerprints.of(images), source, evaluation.annotations.name)


def crops_digest(crops: NDArray[np.uint8]) -> str:
    """SHA-256 of the bytes of crops."""
    return hashlib.sha256(crops.tobytes()).hexdigest()


def _choose_people(
    people: list[Person], count: int, seed: int
) -> tuple[list[Person], tuple[Stratum, ...]]:
    rng = np.random.default_rng(seed)
    sizes = sizes_px(people)
    looked_at = choose(stratum_of(sizes), LOOKED_AT * count, rng)
    some = [people[i] for i in looked_at]
    luma, contrast = luma_and_contrast(some).T
    strata = stratum_of(sizes[looked_at], luma)
    chosen = choose(strata, count, rng)
    for i in chosen:
        if contrast[i] < LEAST_CONTRAST:
            raise InputError(
                f"annotation {some[i].annotation_id} in {some[i].image} shows nothing: the luma in "
                f"its box is {luma[i]:.0f} throughout (standard deviation {contrast[i]:.1f})",
                "replace the picture or remove the annotation, or choose others with --seed",
            )
    return [some[i] for i in chosen], tally(strata, chosen)


def _left_over(data: KeypointData, without: Collection[Calibration]) -> list[Person]:
    """The people whose pictures none of the sets has."""
    ids = {number for manifest in without for number in manifest.sample_ids}
    used = {person.image for person in data.people if person.annotation_id in ids}
    people = [person for person in data.people if person.image not in used]
    if not people:
        raise InputError(
            f"{data.annotations} has nobody left: all of its {len(used)} pictures are in the other "
            "calibration sets",
            "take smaller sets",
        )
    return people


def _check_count(count: int) -> None:
    if count < 1:
        raise InputError(
            f"a calibration set of {count} crops is empty", f"{DEFAULT_COUNT} are usual"
        )


def _refuse_plain_pictures(folder: Path, spec: ModelSpec) -> None:
    """Say what is wrong with the usual folder of pictures for other converters."""
    if (folder / "annotations").is_dir() or not folder.is_dir():
        return
    pictures = sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURES)
    if pictures:
        height, width = read_image(pictures[0]).shape[:2]
        size = spec.preprocess.size_wh
        raise InputError(
            f"{folder} holds {len(pictures)} pictures (the first of {width} x {height}) without "
            f"annotations, but {spec.name} is calibrated on crops of {size[0]} x {size[1]} about "
            "people's boxes",
            "give a folder in COCO layout, or leave --calib out to calibrate on drawn people",
        )


def _with_manifest(
    crops: NDArray[np.uint8],
    spec: ModelSpec,
    source: str,
    seed: int,
    ids: tuple[int, ...] = (),
    strata: tuple[Stratum, ...] = (),
    apart_from: Disjointness | None = None,
    pictures: Fingerprints | None = None,
) -> CalibrationSet:
    manifest = Calibration(
        source=source,
        count=len(crops),
        seed=seed,
        sample_ids=ids,
        crops_sha256=crops_digest(crops),
        preprocess=spec.preprocess,
        preprocess_sha256=hashlib.sha256(spec.preprocess.to_json().encode()).hexdigest(),
        strata=strata,
        apart_from=apart_from,
    )
    return CalibrationSet(crops, manifest, pictures)
