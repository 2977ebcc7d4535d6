"""Distillation: a teacher's heatmaps lie on the student's cells, wherever the crop was turned."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import random_pose_net
from dot_finder import CELL_PX, DOT_FINDER, DOTS, dot_weights, draw_dots
from numpy.typing import NDArray
from torch import Tensor, nn

from mvpose.codec.affine import input_to_cells
from mvpose.codec.decode import decode
from mvpose.data.augmentation import CHANCES, Augmentation
from mvpose.errors import InputError
from mvpose.models.pose import PoseNet
from mvpose.models.vitpose import VIT, ViTPose, VitSize
from mvpose.runtime.torch_runtime import TorchRuntime, normalise
from mvpose.spec import Decode, ForeignNetwork, ModelSpec, Preprocess, VitPoseNetwork
from mvpose.training.augment import BatchAugment, warp
from mvpose.training.recipe import Distillation, TeacherSource
from mvpose.training.teachers import Teachers, give_token, infer, learn_token

STILL = Augmentation(flip=0, scale=0, rotation_deg=0, half_body=0)
FLIPPED = replace(STILL, flip=1.0)
TURNED = replace(STILL, rotation_deg=40, rotation_probability=1.0, scale=0.25)
BOTH = replace(TURNED, flip=1.0)
COLOURED = replace(BOTH, color=0.4, grey=0.5, dropout=1.0)
ways = pytest.mark.parametrize(
    "augmentation",
    [
        pytest.param(STILL, id="still"),
        pytest.param(FLIPPED, id="flipped"),
        pytest.param(TURNED, id="turned"),
        pytest.param(BOTH, id="flipped-and-turned"),
    ],
)


@dataclass(frozen=True)
class NumpyRuntime:
    """A runtime that is not PyTorch to ``Teachers``."""

    inner: TorchRuntime

    @property
    def spec(self) -> ModelSpec:
        return self.inner.spec

    @property
    def protocol(self) -> dict[str, str | int]:
        return self.inner.protocol

    def heatmaps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert images.dtype == np.uint8
        return self.inner.heatmaps(images)


def batch_of(pictures: NDArray[Any], points_px: NDArray[Any], boxes: NDArray[Any]) -> Any:
    """What ``collate`` makes of pictures (B, H, W, 3), points (B, K, 2) and boxes (B, 4)."""
    count, keypoints, _ = points_px.shape
    noise = np.random.default_rng(5).random((count, CHANCES), np.float32)
    return {
        "images": torch.from_numpy(pictures.round().astype(np.uint8)).permute(0, 3, 1, 2),
        "points_px": torch.from_numpy(points_px.astype(np.float32)),
        "labelled": torch.ones(count, keypoints),
        "box_xywh_px": torch.from_numpy(boxes.astype(np.float32)),
        "noise": torch.from_numpy(noise),
        "person": torch.arange(count),
    }


@pytest.fixture(scope="module")
def clouds() -> Any:
    """Smooth coloured noise, in which a random network sees much."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand((3, 3, 20, 20), generator=generator)
    pictures = nn.functional.interpolate(noise, (160, 160), mode="bicubic").clamp(0, 1) * 255
    boxes = np.array([[50, 20, 50, 110], [40, 40, 70, 80], [60, 30, 40, 100]], float)
    return batch_of(pictures.permute(0, 2, 3, 1).numpy(), np.zeros((3, 17, 2)), boxes)


@pytest.fixture(scope="module")
def dots() -> Any:
    """Pictures of people of three coloured dots."""
    rng = np.random.default_rng(1)
    points = rng.uniform([65, 50], [115, 130], (4, 3, 2))
    pictures = np.stack([draw_dots(p[None], (192, 192)) for p in points])
    boxes = np.tile([60.0, 45, 60, 90], (4, 1))
    return batch_of(pictures, points, boxes)


def dot_finder(preprocess: Preprocess, grid: str) -> TorchRuntime:
    """Finds dots by colour, with its cells on the crop's grid."""
    width, height = preprocess.size_wh
    cells = (height // CELL_PX, width // CELL_PX)
    if grid == "corners":
        sample: nn.Module = nn.Upsample(cells, mode="bilinear", align_corners=True)
    else:
        sample = nn.MaxPool2d(1, CELL_PX)
    mix = nn.Conv2d(3, 3, 1, bias=False)
    mix.weight.data = torch.from_numpy(dot_weights().sum((2, 3), keepdims=True))
    spec = replace(DOT_FINDER, preprocess=preprocess, decode=Decode("dark", grid=grid))  # type: ignore[arg-type]
    return TorchRuntime(nn.Sequential(mix, sample).eval(), spec)


@ways
def test_a_teacher_like_the_student_gives_its_own_heatmaps(
    augmentation: Augmentation, small_spec: ModelSpec, clouds: Any
) -> None:
    """Channels too: in a mirrored crop both see the mirrored person."""
    runtime = TorchRuntime(random_pose_net(small_spec), small_spec)
    augment = BatchAugment(augmentation, small_spec.preprocess, small_spec.skeleton)
    matrices = augment.matrices(clouds, small_spec.preprocess)
    crops = warp(clouds["images"], matrices, small_spec.preprocess.size_wh)
    with torch.no_grad():
        own = runtime.model(normalise(crops, small_spec))
    targets, weights = Teachers(((runtime, 1.0),), -100).targets(clouds, augment, small_spec)
    assert targets.shape == own.shape
    assert targets.numpy() == pytest.approx(own.numpy(), abs=1e-3 * float(own.abs().max()))
    assert (weights == 1).all()


@ways
@pytest.mark.parametrize("teacher_grid", ["corners", "stride"])
@pytest.mark.parametrize("student_grid", ["corners", "stride"])
def test_targets_lie_on_the_keypoints(
    augmentation: Augmentation, teacher_grid: str, student_grid: str, dots: Any
) -> None:
    """Teacher and student of other shapes, sizes, paddings and grids."""
    teacher = dot_finder(Preprocess(128, 96, box_padding=1.5), teacher_grid)
    preprocess = Preprocess(96, 128)
    student = dot_finder(preprocess, student_grid).spec
    augment = BatchAugment(augmentation, preprocess, DOTS)
    points, inside = augment.labels(dots, augment.matrices(dots, preprocess), preprocess.size_wh)
    targets, weights = Teachers(((teacher, 1.0),), 0.5).targets(dots, augment, student)
    found, _ = decode(targets.numpy(), Decode("quarter"))
    expected = input_to_cells(
        points.numpy(), student.heatmap_wh, preprocess.size_wh, student.decode.grid
    )
    seen = (inside * weights).bool().numpy()
    assert seen.mean() > 0.6
    assert np.abs(found - expected)[seen].max() < 1.0
    assert np.abs((found - expected)[seen].mean(0)).max() < 0.3


def test_colours_are_clean(dots: Any) -> None:
    """The teacher sees the turned crop without the student's distortions."""
    teacher = dot_finder(Preprocess(96, 128), "stride")
    found = [
        Teachers(((teacher, 1.0),)).targets(
            dots, BatchAugment(augmentation, teacher.spec.preprocess, DOTS), teacher.spec
        )[0]
        for augmentation in (BOTH, COLOURED)
    ]
    assert torch.equal(*found)


def test_other_runtimes_run_in_numpy(small_spec: ModelSpec, clouds: Any) -> None:
    runtime = TorchRuntime(random_pose_net(small_spec), small_spec)
    crops = nn.functional.interpolate(clouds["images"].float(), (128, 64))
    expected = infer(runtime, crops.round())
    assert infer(NumpyRuntime(runtime), crops).numpy() == pytest.approx(
        expected.numpy(), abs=1e-4 * float(expected.abs().max())
    )


def test_teachers_are_shared_by_copies(dots: Any) -> None:
    teachers = Teachers(((dots, 1.0),))
    assert copy.deepcopy({"of a module": teachers})["of a module"] is teachers


def test_several_teachers_are_averaged_by_weight(dots: Any) -> None:
    first = dot_finder(Preprocess(96, 128), "stride")
    second = dot_finder(Preprocess(96, 128), "corners")
    augment = BatchAugment(BOTH, first.spec.preprocess, DOTS)
    a, b, both = (
        Teachers(runtimes).targets(dots, augment, first.spec)[0]
        for runtimes in (((first, 1.0),), ((second, 1.0),), ((first, 3.0), (second, 1.0)))
    )
    assert both.numpy() == pytest.approx(((3 * a + b) / 4).numpy(), abs=1e-5)
    assert float((a - b).abs().max()) > 0.01


def test_keypoints_are_matched_by_name(dots: Any) -> None:
    """In the student's order; a keypoint that the teacher lacks weighs nothing."""
    teacher = dot_finder(Preprocess(96, 128), "stride")
    augment = BatchAugment(STILL, teacher.spec.preprocess, DOTS)
    plain, _ = Teachers(((teacher, 1.0),)).targets(dots, augment, teacher.spec)
    other = replace(
        teacher.spec,
        network=ForeignNetwork(kind="foreign", keypoints=4, heatmap_stride=CELL_PX),
        skeleton=replace(
            DOTS, keypoints=("foot", "tail", "head", "hand"), sigmas=(0.08,) * 4, edges=()
        ),
    )
    targets, weights = Teachers(((teacher, 1.0),)).targets(dots, augment, other)
    assert torch.equal(targets[:, [2, 3, 0]], plain)
    assert (weights == torch.tensor([1.0, 0.0, 1.0, 1.0])).all()


@pytest.mark.parametrize(
    ("floor", "kept"), [pytest.param(0.2, True, id="low"), pytest.param(2.0, False, id="high")]
)
def test_peak_floor(floor: float, kept: bool, dots: Any) -> None:
    teacher = dot_finder(Preprocess(96, 128), "stride")
    augment = BatchAugment(STILL, teacher.spec.preprocess, DOTS)
    _, weights = Teachers(((teacher, 1.0),), floor).targets(dots, augment, teacher.spec)
    assert (weights == float(kept)).all()


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """ViTPose-B is two layers of 48 channels."""
    pytest.importorskip("transformers", reason="needs mvpose[vitpose]")
    monkeypatch.setitem(VIT, "b", VitSize(width=48, depth=2, heads=4))


def test_knowledge_token(tiny: None) -> None:
    """It lowers the frozen teacher's loss, and is frozen in the student, which still learns."""
    torch.manual_seed(0)
    network = VitPoseNetwork(kind="vitpose", decoder="simple")
    teacher, student = ViTPose(network), ViTPose(network)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    images, targets = torch.randn(2, 3, 256, 192), torch.rand(2, 17, 64, 48)
    weights = torch.ones(2, 17)

    def loss() -> Tensor:
        with torch.no_grad():
            return (teacher(images) - targets).square().mean()

    learn_token(teacher, [])
    at_first = loss()
    token = learn_token(teacher, [(images, targets, weights)] * 4, learning_rate=0.1)
    assert loss() < at_first
    after = teacher.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    give_token(student, token)
    assert student.network.knowledge_token
    student(images).square().mean().backward()
    assert student.knowledge_token is not None
    assert torch.equal(student.knowledge_token, token)
    assert student.knowledge_token.grad is None
    assert student.backbone.embeddings.position_embeddings.grad is not None


def test_token_needs_a_student_alike(tiny: None, small_spec: ModelSpec) -> None:
    with pytest.raises(InputError, match="only a ViTPose"):
        give_token(PoseNet(small_spec.network), torch.zeros(1, 1, 48))
    with pytest.raises(InputError, match="64 channels, the student 48"):
        give_token(ViTPose(VitPoseNetwork(kind="vitpose")), torch.zeros(1, 1, 64))


def test_load_keeps_the_threads_of_training(small_spec: ModelSpec, checkpoint: Path) -> None:
    threads = torch.get_num_threads()
    sources = (TeacherSource(str(checkpoint), 2.0), TeacherSource(str(checkpoint)))
    teachers = Teachers.load(Distillation(sources, peak_floor=0.3))
    assert torch.get_num_threads() == threads
    assert [weight for _, weight in teachers.runtimes] == [2.0, 1.0]
    assert teachers.runtimes[0][0].spec == small_spec
    assert teachers.peak_floor == 0.3


def test_a_teacher_must_give_heatmaps(shared_data: Path) -> None:
    movenet = shared_data / "peers" / "movenet_lightning_int8.tflite"
    with pytest.raises(InputError, match="gives coordinates, no heatmaps"):
        Teachers.load(Distillation((TeacherSource(f"movenet:{movenet}"),)))
