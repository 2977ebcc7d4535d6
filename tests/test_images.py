"""Reading pictures: what people really have, and what must be refused."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mvpose.data.images import read_image
from mvpose.errors import InputError

Pixels = NDArray[np.uint8]

RNG = np.random.default_rng(0)
COLOR = RNG.integers(0, 256, (4, 3, 3), np.uint8)
ORIENTATION = 0x0112


def jpeg_bytes() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "no such image", id="missing"),
        pytest.param(b"", "the file is empty", id="empty"),
        pytest.param(b"keypoints, not pixels\n", "cannot read", id="text"),
        pytest.param(jpeg_bytes()[:900], "cannot read", id="truncated JPEG"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(40), "cannot read", id="damaged PNG header"),
    ],
)
def test_refuses(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "picture.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_image(path)
    assert str(path) in caught.value.what
    assert caught.value.hint


def test_refuses_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_image(tmp_path)


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        pytest.param(1, COLOR, id="upright"),
        pytest.param(2, COLOR[:, ::-1], id="mirrored"),
        pytest.param(3, COLOR[::-1, ::-1], id="half turn"),
        pytest.param(4, COLOR[::-1], id="upside down"),
        pytest.param(5, COLOR.transpose(1, 0, 2), id="transposed"),
        pytest.param(6, np.rot90(COLOR, -1), id="quarter turn clockwise"),
        pytest.param(7, COLOR[::-1, ::-1].transpose(1, 0, 2), id="transverse"),
        pytest.param(8, np.rot90(COLOR), id="quarter turn anticlockwise"),
    ],
)
def test_exif(tmp_path: Path, orientation: int, expected: Pixels) -> None:
    path = tmp_path / "picture.png"
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(COLOR).save(path, exif=exif)
    np.testing.assert_array_equal(read_image(path), expected)


def grey8() -> tuple[Image.Image, Pixels]:
    return Image.fromarray(COLOR[..., 0]), np.repeat(COLOR[..., :1], 3, 2)


def grey16() -> tuple[Image.Image, Pixels]:
    return Image.fromarray(COLOR[..., 0].astype(np.uint16) * 257), np.repeat(COLOR[..., :1], 3, 2)


def bilevel() -> tuple[Image.Image, Pixels]:
    bits = COLOR[..., 0] > 127
    return Image.fromarray(bits), np.repeat(bits[..., None] * np.uint8(255), 3, 2)


def rgba() -> tuple[Image.Image, Pixels]:
    alpha = np.array([[0, 255, 0]] * 4, np.uint8)
    expected = np.where(alpha[..., None] > 0, COLOR, 255)
    return Image.fromarray(np.dstack([COLOR, alpha])), expected


def palette() -> tuple[Image.Image, Pixels]:
    picture = Image.fromarray(np.array([[0, 1, 2], [2, 1, 0]], np.uint8), "P")
    colors = np.array([[250, 10, 20], [30, 240, 50], [60, 70, 230]], np.uint8)
    picture.putpalette(colors.ravel().tolist())
    picture.info["transparency"] = 1
    shown = colors.copy()
    shown[1] = 255
    return picture, shown[np.array([[0, 1, 2], [2, 1, 0]])]


@pytest.mark.parametrize("make", [grey8, grey16, bilevel, rgba, palette])
def test_modes(tmp_path: Path, make: Callable[[], tuple[Image.Image, Pixels]]) -> None:
    picture, expected = make()
    path = tmp_path / "picture.png"
    picture.save(path, **{str(key): value for key, value in picture.info.items()})
    image = read_image(path)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, expected)


def test_half_transparent_is_mixed_with_white(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.new("RGBA", (2, 2), (0, 100, 200, 51)).save(path)
    np.testing.assert_allclose(read_image(path)[0, 0], [204, 224, 244], atol=1)


def test_cmyk_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    Image.new("RGB", (16, 16), (200, 60, 30)).convert("CMYK").save(path, quality=98)
    np.testing.assert_allclose(read_image(path)[8, 8], [200, 60, 30], atol=4)
