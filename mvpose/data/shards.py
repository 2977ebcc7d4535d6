"""People read out of packed shards, in any order, by any number of processes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from mvpose.data.crops import PersonCrop
from mvpose.data.merge import map_keypoints
from mvpose.data.shard_index import BLOCK, Member, ShardIndex, damaged, read_index
from mvpose.errors import InputError
from mvpose.spec import Skeleton

MOST_OPEN_FILES = 128


@dataclass(frozen=True)
class ShardCrops:
    """People from the shards of a folder, in the order of their annotation file.

    Attributes:
        folder: where the shards lie.
        index: their table of contents.
        skeleton: the keypoints to return; others are left out, missing ones are unlabelled.
        order: (K,) for each of these its number in the shards, -1 where they lack it.
        members: (N, 5) number of the shard and what ``Member`` says.
    """

    folder: Path
    index: ShardIndex
    skeleton: Skeleton
    order: NDArray[np.int64]
    members: NDArray[np.int64]
    _files: dict[int, BinaryIO] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(
        cls,
        folder: Path,
        split: str,
        skeleton: Skeleton | None = None,
        rename: dict[str, str] | None = None,
    ) -> Self:
        """Open a packed split.

        Args:
            folder, split: what ``mvpose-data pack`` wrote.
            skeleton: map the keypoints onto these by name; None keeps those of the shards.
            rename: names in the shards and what they are called in ``skeleton``.

        Raises:
            InputError: as ``read_index``, or its keypoints don't fit ``skeleton``.
        """
        index = read_index(folder, split)
        target = skeleton or index.skeleton
        try:
            order = map_keypoints(index.skeleton.keypoints, target.keypoints, rename).source
        except InputError as error:
            raise InputError(f"{folder}: {error.what}", error.hint) from error
        rows = [(n, *member) for n, shard in enumerate(index.shards) for member in shard.members]
        return cls(folder, index, target, order, np.array(rows, np.int64).reshape(-1, 5))

    def __len__(self) -> int:
        return len(self.members)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": {}}

    def __getitem__(self, index: int) -> PersonCrop:
        """Raises InputError where the shard is not as it was packed."""
        jpg, row = self.read(index)
        image = cv2.imdecode(np.frombuffer(jpg, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise damaged(self._path(index), f"the picture of {row['annotation_id']} is damaged")
        keypoints = np.array([*row["keypoints_px"], [0, 0, 0]], np.float64)[self.order]
        return PersonCrop(
            cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False),
            keypoints,
            np.array(row["box_xywh_px"], np.float64),
            np.array(row["image_to_crop"], np.float64),
        )

    def read(self, index: int) -> tuple[bytes, dict[str, Any]]:
        """The JPEG file and the description of a person.

        Raises:
            InputError: the shard is not as it was packed.
        """
        number, *rest = self.members[index].tolist()
        member = Member(*rest)
        path = self._path(index)
        end = member.json_offset + BLOCK + member.json_bytes
        try:
            block = os.pread(self._file(number).fileno(), end - member.offset, member.offset)
        except OSError as error:
            raise damaged(path, error.strerror or str(error)) from error
        name = f"{member.annotation_id}.jpg".encode()
        if len(block) != end - member.offset or block[:100].rstrip(b"\0") != name:
            raise damaged(path, f"it does not hold {name.decode()} where the index says")
        try:
            description = json.loads(block[-member.json_bytes :])
        except ValueError as error:
            raise damaged(path, f"the description of {member.annotation_id}: {error}") from error
        return block[BLOCK : BLOCK + member.jpg_bytes], description

    def name(self, index: int) -> str:
        """Where a person comes from, for messages."""
        number, annotation_id = self.members[index, :2]
        return f"{self.folder / self.index.shards[number].name} (annotation {annotation_id})"

    def _path(self, index: int) -> Path:
        return self.folder / self.index.shards[self.members[index, 0]].name

    def _file(self, number: int) -> BinaryIO:
        """The open shard; positioned reads let processes share it."""
        if number not in self._files:
            if len(self._files) >= MOST_OPEN_FILES:
                self._files.pop(next(iter(self._files))).close()
            self._files[number] = (self.folder / self.index.shards[number].name).open("rb", 0)
        return self._files[number]
