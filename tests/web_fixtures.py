"""The browser demo's page with the models of a test module, for whoever lists this plug-in.

The module has a fixture ``models``: the files that are served.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from web_browser import CAMERA_WH, Drawn, Page, chromium, serving, view, write_y4m
from web_models import export

from mvpose.benchmark.untrained import random_pose_net
from mvpose.checkpoint import save_checkpoint
from mvpose.data.synthetic import draw_person
from mvpose.export.conversion import conversions
from mvpose.models.deploy import deploy
from mvpose.runtime.load import load_float
from mvpose.runtime.torch_runtime import TorchRuntime
from mvpose.spec import Preprocess, Skeleton
from mvpose.web_demo.chromium import NO_GPU
from mvpose.web_demo.server import DemoServer
from mvpose.zoo import zoo_spec

FIVE_POINTS = Skeleton(
    keypoints=("head", "left_hand", "right_hand", "left_foot", "right_foot"),
    flip_pairs=((1, 2), (3, 4)),
    edges=((0, 1), (0, 2), (0, 3), (0, 4)),
    sigmas=(0.05,) * 5,
)


@pytest.fixture(scope="session")
def five(tmp_path_factory: pytest.TempPathFactory) -> TorchRuntime:
    """An untrained network with other keypoints, on small crops that are higher than wide."""
    xxs = zoo_spec("mobilevitpose-xxs")
    spec = replace(
        xxs,
        name="five",
        network=replace(xxs.network, keypoints=5),
        skeleton=FIVE_POINTS,
        preprocess=Preprocess(64, 128, mean=(120.0, 110.0, 100.0), std=(60.0, 65.0, 70.0)),
    )
    weights = tmp_path_factory.mktemp("five") / "five.safetensors"
    save_checkpoint(weights, random_pose_net(spec).state_dict(), spec)
    return load_float(str(weights))


@pytest.fixture(scope="session")
def five_files(five: TorchRuntime, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Its files by recipe, and "bare" without a description; made once for all modules."""
    pytest.importorskip("ai_edge_quantizer", reason="NOT TESTED: needs mvpose[tflite]")
    folder = tmp_path_factory.mktemp("five")
    recipes = ("fp32", "static_wi8_ai8", "static_wi8_ai8_mixed")
    paths = {recipe: folder / f"five.{recipe}.tflite" for recipe in recipes}
    with conversions(five.spec) as made:
        export(five, made, paths)
        paths["bare"] = folder / "bare.tflite"
        copyfile(made.file(deploy(five.model, five.spec.preprocess)), paths["bare"])
    return paths


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
