"""Random changes to a whole batch of crops at once, on the device that trains."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mvpose.data.augmentation import Augmentation, Chance
from mvpose.data.samples import Batch
from mvpose.spec import Preprocess, Skeleton
from mvpose.training.photometric import photometric, swing

HALF_BODY_KEYPOINTS = 8
HALF_BODY_CHOSEN = 3
LOWER_BODY = ("hip", "knee", "ankle")
HEAD = ("nose", "eye", "ear", "mouth", "chin", "head", "head_top", "neck", "shoulder")
TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
TILTED_RAD = math.radians(25)
LARGEST_MARGIN = 0.25


class Augmented(NamedTuple):
    """What the network is trained on.

    Attributes:
        images: (B, 3, H, W) float, 0..255, channels last.
        points_px: (B, K, 2) keypoints in crop pixels.
        weights: (B, K) 1 where labelled and inside the crop, else 0.
    """

    images: Tensor
    points_px: Tensor
    weights: Tensor


@dataclass(frozen=True)
class BatchAugment:
    """Crops of a network's input size, cut at random out of a batch of ``collate``.

    All randomness comes from the batch's ``noise``, so that the same samples are changed in the
    same way on any device, in any order, and for every ``Preprocess``. Nothing waits for the
    device.

    Attributes:
        augmentation: how to vary the crops.
        preprocess: size of the crops and padding of the boxes.
        skeleton: for mirroring and half bodies.
    """

    augmentation: Augmentation
    preprocess: Preprocess
    skeleton: Skeleton

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Augmented:
        matrices = self.matrices(batch, self.preprocess)
        size = self.preprocess.size_wh
        images = warp(batch["images"], matrices, size)
        points, weights = self.labels(batch, matrices, size)
        if self.augmentation.truncation:
            top, bottom = self._ends(batch, matrices)
            rows = torch.arange(size[1], device=images.device)
            kept = (rows >= top[:, None]) & (rows <= bottom[:, None])
            images = images * kept[:, None, :, None]
            down = points[..., 1]
            weights = weights * ((down >= top[:, None]) & (down <= bottom[:, None]))
        images = photometric(images, batch["noise"], self.augmentation)
        return Augmented(images.contiguous(memory_format=torch.channels_last), points, weights)

    @torch.no_grad()
    def matrices(self, batch: Batch, preprocess: Preprocess) -> Tensor:
        """(B, 2, 3) from the canvas to the crop of any network, all seeing the same person.

        Scaling, shifting, rotating and mirroring as ``mvpose.codec.affine.crop_matrix``.
        """
        a, (width, height) = self.augmentation, preprocess.size_wh
        noise = precise(batch["noise"])
        boxes = self._boxes(batch).to(noise)
        aspect = width / height
        region = torch.stack(
            [
                torch.maximum(boxes[:, 2], boxes[:, 3] * aspect),
                torch.maximum(boxes[:, 3], boxes[:, 2] / aspect),
            ],
            dim=1,
        )
        region = (
            region * preprocess.box_padding * (1 + a.scale * swing(noise, Chance.SCALE))[:, None]
        )
        shift = torch.stack([swing(noise, Chance.SHIFT_X), swing(noise, Chance.SHIFT_Y)], 1)
        centre = boxes[:, :2] + boxes[:, 2:] / 2 + region * a.shift * shift
        rotated = noise[:, Chance.ROTATE] < a.rotation_probability
        angle = swing(noise, Chance.ANGLE) * math.radians(a.rotation_deg) * rotated
        angle = angle + self._tilt(batch).to(noise)
        cos, sin = angle.cos(), angle.sin()
        side = torch.where(self.mirrored(batch), -1.0, 1.0).to(noise)
        across, down = (width - 1) / region[:, 0], (height - 1) / region[:, 1]
        linear = torch.stack([side * cos * across, -side * sin * across, sin * down, cos * down], 1)
        linear = linear.view(-1, 2, 2)  # [B, 4] -> [B, 2, 2]
        middle = torch.stack(
            [torch.full_like(angle, (width - 1) / 2), torch.full_like(angle, (height - 1) / 2)], 1
        )
        offset = middle - (linear @ centre[:, :, None])[:, :, 0]
        return torch.cat([linear, offset[:, :, None]], 2)

    def mirrored(self, batch: Batch) -> Tensor:
        """(B,) which crops are mirrored."""
        return batch["noise"][:, Chance.FLIP] < self.augmentation.flip

    @torch.no_grad()
    def labels(
        self, batch: Batch, matrices: Tensor, size_wh: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Points (B, K, 2) and weights (B, K) in the crops that ``matrices`` cut out."""
        points = batch["points_px"].to(matrices) @ matrices[:, :, :2].mT + matrices[:, None, :, 2]
        order = flip_order(self.skeleton, points.device)
        mirrored = self.mirrored(batch)
        points = torch.where(mirrored[:, None, None], points[:, order], points).float()
        labelled = torch.where(mirrored[:, None], batch["labelled"][:, order], batch["labelled"])
        x, y = points.unbind(2)
        inside = (x >= 0) & (x <= size_wh[0] - 1) & (y >= 0) & (y <= size_wh[1] - 1)
        return points, labelled * inside

    def _boxes(self, batch: Batch) -> Tensor:
        """(B, 4) boxes x, y, w, h; of a part of the body for some, of the turned body for others.

        Wang et al., "Mask-guided pose estimation" (MSPN), arXiv 1901.00148, as common since: the
        box about the labelled keypoints above or below the hips, where enough are labelled.
        """
        chosen, wanted = self._part(batch)
        tilt = self._tilt(batch)
        turned = wanted | (tilt != 0)
        shown = torch.where(wanted[:, None], chosen, batch["labelled"] > 0)
        # the box of the turned points, about whose centre the crop turns
        points = turn(batch["points_px"], tilt)
        low = points.masked_fill(~shown[..., None], math.inf).amin(1)
        high = points.masked_fill(~shown[..., None], -math.inf).amax(1)
        grown = (high - low).clamp(min=1) * 1.2
        centre = turn((low + high)[:, None] / 2, -tilt)[:, 0]
        boxes = torch.cat([centre - grown / 2, grown], 1)
        return torch.where(turned[:, None], boxes, batch["box_xywh_px"])

    def _part(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(B, K) labelled keypoints of a part of the body, and (B,) whether to show it alone."""
        a, noise, labelled = self.augmentation, batch["noise"], batch["labelled"] > 0
        upper = keypoints_of(self.skeleton, LOWER_BODY, noise.device).logical_not()
        half = torch.where(noise[:, Chance.UPPER, None] < 0.5, upper, ~upper)
        head = keypoints_of(self.skeleton, HEAD, noise.device)
        chosen = labelled & torch.where(noise[:, Chance.CLOSE_UP, None] < a.close_up, head, half)
        wanted = (
            (noise[:, Chance.HALF_BODY] < a.half_body)
            & (labelled.sum(1) >= HALF_BODY_KEYPOINTS)
            & (chosen.sum(1) >= HALF_BODY_CHOSEN)
        )
        return chosen, wanted

    def _tilt(self, batch: Batch) -> Tensor:
        """(B,) radians that turn a person upright; 0 where that is not wanted."""
        noise, names = batch["noise"], self.skeleton.keypoints
        if not self.augmentation.upright or not set(TORSO) <= set(names):
            return torch.zeros_like(noise[:, 0])
        torso = [names.index(name) for name in TORSO]
        points = batch["points_px"][:, torso]
        x, y = (points[:, 2:].mean(1) - points[:, :2].mean(1)).unbind(1)
        tilt = torch.atan2(x, y)
        wanted = (
            (noise[:, Chance.UPRIGHT] < self.augmentation.upright)
            & (batch["labelled"][:, torso] > 0).all(1)
            & (tilt.abs() > TILTED_RAD)
        )
        return tilt * wanted

    def _ends(self, batch: Batch, matrices: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) the first and last row that the picture reaches where it ends with the part shown.

        It ends below upper parts and above lower ones, a random margin beyond their keypoints.
        """
        chosen, wanted = self._part(batch)
        noise = batch["noise"]
        cut = wanted & (noise[:, Chance.TRUNCATION] < self.augmentation.truncation)
        points = batch["points_px"].to(matrices) @ matrices[:, :, :2].mT + matrices[:, None, :, 2]
        down = points[..., 1].float()
        low = down.masked_fill(~chosen, math.inf).amin(1)
        high = down.masked_fill(~chosen, -math.inf).amax(1)
        margin = noise[:, Chance.MARGIN] * LARGEST_MARGIN * (high - low)
        above = (noise[:, Chance.UPPER] >= 0.5) & (
            noise[:, Chance.CLOSE_UP] >= self.augmentation.close_up
        )
        top = torch.where(cut & above, low - margin, -math.inf)
        return top, torch.where(cut & ~above, high + margin, math.inf)


@torch.no_grad()
def warp(images: Tensor, matrices: Tensor, size_wh: tuple[int, int]) -> Tensor:
    """Cut crops out of canvases, bilinearly, black outside; batched ``mvpose.codec.affine.crop``.

    Args:
        images: (B, 3, H, W), uint8 or float.
        matrices: (B, 2, 3) from canvas to crop.
        size_wh: width and height of the crops.

    Returns:
        (B, 3, height, width) float, in the range of ``images``.
    """
    (a, b, tx), (c, d, ty) = (row.unbind(1) for row in matrices.unbind(1))
    across, down = (size_wh[0] - 1) / 2, (size_wh[1] - 1) / 2
    half_width, half_height = (images.shape[3] - 1) / 2, (images.shape[2] - 1) / 2
    # the inverse matrix, from the crop's middle in half crops to the canvas's in half canvases
    area = a * d - b * c
    x0, y0 = (across - tx) / area, (down - ty) / area
    theta = torch.stack(
        [
            d * across / area / half_width,
            -b * down / area / half_width,
            (d * x0 - b * y0) / half_width - 1,
            -c * across / area / half_height,
            a * down / area / half_height,
            (a * y0 - c * x0) / half_height - 1,
        ],
        dim=1,
    )
    theta = theta.view(-1, 2, 3).float()  # [B, 6] -> [B, 2, 3]
    grid = F.affine_grid(theta, [len(images), 3, size_wh[1], size_wh[0]], align_corners=True)
    return F.grid_sample(images.float(), grid, align_corners=True)


def turn(points: Tensor, angle_rad: Tensor) -> Tensor:
    """Points (B, K, 2) turned about the origin by (B,) angles."""
    cos, sin = angle_rad.cos()[:, None], angle_rad.sin()[:, None]
    x, y = points.unbind(2)
    return torch.stack([cos * x - sin * y, sin * x + cos * y], 2)


def precise(tensor: Tensor) -> Tensor:
    """In double precision where the device has it."""
    return tensor.float() if tensor.device.type == "mps" else tensor.double()


@cache
def flip_order(skeleton: Skeleton, device: torch.device) -> Tensor:
    """(K,) the keypoint that takes the place of each in a mirrored image."""
    return torch.tensor(skeleton.flip_order, device=device)


@cache
def keypoints_of(skeleton: Skeleton, endings: tuple[str, ...], device: torch.device) -> Tensor:
    """(K,) which keypoints have one of these names, or the left or right one."""
    return torch.tensor([name.endswith(endings) for name in skeleton.keypoints], device=device)
