"""Images that can't be trained on: missing, empty, cut off, corrupt, or beside their boxes."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mvpose.data.images import read_image
from mvpose.errors import InputError

if TYPE_CHECKING:
    from mvpose.data.coco import KeypointData, Person

LISTED = 5
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
ZERO_TAIL_BYTES = 512


@dataclass(frozen=True)
class BadImage:
    """An image that can't be used, or not for everyone in it.

    Attributes:
        image: the file.
        problem: what is wrong with it.
        annotation_ids: the people who are lost with it.
    """

    image: Path
    problem: str
    annotation_ids: tuple[int, ...]


def missing_images(people: Iterable[Person]) -> list[BadImage]:
    """The images that are no files, each looked for once."""
    return [
        BadImage(image, "missing", tuple(person.annotation_id for person in shown))
        for image, shown in _by_image(people).items()
        if not image.is_file()
    ]


def check_images(
    people: Iterable[Person],
    full: bool = False,
    workers: int = 8,
    track: Callable[[Iterable[Path]], Iterable[Path]] = iter,
) -> list[BadImage]:
    """Look at every image file once.

    Args:
        people: whose images.
        full: decode all pixels. Otherwise an image is taken for whole by its header, its checksums
            (PNG) and its end (JPEG), and decoded only where these leave a doubt: that finds files
            that were cut off, but not damage within a JPEG.
        workers: threads.
        track: wraps the images, to show progress.

    Returns:
        The bad ones, in the order of the people.
    """
    by_image = _by_image(people)
    pool = ThreadPoolExecutor(workers)
    try:
        found = pool.map(lambda item: _inspect(item[0], item[1], full), by_image.items())
        return [bad for _, bad in zip(track(by_image), found, strict=True) if bad]
    finally:
        pool.shutdown(cancel_futures=True)


def settle(data: KeypointData, bad: Sequence[BadImage], skip_bad: bool) -> KeypointData:
    """Refuse bad images, or go on without them and say so in one line.

    Raises:
        InputError: there are bad images and they may not be skipped, or nobody is left.
    """
    if not bad:
        return data
    lost = {number for item in bad for number in item.annotation_ids}
    people = [person for person in data.people if person.annotation_id not in lost]
    total = len({person.image for person in data.people})
    named = ", ".join(f"{item.image} ({item.problem})" for item in bad[:LISTED])
    what = (
        f"{data.annotations}: {len(bad)} of {total} images are bad, with "
        f"{len(data.people) - len(people)} of {len(data.people)} people: {named}"
        + (", ..." if len(bad) > LISTED else "")
    )
    if not people:
        raise InputError(what, "do the images lie in another folder?")
    if not skip_bad:
        raise InputError(what, "fetch or mend them, or go on without these people with --skip-bad")
    from mvpose.cli import note

    note(f"left out: {what}")
    return replace(data, people=people)


def _by_image(people: Iterable[Person]) -> dict[Path, list[Person]]:
    found = defaultdict(list)
    for person in people:
        found[person.image].append(person)
    return found


def _inspect(image: Path, people: Sequence[Person], full: bool) -> BadImage | None:
    everyone = tuple(person.annotation_id for person in people)
    boxes = np.stack([person.box_xywh_px for person in people])
    try:
        with image.open("rb") as file:
            if _ends_in_zeros(file):
                return BadImage(image, "ends in zeros: an interrupted copy", everyone)
            size = None if full else _sound_size_wh(file)
        if size is None or _outside(boxes, size).any():
            height, width = read_image(image).shape[:2]
            size = width, height
    except (InputError, OSError) as error:
        return BadImage(image, _cause(image, error), everyone)
    outside = _outside(boxes, size)
    if not outside.any():
        return None
    problem = f"{outside.sum()} of {len(boxes)} boxes outside its {size[0]} x {size[1]} pixels"
    return BadImage(image, problem, tuple(np.array(everyone)[outside].tolist()))


def _ends_in_zeros(file: BinaryIO) -> bool:
    """Whether a JPEG breaks off into zeros, which decoders take for grey pixels."""
    if file.read(2) != JPEG_START or file.seek(0, os.SEEK_END) < ZERO_TAIL_BYTES:
        return False
    file.seek(-ZERO_TAIL_BYTES, os.SEEK_END)
    if any(file.read()):
        return False
    file.seek(0)
    return not file.read().rstrip(b"\0").endswith(JPEG_END)


def _sound_size_wh(file: BinaryIO) -> tuple[int, int] | None:
    """Size, without EXIF rotation, of a file that is surely a whole picture; else None."""
    from PIL import Image

    file.seek(0)
    try:
        with Image.open(file) as picture:
            size = picture.size
            picture.verify()
        file.seek(0)
        if file.read(2) == JPEG_START:
            file.seek(-2, os.SEEK_END)
            return size if file.read() == JPEG_END else None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return size


def _outside(boxes_xywh_px: NDArray[np.float64], size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Which boxes (N, 4) share no area with the picture."""
    low, high = boxes_xywh_px[:, :2], boxes_xywh_px[:, :2] + boxes_xywh_px[:, 2:]
    return np.asarray(((high <= 0) | (low >= size_wh)).any(1))


def _cause(path: Path, error: Exception) -> str:
    from PIL import UnidentifiedImageError

    if not path.is_file():
        return "missing"
    if not path.stat().st_size:
        return "empty"
    cause = error.__cause__ or error
    return "not a picture" if isinstance(cause, UnidentifiedImageError) else str(cause)
