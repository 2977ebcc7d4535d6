"""Boxes that a user gives on the command line or in a file, or that a detector finds."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from mvpose.errors import InputError

if TYPE_CHECKING:
    from mvpose.detection.detector import Detector

LOWEST_SCORE = 0.3


@dataclass(frozen=True)
class BoxSource:
    """The boxes of pictures.

    Attributes:
        origin: where they come from, for the protocol.
        everywhere: boxes x, y, w, h for every picture; None where they differ or are unknown.
        by_picture: boxes by file name, or by image id in decimal; None without a file.
        detector: finds them; None without one.
    """

    origin: str
    everywhere: list[list[float]] | None = None
    by_picture: dict[str, list[list[float]]] | None = None
    detector: Detector | None = None

    @classmethod
    def read(
        cls, given: list[str] | None, file: Path | None, detector: Detector | None = None
    ) -> Self:
        """From ``--box``, ``--boxes`` and ``--detector``, of which one at most is there.

        Raises:
            InputError: a box is not four numbers, or the file is unreadable or empty.
        """
        if given:
            return cls("given", everywhere=[_parse(text) for text in given])
        if detector is not None:
            return cls(_describe(detector), detector=detector)
        if file is None:
            return cls("from the whole picture, refined by the keypoints")
        rows = _rows(file)
        found: dict[str, list[list[float]]] = {}
        for row in rows:
            boxes = found.setdefault(_key(row, file), [])
            if _score(row, file) >= LOWEST_SCORE and row.get("category_id", 1) == 1:
                boxes.append(_numbers(row.get("bbox"), f"a bbox in {file}"))
        return cls(file.name, by_picture=found)

    def of(
        self, picture: Path, image: NDArray[np.uint8] | None = None
    ) -> NDArray[np.float64] | None:
        """The boxes (N, 4) of a picture, N = 0 where there are none; None where unknown.

        A detector needs the picture itself as well, (height, width, 3) RGB.
        COCO file names are ids filled up with zeros: 000000000139.jpg is image 139.
        """
        if self.everywhere is not None:
            return np.array(self.everywhere, np.float64)
        if self.detector is not None and image is not None:
            return self.detector.detect(image).boxes_xywh_px
        if self.by_picture is None:
            return None
        digits = picture.stem.rpartition("_")[2]
        keys = [picture.name, str(picture), str(int(digits)) if digits.isdecimal() else ""]
        boxes = next((self.by_picture[key] for key in keys if key in self.by_picture), [])
        return np.array(boxes, np.float64).reshape(-1, 4)


def _describe(detector: Detector) -> str:
    facts = detector.protocol
    return (
        f"{facts['detector']} {facts['detector_file']}, SHA-256 {facts['detector_sha256']}, scores "
        f"of {facts['detector_score_floor']:g} and more, IoU of {facts['detector_iou_ceiling']:g} "
        "at most"
    )


def _parse(text: str) -> list[float]:
    return _numbers(text.split(","), f"--box {text}")


def _numbers(values: Any, what: str) -> list[float]:
    try:
        box = [float(value) for value in values]
    except (TypeError, ValueError):
        box = []
    if len(box) != 4 or not all(math.isfinite(value) for value in box):
        raise InputError(f"{what} is not four numbers", "write x,y,w,h in pixels")
    return box


def _score(row: dict[str, Any], file: Path) -> float:
    try:
        return float(row.get("score", 1))
    except (TypeError, ValueError) as error:
        raise InputError(f"a score in {file} is no number", "give scores from 0 to 1") from error


def _rows(file: Path) -> list[dict[str, Any]]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the boxes {file}: {error}", "check the path") from error
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise InputError(
            f"{file} is no list of boxes", "expected JSON objects of file_name (or image_id), bbox"
        )
    return rows


def _key(row: dict[str, Any], file: Path) -> str:
    for field in ("file_name", "image_id"):
        if field in row:
            return str(row[field])
    raise InputError(f"a box in {file} names no picture", "add file_name or image_id")
