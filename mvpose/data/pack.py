"""Packing a split into shards: in parallel, repeatable to the byte, and resumable."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mvpose.codec.affine import transform
from mvpose.data.coco import KeypointData, Person, read_document
from mvpose.data.crops import Cut, cut_person
from mvpose.data.images import read_image
from mvpose.data.shard_index import (
    Member,
    PackSettings,
    Shard,
    ShardIndex,
    check_lengths,
    index_path,
    parse_index,
    unfinished_path,
)
from mvpose.data.workers import ordered_map
from mvpose.errors import InputError
from mvpose.files import check_writable, replacing, sha256, write_text

CHUNK = 16
KEPT_AS_THEY_ARE = ("source", "confidence", "quality")
TEACHER = "teacher"


class BadPicture(str):
    """In place of an encoded person: why their picture can't be read."""


Labelled = tuple[Person, dict[str, Any]]
Encoded = tuple[bytes, bytes] | BadPicture
Track = Callable[[Iterable[Encoded], int], Iterable[Encoded]]


def pack_settings(
    data: KeypointData,
    split: str,
    cut: Cut,
    jpeg_quality: int,
    shard_people: int,
) -> PackSettings:
    """The settings for a split, with the hash of its annotation file."""
    return PackSettings(
        split=split,
        annotations=data.annotations.name,
        annotations_sha256=sha256(data.annotations),
        listed=len(data.people),
        cut=cut,
        jpeg_quality=jpeg_quality,
        shard_people=shard_people,
    )


def pack(
    data: KeypointData,
    out: Path,
    settings: PackSettings,
    workers: int = 1,
    skip_bad: bool = False,
    overwrite: bool = False,
    track: Track = lambda people, _total: people,
) -> ShardIndex:
    """Write the people of a split as shards, or go on after the last whole shard.

    Args:
        data: the split, with its own keypoints.
        out: folder for the shards.
        settings: from ``pack_settings``.
        workers: processes that read and encode pictures.
        skip_bad: leave out people whose picture can't be read, instead of stopping.
        overwrite: pack anew, whatever ``out`` holds of this split.
        track: wraps the people, given their number, to show progress.

    Returns:
        the index, as written.

    Raises:
        InputError: a picture is bad, ``out`` can't be written or was packed otherwise, or a
            process died.
    """
    check_writable(out)
    final, unfinished = index_path(out, settings.split), unfinished_path(out, settings.split)
    _remove(out, settings.split, everything=overwrite)
    index = ShardIndex(settings, data.skeleton, (), (), 0)
    for path in (final, unfinished):
        if path.is_file():
            index = parse_index(path)
            _check_same(index, settings, out)
            check_lengths(index, out)
    if final.is_file():
        return index
    step = settings.shard_people
    labelled = _labelled(data)[len(index.shards) * step :]
    parts = [labelled[start : start + step] for start in range(0, len(labelled), step)]
    encode = partial(encode_people, settings=settings)
    with ordered_map(workers, "encodes pictures") as run:
        chunks = chain.from_iterable(run(encode, _chunks(part)) for part in parts)
        encoded = iter(track(chain.from_iterable(chunks), len(labelled)))
        for part in parts:
            path = out / f"{settings.split}-{len(index.shards):06d}.tar"
            people = list(zip(part, islice(encoded, len(part)), strict=True))
            bad = [str(row) for _, row in people if isinstance(row, BadPicture)]
            if bad and not skip_bad:
                raise InputError(bad[0], "mend or replace it, or leave such people out: --skip-bad")
            shard = _write_shard(
                path,
                [(p.annotation_id, *row) for (p, _), row in people if isinstance(row, tuple)],
            )
            index = replace(
                index,
                shards=(*index.shards, shard),
                skipped=(*index.skipped, *bad),
                people=index.people + len(shard.members),
            )
            write_text(unfinished, index.to_json())
    if not index.people:
        raise InputError(f"no picture of {data.annotations} can be read", "is the folder whole?")
    unfinished.replace(final)
    return index


def people_packed(out: Path, split: str) -> int:
    """How many people of an unfinished split lie in whole shards."""
    path = unfinished_path(out, split)
    return parse_index(path).people if path.is_file() else 0


def encode_people(people: list[Labelled], settings: PackSettings) -> list[Encoded]:
    """The JPEG and the JSON of people; those of one picture should follow each other."""
    encoded: list[Encoded] = []
    path, image = None, np.empty((0, 0, 3), np.uint8)
    for person, extra in people:
        try:
            if person.image != path:
                image, path = read_image(person.image), person.image
        except InputError as error:
            encoded.append(BadPicture(f"annotation {person.annotation_id}: {error.what}"))
            continue
        encoded.append(_encode(image, person, extra, settings))
    return encoded


def _encode(
    image: np.ndarray[Any, np.dtype[np.uint8]],
    person: Person,
    extra: dict[str, Any],
    settings: PackSettings,
) -> tuple[bytes, bytes]:
    crop = cut_person(image, person, settings.cut)
    bgr = np.ascontiguousarray(crop.image[..., ::-1])
    jpg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, settings.jpeg_quality])[1]
    description = {
        "annotation_id": person.annotation_id,
        "image_id": person.image_id,
        "image": person.image.name,
        "keypoints_px": crop.keypoints_px.round(3).tolist(),
        "box_xywh_px": crop.box_xywh_px.round(3).tolist(),
        "area_image_px": person.area_px,
        "image_to_crop": crop.matrix.round(6).tolist(),
        **extra,
    }
    if TEACHER in extra:
        points = np.array(extra[TEACHER], np.float64).reshape(-1, 3)
        points[:, :2] = transform(crop.matrix, points[:, :2])
        description[TEACHER] = points.round(3).tolist()
    return jpg.tobytes(), json.dumps(description, separators=(",", ":")).encode()


def _labelled(data: KeypointData) -> list[Labelled]:
    """The people, each with what their annotation says about where the labels come from."""
    rows = {row["id"]: row for row in read_document(data.annotations)["annotations"]}
    labelled = []
    seen: set[int] = set()
    for person in data.people:
        row = rows.get(person.annotation_id, {})
        if person.annotation_id in seen:
            raise InputError(
                f"{data.annotations} uses the annotation id {person.annotation_id} twice",
                "number the annotations anew",
            )
        seen.add(person.annotation_id)
        extra = {name: row[name] for name in KEPT_AS_THEY_ARE if name in row}
        if len(row.get(TEACHER) or ()) == 3 * len(data.skeleton.keypoints):
            extra[TEACHER] = row[TEACHER]
        labelled.append((person, extra))
    return labelled


def _chunks(people: list[Labelled]) -> Iterator[list[Labelled]]:
    return (people[start : start + CHUNK] for start in range(0, len(people), CHUNK))


def _write_shard(path: Path, people: list[tuple[int, bytes, bytes]]) -> Shard:
    members = []
    with replacing(path) as temporary:
        with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
            for number, jpg, description in people:
                members.append(Member(number, tar.offset, len(jpg), len(description)))
                for name, content in ((f"{number}.jpg", jpg), (f"{number}.json", description)):
                    info = tarfile.TarInfo(name)  # owner, group and time are 0
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
        size, digest = temporary.stat().st_size, sha256(temporary)
    return Shard(path.name, size, digest, tuple(members))


def _check_same(index: ShardIndex, settings: PackSettings, out: Path) -> None:
    """Refuse to mix two packs."""
    old, new = asdict(index.settings), asdict(settings)
    names = [name for name in new if old[name] != new[name]]
    if names:
        raise InputError(
            f"{out} was packed otherwise: {names[0]} {old[names[0]]}, not {new[names[0]]}",
            "repeat the first command, choose another folder with --out, or add --overwrite",
        )


def _remove(out: Path, split: str, everything: bool) -> None:
    """Remove what a killed run left half-written, or everything of a split, the index first."""
    old = [index_path(out, split), unfinished_path(out, split), *out.glob(f"{split}-[0-9]*.tar")]
    for path in [*(old if everything else ()), *out.glob(f".{split}-*")]:
        path.unlink(missing_ok=True)
