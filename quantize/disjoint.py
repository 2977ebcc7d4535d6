"""Proof that two sets of pictures share none, not even re-encoded or resized."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass as record

from mvpose.data.images import read_image
from mvpose.errors import InputError
from mvpose.files import sha256
from mvpose.spec import FROZEN, Record

LOOK_SIDE, LOOK_BITS = 32, 64
SAME_LOOK_BITS = 6


@record(frozen=True, config=FROZEN)
class Disjointness(Record):
    """What was compared to prove that no picture calibrates and evaluates.

    Attributes:
        evaluation: the annotation file of the evaluation data.
        images, evaluation_images: pictures whose hashes were compared, each with each.
        nearest_bits: fewest of 64 bits by which the looks of two of them differ.
        limit_bits: two that differ by so many or fewer count as the same picture.
    """

    evaluation: str
    images: int
    evaluation_images: int
    nearest_bits: int
    limit_bits: int = SAME_LOOK_BITS


@dataclass(frozen=True)
class Fingerprints:
    """Hashes of N picture files.

    Attributes:
        names: of the files.
        sha256: of their bytes.
        looks: (N, 64) bits: which of the lowest 8 x 8 frequencies of the grey picture at 32 x 32
            are above their median (Zauner, "Implementation and Benchmarking of Perceptual Image
            Hash Functions", 2010). Re-encoding (JPEG quality 30) and resizing (to a fifth) change
            up to 6 of them, unrelated photographs of COCO differ by 14 and more. Mirrored and
            cropped copies are not found.
    """

    names: tuple[str, ...]
    sha256: tuple[str, ...]
    looks: NDArray[np.bool_]

    @classmethod
    def of(cls, images: Sequence[Path]) -> Fingerprints:
        """Read the files, each once.

        Raises:
            InputError: one is no picture.
        """
        unique = list(dict.fromkeys(images))
        with ThreadPoolExecutor() as pool:
            found = dict(zip(unique, pool.map(_fingerprint, unique), strict=True))
        return cls(
            tuple(image.name for image in images),
            tuple(found[image][0] for image in images),
            np.array([found[image][1] for image in images], bool).reshape(-1, LOOK_BITS),
        )

    @property
    def images(self) -> int:
        """How many different files."""
        return len(set(self.sha256))


def prove_disjoint(
    own: Fingerprints, other: Fingerprints, source: str, evaluation: str
) -> Disjointness:
    """Compare the pictures of a calibration set, at least one, with those that evaluate it.

    Args:
        own, other: of the two.
        source, evaluation: their annotation files, for messages.

    Raises:
        InputError: one of them is in both; names it.
    """
    files = dict(zip(other.sha256, other.names, strict=True))
    for name, digest in zip(own.names, own.sha256, strict=True):
        if digest in files:
            raise InputError(
                f"{name} of {source} would calibrate, but it is {files[digest]} of {evaluation}, "
                "which evaluates: the files are the same (SHA-256)",
                "calibrate on the training split, or take the picture out of one of them",
            )
    signs, others = (2 * f.looks.astype(np.float32) - 1 for f in (own, other))
    bits = ((LOOK_BITS - signs @ others.T) / 2).astype(int)  # [own, other]
    i, j = np.unravel_index(bits.argmin(), bits.shape)
    nearest = int(bits[i, j])
    if nearest <= SAME_LOOK_BITS:
        raise InputError(
            f"{own.names[i]} of {source} would calibrate, but it looks the same as "
            f"{other.names[j]} of {evaluation}, which evaluates: their hashes differ in {nearest} "
            f"of {LOOK_BITS} bits",
            "take the copy out of one of them, or choose other people with --seed",
        )
    return Disjointness(evaluation, own.images, other.images, nearest)


def read_grey(path: Path) -> NDArray[np.uint8]:
    """Luma (height, width), 0..255, of any picture, upright; a fraction of a colour read's time.

    Raises:
        InputError: the file is no picture.
    """
    try:
        grey = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE)
    except (OSError, cv2.error):
        grey = None
    if grey is None:
        grey = cv2.cvtColor(read_image(path), cv2.COLOR_RGB2GRAY)
    return np.asarray(grey, np.uint8)


def _fingerprint(path: Path) -> tuple[str, NDArray[np.bool_]]:
    small = cv2.resize(read_grey(path), (LOOK_SIDE, LOOK_SIDE), interpolation=cv2.INTER_AREA)
    frequencies = cv2.dct(small.astype(np.float32))[:8, :8].ravel()
    return sha256(path), frequencies > np.median(frequencies)
