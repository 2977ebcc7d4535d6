"""Labelling a whole split by teachers: in several processes, resumable, written in one step."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from mvpose.data.coco import find_split
from mvpose.data.pseudo_journal import Journal, Labelled, Labels
from mvpose.data.pseudo_labels import (
    LabelSettings,
    Row,
    Subject,
    Subjects,
    label_image,
    labelled_document,
    load_subjects,
    source_counts,
)
from mvpose.data.teacher_views import Floats, Voters
from mvpose.data.workers import ordered_map
from mvpose.errors import InputError
from mvpose.files import check_new, check_writable, replacing, sha256, write_text

CHUNK = 4
TEACHER_FACTS = ("runtime", "version", "precision", "file", "sha256", "weights_sha256")

Models = tuple[tuple[str, float], ...]
"""Names or files of teachers, and their weights."""
Chunk = Sequence[tuple[int, Sequence[Subject]]]
"""Image ids and their people."""
Track = Callable[[Iterable[Labelled], int], Iterable[Labelled]]


@dataclass(frozen=True)
class Labelling:
    """What was written.

    Attributes:
        annotations: the file.
        people: how many have labels.
        keypoints: how many have which source.
        skipped: images that can't be read, and why.
    """

    annotations: Path
    people: int
    keypoints: dict[str, int]
    skipped: tuple[str, ...]


def pseudo_label(
    folder: Path,
    split: str,
    teachers: Models,
    out: Path,
    settings: LabelSettings,
    boxes_xywh_px: Mapping[int, Floats] | None = None,
    workers: int = 1,
    device: str = "cpu",
    copy_images: bool = False,
    skip_bad: bool = False,
    overwrite: bool = False,
    track: Track = lambda chunks, _total: chunks,
) -> Labelling:
    """Write a split with labels of humans and teachers, or go on with an interrupted one.

    Args:
        folder: a folder in COCO layout.
        split: which annotations.
        teachers: whom to ask; all have the same keypoints.
        out: another folder, which gets the annotations and a link to the images.
        settings: whom to believe.
        boxes_xywh_px: by image id (N, 4) boxes of people who may not be annotated yet.
        workers: processes; they run on the CPU.
        device: of teachers in PyTorch, with one worker.
        copy_images: copy the images instead of linking to their folder.
        skip_bad: leave labels as they are where an image can't be read, instead of stopping.
        overwrite: begin anew, whatever ``out`` holds of this split.
        track: wraps the labelled chunks, given their number, to show progress.

    Raises:
        InputError: bad input, ``out`` can't be written or was begun otherwise, or a process died.
    """
    from mvpose.training.start import claim

    final = out / "annotations" / f"person_keypoints_{split}.json"
    if out.resolve() == folder.resolve():
        raise InputError(f"{out} is the data set itself", "choose another folder with --out")
    check_new(final, overwrite)
    voters = load_voters(teachers, device)
    skeleton = voters[0][0].spec.skeleton
    subjects = load_subjects(folder, split, skeleton, settings.unlabelled, boxes_xywh_px, skip_bad)
    manifest = _manifest(folder, split, voters, settings, boxes_xywh_px)
    work = partial(label_chunk, teachers=teachers, device=device, settings=settings)
    check_writable(final.parent)
    lock = claim(out)
    try:
        with (
            Journal(final.parent, split, manifest, overwrite) as journal,
            ordered_map(workers, "labels people") as run,
        ):
            rest = [item for item in subjects.people.items() if item[0] not in journal.done]
            chunks = [rest[i : i + CHUNK] for i in range(0, len(rest), CHUNK)]
            for chunk in track(run(work, chunks), len(chunks)):
                bad = next((found for _, found in chunk if isinstance(found, str)), None)
                if bad and not skip_bad:
                    raise InputError(bad, "mend or replace it, or go on without it: --skip-bad")
                journal.append(chunk)
            return _finish(subjects, journal, final, manifest, copy_images)
    finally:
        lock.release()


@cache
def load_voters(teachers: Models, device: str = "cpu") -> Voters:
    """Load teachers, once in a process.

    Raises:
        InputError: one can't be loaded, or they have different keypoints.
    """
    from mvpose.runtime.load import load_runtime
    from mvpose.runtime.torch_runtime import TorchRuntime

    voters = [(load_runtime(model), weight) for model, weight in teachers]
    for (runtime, _), (model, _) in zip(voters, teachers, strict=True):
        if runtime.spec.skeleton.keypoints != voters[0][0].spec.skeleton.keypoints:
            raise InputError(
                f"{model} has other keypoints than {teachers[0][0]}",
                "teachers that label together must have the same keypoints",
            )
        if isinstance(runtime, TorchRuntime):
            runtime.model.to(device)
    return voters


def label_chunk(chunk: Chunk, teachers: Models, device: str, settings: LabelSettings) -> Labelled:
    """Label the people of a few images."""
    voters = load_voters(teachers, device)
    labelled: Labelled = []
    for image_id, subjects in chunk:
        try:
            rows = label_image(voters, subjects, settings)
        except InputError as error:
            labelled.append((image_id, error.what))
            continue
        ids = [subject.person.annotation_id for subject in subjects]
        labelled.append((image_id, dict(zip(ids, rows, strict=True))))
    return labelled


def _manifest(
    folder: Path,
    split: str,
    voters: Voters,
    settings: LabelSettings,
    boxes_xywh_px: Mapping[int, Floats] | None,
) -> Row:
    annotations, _ = find_split(folder, split)
    facts: list[dict[str, Any]] = [
        {
            "model": runtime.spec.name,
            "weight": weight,
            **{name: runtime.protocol[name] for name in TEACHER_FACTS if name in runtime.protocol},
        }
        for runtime, weight in voters
    ]
    boxes = json.dumps([[n, b.tolist()] for n, b in sorted((boxes_xywh_px or {}).items())])
    return {
        "teachers": facts,
        "settings": json.loads(settings.to_json()),
        "annotations": annotations.name,
        "annotations_sha256": sha256(annotations),
        "boxes_sha256": hashlib.sha256(boxes.encode()).hexdigest(),
    }


def _finish(
    subjects: Subjects, journal: Journal, final: Path, manifest: Row, copy_images: bool
) -> Labelling:
    """Write the annotation file, the images first, and remove the journal."""
    labels: Labels = {}
    skipped = []
    for found in journal.done.values():
        if isinstance(found, str):
            skipped.append(found)
        else:
            labels.update(found)
    if not labels:
        raise InputError(f"no image of {subjects.images} can be read", "is the folder whole?")
    document = labelled_document(subjects, labels, manifest)
    names = [row["file_name"] for row in document["images"]]
    split = final.stem.removeprefix("person_keypoints_")
    _place_images(subjects.images, final.parent.parent / split, names, copy_images)
    write_text(final, json.dumps(document))
    journal.path.unlink()
    people = sum(row["num_keypoints"] > 0 for row in labels.values())
    return Labelling(final, people, source_counts(labels), tuple(skipped))


def _place_images(source: Path, target: Path, names: Sequence[str], copy: bool) -> None:
    """Make the image folder: a link to the other data set's, or copies of what is not there yet.

    Raises:
        InputError: a link can't be made, or images can't be copied.
    """
    try:
        if target.is_symlink():
            target.unlink()
        if not copy:
            target.symlink_to(source.resolve(), target_is_directory=True)
            return
    except OSError as error:
        raise InputError(
            f"cannot link {target} to the images: {error.strerror}", "add --copy-images"
        ) from error
    for name in names:
        if (source / name).is_file() and not (target / name).is_file():
            with replacing(target / name) as temporary:
                shutil.copyfile(source / name, temporary)
