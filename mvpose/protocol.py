"""How accuracy is measured: the switches that reproduce what others publish."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt
from pydantic.dataclasses import dataclass

from mvpose.data.coco import KeypointData, read_document
from mvpose.errors import InputError
from mvpose.results import Boxes
from mvpose.runtime.base import Runtime
from mvpose.spec import FROZEN, ModelSpec, Network, Record

SINGLE_PERSON = "images annotated with exactly one person, who has labelled keypoints"
DETECTOR_SCORE = 0.1
"""Lower than for pictures that are looked at: AP counts faint people too."""
Rule = Literal["dark", "quarter", "argmax"]
Track = Callable[[Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True, config=FROZEN)
class Protocol(Record):
    """The switches of an evaluation; the defaults are each model's own.

    Attributes:
        boxes: "gt" for the annotated boxes, or a file of COCO detection results.
        detector: ADAPTER:FILE of a detector, whose boxes are taken in all images of the split.
        detector_score: boxes with a lower score are left out; None is ``DETECTOR_SCORE``.
        flip: average with mirrored crops.
        decode: how all models' heatmaps are read.
        input_size: "HEIGHTxWIDTH" in pixels, as papers write it, of all models' crops.
        single_person: only images annotated with exactly one person, who has labelled keypoints
            (MoveNet's published figures; a crowd counts as a person without labels).
        limit: only the first so many images.
    """

    boxes: str = "gt"
    detector: str | None = None
    detector_score: float | None = None
    flip: bool = False
    decode: Rule | None = None
    input_size: str | None = None
    single_person: bool = False
    limit: PositiveInt | None = None

    def check(self) -> None:
        """Raise InputError where switches exclude each other or the size is none."""
        if self.detector is not None and self.boxes != "gt":
            raise InputError("--boxes and --detector exclude each other", "leave one out")
        if self.detector is None and self.detector_score is not None:
            raise InputError("--detector-score needs a detector", "add --detector ADAPTER:FILE")
        if self.input_size is not None:
            parse_size(self.input_size)

    @property
    def facts(self) -> dict[str, str | int]:
        """What an accuracy's protocol does not tell otherwise."""
        facts: dict[str, str | int] = {}
        if self.single_person:
            facts["subset"] = SINGLE_PERSON
        if self.limit:
            facts["limit"] = self.limit
        return facts

    def runtime(self, runtime: Runtime) -> Runtime:
        """The runtime with its input size and decode rule.

        Raises:
            InputError: the model has one size only, or gives no heatmaps.
        """
        if self.input_size is not None:
            runtime = with_input_size(runtime, *parse_size(self.input_size))
        return runtime if self.decode is None else with_decode(runtime, self.decode)

    def data(self, data: KeypointData, folder: Path) -> KeypointData:
        """The data of the images wanted; their annotations are written into ``folder``.

        Raises:
            InputError: no image shows one person.
        """
        if self.single_person:
            data = single_person_images(data, folder)
        return first_images(data, self.limit, folder) if self.limit else data

    def find_boxes(
        self, data: KeypointData, threads: int = 1, track: Track = iter
    ) -> Path | Boxes | None:
        """For ``evaluation.evaluate``; a detector runs here, once for all models.

        Raises:
            InputError: the detector can't be used, or finds nobody.
        """
        if self.detector is None:
            return None if self.boxes == "gt" else Path(self.boxes)
        from mvpose.detection.dataset import detect_people
        from mvpose.detection.detector import load_detector

        floor = DETECTOR_SCORE if self.detector_score is None else self.detector_score
        detector = load_detector(self.detector, threads, floor)
        return detect_people(detector, data, track)


class Respecified:
    """A runtime whose heatmaps mean what another spec says."""

    def __init__(self, runtime: Runtime, spec: ModelSpec) -> None:
        self._runtime = runtime
        self.spec = spec
        self.protocol = runtime.protocol

    def heatmaps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As in ``Runtime``."""
        return self._runtime.heatmaps(images)


def with_decode(runtime: Runtime, method: Rule) -> Runtime:
    """The runtime with another decode rule.

    Raises:
        InputError: the network gives coordinates.
    """
    spec = runtime.spec
    if spec.decode.method == "coordinates":
        raise InputError(
            f"--decode {method} can't be applied to {_name(runtime)}: it gives coordinates",
            "leave --decode out",
        )
    return Respecified(runtime, replace(spec, decode=replace(spec.decode, method=method)))


def with_input_size(runtime: Runtime, height_px: int, width_px: int) -> Runtime:
    """The float MobileViTPose on crops of another size.

    Raises:
        InputError: the model has one size only, or the sides are no multiples of 32.
    """
    from mvpose.runtime.torch_runtime import TorchRuntime

    spec = runtime.spec
    if not isinstance(runtime, TorchRuntime) or not isinstance(spec.network, Network):
        width, height = spec.preprocess.size_wh
        raise InputError(
            f"{_name(runtime)} takes crops of {height}x{width} alone",
            "--input-size is for checkpoints of MobileViTPose",
        )
    if height_px % 32 or width_px % 32:
        raise InputError(
            f"the input size {height_px}x{width_px} is no multiple of 32", "try 256x192"
        )
    preprocess = replace(spec.preprocess, input_width_px=width_px, input_height_px=height_px)
    return TorchRuntime(runtime.model, replace(spec, preprocess=preprocess), runtime.protocol)


def parse_size(text: str) -> tuple[int, int]:
    """Height and width of "256x192", in pixels.

    Raises:
        InputError: it is something else.
    """
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if found is None or not all(map(int, found.groups())):
        raise InputError(
            f"{text!r} is no input size", "write HEIGHTxWIDTH in pixels, such as 256x192"
        )
    return int(found[1]), int(found[2])


def single_person_images(data: KeypointData, folder: Path) -> KeypointData:
    """The images of ``SINGLE_PERSON``.

    Raises:
        InputError: there is none.
    """
    rows = read_document(data.annotations)["annotations"]
    people = Counter(row["image_id"] for row in rows)
    chosen = [p.image_id for p in data.people if people[p.image_id] == 1]
    if not chosen:
        raise InputError(
            f"{data.annotations} has no image with exactly one person", "leave --single-person out"
        )
    return keep_images(data, chosen, folder)


def first_images(data: KeypointData, count: int, folder: Path) -> KeypointData:
    """The people of the first ``count`` images with people."""
    images = list(dict.fromkeys(person.image_id for person in data.people))
    return keep_images(data, images[:count], folder)


def keep_images(data: KeypointData, image_ids: Collection[int], folder: Path) -> KeypointData:
    """The people of some images, with annotations of these alone in ``folder``."""
    chosen = set(image_ids)
    document = read_document(data.annotations)
    document["images"] = [row for row in document["images"] if row["id"] in chosen]
    document["annotations"] = [r for r in document["annotations"] if r["image_id"] in chosen]
    path = folder / data.annotations.name
    path.write_text(json.dumps(document), encoding="utf-8")
    return replace(data, annotations=path, people=[p for p in data.people if p.image_id in chosen])


def _name(runtime: Runtime) -> str | int:
    return runtime.protocol.get("file", runtime.spec.name)
