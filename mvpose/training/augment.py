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

HALF_BODY_KEYPOINTS = 8
HALF_BODY_CHOSEN = 3
LOWER_BODY = ("hip", "knee", "ankle")
LUMA = (0.299, 0.587, 0.114)
NOISE_TILE_PX = 512


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
        images = self.photometric(warp(batch["images"], matrices, size), batch["noise"])
        points, weights = self.labels(batch, matrices, size)
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

    @torch.no_grad()
    def photometric(self, images: Tensor, noise: Tensor) -> Tensor:
        """Colours, blur, noise and dropout of crops (B, 3, H, W) in 0..255."""
        a = self.augmentation
        if a.color:
            gains = swing(noise, slice(Chance.GAIN_RED, Chance.GAIN_BLUE + 1))
            gain = (1 + a.color * swing(noise, Chance.GAIN))[:, None] * (1 + a.color / 4 * gains)
            offset = 255 * a.color / 2 * swing(noise, Chance.OFFSET)
            images = (images * gain[:, :, None, None] + offset[:, None, None, None]).clamp(0, 255)
        if a.grey:
            red, green, blue = images.unbind(1)
            grey = (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue)[:, None]
            chosen = noise[:, Chance.GREY] < a.grey
            images = torch.where(chosen[:, None, None, None], grey, images)
        if a.blur:
            images = self._blurred(images, noise)
        if a.noise_levels:
            levels = a.noise_levels * noise[:, Chance.NOISE, None, None, None]
            grain = noise_grain(noise, (images.shape[3], images.shape[2]))
            images = (images + levels * grain).clamp(0, 255)
        if a.dropout:
            images = images * ~self._dropped(images, noise)
        return images

    def _boxes(self, batch: Batch) -> Tensor:
        """(B, 4) boxes x, y, w, h; of half a body for some.

        Wang et al., "Mask-guided pose estimation" (MSPN), arXiv 1901.00148, as common since: the
        box about the labelled keypoints above or below the hips, where enough are labelled.
        """
        noise, points, labelled = batch["noise"], batch["points_px"], batch["labelled"] > 0
        upper = upper_body(self.skeleton, points.device)
        half = torch.where(noise[:, Chance.UPPER, None] < 0.5, upper, ~upper)
        chosen = labelled & half
        wanted = (
            (noise[:, Chance.HALF_BODY] < self.augmentation.half_body)
            & (labelled.sum(1) >= HALF_BODY_KEYPOINTS)
            & (chosen.sum(1) >= HALF_BODY_CHOSEN)
        )
        low = points.masked_fill(~chosen[..., None], math.inf).amin(1)
        high = points.masked_fill(~chosen[..., None], -math.inf).amax(1)
        grown = (high - low).clamp(min=1) * 1.2
        half_boxes = torch.cat([(low + high - grown) / 2, grown], 1)
        return torch.where(wanted[:, None], half_boxes, batch["box_xywh_px"])

    def _blurred(self, images: Tensor, noise: Tensor) -> Tensor:
        a = self.augmentation
        largest = a.blur_sigma_px * images.shape[2] / 256
        sigma = largest * noise[:, Chance.BLUR_SIGMA].clamp(min=0.05)
        chosen = noise[:, Chance.BLUR] < a.blur
        if images.device.type == "cpu":  # saves time; a GPU would have to wait for the count
            blurred = images.clone()
            if chosen.any():
                found = gaussian_blur(images[chosen], sigma[chosen], math.ceil(3 * largest))
                blurred[chosen] = found
            return blurred
        blurred = gaussian_blur(images, sigma, math.ceil(3 * largest))
        return torch.where(chosen[:, None, None, None], blurred, images)

    def _dropped(self, images: Tensor, noise: Tensor) -> Tensor:
        """(B, 1, H, W) whether a pixel is blacked out."""
        a, (height, width) = self.augmentation, images.shape[2:]
        shortest, longest = a.dropout_side
        count = 1 + (noise[:, Chance.DROPOUT_COUNT] * a.dropout_count).floor()
        count = count * (noise[:, Chance.DROPOUT] < a.dropout)
        dropped = torch.zeros(
            (len(images), 1, height, width), dtype=torch.bool, device=noise.device
        )
        rows = torch.arange(height, device=noise.device)
        columns = torch.arange(width, device=noise.device)
        for number in range(a.dropout_count):
            first = Chance.RECTANGLES + 4 * number
            x, y, w, h = noise[:, first : first + 4, None].unbind(1)
            w, h = ((shortest + side * (longest - shortest)) for side in (w, h))
            left, top = x * (1 - w) * width, y * (1 - h) * height
            across = (columns >= left) & (columns < left + w * width)
            down = (rows >= top) & (rows < top + h * height) & (count[:, None] > number)
            dropped |= (down[:, :, None] & across[:, None, :])[:, None]
        return dropped


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


def gaussian_blur(images: Tensor, sigma_px: Tensor, radius_px: int) -> Tensor:
    """Blur images (B, 3, H, W), each by its own standard deviation (B,)."""
    count, channels, height, width = images.shape
    distance = torch.arange(-radius_px, radius_px + 1, device=images.device)
    bell = torch.exp(-(distance**2) / (2 * sigma_px[:, None] ** 2))
    taps = bell / bell.sum(1, keepdim=True)
    taps = taps.repeat_interleave(channels, 0)[:, None, None]  # [B, T] -> [B * 3, 1, 1, T]
    flat = images.reshape(1, count * channels, height, width)
    flat = F.pad(flat, (radius_px, radius_px, radius_px, radius_px), mode="replicate")
    flat = F.conv2d(flat, taps, groups=count * channels)
    flat = F.conv2d(flat, taps.mT, groups=count * channels)
    return flat.view(count, channels, height, width)


def precise(tensor: Tensor) -> Tensor:
    """In double precision where the device has it."""
    return tensor.float() if tensor.device.type == "mps" else tensor.double()


def swing(noise: Tensor, which: int | slice) -> Tensor:
    """Uniform random numbers from -1 to 1."""
    return 2 * noise[:, which] - 1


def noise_grain(noise: Tensor, size_wh: tuple[int, int]) -> Tensor:
    """(B, 3, height, width) standard normal numbers: pieces of one tile, which repeats itself."""
    tile = noise_tile(noise.device)
    starts = (noise[:, Chance.NOISE_X : Chance.NOISE_Y + 1] * NOISE_TILE_PX).long()
    columns = (starts[:, :1] + torch.arange(size_wh[0], device=noise.device)) % NOISE_TILE_PX
    rows = (starts[:, 1:] + torch.arange(size_wh[1], device=noise.device)) % NOISE_TILE_PX
    return tile[:, rows[:, :, None], columns[:, None, :]].transpose(0, 1)


@cache
def noise_tile(device: torch.device) -> Tensor:
    """(3, 512, 512) standard normal numbers, the same on every device."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn((3, NOISE_TILE_PX, NOISE_TILE_PX), generator=generator).to(device)


@cache
def flip_order(skeleton: Skeleton, device: torch.device) -> Tensor:
    """(K,) the keypoint that takes the place of each in a mirrored image."""
    return torch.tensor(skeleton.flip_order, device=device)


@cache
def upper_body(skeleton: Skeleton, device: torch.device) -> Tensor:
    """(K,) which keypoints lie above the hips."""
    upper = [not name.endswith(LOWER_BODY) for name in skeleton.keypoints]
    return torch.tensor(upper, device=device)
