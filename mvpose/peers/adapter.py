"""What a ``.tflite`` or ``.onnx`` of another maker means: a small JSON file, an adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass

from mvpose.artefact import Layout
from mvpose.errors import InputError
from mvpose.spec import (
    COCO17,
    FROZEN,
    Decode,
    ForeignNetwork,
    ModelSpec,
    Preprocess,
    Record,
    Skeleton,
    first_problem,
)

SHIPPED = Path(__file__).parent / "adapters"
SUFFIX = ".json"

Tensor = NonNegativeInt | str
"""An output: its place in the file's order, or its name."""
Unit = Literal["fraction", "px"]
"""Of coordinates, from edge to edge of the input: 0..1, or 0 to its side in pixels."""


@dataclass(frozen=True, config=FROZEN)
class NetworkInput(Record):
    """What a file takes. Its element type and scale, where it is quantised, are the file's own.

    Attributes:
        width_px, height_px: of the crop or letterboxed picture.
        layout: axes.
        color: order of the channels.
        mean, std: per channel in that order, in 0..255; the input is (x - mean) / std.
    """

    width_px: PositiveInt
    height_px: PositiveInt
    layout: Layout = "NHWC"
    color: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (1.0, 1.0, 1.0)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Without batch."""
        if self.layout == "NHWC":
            return self.height_px, self.width_px, 3
        return 3, self.height_px, self.width_px


@dataclass(frozen=True, config=FROZEN)
class HeatmapOutput(Record):
    """Heatmaps, one per landmark.

    Attributes:
        kind: tells the outputs apart.
        tensor: the output.
        layout: its axes.
        stride: input pixels per cell.
        decode: how keypoints are read off them.
    """

    kind: Literal["heatmaps"]
    tensor: Tensor = 0
    layout: Layout = "NHWC"
    stride: PositiveInt = 4
    decode: Decode = Decode()

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return (self.tensor,)


@dataclass(frozen=True, config=FROZEN)
class CoordinateOutput(Record):
    """Numbers per landmark, in any shape that holds landmarks x columns.

    Attributes:
        kind: tells the outputs apart.
        tensor: the output.
        columns: what a landmark's numbers are; "x", "y" and ``score`` must be among them.
        score: the column that says how sure the network is.
        logits: the score goes through a sigmoid first.
        unit: of x and y.
        score_floor: as in ``Decode``.
    """

    kind: Literal["coordinates"]
    columns: tuple[str, ...]
    tensor: Tensor = 0
    score: str = "score"
    logits: bool = False
    unit: Unit = "fraction"
    score_floor: float = Decode.score_floor

    @model_validator(mode="after")
    def _has_columns(self) -> Self:
        missing = {"x", "y", self.score} - set(self.columns)
        if missing:
            raise ValueError(f"no column {' or '.join(sorted(missing))}")
        return self

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return (self.tensor,)

    @property
    def decode(self) -> Decode:
        return Decode("coordinates", score_floor=self.score_floor)


@dataclass(frozen=True, config=FROZEN)
class SimccOutput(Record):
    """Two distributions per landmark, along x and along y (SimCC, ECCV 2022, arXiv 2107.03332).

    Attributes:
        kind: tells the outputs apart.
        x, y: the outputs, (N, landmarks, bins).
        bins_per_px: bins per input pixel.
        score_floor: as in ``Decode``.
    """

    kind: Literal["simcc"]
    x: Tensor = "simcc_x"
    y: Tensor = "simcc_y"
    bins_per_px: PositiveFloat = 2.0
    score_floor: float = Decode.score_floor

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return (self.x, self.y)

    @property
    def decode(self) -> Decode:
        return Decode("coordinates", score_floor=self.score_floor)


PoseOutput = Annotated[HeatmapOutput | CoordinateOutput | SimccOutput, Field(discriminator="kind")]


@dataclass(frozen=True, config=FROZEN)
class PoseAdapter(Record):
    """How to use a pose network of another maker.

    Attributes:
        kind: tells the adapters apart.
        name: of the model.
        input: what it takes; the crop is cut as ``Preprocess`` says, by UDP's affine map.
        output: what it gives.
        box_padding: the box is grown by this factor about its centre before cropping.
        landmarks: for each keypoint of the skeleton, the landmark that it is; left out, they are
            the same.
        skeleton: COCO's 17 keypoints, unless it says otherwise.
    """

    kind: Literal["pose"]
    name: str
    input: NetworkInput
    output: PoseOutput
    box_padding: PositiveFloat = 1.25
    landmarks: tuple[NonNegativeInt, ...] | None = None
    skeleton: Skeleton = COCO17

    @model_validator(mode="after")
    def _one_landmark_each(self) -> Self:
        wanted = len(self.skeleton.keypoints)
        if self.landmarks is not None and len(self.landmarks) != wanted:
            raise ValueError(f"{len(self.landmarks)} landmarks for {wanted} keypoints")
        return self

    @property
    def spec(self) -> ModelSpec:
        """The same as mvpose's own networks say it."""
        mean, std = self.input.mean, self.input.std
        if self.input.color == "bgr":
            mean, std = mean[::-1], std[::-1]
        stride = self.output.stride if isinstance(self.output, HeatmapOutput) else 1
        return ModelSpec(
            name=self.name,
            network=ForeignNetwork("foreign", len(self.skeleton.keypoints), stride),
            skeleton=self.skeleton,
            preprocess=Preprocess(
                self.input.width_px,
                self.input.height_px,
                mean,
                std,
                self.box_padding,
            ),
            decode=self.output.decode,
        )


@dataclass(frozen=True, config=FROZEN)
class DetectorAdapter(Record):
    """How to use a detector of people.

    Attributes:
        kind: tells the adapters apart.
        name: of the model.
        input: what it takes.
        boxes: the output with a row per box.
        columns: what a box's first numbers are; x1, y1, x2, y2, or cx, cy, w, h, in any order,
            perhaps "score", others ignored.
        unit: of the boxes.
        columns_first: the rows and columns of ``boxes`` change places.
        scores: the output with each box's score, where no column holds it.
        classes: the output with each box's class; left out, all boxes are people.
        person: the class of people.
        letterbox: where the picture lies in the input: in its "corner", its "centre", or over all
            of it, distorted ("stretch").
        fill: grey of the rest, 0..255.
        score_floor: boxes with a lower score are left out.
        iou_ceiling: of two boxes that overlap more, the lower-scored one is left out.
    """

    kind: Literal["detector"]
    name: str
    input: NetworkInput
    boxes: Tensor
    columns: tuple[str, ...]
    unit: Unit = "px"
    columns_first: bool = False
    scores: Tensor | None = None
    classes: Tensor | None = None
    person: NonNegativeInt = 0
    letterbox: Literal["corner", "centre", "stretch"] = "corner"
    fill: Annotated[int, Field(ge=0, le=255)] = 114
    score_floor: Annotated[float, Field(ge=0, le=1)] = 0.3
    iou_ceiling: Annotated[float, Field(gt=0, le=1)] = 0.6

    @model_validator(mode="after")
    def _complete(self) -> Self:
        named = set(self.columns)
        if not ({"x1", "y1", "x2", "y2"} <= named or {"cx", "cy", "w", "h"} <= named):
            raise ValueError("the columns of a box are x1, y1, x2, y2 or cx, cy, w, h")
        if ("score" in named) == (self.scores is not None):
            raise ValueError("scores come from a column or from an output of their own")
        return self


AnyAdapter = Annotated[PoseAdapter | DetectorAdapter, Field(discriminator="kind")]


def shipped(kind: str) -> list[str]:
    """The names of the shipped adapters of a kind."""
    paths = sorted(SHIPPED.glob(f"*{SUFFIX}"))
    return [path.stem for path in paths if read_adapter(path).kind == kind]


def read_adapter(path: Path) -> PoseAdapter | DetectorAdapter:
    """Read an adapter.

    Raises:
        InputError: the file is unreadable, or a field missing, unknown or out of range.
    """
    adapters: TypeAdapter[Any] = TypeAdapter(AnyAdapter)
    try:
        return adapters.validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(
            f"cannot read the adapter {path}: {error.strerror}",
            f"shipped are {', '.join(sorted(p.stem for p in SHIPPED.glob(f'*{SUFFIX}')))}",
        ) from error
    except ValidationError as error:
        raise InputError(
            f"{path} is no adapter: {first_problem(error)}", "docs/peers.md explains every field"
        ) from error


def split_adapter(text: str) -> tuple[Path | None, Path]:
    """The adapter's file and the model's of an argument ADAPTER:FILE; None where it has none.

    ADAPTER is a shipped one's name or a path that ends in ``.json``. An existing file of the whole
    argument's name comes first, and so does any other path with a colon.
    """
    if not Path(text).exists():
        for place in (i for i, sign in enumerate(text) if sign == ":"):
            name, file = text[:place], text[place + 1 :]
            path = SHIPPED / f"{name}{SUFFIX}"
            if name.endswith(SUFFIX) or (name.isidentifier() and path.is_file()):
                return Path(name) if name.endswith(SUFFIX) else path, Path(file)
    return None, Path(text)
