"""Any ONNX or TFLite detector of boxes, by its adapter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mvpose.errors import InputError
from mvpose.peers.adapter import DetectorAdapter, read_adapter, shipped, split_adapter
from mvpose.peers.network import ForeignFile

Floats = NDArray[np.float64]
Facts = dict[str, str | int | float]


@dataclass(frozen=True)
class Detections:
    """The people of a picture, best first: (N, 4) left, top, width, height in px, (N,) scores."""

    boxes_xywh_px: Floats
    scores: Floats


class Detector(Protocol):
    """Finds people.

    Attributes:
        protocol: what it is and from which score it counts a person.
    """

    protocol: Facts

    def detect(self, image: NDArray[np.uint8]) -> Detections:
        """The people of a picture (height, width, 3), RGB."""
        ...


class FileDetector:
    """A ``.tflite`` or ``.onnx`` file as a Detector.

    Args:
        path: the file.
        adapter: what it means.
        threads: of the CPU kernels.

    Raises:
        InputError: the file can't be loaded, or is not what the adapter says.
    """

    def __init__(self, path: Path, adapter: DetectorAdapter, threads: int = 1) -> None:
        self.adapter = adapter
        extra = (t for t in (adapter.scores, adapter.classes) if t is not None)
        self._file = ForeignFile(path, adapter.input, (adapter.boxes, *extra), threads)
        self.protocol: Facts = {
            "detector": adapter.name,
            "detector_file": path.name,
            "detector_sha256": self._file.protocol["sha256"],
            "detector_runtime": self._file.protocol["runtime"],
            "detector_score_floor": adapter.score_floor,
            "detector_iou_ceiling": adapter.iou_ceiling,
        }

    def detect(self, image: NDArray[np.uint8]) -> Detections:
        """As in ``Detector``.

        Raises:
            InputError: the network fails, gives NaN, or its output has not the adapter's shape.
        """
        picture, matrix = self.letterbox(image)
        outputs = self._file.run(picture[None])
        try:
            corners, scores = self._read(outputs)
        except (IndexError, ValueError) as error:
            shapes = ", ".join("x".join(map(str, output.shape[1:])) for output in outputs)
            raise InputError(
                f"the output {shapes} of {self._file.path} is not what the adapter "
                f"{self.adapter.name} says",
                "is it a detector? Check the adapter's outputs and columns",
            ) from error
        if not (np.isfinite(corners).all() and np.isfinite(scores).all()):
            raise InputError(
                f"{self._file.path} gives NaN or infinity", "its weights are damaged; copy it again"
            )
        scale, offset = np.diag(matrix[:, :2]), matrix[:, 2]
        limits = np.array(image.shape[1::-1], np.float64)
        low, high = (
            ((c - offset) / scale).clip(0, limits) for c in (corners[:, :2], corners[:, 2:])
        )
        kept = ((high - low) > 0).all(1)
        return self._best(np.concatenate([low, high - low], 1)[kept], scores[kept])

    def letterbox(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Floats]:
        """The network's (height, width, 3) picture, and the (2, 3) matrix from image edges to its.

        Every edge lies on a whole pixel, as resizing by a whole number of pixels has it.
        """
        given = self.adapter.input
        size = np.array([given.width_px, given.height_px])
        sides = np.array(image.shape[1::-1])
        inner = size
        if self.adapter.letterbox != "stretch":
            inner = np.maximum((sides * (size / sides).min()).round().astype(int), 1)
        left, top = (size - inner) // 2 if self.adapter.letterbox == "centre" else (0, 0)
        picture = np.full((size[1], size[0], 3), self.adapter.fill, np.uint8)
        resized = cv2.resize(image, (int(inner[0]), int(inner[1])), interpolation=cv2.INTER_LINEAR)
        picture[top : top + inner[1], left : left + inner[0]] = resized
        scale = inner / sides
        return picture, np.array([[scale[0], 0, left], [0, scale[1], top]], np.float64)

    def _read(self, outputs: list[NDArray[np.float32]]) -> tuple[Floats, Floats]:
        """Left, top, right, bottom (N, 4) in pixels of the network's picture, and scores (N,)."""
        adapter, (boxes, *extra) = self.adapter, outputs
        rows = boxes[0].T if adapter.columns_first else boxes.reshape(-1, boxes.shape[-1])
        column = {name: rows[:, i].astype(np.float64) for i, name in enumerate(adapter.columns)}
        scores = column["score"] if adapter.scores is None else extra[0].reshape(-1)
        people = np.ones(len(rows), bool)
        if adapter.classes is not None:
            people = extra[-1].reshape(-1) == adapter.person
        if "cx" in column:
            centre = np.stack([column["cx"], column["cy"]], 1)
            half = np.stack([column["w"], column["h"]], 1) / 2
            corners = np.concatenate([centre - half, centre + half], 1)
        else:
            corners = np.stack([column[name] for name in ("x1", "y1", "x2", "y2")], 1)
        if adapter.unit == "fraction":
            corners *= np.tile([adapter.input.width_px, adapter.input.height_px], 2)
        return corners[people], scores[people].astype(np.float64)

    def _best(self, boxes: Floats, scores: Floats) -> Detections:
        """Those above the floor that no better one overlaps."""
        floor, ceiling = self.adapter.score_floor, self.adapter.iou_ceiling
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), floor, ceiling)
        order = np.asarray(kept, int).reshape(-1)
        return Detections(boxes[order].reshape(-1, 4), scores[order])


def load_detector(
    detector: str, threads: int = 1, score_floor: float | None = None
) -> FileDetector:
    """Load a detector.

    Args:
        detector: ADAPTER:FILE, where ADAPTER is a shipped one's name or a path ending in .json.
        threads: of the CPU kernels.
        score_floor: in place of the adapter's.

    Raises:
        InputError: it names no adapter or file, or another kind of file.
    """
    adapter, path = split_adapter(detector)
    if adapter is None:
        raise InputError(
            f"{detector} names no adapter of a detector",
            f"write {shipped('detector')[0]}:FILE, or ADAPTER.json:FILE; see docs/peers.md",
        )
    found = read_adapter(adapter)
    if not isinstance(found, DetectorAdapter):
        raise InputError(
            f"{adapter.stem} is a pose network, no detector",
            f"shipped detectors: {', '.join(shipped('detector'))}",
        )
    if score_floor is not None:
        found = replace(found, score_floor=score_floor)
    return FileDetector(path, found, threads)
