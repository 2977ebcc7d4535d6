"""mvpose-data pseudo-label: labels by teachers, for people and keypoints that have none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from mvpose.cli import Flag, Many, Out, note, progress
from mvpose.errors import InputError

if TYPE_CHECKING:
    from mvpose.data.teacher_views import Floats

Share = Annotated[float, Parameter(validator=Number(gte=0, lte=1))]


def label(
    folder: Path,
    /,
    *,
    teacher: Annotated[list[str], Many],
    out: Out,
    split: str = "train",
    keep: Literal["human", "teacher"] = "human",
    threshold: Share = 0.4,
    agree: Annotated[float, Parameter(validator=Number(gt=0))] = 2.0,
    conflict: Share = 0.6,
    unlabelled: Flag = False,
    boxes: Path | None = None,
    workers: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    device: Literal["cpu", "cuda", "mps"] = "cpu",
    copy_images: Flag = False,
    skip_bad: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Let teachers label people and keypoints that have no label, and write a new data set.

    Every person is shown to the teachers in four views: plain, mirrored, and turned by 15 degrees
    either way; who lies or stands on their head is turned upright first. Where the views agree,
    their mean is the teachers' keypoint, and their mean peak its confidence. The labels say per
    keypoint where they come from: "source" 1 is a human, 2 a teacher. An interrupted run goes on
    with the same command.

    ```
    mvpose-data pseudo-label coco --teacher vitpose-b -o coco-filled
    mvpose-data pseudo-label lspet --teacher a.ncnn.param:2 b.tflite --keep teacher -o lspet-2
    mvpose-data pseudo-label coco --split unlabeled --teacher vitpose-b --boxes found.json -o more
    ```

    Args:
        folder: a data set in COCO layout.
        teacher: MODEL or MODEL:WEIGHT: zoo names, checkpoints or exported files that label
            together.
        out: folder for the annotations and a link to the images.
        split: which annotations.
        keep: human leaves human labels as they are; teacher, for roughly labelled data, takes the
            teachers' place where they agree and drops labels that they are very sure to be wrong.
        threshold: confidence, 0 to 1, from which the teachers' keypoints are taken.
        agree: farthest that a label and the teachers may lie apart to agree, in standard
            deviations of the OKS.
        conflict: with --keep teacher, the confidence from which a label that disagrees is dropped.
        unlabelled: also label annotated people without any keypoint.
        boxes: JSON list of image_id (or file_name), bbox, score: people to add, as COCO detection
            results. Scores below 0.3 and people who are annotated are left out.
        workers: processes on the CPU; 0 takes all cores.
        device: of teachers in PyTorch; other than cpu it works in one process.
        copy_images: copy the images instead of linking to their folder.
        skip_bad: leave out missing and damaged images, and list them.
        overwrite: label anew, whatever the folder holds of this split.
    """
    from mvpose.data.pseudo_job import pseudo_label
    from mvpose.data.pseudo_labels import LabelSettings

    settings = LabelSettings(keep, threshold, agree, conflict, unlabelled)
    try:
        result = pseudo_label(
            folder,
            split,
            tuple(map(parse_teacher, teacher)),
            out,
            settings,
            boxes_xywh_px=read_boxes(boxes, folder, split) if boxes else None,
            workers=(workers or os.cpu_count() or 1) if device == "cpu" else 1,
            device=device,
            copy_images=copy_images,
            skip_bad=skip_bad,
            overwrite=overwrite,
            track=lambda chunks, total: progress(chunks, "labelling", total),
        )
    except KeyboardInterrupt:
        note("\nThe same command goes on where it stopped.")
        raise
    for line in result.skipped:
        note(f"left out: {line}")
    parts = ", ".join(f"{count} {source}" for source, count in result.keypoints.items())
    print(f"{result.annotations}: {result.people} people; keypoints: {parts}")


def parse_teacher(text: str) -> tuple[str, float]:
    """MODEL or MODEL:WEIGHT; a path may hold colons.

    Raises:
        InputError: the weight is not above 0.
    """
    model, colon, weight = text.rpartition(":")
    try:
        value = float(weight)
    except ValueError:
        return text, 1.0
    if not colon:
        return text, 1.0
    if not 0 < value < float("inf"):
        raise InputError(f"the weight of {text!r} is not above 0", "write MODEL:WEIGHT")
    return model, value


def read_boxes(file: Path, folder: Path, split: str) -> dict[int, Floats]:
    """By image id the boxes (N, 4) of a file, as ``mvpose-predict --boxes`` reads it.

    Raises:
        InputError: the file is unreadable, or holds no box for an image of the split.
    """
    import numpy as np

    from mvpose.commands.boxes import BoxSource
    from mvpose.data.coco import find_split, read_document

    found = BoxSource.read(None, file).by_picture or {}
    images = read_document(find_split(folder, split)[0])["images"]
    ids = {key: row["id"] for row in images for key in (str(row["id"]), row["file_name"])}
    boxes: dict[int, list[list[float]]] = {}
    for key in found.keys() & ids.keys():
        boxes.setdefault(ids[key], []).extend(found[key])
    if not boxes:
        raise InputError(
            f"{file} has no box for an image of the split {split!r}", "is it for another split?"
        )
    return {number: np.array(rows, np.float64).reshape(-1, 4) for number, rows in boxes.items()}
