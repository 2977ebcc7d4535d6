"""Random changes to training crops, as data, and the random numbers that decide them."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass as record

from mvpose.spec import FROZEN, Record

Probability = Annotated[float, Field(ge=0, le=1)]
MOST_RECTANGLES = 4


@record(frozen=True, config=FROZEN)
class Augmentation(Record):
    """Random changes to a training crop, in this order.

    Attributes:
        flip: probability of mirroring.
        scale: the region is scaled by a factor drawn uniformly from 1 - scale to 1 + scale.
        rotation_deg: largest rotation.
        rotation_probability: how often a crop is rotated.
        shift: largest shift of the region, as a share of its size.
        upright: probability of turning someone upright first whose torso is labelled and tilted by
            more than 25 degrees; for data of acrobats where the application's people stand.
        half_body: probability of cropping to a part of the body where enough is labelled.
        close_up: how many of these parts are head and shoulders; of the rest, half are the upper
            body and half the lower.
        truncation: how many of these parts end the picture: beyond is black, and nothing labelled.
        color: strength of random brightness, contrast and colour shifts; 0.2 is +-20 %.
        grey: probability of taking the colour away.
        blur: probability of a Gaussian blur.
        blur_sigma_px: largest standard deviation of the blur, in pixels of a crop 256 px high.
        noise_levels: largest standard deviation of additive Gaussian noise, of 255; each crop has
            its own, drawn uniformly from 0 on.
        dropout: probability of covering rectangles.
        dropout_fill: "black", or "crops": pieces of the batch's other crops.
        dropout_count: most rectangles in a crop.
        dropout_side: shortest and longest side of a rectangle, as a share of the crop's.
    """

    flip: Probability = 0.5
    scale: Annotated[float, Field(ge=0, le=0.9)] = 0.5
    rotation_deg: Annotated[float, Field(ge=0, le=180)] = 40.0
    rotation_probability: Probability = 0.6
    shift: Probability = 0.0
    upright: Probability = 0.0
    half_body: Probability = 0.3
    close_up: Probability = 0.0
    truncation: Probability = 0.0
    color: Probability = 0.0
    grey: Probability = 0.0
    blur: Probability = 0.0
    blur_sigma_px: Annotated[float, Field(gt=0, le=8)] = 2.0
    noise_levels: Annotated[float, Field(ge=0, le=64)] = 0.0
    dropout: Probability = 0.0
    dropout_fill: Literal["black", "crops"] = "black"
    dropout_count: Annotated[int, Field(ge=1, le=MOST_RECTANGLES)] = 1
    dropout_side: tuple[Probability, Probability] = (0.2, 0.4)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.dropout_side[0] > self.dropout_side[1]:
            raise ValueError(f"dropout_side must be (shortest, longest), not {self.dropout_side}")
        return self


class Chance(IntEnum):
    """Which of a sample's random numbers decides what."""

    HALF_BODY = 0
    UPPER = 1
    SCALE = 2
    SHIFT_X = 3
    SHIFT_Y = 4
    ROTATE = 5
    ANGLE = 6
    FLIP = 7
    GAIN = 8
    GAIN_RED = 9
    GAIN_GREEN = 10
    GAIN_BLUE = 11
    OFFSET = 12
    GREY = 13
    BLUR = 14
    BLUR_SIGMA = 15
    NOISE = 16
    NOISE_X = 17
    NOISE_Y = 18
    DROPOUT = 19
    DROPOUT_COUNT = 20
    UPRIGHT = 21
    CLOSE_UP = 22
    TRUNCATION = 23
    MARGIN = 24
    RECTANGLES = 25


CHANCES = Chance.RECTANGLES + 4 * MOST_RECTANGLES
