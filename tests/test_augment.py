"""Batched augmentation does what going one by one in NumPy does, with the same random numbers."""

import math
from dataclasses import asdict, replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from mvpose.benchmark.one_by_one import OneByOne
from mvpose.codec.affine import crop, crop_matrix, invert, transform
from mvpose.data.augmentation import Augmentation, Chance
from mvpose.data.coco import KeypointData
from mvpose.data.crops import Cut, FolderCrops
from mvpose.data.samples import Batch, Draw, Sample, TrainingCrops, collate
from mvpose.spec import Preprocess
from mvpose.training.augment import TILTED_RAD, BatchAugment, warp
from mvpose.training.photometric import gaussian_blur, noise_grain

WHOLE = Cut(side_px=4096, margin=10)
PLAIN: dict[str, Any] = {
    "flip": 0.0, "scale": 0.0, "rotation_deg": 0.0, "shift": 0.0, "half_body": 0.0,
}  # fmt: skip
STRONG = Augmentation(
    flip=0.5,
    rotation_probability=0.9,
    shift=0.1,
    half_body=0.5,
    color=0.4,
    grey=0.3,
    blur=0.5,
    noise_levels=20,
    dropout=0.7,
    dropout_count=3,
)
TALL = Preprocess(96, 128)
SQUARE = Preprocess(128, 128)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(
    params=[
        "cpu",
        pytest.param(
            "cuda",
            marks=pytest.mark.skipif(
                not torch.cuda.is_available(), reason="NOT TESTED on a GPU: there is none"
            ),
        ),
    ]
)
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def draws(drawn_data: KeypointData) -> list[Draw]:
    """Everyone twice, with different random numbers."""
    count = len(drawn_data.people)
    return [Draw(number % count, 0, 0, number) for number in range(2 * count)]


@pytest.fixture(scope="module")
def samples(drawn_data: KeypointData, draws: list[Draw]) -> list[Sample]:
    crops = TrainingCrops([FolderCrops(drawn_data.people, drawn_data.skeleton, WHOLE)])
    return [crops[draw] for draw in draws]


@pytest.fixture(scope="module")
def batch(samples: list[Sample]) -> Batch:
    return collate(samples)


def on(batch: Batch, device: str) -> Batch:
    return {name: tensor.to(device) for name, tensor in batch.items()}


def chosen(**values: Any) -> Augmentation:
    return Augmentation(**{**PLAIN, **values})


@pytest.mark.parametrize("preprocess", [SQUARE, TALL], ids=["square", "tall"])
@pytest.mark.parametrize(
    "augmentation",
    [
        pytest.param(chosen(), id="nothing"),
        pytest.param(chosen(scale=0.5), id="scale"),
        pytest.param(chosen(rotation_deg=180.0), id="rotation"),
        pytest.param(chosen(shift=0.3), id="shift"),
        pytest.param(chosen(flip=0.5), id="mirror"),
        pytest.param(chosen(half_body=1.0), id="half body"),
        pytest.param(STRONG, id="all"),
    ],
)
def test_geometry(
    drawn_data: KeypointData,
    draws: list[Draw],
    samples: list[Sample],
    batch: Batch,
    augmentation: Augmentation,
    preprocess: Preprocess,
    device: str,
) -> None:
    skeleton = drawn_data.skeleton
    augment = BatchAugment(augmentation, preprocess, skeleton)
    one_by_one = OneByOne(drawn_data.people, skeleton, preprocess, augmentation, (8, 8))
    placed = on(batch, device)
    matrices = augment.matrices(placed, preprocess).cpu().numpy()
    points, weights = (t.cpu() for t in augment(placed)[1:])
    corners = np.array([[0, 0], [480, 0], [0, 480], [480, 480]])
    tolerance_px = 1e-3 if augmentation.half_body else 1e-4  # keypoints are in single precision
    for n, (draw, sample) in enumerate(zip(draws, samples, strict=True)):
        matrix, mirror = one_by_one.matrix(
            drawn_data.people[draw.person], sample.noise.astype(np.float64)
        )
        ours = transform(matrices[n], transform(sample.crop.matrix, corners))
        np.testing.assert_allclose(ours, transform(matrix, corners), atol=tolerance_px)
        assert mirror == bool(augment.mirrored(batch)[n])
        _, expected, labelled = one_by_one.augmented(draw)
        np.testing.assert_array_equal(weights[n], labelled)
        seen = labelled > 0
        np.testing.assert_allclose(points[n][seen], expected[seen], atol=1e-3)
    if augmentation == STRONG:
        assert 0 < sum(augment.mirrored(batch)) < len(draws)
        assert not np.array_equal(
            matrices, BatchAugment(chosen(), preprocess, skeleton).matrices(batch, preprocess)
        )


@pytest.mark.parametrize(
    "augmentation",
    [
        pytest.param(chosen(), id="nothing"),
        pytest.param(chosen(color=0.5), id="color"),
        pytest.param(chosen(grey=0.5), id="grey"),
        pytest.param(chosen(blur=0.5, blur_sigma_px=5.0), id="blur"),
        pytest.param(chosen(noise_levels=40.0), id="noise"),
        pytest.param(chosen(dropout=0.6, dropout_count=4), id="dropout"),
        pytest.param(STRONG, id="all"),
    ],
)
def test_pixels(
    drawn_data: KeypointData,
    draws: list[Draw],
    batch: Batch,
    augmentation: Augmentation,
    device: str,
) -> None:
    skeleton = drawn_data.skeleton
    one_by_one = OneByOne(drawn_data.people, skeleton, TALL, augmentation, (8, 8))
    images = BatchAugment(augmentation, TALL, skeleton)(on(batch, device)).images.cpu()
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert images.min() >= 0
    assert images.max() < 255.01
    expected = np.stack([one_by_one.augmented(draw)[0] for draw in draws])
    difference = np.abs(images.permute(0, 2, 3, 1).numpy() - expected)
    # OpenCV counts positions in 32nds of a pixel and rounds after every step
    assert difference.mean() < 1.2
    assert np.quantile(difference, 0.99) < 12


@pytest.mark.parametrize("kind", ["color", "grey", "blur", "noise_levels", "dropout"])
def test_every_change_is_seen(drawn_data: KeypointData, batch: Batch, kind: str) -> None:
    plain = BatchAugment(chosen(), TALL, drawn_data.skeleton)(batch).images
    strength = 30.0 if kind == "noise_levels" else 0.5
    changed = BatchAugment(chosen(**{kind: strength}), TALL, drawn_data.skeleton)(batch).images
    different = (plain - changed).abs().amax((1, 2, 3)) > 0.05
    if kind in ("color", "noise_levels"):
        assert different.all()
    else:
        assert 0.2 < different.float().mean() < 0.8


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("angle", [0.0, 33.0])
def test_warp_is_opencv_s(mirror: bool, angle: float, device: str) -> None:
    rng = np.random.default_rng(0)
    blurred = cv2.GaussianBlur(rng.integers(0, 256, (90, 160, 3), np.uint8), (0, 0), 2)
    image = blurred.astype(np.uint8, copy=False)
    size = (64, 96)
    matrix = crop_matrix(np.array([70.0, 50]), np.array([80.0, 120]), size, angle, mirror)
    expected = crop(image, matrix, size)
    canvas = torch.from_numpy(image).permute(2, 0, 1)[None].to(device)
    warped = warp(canvas, torch.from_numpy(matrix)[None].to(device), size).cpu()
    difference = np.abs(warped[0].permute(1, 2, 0).numpy() - expected)
    assert difference.mean() < 0.5
    assert difference.max() < 6


def test_same_for_other_neighbours(drawn_data: KeypointData, samples: list[Sample]) -> None:
    """Canvas size and place in the batch change nothing."""
    augment = BatchAugment(STRONG, TALL, drawn_data.skeleton)
    together = augment(collate(samples))
    for n in (0, len(samples) - 1):
        alone = augment(collate([samples[n]]))
        for a, b, tolerance in zip(alone, together, (0.5, 1e-3, 0), strict=True):
            torch.testing.assert_close(a[0], b[n], atol=tolerance, rtol=0)


def test_another_network_sees_the_same_person(drawn_data: KeypointData, batch: Batch) -> None:
    augment = BatchAugment(STRONG, SQUARE, drawn_data.skeleton)
    points, _ = augment.labels(batch, augment.matrices(batch, SQUARE), SQUARE.size_wh)
    matrices = augment.matrices(batch, TALL)
    teacher_points, _ = augment.labels(batch, matrices, TALL.size_wh)
    for n in range(len(points)):
        there = matrices[n].numpy()
        back = invert(augment.matrices(batch, SQUARE)[n].numpy())
        moved = transform(there, transform(back, points[n].numpy()))
        np.testing.assert_allclose(moved, teacher_points[n], atol=1e-2)
    # a wider region for the taller crop, at the same place and angle
    middle = np.array([(SQUARE.input_width_px - 1) / 2, (SQUARE.input_height_px - 1) / 2])
    moved = transform(there, transform(back, middle))
    shift = np.abs(moved - [(TALL.input_width_px - 1) / 2, (TALL.input_height_px - 1) / 2])
    assert shift.max() < STRONG.shift * TALL.input_height_px


def test_leaves_the_batch_alone(drawn_data: KeypointData, samples: list[Sample]) -> None:
    batch = collate(samples)
    before = {name: tensor.clone() for name, tensor in batch.items()}
    BatchAugment(STRONG, TALL, drawn_data.skeleton)(batch)
    assert all(torch.equal(tensor, before[name]) for name, tensor in batch.items())


def test_never_waits_for_the_gpu(drawn_data: KeypointData, batch: Batch) -> None:
    if not torch.cuda.is_available():
        pytest.skip("NOT TESTED on a GPU: there is none")
    placed = on(batch, "cuda")
    augment = BatchAugment(STRONG, TALL, drawn_data.skeleton)
    augment(placed)
    torch.cuda.set_sync_debug_mode("error")
    try:
        augment(placed)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_blur_keeps_the_mean_and_spreads_a_point() -> None:
    images = torch.zeros(2, 3, 41, 41)
    images[:, :, 20, 20] = 1
    blurred = gaussian_blur(images, torch.tensor([1.0, 3.0]), 12)
    torch.testing.assert_close(blurred.sum((2, 3)), torch.ones(2, 3))
    rows = torch.arange(41.0) - 20
    spread = (blurred.sum(3) * rows**2).sum(2).sqrt()
    torch.testing.assert_close(spread[:, 0], torch.tensor([1.0, 3.0]), atol=0.02, rtol=0)


def test_grain_is_white() -> None:
    noise = torch.rand(3, Chance.RECTANGLES, generator=torch.Generator().manual_seed(0))
    grain: Tensor = noise_grain(noise, (600, 100))
    assert grain.shape == (3, 3, 100, 600)
    assert abs(float(grain.mean())) < 0.02
    assert abs(float(grain.std()) - 1) < 0.02
    assert not torch.equal(grain[0], grain[1])


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"flip": 1.1}, id="probability above 1"),
        pytest.param({"half_body": -0.1}, id="probability below 0"),
        pytest.param({"scale": 1.0}, id="scale to nothing"),
        pytest.param({"rotation_deg": 181.0}, id="more than half a turn"),
        pytest.param({"color": math.nan}, id="not a number"),
        pytest.param({"blur_sigma_px": 0.0}, id="blur of nothing"),
        pytest.param({"noise_levels": -1.0}, id="negative noise"),
        pytest.param({"dropout_count": 5}, id="too many rectangles"),
        pytest.param({"dropout_side": (0.4, 0.2)}, id="sides the wrong way round"),
        pytest.param({"sharpen": 1.0}, id="unknown"),
    ],
)
def test_refuses(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(values))):
        Augmentation(**values)


def test_json_both_ways() -> None:
    assert Augmentation.from_json(STRONG.to_json()) == STRONG
    assert Augmentation(**asdict(STRONG)) == STRONG


def test_turns_upright(drawn_data: KeypointData, batch: Batch) -> None:
    skeleton = drawn_data.skeleton
    augment = BatchAugment(chosen(upright=1.0), SQUARE, skeleton)
    lying = dict(batch)
    x, y = batch["points_px"].unbind(2)
    lying["points_px"] = torch.stack([-y, x], 2)  # turned by a quarter
    _, points, _ = augment(lying)
    shoulders, hips = points[:, 5:7].mean(1), points[:, 11:13].mean(1)
    whole = (batch["labelled"][:, [5, 6, 11, 12]] > 0).all(1)
    assert whole.any()
    spine = (hips - shoulders)[whole]
    tilt = torch.atan2(spine[:, 0], spine[:, 1]).abs()
    assert (tilt <= TILTED_RAD + 1e-4).all()
    seen = augment(lying)[2][whole]
    assert torch.equal(seen, batch["labelled"][whole])  # nobody is turned out of the crop


def test_truncates(drawn_data: KeypointData, batch: Batch) -> None:
    white = {**batch, "images": torch.full_like(batch["images"], 255)}
    part = chosen(half_body=1.0, close_up=1.0)
    whole = BatchAugment(part, SQUARE, drawn_data.skeleton)(white)
    ended = BatchAugment(replace(part, truncation=1.0), SQUARE, drawn_data.skeleton)(white)
    torch.testing.assert_close(ended.points_px, whole.points_px)
    hidden = (whole.weights > 0) & (ended.weights == 0)
    assert hidden.any()
    for n, k in hidden.nonzero().tolist():
        row = int(ended.points_px[n, k, 1])
        assert not ended.images[n, :, row:].any()
    heads = ended.weights[:, :5].sum(1) == whole.weights[:, :5].sum(1)
    assert heads.all()


def test_covers_with_other_crops(drawn_data: KeypointData, batch: Batch) -> None:
    covered = chosen(dropout=1.0, dropout_fill="crops", dropout_side=(0.5, 0.5))
    plain = BatchAugment(chosen(), SQUARE, drawn_data.skeleton)(batch).images
    images = BatchAugment(covered, SQUARE, drawn_data.skeleton)(batch).images
    own, other = images == plain, images == plain.roll(1, 0)
    assert (own | other).all()
    assert (~own).any()
