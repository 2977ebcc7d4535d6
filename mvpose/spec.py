"""What a network means: its skeleton, its preprocessing and how its heatmaps are read.

A ``ModelSpec`` travels inside every checkpoint and every exported file, so that nothing downstream
repeats a number.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Discriminator,
    PositiveFloat,
    PositiveInt,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass

from mvpose.errors import InputError

FROZEN = ConfigDict(extra="forbid")
SIDES = "input sides are positive, and multiples of 32 for networks of the zoo"


class Record:
    """JSON both ways for a frozen dataclass."""

    def to_json(self, indent: int | None = None) -> str:
        return TypeAdapter(type(self)).dump_json(self, indent=indent).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Parse and validate.

        Raises:
            InputError: a field is missing, unknown or out of range.
        """
        try:
            return TypeAdapter(cls).validate_json(text)
        except ValidationError as error:
            raise InputError(f"not a valid {cls.__name__}: {first_problem(error)}") from error


def first_problem(error: ValidationError) -> str:
    """The first complaint of a pydantic error, as "field: message"."""
    problem = error.errors()[0]
    return f"{'.'.join(str(part) for part in problem['loc']) or 'value'}: {problem['msg']}"


@dataclass(frozen=True, config=FROZEN)
class Skeleton(Record):
    """The keypoints of a data set, in the order of the heatmaps.

    Attributes:
        keypoints: names.
        flip_pairs: index pairs that change places in a mirrored image.
        edges: index pairs joined by a line when drawn.
        sigmas: OKS fall-off per keypoint, as in pycocotools (half of COCO's published k).
    """

    keypoints: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...]
    edges: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.sigmas) != len(self.keypoints):
            raise ValueError(f"{len(self.keypoints)} keypoints but {len(self.sigmas)} sigmas")
        for index in (i for pair in (*self.flip_pairs, *self.edges) for i in pair):
            if not 0 <= index < len(self.keypoints):
                raise ValueError(f"an edge or flip pair names keypoint {index}")
        return self

    @property
    def flip_order(self) -> list[int]:
        """For each keypoint, the index of the one it becomes in a mirrored image."""
        order = list(range(len(self.keypoints)))
        for a, b in self.flip_pairs:
            order[a], order[b] = b, a
        return order


@dataclass(frozen=True, config=FROZEN)
class Preprocess(Record):
    """From an image and a person's box to the network's input.

    Attributes:
        input_width_px, input_height_px: size of the crop.
        mean, std: per channel, in 0..255; the network's input is (x - mean) / std.
        box_padding: the box is grown by this factor about its centre before cropping.
        color: channel order.
        affine: "udp": the corner pixels' centres of box and crop coincide
            (Huang et al., "The Devil is in the Details", CVPR 2020, arXiv 1911.07524).
    """

    input_width_px: int = 256
    input_height_px: int = 256
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (255.0, 255.0, 255.0)
    box_padding: PositiveFloat = 1.25
    color: Literal["rgb"] = "rgb"
    affine: Literal["udp"] = "udp"

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        if min(self.size_wh) <= 0:
            raise ValueError(f"{SIDES}, not {self.input_width_px} x {self.input_height_px}")
        if min(self.std) <= 0:
            raise ValueError(f"standard deviations must be positive, not {self.std}")
        return self

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.input_width_px, self.input_height_px


DecodeMethod = Literal["dark", "quarter", "argmax", "coordinates"]


@dataclass(frozen=True, config=FROZEN)
class Decode(Record):
    """How heatmaps become keypoints.

    Attributes:
        method: "dark" (Zhang et al., "Distribution-Aware Coordinate Representation", CVPR 2020,
            arXiv 1910.06278, in UDP's form), "quarter" (argmax moved a quarter cell towards the
            higher neighbour), "argmax" (the highest cell), or "coordinates": there are no heatmaps,
            the network gives x, y in input pixels and a score.
        sigma_cells: standard deviation of the training Gaussians at a 64 x 64 heatmap.
        grid: where the cells lie in the crop. "corners": the corner cells on the corner pixels
            (UDP); "stride": cell i on pixel i * stride.
        score_floor: a pose's score is the mean of its keypoints' above this; below 0, of all.
    """

    method: DecodeMethod = "dark"
    sigma_cells: PositiveFloat = 2.0
    grid: Literal["corners", "stride"] = "corners"
    score_floor: float = 0.2


@dataclass(frozen=True, config=FROZEN)
class Network(Record):
    """What must be known to build the MobileViTPose that a checkpoint belongs to.

    Attributes:
        backbone: MobileViT size.
        head: "deconv" (transposed convolutions) or "bilinear" (the paper's light decoder).
        keypoints: number of heatmaps.
        deconvs: upsamplings of the deconvolution head.
        kind: tells the networks apart.
    """

    backbone: Literal["s", "xs", "xxs"] = "xxs"
    head: Literal["deconv", "bilinear"] = "deconv"
    keypoints: PositiveInt = 17
    deconvs: Literal[1, 2, 3, 4] = 3
    kind: Literal["mobilevitpose"] = "mobilevitpose"

    @property
    def heatmap_stride(self) -> int:
        """Input pixels per heatmap cell."""
        return 32 // 2**self.deconvs if self.head == "deconv" else 4


@dataclass(frozen=True, config=FROZEN)
class VitPoseNetwork(Record):
    """What must be known to build a ViTPose (Xu et al., NeurIPS 2022, arXiv 2204.12484).

    Attributes:
        kind: tells the networks apart.
        backbone: size of the plain vision transformer.
        decoder: "classic" (two transposed convolutions) or "simple" (bilinear upsampling).
        keypoints: number of heatmaps.
        heatmap_stride: input pixels per heatmap cell.
        knowledge_token: a learned token of the distillation stands beside the patches.
    """

    kind: Literal["vitpose"] = "vitpose"
    backbone: Literal["b"] = "b"
    decoder: Literal["classic", "simple"] = "classic"
    keypoints: PositiveInt = 17
    heatmap_stride: Literal[4] = 4
    knowledge_token: bool = False


@dataclass(frozen=True, config=FROZEN)
class ForeignNetwork(Record):
    """A network of another project, known only by the file that runs it.

    Attributes:
        kind: tells the networks apart.
        keypoints: number of heatmaps.
        heatmap_stride: input pixels per heatmap cell; 1 where it gives coordinates.
    """

    kind: Literal["foreign"]
    keypoints: PositiveInt
    heatmap_stride: PositiveInt = 4


def _kind(network: Any) -> Any:
    """The kind that JSON or a record names; JSON written before there were kinds names none."""
    if isinstance(network, dict):
        return network.get("kind", Network.kind)
    return getattr(network, "kind", None)


AnyNetwork = Annotated[
    Annotated[Network, Tag("mobilevitpose")]
    | Annotated[VitPoseNetwork, Tag("vitpose")]
    | Annotated[ForeignNetwork, Tag("foreign")],
    Discriminator(
        _kind,
        custom_error_type="network_kind",
        custom_error_message="the kind of a network is mobilevitpose, vitpose or foreign",
    ),
]


@dataclass(frozen=True, config=FROZEN)
class ModelSpec(Record):
    """A zoo entry: name, network and everything around it."""

    name: str
    network: AnyNetwork
    skeleton: Skeleton
    preprocess: Preprocess = Preprocess()
    decode: Decode = Decode()

    @model_validator(mode="after")
    def _same_keypoints(self) -> Self:
        if self.network.keypoints != len(self.skeleton.keypoints):
            raise ValueError(
                f"the network has {self.network.keypoints} heatmaps but the skeleton "
                f"{len(self.skeleton.keypoints)} keypoints"
            )
        return self

    @model_validator(mode="after")
    def _sides(self) -> Self:
        width, height = self.preprocess.size_wh
        if (width % 32 or height % 32) and not isinstance(self.network, ForeignNetwork):
            raise ValueError(f"{SIDES}, not {width} x {height}")
        return self

    @model_validator(mode="after")
    def _size_of_position_embedding(self) -> Self:
        if isinstance(self.network, VitPoseNetwork) and self.preprocess.size_wh != (192, 256):
            raise ValueError("ViTPose takes crops 192 pixels wide and 256 high")
        return self

    @property
    def heatmap_wh(self) -> tuple[int, int]:
        stride = self.network.heatmap_stride
        return self.preprocess.input_width_px // stride, self.preprocess.input_height_px // stride


COCO17 = Skeleton(
    keypoints=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder",
        "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip",
        "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    ),
    flip_pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    edges=(
        (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
        (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
    ),
    sigmas=(
        0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107,
        0.087, 0.087, 0.089, 0.089,
    ),
)  # fmt: skip
