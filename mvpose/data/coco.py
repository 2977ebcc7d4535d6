"""COCO-format keypoint data sets.

A data set is a folder in COCO layout: ``annotations/person_keypoints_<split>.json`` (or
``<split>2017.json``) beside the images in ``<split>/``, ``<split>2017/`` or ``images/``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NotRequired

import numpy as np
from annotated_types import Len
from numpy.typing import NDArray
from pydantic import FiniteFloat, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from mvpose.errors import InputError
from mvpose.spec import COCO17, Skeleton, first_problem


class _Image(TypedDict):
    id: int
    file_name: str


class _Annotation(TypedDict):
    id: int
    image_id: int
    bbox: Annotated[list[FiniteFloat], Len(4, 4)]
    keypoints: list[FiniteFloat]
    area: NotRequired[FiniteFloat | None]


class _Category(TypedDict):
    id: int
    keypoints: NotRequired[list[str]]


class _Document(TypedDict):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


@dataclass(frozen=True)
class Person:
    """One annotated person.

    Attributes:
        image: the image file.
        image_id, annotation_id: the ids in the annotation file.
        box_xywh_px: left, top, width, height.
        keypoints_px: (K, 3) x, y and visibility (0 unlabelled, 1 hidden, 2 visible).
        area_px: area for OKS, in square pixels.
    """

    image: Path
    image_id: int
    annotation_id: int
    box_xywh_px: NDArray[np.float64]
    keypoints_px: NDArray[np.float64]
    area_px: float


@dataclass(frozen=True)
class KeypointData:
    """A split of a data set: its people with at least one labelled keypoint.

    Attributes:
        annotations: the annotation file, as pycocotools wants it.
        skeleton: the keypoints that the labels mean.
        people: the people, in the file's order.
    """

    annotations: Path
    skeleton: Skeleton
    people: list[Person]


def load_keypoints(folder: Path, split: str, skeleton: Skeleton = COCO17) -> KeypointData:
    """Read and check a split.

    Args:
        folder: a folder in COCO layout.
        split: "train", "val", ...
        skeleton: the keypoints that the labels must have.

    Raises:
        InputError: a file is missing or unreadable, or the labels don't fit the skeleton.
    """
    path = _first_existing(
        [folder / "annotations" / f"person_keypoints_{split}{year}.json" for year in ("", "2017")],
        f"no annotations of the split {split!r} in {folder}",
        f"--data takes a folder that holds annotations/person_keypoints_{split}.json",
    )
    images = _first_existing(
        [folder / name for name in (split, f"{split}2017", "images")],
        f"no image folder for the split {split!r} in {folder}",
        f"put the images into {folder / split}",
    )
    document = read_document(path)
    _check_category(path, document, skeleton)
    files = {row["id"]: images / row["file_name"] for row in document["images"]}
    people = []
    for row in document["annotations"]:
        if row.get("iscrowd") or not any(row["keypoints"][2::3]):
            continue
        person = _person(path, row, files, len(skeleton.keypoints))
        if person is not None:
            people.append(person)
    if not people:
        raise InputError(
            f"{path} holds no person with labelled keypoints", "is it a keypoint annotation file?"
        )
    missing = sorted({p.image for p in people if not p.image.is_file()})
    if missing:
        raise InputError(
            f"{len(missing)} annotated images are missing, the first is {missing[0]}",
            "the images lie in another folder, or the download is incomplete",
        )
    return KeypointData(path, skeleton, people)


def read_document(path: Path) -> dict[str, Any]:
    """Read a COCO annotation file and check its three tables.

    Raises:
        InputError: broken JSON, or a table or field is absent or of the wrong kind.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot read {path}: {error}", "the file is damaged or cut off; fetch it again"
        ) from error
    try:
        TypeAdapter(_Document).validate_python(document, strict=True)
    except ValidationError as error:
        raise InputError(
            f"{path} is not COCO keypoint annotations: {first_problem(error)}",
            "mend the file, or export it again as COCO keypoints",
        ) from error
    return document


def _first_existing(candidates: list[Path], what: str, hint: str) -> Path:
    for path in candidates:
        if path.exists():
            return path
    raise InputError(what, hint)


def _check_category(path: Path, document: dict[str, Any], skeleton: Skeleton) -> None:
    named = next((c["keypoints"] for c in document["categories"] if c.get("keypoints")), None)
    if named is not None and len(named) != len(skeleton.keypoints):
        raise InputError(
            f"{path} has {len(named)} keypoints, the model {len(skeleton.keypoints)}",
            "use a model trained for this keypoint set",
        )
    if named is not None and tuple(named) != skeleton.keypoints:
        raise InputError(
            f"{path} names its keypoints {', '.join(named)}; the model expects "
            f"{', '.join(skeleton.keypoints)}",
            "reorder the labels to the model's keypoints",
        )


def _person(path: Path, row: dict[str, Any], files: dict[int, Path], count: int) -> Person | None:
    """The person of one annotation; None where its box has no area."""
    where = f"{path}: annotation {row['id']}"
    if len(row["keypoints"]) != 3 * count:
        raise InputError(
            f"{where} has {len(row['keypoints'])} keypoint numbers, not {3 * count}",
            f"the model expects {count} keypoints of x, y, visibility",
        )
    if row["image_id"] not in files:
        raise InputError(
            f"{where} belongs to image {row['image_id']}, which is not listed",
            "the file was cut or merged wrongly",
        )
    box = np.array(row["bbox"], np.float64)
    keypoints = np.array(row["keypoints"], np.float64).reshape(-1, 3)
    if (box[2:] <= 0).any():
        return None
    area = float(row.get("area") or box[2] * box[3])
    return Person(files[row["image_id"]], row["image_id"], row["id"], box, keypoints, area)
