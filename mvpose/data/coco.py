"""COCO-format keypoint data sets.

A data set is a folder in COCO layout: ``annotations/person_keypoints_<split>.json`` (or
``<split>2017.json``) beside the images in ``<split>/``, ``<split>2017/`` or ``images/``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NotRequired

import numpy as np
from annotated_types import Len
from numpy.typing import NDArray
from pydantic import ConfigDict, FiniteFloat, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from mvpose.data.check import missing_images, settle
from mvpose.data.merge import KeypointMap, check_same, map_keypoints
from mvpose.data.skeletons import skeleton_of
from mvpose.errors import InputError
from mvpose.spec import Skeleton, first_problem


class _Image(TypedDict):
    id: int
    file_name: str


class _Annotation(TypedDict):
    id: int
    image_id: int
    bbox: Annotated[list[FiniteFloat], Len(4, 4)]
    keypoints: list[FiniteFloat]
    area: NotRequired[FiniteFloat | None]
    iscrowd: NotRequired[int | bool | None]


@with_config(ConfigDict(extra="allow"))
class _Category(TypedDict):
    id: int
    keypoints: NotRequired[list[str] | None]


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
        mapping: how the labels were mapped onto the skeleton; None where they are the file's own.
    """

    annotations: Path
    skeleton: Skeleton
    people: list[Person]
    mapping: KeypointMap | None = None

    @property
    def mapped(self) -> bool:
        """Whether the labels differ from the file's, so that pycocotools can't score against it."""
        return self.mapping is not None


@dataclass(frozen=True)
class _Fit:
    """How labels of ``count`` keypoints become those of the skeleton; None: as they are."""

    skeleton: Skeleton
    count: int
    mapping: KeypointMap | None = None


def load_keypoints(
    folder: Path,
    split: str,
    skeleton: Skeleton | None = None,
    merge: bool = False,
    rename: Mapping[str, str] | None = None,
    skip_bad: bool = False,
) -> KeypointData:
    """Read and check a split.

    Args:
        folder: a folder in COCO layout.
        split: "train", "val", ...
        skeleton: the keypoints that the labels must have; None takes the data set's own.
        merge: map the labels onto ``skeleton`` by name. Keypoints that the data set lacks are
            unlabelled, others of its own are left out.
        rename: with ``merge``, their name to ours, where they differ.
        skip_bad: leave out people whose image is missing, and say so, instead of refusing.

    Raises:
        InputError: a file is missing or unreadable, or the labels don't fit the skeleton.
    """
    path, images = find_split(folder, split)
    document = _read_tables(path)
    _check_ids(path, document)
    rows = [
        row
        for row in document["annotations"]
        if not row.get("iscrowd") and any(row["keypoints"][2::3])
    ]
    if not rows:
        raise InputError(
            f"{path} holds no person with labelled keypoints", "is it a keypoint annotation file?"
        )
    fit = _fit(path, document, rows, skeleton, merge, rename)
    people = _people(path, rows, document["images"], images, fit)
    data = KeypointData(path, fit.skeleton, people, fit.mapping)
    return settle(data, missing_images(people), skip_bad)


def find_split(folder: Path, split: str) -> tuple[Path, Path]:
    """The annotation file and the image folder of a split.

    Raises:
        InputError: one of them is missing.
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
    return path, images


def read_document(path: Path) -> dict[str, Any]:
    """Read a whole COCO annotation file and check its three tables.

    Raises:
        InputError: broken JSON, or a table or field is absent or of the wrong kind.
    """
    _read_tables(path)
    return json.loads(path.read_bytes())


def _read_tables(path: Path) -> _Document:
    """The fields that are used, parsed and checked in one pass, faster than ``json.load`` alone."""
    try:
        return TypeAdapter(_Document).validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "check the file") from error
    except ValidationError as error:
        problem = error.errors()[0]
        if problem["type"] == "json_invalid":
            raise InputError(
                f"cannot read {path}: {problem['msg']}",
                "the file is damaged or cut off; fetch it again",
            ) from error
        raise InputError(
            f"{path} is not COCO keypoint annotations: {first_problem(error)}",
            "mend the file, or export it again as COCO keypoints",
        ) from error


def _first_existing(candidates: list[Path], what: str, hint: str) -> Path:
    for path in candidates:
        if path.exists():
            return path
    raise InputError(what, hint)


def _check_ids(path: Path, document: _Document) -> None:
    for table, what in ((document["images"], "image"), (document["annotations"], "annotation")):
        number, times = Counter(row["id"] for row in table).most_common(1)[0] if table else (0, 1)
        if times > 1:
            raise InputError(
                f"{path} has {times} entries of {what} {number}",
                "the file was merged wrongly; number the entries anew",
            )


def _keypoint_category(path: Path, document: _Document) -> _Category:
    """The category whose keypoints are labelled."""
    categories = document["categories"]
    named = [category for category in categories if category.get("keypoints")]
    if any(category["keypoints"] != named[0]["keypoints"] for category in named):
        raise InputError(
            f"{path} has categories with different keypoints",
            "keep one kind of keypoints in a file",
        )
    return (named or categories or [_Category(id=1)])[0]


def _fit(
    path: Path,
    document: _Document,
    rows: list[_Annotation],
    skeleton: Skeleton | None,
    merge: bool,
    rename: Mapping[str, str] | None,
) -> _Fit:
    category = _keypoint_category(path, document)
    names = category.get("keypoints")
    if skeleton is not None and not merge:
        check_same(path, names, skeleton)
    count = len(names) if names else len(rows[0]["keypoints"]) // 3
    if skeleton is not None and (not merge or (not names and count == len(skeleton.keypoints))):
        return _Fit(skeleton, len(skeleton.keypoints))
    try:
        own = skeleton_of(category, count)
        if skeleton is None:
            return _Fit(own, count)
        mapping = map_keypoints(own.keypoints, skeleton.keypoints, rename)
    except InputError as error:
        raise InputError(f"{path}: {error.what}", error.hint) from error
    return _Fit(skeleton, count, None if mapping.is_identity else mapping)


def _people(
    path: Path, rows: list[_Annotation], images: list[_Image], folder: Path, fit: _Fit
) -> list[Person]:
    """The people with a keypoint of the skeleton; says how many have a box without area."""
    names = {row["id"]: row["file_name"] for row in images}
    for row in rows:
        _check_row(path, row, names, fit.count)
    boxes = np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4)
    keypoints = np.array([row["keypoints"] for row in rows], np.float64)
    keypoints = keypoints.reshape(-1, fit.count, 3)
    if fit.mapping is not None:
        keypoints = fit.mapping.apply(keypoints)
    has_area = (boxes[:, 2:] > 0).all(1)
    if not has_area.all():
        from mvpose.cli import note

        note(f"left out: {path}: {(~has_area).sum()} people whose box has no area")
    files: dict[int, Path] = {}
    people = []
    for i in np.flatnonzero(has_area & (keypoints[..., 2] > 0).any(1)):
        row, box = rows[i], boxes[i]
        image = row["image_id"]
        if image not in files:
            files[image] = folder / names[image]
        area = max(row.get("area") or 0.0, 0.0) or float(box[2] * box[3])
        people.append(Person(files[image], image, row["id"], box, keypoints[i], area))
    if not people:
        raise InputError(
            f"{path}: none of {len(rows)} people has a box and a keypoint that is wanted",
            f"wanted are {', '.join(fit.skeleton.keypoints)}",
        )
    return people


def _check_row(path: Path, row: _Annotation, names: Mapping[int, str], count: int) -> None:
    where = f"{path}: annotation {row['id']}"
    visibility = row["keypoints"][2::3]
    if len(row["keypoints"]) != 3 * count:
        raise InputError(
            f"{where} has {len(row['keypoints'])} keypoint numbers, not {3 * count}",
            f"expected are {count} keypoints of x, y, visibility",
        )
    if not 0 <= min(visibility) <= max(visibility) <= 2:
        raise InputError(
            f"{where} has a keypoint of visibility {max(visibility, key=lambda v: abs(v - 1)):g}",
            "COCO's are 0 (unlabelled), 1 (hidden) and 2 (visible)",
        )
    if row["image_id"] not in names:
        raise InputError(
            f"{where} belongs to image {row['image_id']}, which is not listed",
            "the file was cut or merged wrongly",
        )
