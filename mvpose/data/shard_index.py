"""Packed person crops: plain tar files in WebDataset's convention, and an index.

A shard ``<split>-000000.tar`` holds, for each person, ``<annotation id>.jpg`` and
``<annotation id>.json``, so that ``tar xf`` and the webdataset package read it as well. The index
``<split>-index.json`` is written last; it says where each person lies, so that people can be read
in any order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field, NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass as record

from mvpose.data.crops import Cut
from mvpose.errors import InputError
from mvpose.files import sha256
from mvpose.spec import FROZEN, Record, Skeleton

BLOCK = 512
SCHEMA = 1


class Member(NamedTuple):
    """A person in a shard: the .jpg begins at ``offset`` with its tar header, the .json follows."""

    annotation_id: int
    offset: NonNegativeInt
    jpg_bytes: PositiveInt
    json_bytes: PositiveInt

    @property
    def json_offset(self) -> int:
        """Where the tar header of the .json begins."""
        return self.offset + BLOCK + -(-self.jpg_bytes // BLOCK) * BLOCK


@record(frozen=True, config=FROZEN)
class Shard(Record):
    """One tar file.

    Attributes:
        name: file name.
        size_bytes, sha256: of the file.
        members: its people.
    """

    name: str
    size_bytes: PositiveInt
    sha256: str
    members: tuple[Member, ...]


@record(frozen=True, config=FROZEN)
class PackSettings(Record):
    """What decides the bytes of the shards.

    Attributes:
        split: which annotations.
        annotations: name of the annotation file.
        annotations_sha256: of that file.
        listed: its people with labels.
        cut: how much is kept about a person.
        jpeg_quality: 1..100.
        shard_people: people per shard.
    """

    split: str
    annotations: str
    annotations_sha256: str
    listed: PositiveInt
    cut: Cut = Cut()
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 92
    shard_people: PositiveInt = 2000


@record(frozen=True, config=FROZEN)
class ShardIndex(Record):
    """The table of contents of a packed split.

    Attributes:
        settings: how it was packed.
        skeleton: the meaning of the keypoints.
        shards: the tar files so far; all of them in ``<split>-index.json``.
        skipped: people left out because their picture is bad, and why.
        people: in all shards.
        schema: version of this file.
    """

    settings: PackSettings
    skeleton: Skeleton
    shards: tuple[Shard, ...]
    skipped: tuple[str, ...]
    people: NonNegativeInt
    schema: int = SCHEMA


def index_path(folder: Path, split: str) -> Path:
    """The index of a packed split."""
    return folder / f"{split}-index.json"


def unfinished_path(folder: Path, split: str) -> Path:
    """The index of a split that is not wholly packed yet."""
    return folder / f"{split}-unfinished.json"


def is_packed(folder: Path, split: str) -> bool:
    """Whether a folder holds shards of a split, finished or not."""
    return index_path(folder, split).is_file() or unfinished_path(folder, split).is_file()


def read_index(folder: Path, split: str) -> ShardIndex:
    """Read the index of a packed split and see that every shard is there in its full length.

    Raises:
        InputError: the split is not packed, or not to the end, or a shard is missing or has
            another length than when it was packed.
    """
    path = index_path(folder, split)
    if not path.is_file():
        if unfinished_path(folder, split).is_file():
            raise InputError(
                f"the packing of the split {split!r} in {folder} was interrupted",
                "repeat the mvpose-data pack command; it goes on where it stopped",
            )
        raise InputError(
            f"no packed split {split!r} in {folder}", f"mvpose-data pack DIR -o {folder}"
        )
    index = parse_index(path)
    check_lengths(index, folder)
    if index.people != sum(len(shard.members) for shard in index.shards):
        raise damaged(path, "it counts other people than it lists")
    return index


def parse_index(path: Path) -> ShardIndex:
    """Read an index, finished or not.

    Raises:
        InputError: it is unreadable or of a newer version.
    """
    try:
        text = path.read_bytes()
        schema = json.loads(text)["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, str(error)) from error
    if schema != SCHEMA:
        raise InputError(
            f"{path} has version {schema} of the format, not {SCHEMA}", "install a newer mvpose"
        )
    try:
        return ShardIndex.from_json(text)
    except InputError as error:
        raise damaged(path, error.what) from error


def check_shards(
    folder: Path, split: str, track: Callable[[Iterable[Shard]], Iterable[Shard]] = iter
) -> tuple[ShardIndex, list[str]]:
    """Read every byte of a packed split.

    Returns:
        its index, and a line for each shard that is not as it was packed.

    Raises:
        InputError: as ``read_index``.
    """
    index = read_index(folder, split)
    problems = [
        f"{folder / shard.name} has changed since it was packed"
        for shard in track(index.shards)
        if sha256(folder / shard.name) != shard.sha256
    ]
    return index, problems


def check_lengths(index: ShardIndex, folder: Path) -> None:
    """See that every shard of an index is there in its full length.

    Raises:
        InputError: one is missing, or has another length than when it was packed.
    """
    for shard in index.shards:
        path = folder / shard.name
        size = path.stat().st_size if path.is_file() else 0
        if size != shard.size_bytes:
            raise damaged(path, f"it has {size} bytes, not {shard.size_bytes}")


def damaged(path: Path, why: str) -> InputError:
    """The error for a shard or index that is not as it was written."""
    return InputError(
        f"{path} is not as it was packed: {why}",
        f"pack it again: mvpose-data pack DIR -o {path.parent} --overwrite",
    )
