"""The browser demo's page with the models of a test module, for whoever lists this plug-in.

The module has a fixture ``models``: the files that are served.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from web_browser import CAMERA_WH, Drawn, Page, chromium, serving, view, write_y4m

from mvpose.data.synthetic import draw_person
from mvpose.web_demo.chromium import NO_GPU
from mvpose.web_demo.server import DemoServer


@pytest.fixture(scope="session")
def five(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with five keypoints and small crops, which is loaded at once."""
    pytest.importorskip("ai_edge_litert", reason="NOT TESTED: needs mvpose[tflite]")
    from web_models import write_five

    return write_five(tmp_path_factory.mktemp("five") / "five.fp32.tflite")


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    """A drawn person in a camera's size, and the box (4,) about that person.

    One on whom the tracker's box comes to rest, which the shipped weights grant to few.
    """
    image, points, box = draw_person(np.random.default_rng(10))
    assert (points[:, 2] > 0).all()
    filled = np.full((CAMERA_WH[1], CAMERA_WH[0], 3), 90, np.uint8)
    filled[: image.shape[0], : image.shape[1]] = image
    return filled, box


@pytest.fixture(scope="module")
def person(drawn: Drawn) -> NDArray[np.uint8]:
    return drawn[0]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for them."""
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def picture(person: NDArray[np.uint8], pictures: Path) -> Path:
    path = pictures / "person.png"
    Image.fromarray(person).save(path)
    return path


@pytest.fixture(scope="module")
def seen(person: NDArray[np.uint8], pictures: Path) -> NDArray[np.uint8]:
    """What a camera that shows that person gives."""
    return write_y4m(pictures / "person.y4m", person)


@pytest.fixture(scope="module")
def server(models: list[Path]) -> Iterator[DemoServer]:
    with serving(models) as started:
        yield started


@pytest.fixture(scope="module")
def browser(
    seen: NDArray[np.uint8], pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """One with a camera that is allowed, and without a GPU."""
    camera = f"--use-file-for-fake-video-capture={pictures / 'person.y4m'}"
    allowed = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", camera)
    with chromium(tmp_path_factory.mktemp("browser"), NO_GPU, *allowed) as started:
        yield started


@pytest.fixture
def page(browser: Any, server: DemoServer) -> Iterator[Page]:
    """The page with its first model; at the end nothing has complained."""
    view(browser, 1280)
    for log in ("browser", "performance"):
        browser.get_log(log)
    opened = Page(browser, server.address)
    opened.ready()
    yield opened
    assert opened.errors() == []
