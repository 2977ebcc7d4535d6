"""What an interrupted labelling has done, so that it goes on there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

from mvpose.data.pseudo_labels import Row
from mvpose.errors import InputError
from mvpose.files import unwritable

Labels = dict[int, Row]
"""By annotation id."""
Labelled = list[tuple[int, Labels | str]]
"""Image ids, each with its people's labels, or why it can't be read."""


class Journal:
    """The images that are done, one line each, after a line that says how they were labelled.

    Images that can't be read are done until the process ends.

    Args:
        folder: for the file.
        split: which annotations.
        manifest: how images are labelled; any JSON.
        overwrite: begin anew.

    Raises:
        InputError: on entry, where it was begun with another manifest or can't be written.
    """

    def __init__(self, folder: Path, split: str, manifest: Row, overwrite: bool) -> None:
        self.path = folder / f".pseudo-{split}.jsonl"
        self.done: dict[int, Labels | str] = {}
        self._head = manifest
        if overwrite:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        whole = self._read() if self.path.is_file() else b""
        try:
            self._file = self.path.open("r+b" if whole else "wb")
            self._file.truncate(len(whole))
            self._file.seek(len(whole))
            if not whole:
                self._write(json.dumps(self._head))
        except OSError as error:
            raise unwritable(self.path, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read(self) -> bytes:
        """The whole lines; what a killed run left of another is not used."""
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        try:
            head, *lines = [json.loads(line) for line in whole.splitlines()] or [self._head]
        except ValueError as error:
            raise InputError(f"{self.path} is damaged: {error}", "add --overwrite") from error
        if head != self._head:
            raise InputError(
                f"{self.path.parent.parent} was begun with other teachers, settings or data",
                "repeat the first command, choose another folder with --out, or add --overwrite",
            )
        for image_id, found in lines:
            if isinstance(found, dict):
                self.done[image_id] = {int(number): row for number, row in found.items()}
        return whole

    def append(self, labelled: Labelled) -> None:
        try:
            for item in labelled:
                self._write(json.dumps(item))
        except OSError as error:
            raise unwritable(self.path, error) from error
        self.done.update(labelled)

    def _write(self, line: str) -> None:
        self._file.write(line.encode() + b"\n")
        self._file.flush()
