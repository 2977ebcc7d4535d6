"""The straightforward loader: one sample at a time, from the picture to the heatmap targets.

What ``BatchAugment`` and the shards are measured against, in NumPy and OpenCV, with the same random
numbers; and, being written apart from them, what they are tested against.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mvpose.codec.affine import box_to_region, crop, crop_matrix, input_to_cells, transform
from mvpose.data.augmentation import Augmentation, Chance
from mvpose.data.coco import Person
from mvpose.data.samples import Draw
from mvpose.spec import Preprocess, Skeleton
from mvpose.training.augment import LOWER_BODY
from mvpose.training.photometric import NOISE_TILE_PX, noise_tile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OneByOne:
    """Augmented crops of people with their targets.

    Attributes:
        people: whom to crop, each from the whole picture.
        skeleton: for mirroring and half bodies.
        preprocess: size of the crop and padding of the box.
        augmentation: how to vary it.
        heatmap_wh: size of the targets in cells.
        sigma_cells: of the target Gaussians.
    """

    people: list[Person]
    skeleton: Skeleton
    preprocess: Preprocess
    augmentation: Augmentation
    heatmap_wh: tuple[int, int]
    sigma_cells: float = 2.0

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(
        self, draw: Draw
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
        """Crop (3, H, W), heatmaps (K, h, w) and weights (K,)."""
        image, points, weights = self.augmented(draw)
        cells = input_to_cells(points, self.heatmap_wh, self.preprocess.size_wh)
        return image.transpose(2, 0, 1).copy(), self._heatmaps(cells), weights

    def augmented(self, draw: Draw) -> tuple[NDArray[np.uint8], Floats, NDArray[np.float32]]:
        """Crop (H, W, 3), points (K, 2) in its pixels and weights (K,)."""
        person, u = self.people[draw.person], draw.noise().astype(np.float64)
        size = self.preprocess.size_wh
        image = cv2.imread(str(person.image), cv2.IMREAD_COLOR)
        assert image is not None
        matrix, mirror = self.matrix(person, u)
        points = transform(matrix, person.keypoints_px[:, :2])
        labelled = person.keypoints_px[:, 2] > 0
        if mirror:
            points, labelled = points[self.skeleton.flip_order], labelled[self.skeleton.flip_order]
        inside = ((points >= 0) & (points <= np.subtract(size, 1))).all(1)
        cut = crop(
            cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False), matrix, size
        )
        return self._recolored(cut, u), points, (labelled & inside).astype(np.float32)

    def matrix(self, person: Person, u: Floats) -> tuple[Floats, bool]:
        """From the picture to the crop, and whether it mirrors."""
        a, size = self.augmentation, self.preprocess.size_wh
        box = person.box_xywh_px
        if u[Chance.HALF_BODY] < a.half_body:
            box = self._half_body_box(person, u)
        centre, region = box_to_region(box, size, self.preprocess.box_padding)
        swing = 2 * u - 1
        region = region * (1 + a.scale * swing[Chance.SCALE])
        centre = centre + region * a.shift * swing[[Chance.SHIFT_X, Chance.SHIFT_Y]]
        rotated = u[Chance.ROTATE] < a.rotation_probability
        angle = a.rotation_deg * swing[Chance.ANGLE] if rotated else 0.0
        mirror = bool(u[Chance.FLIP] < a.flip)
        return crop_matrix(centre, region, size, angle, mirror), mirror

    def _half_body_box(self, person: Person, u: Floats) -> Floats:
        labelled = person.keypoints_px[:, 2] > 0
        upper = np.array([not name.endswith(LOWER_BODY) for name in self.skeleton.keypoints])
        chosen = labelled & (upper if u[Chance.UPPER] < 0.5 else ~upper)
        if labelled.sum() < 8 or chosen.sum() < 3:
            return person.box_xywh_px
        points = person.keypoints_px[chosen, :2]
        low, high = points.min(0), points.max(0)
        grown = np.maximum(high - low, 1.0) * 1.2
        return np.concatenate([(low + high - grown) / 2, grown])

    def _recolored(self, image: NDArray[np.uint8], u: Floats) -> NDArray[np.uint8]:
        a, swing = self.augmentation, 2 * u - 1
        height, width = image.shape[:2]
        if a.color:
            own = swing[Chance.GAIN_RED : Chance.GAIN_BLUE + 1]
            gain = (1 + a.color * swing[Chance.GAIN]) * (1 + a.color / 4 * own)
            offset = 255 * a.color / 2 * swing[Chance.OFFSET]
            levels = np.arange(256)[:, None] * gain + offset
            table = levels.round().clip(0, 255).astype(np.uint8)[None]
            image = cv2.LUT(image, table).astype(np.uint8, copy=False)
        if u[Chance.GREY] < a.grey:
            grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
            image = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)
        if u[Chance.BLUR] < a.blur:
            largest = a.blur_sigma_px * height / 256
            taps = 2 * int(np.ceil(3 * largest)) + 1
            sigma = largest * max(u[Chance.BLUR_SIGMA], 0.05)
            border = cv2.BORDER_REPLICATE
            blurred = cv2.GaussianBlur(image, (taps, taps), sigma, borderType=border)
            image = blurred.astype(np.uint8, copy=False)
        if a.noise_levels:
            tile = noise_tile(torch.device("cpu")).numpy().transpose(1, 2, 0)
            x, y = (u[[Chance.NOISE_X, Chance.NOISE_Y]] * NOISE_TILE_PX).astype(int)
            grain = np.take(tile, np.arange(y, y + height), 0, mode="wrap")
            grain = np.take(grain, np.arange(x, x + width), 1, mode="wrap")
            noisy = image + np.float32(a.noise_levels * u[Chance.NOISE]) * grain
            image = noisy.round().clip(0, 255).astype(np.uint8)
        if u[Chance.DROPOUT] < a.dropout:
            shortest, longest = a.dropout_side
            for number in range(1 + int(u[Chance.DROPOUT_COUNT] * a.dropout_count)):
                first = Chance.RECTANGLES + 4 * number
                x, y, w, h = u[first : first + 4]
                w, h = (shortest + side * (longest - shortest) for side in (w, h))
                left, top = x * (1 - w) * width, y * (1 - h) * height
                columns = slice(int(np.ceil(left)), int(np.ceil(left + w * width)))
                image[int(np.ceil(top)) : int(np.ceil(top + h * height)), columns] = 0
        return image

    def _heatmaps(self, cells: Floats) -> NDArray[np.float32]:
        width, height = self.heatmap_wh
        x = np.exp(-((np.arange(width) - cells[:, :1]) ** 2) / (2 * self.sigma_cells**2))
        y = np.exp(-((np.arange(height) - cells[:, 1:]) ** 2) / (2 * self.sigma_cells**2))
        return (y[:, :, None] * x[:, None, :]).astype(np.float32)
