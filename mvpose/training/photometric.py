"""Random changes to the colours and pixels of a batch of crops."""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from mvpose.data.augmentation import Augmentation, Chance

LUMA = (0.299, 0.587, 0.114)
NOISE_TILE_PX = 512


@torch.no_grad()
def photometric(images: Tensor, noise: Tensor, augmentation: Augmentation) -> Tensor:
    """Colours, blur, noise and dropout of crops (B, 3, H, W) in 0..255, by noise (B, CHANCES)."""
    a = augmentation
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
        images = _blurred(images, noise, a)
    if a.noise_levels:
        levels = a.noise_levels * noise[:, Chance.NOISE, None, None, None]
        grain = noise_grain(noise, (images.shape[3], images.shape[2]))
        images = (images + levels * grain).clamp(0, 255)
    if a.dropout:
        covers = images.roll(1, 0) if a.dropout_fill == "crops" else torch.zeros_like(images)
        images = torch.where(_dropped(images, noise, a), covers, images)
    return images


def _blurred(images: Tensor, noise: Tensor, a: Augmentation) -> Tensor:
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


def _dropped(images: Tensor, noise: Tensor, a: Augmentation) -> Tensor:
    """(B, 1, H, W) whether a pixel is covered."""
    height, width = images.shape[2:]
    shortest, longest = a.dropout_side
    count = 1 + (noise[:, Chance.DROPOUT_COUNT] * a.dropout_count).floor()
    count = count * (noise[:, Chance.DROPOUT] < a.dropout)
    dropped = torch.zeros((len(images), 1, height, width), dtype=torch.bool, device=noise.device)
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
