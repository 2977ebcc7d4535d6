"""Training samples: augmented crops with their keypoints."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass as record
from torch import Tensor
from torch.utils.data import Dataset

from mvpose.codec.affine import box_to_region, crop, crop_matrix, transform
from mvpose.data.coco import Person
from mvpose.data.images import read_image
from mvpose.spec import FROZEN, Preprocess, Skeleton


@record(frozen=True, config=FROZEN)
class Augmentation:
    """Random changes to a training crop.

    Attributes:
        flip: probability of mirroring.
        scale: the region is scaled by a factor drawn uniformly from 1 - scale to 1 + scale.
        rotation_deg: largest rotation.
        rotation_probability: how often a crop is rotated.
        shift: largest shift of the region, as a share of its size.
        half_body: probability of cropping to the upper or lower body where enough is labelled.
        color: strength of random brightness, contrast and colour shifts; 0.2 is +-20 %.
    """

    flip: float = 0.5
    scale: float = 0.5
    rotation_deg: float = 40.0
    rotation_probability: float = 0.6
    shift: float = 0.0
    half_body: float = 0.3
    color: float = 0.0


@dataclass(frozen=True)
class CropSamples(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Augmented crops of people.

    Attributes:
        people: whom to crop.
        skeleton: for mirroring and half bodies.
        preprocess: size of the crop and padding of the box.
        augmentation: how to vary it.

    Items: uint8 crop (3, H, W), keypoints (K, 2) in crop pixels, and weights (K,): 1 where the
    keypoint is labelled and inside the crop, else 0.
    """

    people: list[Person]
    skeleton: Skeleton
    preprocess: Preprocess
    augmentation: Augmentation

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        person = self.people[index]
        rng = np.random.default_rng(int(torch.randint(2**31, ()).item()))
        size = self.preprocess.size_wh
        matrix, mirror = self._random_matrix(person, rng)
        points = transform(matrix, person.keypoints_px[:, :2])
        labelled = person.keypoints_px[:, 2] > 0
        if mirror:
            points, labelled = points[self.skeleton.flip_order], labelled[self.skeleton.flip_order]
        inside = ((points >= 0) & (points <= np.subtract(size, 1))).all(1)
        image = self._recolored(crop(read_image(person.image), matrix, size), rng)
        return (
            torch.from_numpy(image.transpose(2, 0, 1).copy()),
            torch.from_numpy(points.astype(np.float32)),
            torch.from_numpy((labelled & inside).astype(np.float32)),
        )

    def _random_matrix(
        self, person: Person, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], bool]:
        a = self.augmentation
        box = person.box_xywh_px
        if rng.random() < a.half_body:
            box = self._half_body_box(person, rng)
        size = self.preprocess.size_wh
        centre, region = box_to_region(box, size, self.preprocess.box_padding)
        region = region * rng.uniform(1 - a.scale, 1 + a.scale)
        centre = centre + region * rng.uniform(-a.shift, a.shift, 2)
        rotated = rng.random() < a.rotation_probability
        angle = rng.uniform(-a.rotation_deg, a.rotation_deg) if rotated else 0.0
        mirror = bool(rng.random() < a.flip)
        return crop_matrix(centre, region, size, angle, mirror), mirror

    def _half_body_box(self, person: Person, rng: np.random.Generator) -> NDArray[np.float64]:
        """The box about the labelled keypoints above or below the hips; the whole box if too few.

        Wang et al., "Mask-guided pose estimation" (MSPN), arXiv 1901.00148, as common since.
        """
        labelled = person.keypoints_px[:, 2] > 0
        if labelled.sum() < 8:
            return person.box_xywh_px
        is_upper = np.array(
            [not name.endswith(("hip", "knee", "ankle")) for name in self.skeleton.keypoints]
        )
        chosen = labelled & (is_upper if rng.random() < 0.5 else ~is_upper)
        if chosen.sum() < 3:
            return person.box_xywh_px
        points = person.keypoints_px[chosen, :2]
        low, high = points.min(0), points.max(0)
        grown = np.maximum(high - low, 1.0) * 1.2
        return np.concatenate([(low + high - grown) / 2, grown])

    def _recolored(self, image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        strength = self.augmentation.color
        if not strength:
            return image
        gain = rng.uniform(1 - strength, 1 + strength) * rng.uniform(
            1 - strength / 4, 1 + strength / 4, 3
        )
        offset = 255 * rng.uniform(-strength / 2, strength / 2)
        levels = np.arange(256)[:, None] * gain + offset
        table = levels.round().clip(0, 255).astype(np.uint8)[None]
        return cv2.LUT(image, table).astype(np.uint8, copy=False)
