"""The browser demo from end to end: a real browser, real files, a fake camera."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import small_export
from numpy.typing import NDArray
from web_browser import CAMERA_WH, PATIENCE_S, Drawn, Page, found

from mvpose.estimate import Poses, estimate
from mvpose.export import pipeline
from mvpose.export.conversion import conversions
from mvpose.export.pipeline import Exported
from mvpose.prediction import CONFIDENT, predict_image
from mvpose.quantize.calibration import drawn_crops
from mvpose.quantize.recipes import RECIPES
from mvpose.runtime.litert import LiteRTRuntime
from mvpose.runtime.load import load_float
from mvpose.web_demo.parity import browser_heatmaps
from mvpose.web_demo.server import DemoServer

pytest_plugins = ["web_fixtures"]

FP32 = "mobilevitpose-xxs.fp32.tflite"
FIVE = "five.fp32.tflite"
INT8 = "small.static_wi8_ai8.tflite"
MIXED = "small.static_wi8_ai8_mixed.tflite"
SERVED = (FP32, FIVE, INT8, MIXED)
FEW_SHOWN = 4


@pytest.fixture(scope="module")
def files(
    five: Path, exports: dict[str, Exported], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The shipped checkpoint, a file with other keypoints, and an untrained network in INT8."""
    folder = tmp_path_factory.mktemp("files")
    shipped = load_float(None)
    with conversions(shipped.spec) as made, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "PARITY_CROPS", 2)
        small_export(shipped, made).export(RECIPES["fp32"], folder / FP32)
    for path in (five, exports["static_wi8_ai8"].path, exports["static_wi8_ai8_mixed"].path):
        (folder / path.name).hardlink_to(path)
    return folder


@pytest.fixture(scope="module")
def models(files: Path) -> list[Path]:
    return [files / name for name in SERVED]


def in_python(path: Path, image: NDArray[np.uint8], box: NDArray[np.float64]) -> Poses:
    return estimate(LiteRTRuntime(path), image, box[None])


def furthest_px(points: NDArray[np.float64], poses: Poses) -> float:
    """Of the confident keypoints: others may have two peaks that the box's rounding decides."""
    confident = poses.scores[0] > CONFIDENT
    assert confident.sum() > 8
    return float(np.abs(points - poses.keypoints_px[0])[confident].max())


def settle(page: Page) -> None:
    """Wait until the keypoints in the table stay where they are while further ones are shown."""
    page.browser.execute_script(
        "window.shown = 0; new MutationObserver(() => window.shown++)"
        ".observe(document.getElementById('score'), {childList: true})"
    )
    deadline = time.monotonic() + PATIENCE_S
    last, shown = page.keypoints(), 0
    while time.monotonic() < deadline:
        shown = page.wait("window.shown >= arguments[0] && window.shown", shown + FEW_SHOWN)
        now = page.keypoints()
        if np.abs(np.subtract(now, last)).max() < 0.3:
            return
        last = now
    raise AssertionError("the keypoints of a still picture never come to rest")


# inference


@pytest.mark.parametrize("name", SERVED)
def test_heatmaps_are_those_of_python(page: Page, files: Path, name: str) -> None:
    """In integers to the last bit. In the mixed form a difference of 1e-7 in a float operator can
    round to another integer, from where it grows: that happens in few crops."""
    runtime = LiteRTRuntime(files / name)
    crops = drawn_crops(runtime.spec, 8 if name == MIXED else 3, seed=5)
    url = f"/models/{SERVED.index(name)}.tflite"
    ours = browser_heatmaps(page.browser, url, crops, runtime.artefact.output)
    theirs = runtime.heatmaps(crops)
    if name == INT8:
        assert np.array_equal(ours, theirs)
    elif name == MIXED:
        furthest = np.abs(ours - theirs).max((1, 2, 3)) / np.ptp(theirs)
        assert np.median(furthest) == 0 and furthest.max() < 0.1
    else:
        assert np.abs(ours - theirs).max() < 1e-5 * np.ptp(theirs)


def test_the_camera_gives_the_keypoints_of_python(
    page: Page, files: Path, seen: NDArray[np.uint8]
) -> None:
    """In floats: INT8 answers the rounding of the box in the JSON with a pixel or two. Of a person
    who stands, once the box has found its place: what is shown before is smoothed on its way."""
    page.click("camera-first")
    page.wait("document.documentElement.dataset.source === 'camera'")
    page.wait("Number(document.getElementById('fps').textContent) > 0")
    settle(page)
    page.click("pause")
    document = page.saved()
    assert document["model"] == "mobilevitpose-xxs"
    assert document["protocol"]["device"] == "wasm"
    assert document["protocol"]["boxes"] == "the last pose"
    points, box = found(document)
    assert furthest_px(points, in_python(files / FP32, seen, box)) < 1
    table = np.array(page.keypoints())
    assert np.abs(table[:, :2] - points).max() < 0.06
    for figure in ("pre", "inference", "post"):
        assert float(page.text(figure)) > 0


def test_a_picture_gives_what_mvpose_predict_gives(
    page: Page, files: Path, picture: Path, person: NDArray[np.uint8]
) -> None:
    page.show(picture)
    document = page.saved()
    result = document["results"][0]
    assert (result["image"], result["width_px"], result["height_px"]) == (picture.name, *CAMERA_WH)
    points, box = found(document)
    poses = predict_image(LiteRTRuntime(files / FP32), person)
    assert np.abs(points - poses.keypoints_px[0]).max() < 0.02
    assert np.abs(box - poses.boxes_xywh_px[0]).max() < 0.02
    assert result["people"][0]["score"] == pytest.approx(poses.pose_scores[0], abs=1e-4)


@pytest.mark.parametrize("name", [FIVE, INT8])
def test_another_model_looks_at_the_same_picture(
    page: Page, files: Path, picture: Path, person: NDArray[np.uint8], name: str
) -> None:
    page.show(picture)
    page.choose("model", name)
    runtime = LiteRTRuntime(files / name)
    page.wait(
        "document.getElementById('about').textContent.startsWith(arguments[0])", runtime.spec.name
    )
    document = page.saved()
    points, box = found(document)
    scores = [point["score"] for point in document["results"][0]["people"][0]["keypoints"]]
    poses = predict_image(runtime, person)
    assert len(page.keypoints()) == len(runtime.spec.skeleton.keypoints)
    assert np.abs(box - poses.boxes_xywh_px[0]).max() < 0.1
    # an untrained network answers hundredths of a pixel, and a map may have two peaks alike
    assert np.abs(scores - poses.scores[0]).max() < 0.1 * max(scores)
    assert np.median(np.abs(points - poses.keypoints_px[0])) < 1


def test_a_dragged_box_chooses_the_person(
    page: Page, files: Path, picture: Path, drawn: Drawn
) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    page.show(picture)
    whole = found(page.saved())[1]
    canvas = page.browser.find_element("id", "stage")
    scale = canvas.size["width"] / CAMERA_WH[0]
    centre = np.array(CAMERA_WH) / 2
    person, around = drawn
    start, end = np.floor(around[:2]), np.ceil(around[:2] + around[2:])
    first = ((start - centre) * scale).round().astype(int).tolist()
    step = ((end - start) * scale).round().astype(int).tolist()
    drag = ActionChains(page.browser).move_to_element_with_offset(canvas, *first)
    drag.click_and_hold().move_by_offset(*step).release().perform()
    page.wait("document.getElementById('stage').dataset.boxes === 'given'")
    points, box = found(page.saved())
    assert np.abs(box - [*start, *(end - start)]).max() < 3
    assert furthest_px(points, in_python(files / FP32, person, box)) < 0.5
    page.browser.find_element("tag name", "body").send_keys(Keys.ESCAPE)
    page.wait("document.getElementById('stage').dataset.boxes !== 'given'")
    assert np.allclose(found(page.saved())[1], whole)


def test_the_benchmark_tells_median_and_p90(page: Page) -> None:
    page.choose("model", FIVE)
    page.wait("document.getElementById('about').textContent.startsWith('five')")
    page.click("benchmark")
    page.wait("document.getElementById('benchmark-result').textContent.includes('median')")
    assert "50 runs" in page.text("benchmark-result")


# one thing while another goes on


def test_a_model_with_other_keypoints_is_taken_while_the_camera_runs(page: Page) -> None:
    page.click("camera-first")
    page.wait("Number(document.getElementById('fps').textContent) > 0")
    for name in ("mirror", "whole", "save"):
        assert page.browser.find_element("id", name).is_enabled()
    for name, count in ((FIVE, 5), (FP32, 17), (FIVE, 5)):
        page.choose("model", name)
        page.wait("document.getElementById('keypoints').rows.length === arguments[0]", count)
        page.ready()
        assert page.complaint == ""
        page.wait("Number(document.getElementById('fps').textContent) > 0")
    page.click("stop")
    page.wait("document.documentElement.dataset.source === 'picture'")


def test_of_models_chosen_in_haste_the_last_one_runs(page: Page, picture: Path) -> None:
    page.show(picture)
    page.browser.execute_script(
        "const list = document.getElementById('model');"
        "for (const value of ['2', '0', '3', '0', '1']) {"
        " list.value = value; list.dispatchEvent(new Event('change')) }"
    )
    page.wait("document.getElementById('about').textContent.startsWith('five, fp32')")
    page.ready()
    assert page.browser.execute_script("return document.getElementById('model').value") == "1"
    assert page.text("about").startswith("five, fp32")
    assert page.saved()["protocol"]["file"] == FIVE


def test_a_picture_takes_the_place_of_a_camera_that_has_not_started(
    browser: Any, server: DemoServer, picture: Path
) -> None:
    late = (
        "const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);"
        "navigator.mediaDevices.getUserMedia = async wanted => {"
        " await new Promise(done => window.allow = done);"
        " return window.stream = await open(wanted) }"
    )
    page = Page(browser, server.address, late)
    page.ready()
    page.click("camera-first")
    page.wait("Boolean(window.allow)")
    page.show(picture)
    browser.execute_script("allow()")
    page.wait("window.stream?.getTracks().every(track => track.readyState === 'ended')")
    assert page.saved()["results"][0]["image"] == picture.name
