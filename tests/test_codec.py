"""Between image, crop and heatmap: what goes there comes back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mvpose.codec.affine import (
    Grid,
    align_mirrored,
    box_to_region,
    cells_to_input,
    crop,
    crop_matrix,
    input_to_cells,
    invert,
    transform,
)
from mvpose.codec.decode import argmax, average_flipped, dark_offset, decode, quarter_offset
from mvpose.codec.heatmaps import encode
from mvpose.spec import COCO17, Decode

Floats = NDArray[np.float64]
SIZES = {"256x256": (256, 256), "256x192": (192, 256), "288x384": (384, 288)}
BOXES = {
    "square": (100.0, 50.0, 200.0, 200.0),
    "tall": (10.5, 20.25, 40.0, 300.0),
    "wide": (0.0, 0.0, 640.0, 90.0),
    "tiny": (317.2, 200.9, 3.0, 5.0),
    "outside": (-80.0, -40.0, 120.0, 160.0),
    "large": (1500.0, 900.0, 2500.0, 2100.0),
}
DARK, QUARTER = Decode("dark"), Decode("quarter")
sizes = pytest.mark.parametrize("size_wh", SIZES.values(), ids=SIZES.keys())
boxes = pytest.mark.parametrize("box", BOXES.values(), ids=BOXES.keys())


def region(box: tuple[float, ...], size_wh: tuple[int, int]) -> tuple[Floats, Floats]:
    return box_to_region(np.array(box), size_wh, 1.25)


def heatmaps(cells: Floats, heatmap_wh: tuple[int, int]) -> Floats:
    sigma = 2.0 * heatmap_wh[1] / 64
    maps: Floats = encode(torch.from_numpy(cells), heatmap_wh, sigma).numpy()
    return maps


def random_cells(heatmap_wh: tuple[int, int], count: int, margin: float) -> Floats:
    rng = np.random.default_rng(0)
    return rng.uniform(margin, np.array(heatmap_wh) - 1 - margin, (count, 2))


@sizes
@boxes
def test_region_has_the_crops_aspect(box: tuple[float, ...], size_wh: tuple[int, int]) -> None:
    left, top, width, height = box
    centre, found = box_to_region(np.array(box), size_wh, 1.25)
    assert found[0] / found[1] == pytest.approx(size_wh[0] / size_wh[1])
    assert centre == pytest.approx([left + width / 2, top + height / 2])
    assert (found / 1.25 >= np.array([width, height]) - 1e-9).all()
    assert np.isclose(found / 1.25, [width, height]).any()


@pytest.mark.parametrize(
    ("box", "size_wh", "padding", "expected"),
    [
        pytest.param((0, 0, 100, 100), (256, 256), 1.0, (100, 100), id="square"),
        pytest.param((0, 0, 100, 100), (192, 256), 1.0, (100, 400 / 3), id="square-in-tall"),
        pytest.param((0, 0, 100, 100), (384, 288), 1.0, (400 / 3, 100), id="square-in-wide"),
        pytest.param((0, 0, 30, 80), (192, 256), 1.25, (75, 100), id="padded"),
    ],
)
def test_region_size(
    box: tuple[int, ...],
    size_wh: tuple[int, int],
    padding: float,
    expected: tuple[float, float],
) -> None:
    assert box_to_region(np.array(box, float), size_wh, padding)[1] == pytest.approx(expected)


@sizes
@boxes
@pytest.mark.parametrize("mirror", [False, True], ids=["plain", "mirrored"])
@pytest.mark.parametrize("rotation_deg", [0.0, 33.0, -120.0])
def test_crop_and_back(
    box: tuple[float, ...], size_wh: tuple[int, int], rotation_deg: float, mirror: bool
) -> None:
    centre, size = region(box, size_wh)
    matrix = crop_matrix(centre, size, size_wh, rotation_deg, mirror)
    points = centre + size * np.random.default_rng(0).uniform(-0.7, 0.7, (50, 2))
    back = transform(invert(matrix), transform(matrix, points))
    assert np.abs(back - points).max() < 1e-4


@sizes
@boxes
def test_corners_coincide(box: tuple[float, ...], size_wh: tuple[int, int]) -> None:
    """UDP: the region's corners fall on the centres of the crop's corner pixels."""
    centre, size = region(box, size_wh)
    matrix = crop_matrix(centre, size, size_wh)
    corners = transform(matrix, np.stack([centre - size / 2, centre, centre + size / 2]))
    last = np.subtract(size_wh, 1)
    assert corners == pytest.approx(np.stack([last * 0, last / 2, last]), abs=1e-9)


@sizes
def test_mirror_reflects_the_crop(size_wh: tuple[int, int]) -> None:
    centre, size = region(BOXES["tall"], size_wh)
    points = centre + size * np.random.default_rng(0).uniform(-0.5, 0.5, (20, 2))
    plain = transform(crop_matrix(centre, size, size_wh, 20), points)
    mirrored = transform(crop_matrix(centre, size, size_wh, 20, mirror=True), points)
    assert mirrored[:, 0] == pytest.approx(size_wh[0] - 1 - plain[:, 0])
    assert mirrored[:, 1] == pytest.approx(plain[:, 1])


def test_rotation_is_clockwise() -> None:
    matrix = crop_matrix(np.array([50.0, 50.0]), np.array([101.0, 101.0]), (102, 102), 90)
    right_of_centre = transform(matrix, np.array([60.0, 50.0]))
    assert right_of_centre == pytest.approx([50.5, 60.5])


@pytest.mark.parametrize("mirror", [False, True], ids=["plain", "mirrored"])
@pytest.mark.parametrize("rotation_deg", [0.0, 25.0])
def test_pixels_follow_points(rotation_deg: float, mirror: bool) -> None:
    """A dot drawn in the image lies in the crop where its coordinates are mapped to."""
    y, x = np.mgrid[:200, :300]
    image = (255 * np.exp(-((x - 140) ** 2 + (y - 90) ** 2) / 50))[..., None].repeat(3, 2)
    centre, size = region((100, 40, 90, 100), (192, 256))
    matrix = crop_matrix(centre, size, (192, 256), rotation_deg, mirror)
    found = crop(image.round().astype(np.uint8), matrix, (192, 256))
    assert found.shape == (256, 192, 3)
    weights = found[..., 0].astype(float)
    rows, columns = np.mgrid[:256, :192]
    seen = [(weights * columns).sum() / weights.sum(), (weights * rows).sum() / weights.sum()]
    assert seen == pytest.approx(transform(matrix, np.array([140.0, 90.0])), abs=0.1)


@sizes
@pytest.mark.parametrize("grid", ["corners", "stride"])
def test_cells_and_input(size_wh: tuple[int, int], grid: Grid) -> None:
    heatmap_wh = (size_wh[0] // 4, size_wh[1] // 4)
    points = np.random.default_rng(0).uniform(0, np.array(size_wh) - 1, (50, 2))
    cells = input_to_cells(points, heatmap_wh, size_wh, grid)
    assert cells_to_input(cells, heatmap_wh, size_wh, grid) == pytest.approx(points)
    assert cells_to_input(np.zeros(2), heatmap_wh, size_wh, grid) == pytest.approx(np.zeros(2))
    corner = cells_to_input(np.subtract(heatmap_wh, 1.0), heatmap_wh, size_wh, grid)
    assert corner == pytest.approx(np.subtract(size_wh, 1 if grid == "corners" else 4))


def test_encode() -> None:
    maps = encode(torch.tensor([[[3.0, 5.0], [7.25, 0.0]]]), (16, 12), 2.0)
    assert maps.shape == (1, 2, 12, 16)
    assert maps[0, 0, 5, 3] == 1
    assert maps[0, 0, 5, 5] == pytest.approx(np.exp(-0.5))
    assert maps[0, 1, 0].argmax() == 7
    assert maps[0, 1, 2, 7] == pytest.approx(np.exp(-(0.25**2 + 2**2) / 8))


@sizes
@pytest.mark.parametrize("stride", [8, 4, 2])
def test_dark_is_exact_away_from_the_border(size_wh: tuple[int, int], stride: int) -> None:
    """Within 0.1 input pixels where the blur's window (three standard deviations) is inside."""
    heatmap_wh = (size_wh[0] // stride, size_wh[1] // stride)
    cells = random_cells(heatmap_wh, 200, margin=3 + 6 * heatmap_wh[1] / 64)
    found, scores = decode(heatmaps(cells, heatmap_wh), DARK)
    to_input = np.subtract(size_wh, 1) / np.subtract(heatmap_wh, 1)
    assert (np.abs(found - cells) * to_input).max() < 0.1
    assert (scores > 0.75).all()
    assert (scores <= 1).all()


@pytest.mark.parametrize(
    "margin",
    [
        pytest.param(6, id="away"),
        pytest.param(
            0,
            id="up-to-the-border",
        ),
    ],
)
def test_dark_is_within_a_cell(margin: int) -> None:
    cells = random_cells((64, 64), 500, margin)
    assert np.abs(decode(heatmaps(cells, (64, 64)), DARK)[0] - cells).max() < 1


@sizes
def test_quarter_is_within_a_quarter(size_wh: tuple[int, int]) -> None:
    """A peak d <= 1/2 cell from its highest cell is moved 1/4 towards it: |d - 1/4| <= 1/4."""
    heatmap_wh = (size_wh[0] // 4, size_wh[1] // 4)
    cells = random_cells(heatmap_wh, 500, margin=1)
    maps = heatmaps(cells, heatmap_wh)
    error = np.abs(decode(maps, QUARTER)[0] - cells)
    assert error.max() <= 0.25 + 1e-9
    assert error.mean() < 0.6 * np.abs(argmax(maps)[0] - cells).mean()


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param((20, 0), id="top"),
        pytest.param((0, 20), id="left"),
        pytest.param((31, 20), id="right"),
        pytest.param((20, 23), id="bottom"),
    ],
)
def test_quarter_stays_on_the_border(cell: tuple[int, int]) -> None:
    maps = heatmaps(np.array([cell], float), (32, 24))
    assert quarter_offset(maps, argmax(maps)[0]) == pytest.approx(np.zeros((1, 2)))


@pytest.mark.parametrize("rule", [DARK, QUARTER], ids=["dark", "quarter"])
@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 1e6])
def test_flat_map(value: float, rule: Decode) -> None:
    cells, scores = decode(np.full((2, 3, 24, 32), value), rule)
    assert cells.shape == (2, 3, 2)
    assert (cells == 0).all()
    assert (scores == value).all()


@pytest.mark.parametrize("rule", [DARK, QUARTER], ids=["dark", "quarter"])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_noise_stays_finite_and_within_a_cell(scale: float, rule: Decode) -> None:
    maps = scale * np.random.default_rng(0).normal(size=(200, 24, 32))
    peaks, heights = argmax(maps)
    cells, scores = decode(maps, rule)
    assert np.isfinite(cells).all()
    assert np.abs(cells - peaks).max() <= 1
    assert (scores == heights).all()


def test_dark_limits_its_step() -> None:
    """A peak far from the cell it is sought at is approached by one cell at most."""
    maps = heatmaps(np.array([[30.0, 30.0]]), (64, 64))
    step = dark_offset(maps, np.array([[26.0, 33.0]]), 2.0)
    assert step == pytest.approx(np.array([[1.0, -1.0]]))


def test_dark_stays_on_a_saddle() -> None:
    y, x = np.mgrid[:32, :32] - 16.3
    saddle = np.exp((x**2 - y**2) / 400)[None]
    assert (dark_offset(saddle, np.array([[16.0, 16.0]]), 2.0) == 0).all()


@pytest.mark.parametrize("tilt", [0.5, -0.5])
def test_dark_follows_a_tilted_peak(tilt: float) -> None:
    """The Newton step needs the mixed derivative where a peak is not round."""
    y, x = np.mgrid[:48, :48] - np.array([20.3, 25.6]).reshape(2, 1, 1)
    tilted = np.exp(-(x**2 + y**2 + 2 * tilt * x * y) / 8)[None]
    assert decode(tilted, DARK)[0] == pytest.approx(np.array([[25.6, 20.3]]), abs=0.02)


def whole_map_step(maps: Floats, cells: Floats, sigma: float) -> Floats:
    """DARK's step with OpenCV's blur of the whole maps, one map after the other."""
    steps = []
    for one, (x, y) in zip(maps, cells.astype(int), strict=True):
        size = 2 * round(2.5 * sigma) + 1
        blurred = cv2.GaussianBlur(
            one.astype(np.float64), (size, size), sigma, borderType=cv2.BORDER_CONSTANT
        )
        logs = np.pad(np.log(blurred.clip(1e-3, 50)), 1, mode="edge")[y : y + 3, x : x + 3]
        dx, dy = (logs[1, 2] - logs[1, 0]) / 2, (logs[2, 1] - logs[0, 1]) / 2
        dxx, dyy = logs[1, ::2].sum() - 2 * logs[1, 1], logs[::2, 1].sum() - 2 * logs[1, 1]
        dxy = (logs[2, 2] - logs[2, 0] - logs[0, 2] + logs[0, 0]) / 4
        hessian = np.array([[dxx, dxy], [dxy, dyy]])
        peak = np.linalg.det(hessian) > 1e-12 and dxx < 0
        step = -np.linalg.solve(hessian, [dx, dy]) if peak else np.zeros(2)
        steps.append(step.clip(-1, 1))
    return np.array(steps)


@sizes
@pytest.mark.parametrize("sigma", [0.7, 1.5, 2.0, 3.1])
@pytest.mark.parametrize("noise", [0.002, 1.0], ids=["clean", "noisy"])
def test_dark_equals_the_blur_of_whole_maps(
    size_wh: tuple[int, int], sigma: float, noise: float
) -> None:
    """Up to the border, where the maps count as 0 beyond and their logarithm as repeated."""
    heatmap_wh = (size_wh[0] // 4, size_wh[1] // 4)
    rng = np.random.default_rng(0)
    maps = heatmaps(random_cells(heatmap_wh, 60, margin=0), heatmap_wh)
    maps = (maps + rng.normal(0, noise, maps.shape)).astype(np.float32)
    corners = np.array([[0, 0], [1, 0], [1, 1]]) * np.subtract(heatmap_wh, 1)
    cells = np.concatenate([corners, argmax(maps[3:])[0]])
    found = dark_offset(maps, cells, sigma)
    np.testing.assert_allclose(found, whole_map_step(maps, cells, sigma), rtol=0, atol=1e-9)
    assert (np.abs(found) > 0.05).any(1).mean() > 0.3


@pytest.mark.parametrize("rule", [DARK, QUARTER], ids=["dark", "quarter"])
def test_people_are_decoded_apart(rule: Decode) -> None:
    """A batch, also one laid out channels last, gives what each map alone gives."""
    maps = np.random.default_rng(0).normal(size=(3, 5, 24, 32)).astype(np.float32)
    cells, scores = decode(maps, rule)
    last = np.ascontiguousarray(maps.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    for other in (decode(last, rule), *(decode(m, rule) for m in (maps[1:2], maps[1]))):
        where = slice(None) if other[0].shape == cells.shape else 1
        np.testing.assert_array_equal(other[0].reshape(cells[where].shape), cells[where])
        np.testing.assert_array_equal(other[1].reshape(scores[where].shape), scores[where])


@pytest.mark.parametrize("height", [32, 64, 96])
def test_dark_blurs_by_the_training_sigma(height: int) -> None:
    """The spec's sigma belongs to 64 cells and grows with the map, as it does in training."""
    maps = np.random.default_rng(0).uniform(size=(50, height, 48))
    peaks = argmax(maps)[0]
    expected = peaks + dark_offset(maps, peaks, 1.5 * height / 64)
    assert decode(maps, Decode("dark", 1.5))[0] == pytest.approx(expected)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_decode_any_shape_and_type(dtype: str) -> None:
    cells = random_cells((48, 64), 6, margin=10).reshape(2, 3, 2)
    found, scores = decode(heatmaps(cells, (48, 64)).astype(dtype), DARK)
    assert found.shape == (2, 3, 2)
    assert scores.shape == (2, 3)
    assert np.abs(found - cells).max() < 0.02


@sizes
def test_flip_test_of_a_mirror_image(size_wh: tuple[int, int]) -> None:
    """A network that sees the mirrored crop mirrored changes nothing, not even by a shift."""
    heatmap_wh = (size_wh[0] // 4, size_wh[1] // 4)
    cells = random_cells(heatmap_wh, 34, margin=0).reshape(2, 17, 2)
    maps = heatmaps(cells, heatmap_wh)
    reflected = cells * [-1, 1] + [heatmap_wh[0] - 1, 0]
    mirrored = heatmaps(reflected[:, COCO17.flip_order], heatmap_wh)
    assert average_flipped(maps, mirrored, COCO17.flip_order) == pytest.approx(maps)


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_flip_test_of_the_stride_grid(stride: int) -> None:
    """A peak seen in the mirrored crop falls on the same place, between cells too."""
    size_wh, heatmap_wh = (192, 256), (192 // stride, 256 // stride)
    margin = 3 + 6 * heatmap_wh[1] / 64
    cells = random_cells(heatmap_wh, 34, margin).reshape(2, 17, 2)
    reflected_px = [size_wh[0] - 1, 0] + [-1, 1] * cells_to_input(
        cells, heatmap_wh, size_wh, "stride"
    )
    reflected = input_to_cells(reflected_px, heatmap_wh, size_wh, "stride")
    mirrored = heatmaps(reflected[:, COCO17.flip_order], heatmap_wh)
    aligned = align_mirrored(mirrored, size_wh, "stride")
    seen = 2 * average_flipped(np.zeros_like(aligned), aligned, COCO17.flip_order)
    assert np.abs(decode(seen, DARK)[0] - cells).max() < 0.1


def test_aligning_moves_by_part_of_a_cell() -> None:
    row = np.array([[0.0, 0.0, 1.0, 0.0, 2.0]])
    assert align_mirrored(row, (5, 1)) is row
    assert align_mirrored(row, (20, 4), "stride") == pytest.approx(
        np.array([[0.0, 0.75, 0.25, 1.5, 2.0]])
    )


def test_flip_test_is_a_mean() -> None:
    maps = np.random.default_rng(0).normal(size=(1, 17, 4, 5))
    zeros = np.zeros_like(maps)
    assert average_flipped(maps, zeros, COCO17.flip_order) == pytest.approx(maps / 2)
    left_wrist = average_flipped(zeros, maps, COCO17.flip_order)[0, 9]
    assert left_wrist == pytest.approx(maps[0, 10, :, ::-1] / 2)
