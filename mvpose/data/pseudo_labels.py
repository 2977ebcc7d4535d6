"""Pseudo-labels: human labels and those of teachers as one data set in COCO layout.

Each annotation gets ``source`` (per keypoint 1: human, 2: teacher, 0: unlabelled) and ``teacher``
(per keypoint x, y and confidence of the teachers, whatever became the label).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat
from pydantic.dataclasses import dataclass as record

from mvpose.data.coco import Person, find_split, load_keypoints, read_document
from mvpose.data.images import read_image
from mvpose.data.teacher_views import VIEWS, Floats, View, Voters, look
from mvpose.errors import InputError
from mvpose.prediction import iou
from mvpose.spec import FROZEN, Record, Skeleton

HUMAN, TEACHER = 1, 2
AREA_OF_BOX = 0.53
"""A person's area over that of their box, where only the box is known."""
SAME_PERSON_IOU = 0.5

Share = Annotated[float, Field(ge=0, le=1)]
Row = dict[str, Any]


@record(frozen=True, config=FROZEN)
class LabelSettings(Record):
    """How labels of humans and teachers become one.

    Attributes:
        keep: "human": what a human labelled stays as it is. "teacher", for data that was labelled
            roughly: the teachers' place is taken where they are sure and agree with the label; a
            label that they are very sure to be wrong is dropped.
        threshold: confidence from which the teachers are sure.
        agree_units: farthest that teachers and label may lie apart to agree, in units of
            sqrt(area) * 2 * sigma, the OKS's standard deviation.
        conflict: confidence from which a label that disagrees is dropped.
        unlabelled: also people of whom no keypoint is labelled.
        upright_deg: people whose torso is tilted by more are shown upright to the teachers.
        views: in which the teachers see each person.
    """

    keep: Literal["human", "teacher"] = "human"
    threshold: Share = 0.4
    agree_units: PositiveFloat = 2.0
    conflict: Share = 0.6
    unlabelled: bool = False
    upright_deg: Annotated[float, Field(ge=0, le=180)] = 25.0
    views: tuple[View, ...] = VIEWS


@dataclass(frozen=True)
class Subject:
    """A person to label, and (K,) which of their keypoints a human labelled."""

    person: Person
    human: NDArray[np.bool_]


@dataclass(frozen=True)
class Subjects:
    """The people of a split who are to be labelled.

    Attributes:
        document: the annotation file, with a new annotation for each box that was added.
        images: the image folder.
        people: by image id.
        added: ids of the annotations that were added.
        skeleton: of the labels to be.
        mapped: the file's own labels have other keypoints or another order.
    """

    document: Row
    images: Path
    people: dict[int, list[Subject]]
    added: frozenset[int]
    skeleton: Skeleton
    mapped: bool


def load_subjects(
    folder: Path,
    split: str,
    skeleton: Skeleton,
    unlabelled: bool = False,
    boxes_xywh_px: Mapping[int, Floats] | None = None,
    skip_bad: bool = False,
) -> Subjects:
    """Read a split.

    Args:
        folder: a folder in COCO layout.
        split: which annotations.
        skeleton: the teachers'; labels are mapped onto it by name.
        unlabelled: also take people of whom no keypoint is labelled.
        boxes_xywh_px: by image id (N, 4) boxes of people; those of annotated people are left out.
        skip_bad: leave out people whose image is missing.

    Raises:
        InputError: the split is missing or damaged, shares no keypoint with the teachers, or
            nobody is left to label.
    """
    path, images = find_split(folder, split)
    document = read_document(path)
    rows = [row for row in document["annotations"] if not row.get("iscrowd")]
    blank = [row for row in rows if not any(row["keypoints"][2::3])]
    people: list[Person] = []
    mapped = False
    if len(blank) < len(rows):
        data = load_keypoints(folder, split, skeleton, merge=True, skip_bad=skip_bad)
        people, mapped = data.people, data.mapped
    added = _add_boxes(document, rows, boxes_xywh_px or {})
    files = {row["id"]: images / row["file_name"] for row in document["images"]}
    count = len(skeleton.keypoints)
    wanted = [row for row in blank if unlabelled and min(row["bbox"][2:]) > 0] + added
    people = [*people, *(_unlabelled(row, files, count) for row in wanted)]
    by_id = {row["id"]: row for row in document["annotations"]}
    found: dict[int, list[Subject]] = {}
    for person in people:
        human = person.keypoints_px[:, 2] > 0
        source = by_id[person.annotation_id].get("source")
        if not mapped and source is not None and len(source) == count:
            human &= np.array(source) == HUMAN
        found.setdefault(person.image_id, []).append(Subject(person, human))
    if not found:
        raise InputError(
            f"{path} holds nobody to label",
            "take people without keypoints with --unlabelled, or give their boxes with --boxes",
        )
    new = frozenset(row["id"] for row in added)
    return Subjects(document, images, found, new, skeleton, mapped)


def _add_boxes(document: Row, rows: Sequence[Row], boxes: Mapping[int, Floats]) -> list[Row]:
    """Append an annotation for each box of nobody who is annotated; returns the new ones."""
    known: dict[int, list[Floats]] = {row["id"]: [] for row in document["images"]}
    for row in rows:
        known.setdefault(row["image_id"], []).append(np.array(row["bbox"], np.float64))
    strange = sorted(set(boxes) - set(known))
    if strange:
        raise InputError(
            f"there are boxes for image {strange[0]}, which is not listed",
            "are they for another split?",
        )
    category = next((row["category_id"] for row in rows if "category_id" in row), 1)
    number = max((row["id"] for row in document["annotations"]), default=0)
    added = []
    for image_id, image_boxes in boxes.items():
        for box in image_boxes:
            if min(box[2:]) <= 0 or any(iou(box, k) > SAME_PERSON_IOU for k in known[image_id]):
                continue
            number += 1
            added.append(
                {
                    "id": number,
                    "image_id": image_id,
                    "category_id": category,
                    "iscrowd": 0,
                    "bbox": [round(float(side), 2) for side in box],
                    "area": round(float(box[2] * box[3]) * AREA_OF_BOX, 2),
                    "area_source": f"{AREA_OF_BOX} of the box",
                    "keypoints": [],
                }
            )
    document["annotations"] += added
    return added


def _unlabelled(row: Row, files: Mapping[int, Path], count: int) -> Person:
    box = np.array(row["bbox"], np.float64)
    area = float(row.get("area") or box[2] * box[3] * AREA_OF_BOX)
    image = row["image_id"]
    return Person(files[image], image, row["id"], box, np.zeros((count, 3)), area)


def label_image(voters: Voters, subjects: Sequence[Subject], settings: LabelSettings) -> list[Row]:
    """The labels of the people in one image: the fields to put into their annotations.

    Raises:
        InputError: the image can't be read.
    """
    people = [subject.person for subject in subjects]
    image = read_image(people[0].image)
    seen = look(voters, image, people, settings.views, settings.upright_deg)
    sigmas = 2 * np.array(voters[0][0].spec.skeleton.sigmas)
    labels = []
    for subject, sightings in zip(subjects, seen, strict=True):
        unit_px = np.sqrt(subject.person.area_px) * sigmas
        points, confidence = sightings.consensus(unit_px)
        keypoints, source = fuse(subject, points, confidence, unit_px, settings)
        teacher = np.concatenate([points, confidence[:, None]], 1)
        labels.append(
            {
                "keypoints": [round(x, 2) for x in keypoints.ravel().tolist()],
                "num_keypoints": int((keypoints[:, 2] > 0).sum()),
                "source": source.tolist(),
                "teacher": [round(x, 3) for x in teacher.ravel().tolist()],
            }
        )
    return labels


def fuse(
    subject: Subject,
    points_px: Floats,
    confidence: Floats,
    unit_px: Floats,
    settings: LabelSettings,
) -> tuple[Floats, NDArray[np.int64]]:
    """One label per keypoint.

    Args:
        subject: the person, with labels.
        points_px, confidence: (K, 2) and (K,) the teachers'.
        unit_px: (K,) the OKS's standard deviations.
        settings: whom to believe.

    Returns:
        (K, 3) x, y, visibility, and (K,) source. A replaced label keeps its visibility, a new one
        is visible; unlabelled is 0, 0, 0.
    """
    keypoints = subject.person.keypoints_px.copy()
    apart = np.linalg.norm(points_px - keypoints[:, :2], axis=1) / np.maximum(unit_px, 1e-9)
    sure, human = confidence >= settings.threshold, subject.human.copy()
    taken = ~human & sure
    if settings.keep == "teacher":
        agree = apart <= settings.agree_units
        taken |= human & sure & agree
        human &= agree | (confidence < settings.conflict)
    human &= ~taken
    keypoints[taken, :2] = points_px[taken]
    keypoints[taken & ~subject.human, 2] = 2
    keypoints[~taken & ~human] = 0
    return keypoints, HUMAN * human + TEACHER * taken


def labelled_document(
    subjects: Subjects, labels: Mapping[int, Row], manifest: Mapping[str, Any]
) -> Row:
    """The annotation file with new labels.

    Args:
        subjects: the split.
        labels: by annotation id, as from ``label_image``.
        manifest: how they were made; kept in ``info``.
    """
    document, skeleton = subjects.document, subjects.skeleton
    count = len(skeleton.keypoints)
    blank = {"keypoints": [0] * 3 * count, "num_keypoints": 0, "source": [0] * count}
    annotations = []
    for row in document["annotations"]:
        new = labels.get(row["id"], blank if subjects.mapped else {})
        if row["id"] not in subjects.added or new.get("num_keypoints"):
            annotations.append({**row, **new})
    categories = [
        {**row, **category_fields(skeleton)} if subjects.mapped or not row.get("keypoints") else row
        for row in document["categories"]
    ]
    info = {**(document.get("info") or {}), "pseudo_labels": dict(manifest)}
    return {**document, "info": info, "annotations": annotations, "categories": categories}


def category_fields(skeleton: Skeleton) -> Row:
    """What a COCO category says about its keypoints; ``skeleton_of`` reads it back."""
    return {
        "keypoints": list(skeleton.keypoints),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.edges],
        "flip_pairs": [list(pair) for pair in skeleton.flip_pairs],
        "sigmas": list(skeleton.sigmas),
    }


def source_counts(labels: Mapping[int, Row]) -> dict[str, int]:
    """How many keypoints have which source."""
    counts = Counter(s for row in labels.values() for s in row["source"])
    return {"human": counts[HUMAN], "teacher": counts[TEACHER], "unlabelled": counts[0]}
