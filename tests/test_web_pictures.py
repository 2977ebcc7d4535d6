"""Pictures in the browser demo have the pixels that Python reads."""

import base64
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from web_browser import Page

from mvpose.data.images import read_image

pytest_plugins = ["web_fixtures"]

EXIF_ORIENTATION = 0x0112
LONGEST_PX = 4096


@pytest.fixture(scope="module")
def models(five: Path) -> list[Path]:
    return [five]


def noise(height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (height, width, channels), np.uint8)


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    smooth = Image.fromarray(noise(4, 6)).resize((60, 40), Image.Resampling.BICUBIC)
    smooth.save(path, quality=100, exif=exif)


def profiled(path: Path) -> None:
    """With a profile that a browser would convert from."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ"))
    Image.fromarray(noise(40, 60)).save(path, icc_profile=lab.tobytes())


def by_page(page: Page, path: Path) -> NDArray[np.uint8]:
    """(height, width, 3) what the page reads of a file."""
    encoded = page.browser.execute_async_script(
        """
        const [text, name, done] = arguments
        const run = async () => {
          const { readPicture } = await import("/sources/picture.js")
          const { Frame } = await import("/sources/frame.js")
          const file = new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name)
          const { picture } = await readPicture(file)
          const { data, width, height } = new Frame().take(picture, [picture.width, picture.height])
          const texts = []
          for (let i = 0; i < data.length; i += 4096)
            texts.push(String.fromCharCode(...data.subarray(i, i + 4096)))
          return [height, width, btoa(texts.join(""))]
        }
        run().then(done, error => done(String(error)))
        """,
        base64.b64encode(path.read_bytes()).decode(),
        path.name,
    )
    assert isinstance(encoded, list), encoded
    height, width, text = encoded
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)[..., :3]


@pytest.mark.parametrize(
    ("name", "write", "limit"),
    [
        pytest.param(
            "a.png", lambda path: Image.fromarray(noise(40, 60)).save(path), 0, id="opaque"
        ),
        pytest.param(
            # the canvas multiplies by the opacity in 8 bits before it lays on white
            "a.png",
            lambda path: Image.fromarray(noise(40, 60, 4)).save(path),
            1,
            id="transparent",
        ),
        pytest.param(
            "a.png", lambda path: Image.fromarray(noise(40, 60)[..., 0]).save(path), 0, id="grey"
        ),
        pytest.param("a.jpg", turned, 2, id="turned by EXIF"),
        pytest.param("a.png", profiled, 0, id="with a colour profile"),
    ],
)
def test_pixels_are_those_of_python(
    page: Page, tmp_path: Path, name: str, write: Callable[[Path], None], limit: int
) -> None:
    path = tmp_path / name
    write(path)
    theirs = read_image(path)
    ours = by_page(page, path)
    assert ours.shape == theirs.shape
    assert np.abs(ours.astype(int) - theirs).max() <= limit


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        pytest.param(8192, 64, (LONGEST_PX, 32), id="wide"),
        pytest.param(1, 9000, (1, LONGEST_PX), id="a line"),
    ],
)
def test_a_large_picture_is_shrunk_and_told(
    page: Page, tmp_path: Path, width: int, height: int, expected: tuple[int, int]
) -> None:
    path = tmp_path / "large.png"
    Image.new("RGB", (width, height), "red").save(path)
    page.show(path)
    result = page.saved()["results"][0]
    assert (result["width_px"], result["height_px"]) == expected
    assert "is large" in page.message
    assert page.complaint == ""
