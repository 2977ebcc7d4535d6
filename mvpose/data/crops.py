"""The part of a picture that all augmented crops of a person are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass as record

from mvpose.codec.affine import transform
from mvpose.data.coco import Person
from mvpose.data.images import read_image
from mvpose.spec import FROZEN, Record, Skeleton


@record(frozen=True, config=FROZEN)
class Cut(Record):
    """How much of a picture is kept about a person, and how finely.

    Attributes:
        side_px: a longer crop is scaled down to this; a shorter one is left as it is.
        margin: side of the kept square over the longer side of the box, which is widened to hold
            all labelled keypoints. 1.875 is a box padding of 1.25 grown by a scale augmentation of
            1.5. What an augmentation reaches beyond it is black, as it is beyond the picture.
    """

    side_px: Annotated[int, Field(ge=32, le=4096)] = 384
    margin: Annotated[float, Field(ge=1, le=10, allow_inf_nan=False)] = 1.875


@dataclass(frozen=True)
class PersonCrop:
    """A person cut out of a picture.

    Attributes:
        image: (h, w, 3) RGB.
        keypoints_px: (K, 3) x, y in the crop and visibility; zeros where unlabelled.
        box_xywh_px: (4,) in the crop.
        matrix: (2, 3) from the picture to the crop.
    """

    image: NDArray[np.uint8]
    keypoints_px: NDArray[np.float64]
    box_xywh_px: NDArray[np.float64]
    matrix: NDArray[np.float64]


def cut_person(image: NDArray[np.uint8], person: Person, cut: Cut) -> PersonCrop:
    """Cut a person out of a picture (H, W, 3), scaled by areas so that nothing aliases."""
    height, width = image.shape[:2]
    corner, size = person.box_xywh_px[:2], person.box_xywh_px[2:]
    labelled = person.keypoints_px[person.keypoints_px[:, 2] > 0, :2]
    extent = np.stack([corner, corner + size, *labelled])
    centre = (extent.min(0) + extent.max(0)) / 2
    reach = cut.margin * np.ptp(extent, axis=0).max() / 2
    low = np.floor(centre - reach).clip(0, [width - 1, height - 1]).astype(int)
    high = np.ceil(centre + reach).clip(low + 1, [width, height]).astype(int)
    part = image[low[1] : high[1], low[0] : high[0]]
    kept = high - low
    target = np.maximum((kept * min(1.0, cut.side_px / kept.max())).round(), 1).astype(int)
    if (target < kept).any():
        part = cv2.resize(part, target.tolist(), interpolation=cv2.INTER_AREA).astype(np.uint8)
    scale = target / kept
    matrix = np.column_stack([np.diag(scale), (0.5 - low) * scale - 0.5])
    keypoints = person.keypoints_px.copy()
    keypoints[:, :2] = transform(matrix, keypoints[:, :2])
    keypoints[keypoints[:, 2] == 0] = 0
    box = np.concatenate([transform(matrix, corner), size * scale])
    return PersonCrop(np.ascontiguousarray(part), keypoints, box, matrix)


@dataclass(frozen=True)
class FolderCrops:
    """People cut out of the pictures of a folder, each when asked for.

    Attributes:
        people: whom to cut out.
        skeleton: the meaning of their keypoints.
        cut: how much to keep.
    """

    people: list[Person]
    skeleton: Skeleton
    cut: Cut = Cut()

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, index: int) -> PersonCrop:
        person = self.people[index]
        return cut_person(read_image(person.image), person, self.cut)

    def name(self, index: int) -> str:
        """Where a person comes from, for messages."""
        person = self.people[index]
        return f"{person.image} (annotation {person.annotation_id})"
