"""Sample pictures: the same people by the float network and by another one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.benchmark.accuracy import float_of
from mvpose.benchmark.latency.subjects import Subject
from mvpose.data.coco import KeypointData
from mvpose.runtime.base import Runtime

Boxes = NDArray[np.floating[Any]]

LONGEST_PX = 560
QUALITY = 84
PICTURES = 6


@dataclass(frozen=True)
class Picture:
    """One picture, drawn twice.

    Attributes:
        title: its name, and how far the keypoints lie apart.
        float_jpeg, other_jpeg: the drawings.
        float_label, other_label: what drew them.
    """

    title: str
    float_jpeg: bytes
    other_jpeg: bytes
    float_label: str
    other_label: str


def sample_pictures(
    float_runtime: Runtime,
    other_runtime: Runtime,
    images: Sequence[Path],
    boxes: Mapping[Path, Boxes] | None = None,
) -> list[Picture]:
    """Draw people as two networks see them.

    Args:
        float_runtime, other_runtime: both read the same keypoints.
        images: pictures.
        boxes: (N, 4) left, top, width, height of the people of a picture; where there are none, one
            person is looked for by the float network, and both read that box.

    Raises:
        InputError: a picture can't be read, or a box lies outside.
    """
    from mvpose.data.images import read_image
    from mvpose.drawing import draw_poses
    from mvpose.prediction import predict_image

    pictures = []
    for path in images:
        image = read_image(path)
        given = None if boxes is None else boxes.get(path)
        first = predict_image(float_runtime, image, given)
        second = predict_image(other_runtime, image, first.boxes_xywh_px)
        apart = np.linalg.norm(first.keypoints_px - second.keypoints_px, axis=-1)
        pictures.append(
            Picture(
                f"{path.name}: keypoints {np.median(apart):.1f} pixels apart in the median, "
                f"{apart.max():.1f} at most",
                _jpeg(draw_poses(image, first, float_runtime.spec.skeleton)),
                _jpeg(draw_poses(image, second, other_runtime.spec.skeleton)),
                _label(float_runtime),
                _label(other_runtime),
            )
        )
    return pictures


def chosen_pictures(subjects: Sequence[Subject], people: KeypointData) -> list[Picture]:
    """The people whom most is known of, by a float network and its first rounded form.

    None where no subject is a rounded form of another.
    """
    pairs = [(float_of(subjects, place), place) for place in range(len(subjects))]
    rounded = [pair for pair in pairs if subjects[pair[1]].row.precision.startswith("static")]
    pair = next((pair for pair in rounded if pair[0] is not None), None)
    if pair is None or pair[0] is None:
        return []
    boxes: dict[Path, list[Boxes]] = {}
    labelled: Counter[Path] = Counter()
    for person in people.people:
        boxes.setdefault(person.image, []).append(person.box_xywh_px)
        labelled[person.image] += int((person.keypoints_px[:, 2] > 0).sum())
    images = sorted(boxes, key=lambda image: -labelled[image] / len(boxes[image]))[:PICTURES]
    given = {image: np.stack(boxes[image]) for image in images}
    return sample_pictures(subjects[pair[0]].open(), subjects[pair[1]].open(), images, given)


def _label(runtime: Runtime) -> str:
    known = (runtime.protocol.get(key) for key in ("precision", "runtime"))
    return ", ".join([runtime.spec.name, *(str(fact) for fact in known if fact)])


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((LONGEST_PX, LONGEST_PX))
    data = BytesIO()
    picture.save(data, "JPEG", quality=QUALITY)
    return data.getvalue()
