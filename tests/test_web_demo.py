"""The browser demo from end to end: a real browser, real files, a fake camera."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from web_browser import CAMERA_WH, Drawn, Page, chromium, serving
from web_models import export

from mvpose.benchmark.untrained import random_pose_net
from mvpose.checkpoint import save_checkpoint
from mvpose.estimate import Poses, estimate
from mvpose.export.conversion import Conversions, conversions
from mvpose.prediction import CONFIDENT, predict_image
from mvpose.quantize.calibration import drawn_crops
from mvpose.runtime.litert import LiteRTRuntime
from mvpose.runtime.load import load_float
from mvpose.spec import Preprocess, Skeleton
from mvpose.zoo import zoo_spec

pytest_plugins = ["web_fixtures"]

MIXED = "mobilevitpose-xxs.static_wi8_ai8_mixed.tflite"
INT8 = "mobilevitpose-xxs.static_wi8_ai8.tflite"
FP32 = "mobilevitpose-xxs.fp32.tflite"
FIVE = "five.fp32.tflite"
SERVED = (INT8, MIXED, FP32, FIVE)
FIVE_POINTS = Skeleton(
    keypoints=("head", "left_hand", "right_hand", "left_foot", "right_foot"),
    flip_pairs=((1, 2), (3, 4)),
    edges=((0, 1), (0, 2), (0, 3), (0, 4)),
    sigmas=(0.05,) * 5,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped checkpoint in INT8 and FP32, and an untrained network of other shapes."""
    pytest.importorskip("ai_edge_quantizer", reason="NOT TESTED: needs mvpose[tflite]")
    folder = tmp_path_factory.mktemp("files")
    shipped = load_float(None)
    with conversions(shipped.spec) as made:
        names = {"static_wi8_ai8": INT8, "static_wi8_ai8_mixed": MIXED, "fp32": FP32}
        export(shipped, made, {recipe: folder / name for recipe, name in names.items()})
    xxs = zoo_spec("mobilevitpose-xxs")
    spec = replace(
        xxs,
        name="five",
        network=replace(xxs.network, keypoints=5),
        skeleton=FIVE_POINTS,
        preprocess=Preprocess(192, 256, mean=(120.0, 110.0, 100.0), std=(60.0, 65.0, 70.0)),
    )
    weights = folder / "five.safetensors"
    save_checkpoint(weights, random_pose_net(spec).state_dict(), spec)
    with conversions(spec) as made:
        export(load_float(str(weights)), made, {"fp32": folder / FIVE})
    return folder


@pytest.fixture(scope="module")
def models(files: Path) -> list[Path]:
    return [files / name for name in SERVED]


def found(document: dict[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Keypoints (K, 2) and box (4,) of the one person in a result."""
    (person,) = document["results"][0]["people"]
    points = [(keypoint["x_px"], keypoint["y_px"]) for keypoint in person["keypoints"]]
    return np.array(points), np.array(person["box_xywh_px"])


def in_python(path: Path, image: NDArray[np.uint8], box: NDArray[np.float64]) -> Poses:
    return estimate(LiteRTRuntime(path), image, box[None])


def furthest_px(points: NDArray[np.float64], poses: Poses) -> float:
    """Of the confident keypoints: others may have two peaks that the box's rounding decides."""
    confident = poses.scores[0] > CONFIDENT
    assert confident.sum() > 8
    return float(np.abs(points - poses.keypoints_px[0])[confident].max())


# inference


@pytest.mark.parametrize("name", SERVED)
def test_heatmaps_are_those_of_python(page: Page, files: Path, name: str) -> None:
    """In integers to the last bit. In the mixed form a difference of 1e-7 in a float operator can
    round to another integer, from where it grows: that happens in few crops."""
    runtime = LiteRTRuntime(files / name)
    crops = drawn_crops(runtime.spec, 8 if name == MIXED else 3, seed=5)
    encoded = page.browser.execute_async_script(
        """
        const [url, crops, done] = arguments
        const run = async () => {
          const { openEngine } = await import("/runtime/litert.js")
          const { parseDescription } = await import("/pose/description.js")
          const { embeddedDescription } = await import("/pose/archive.js")
          const file = new Uint8Array(await (await fetch(url)).arrayBuffer())
          const description = parseDescription(embeddedDescription(file))
          const engine = await openEngine(file, description, "wasm")
          const made = []
          for (const crop of crops) {
            const maps = await engine.run(Float32Array.from(atob(crop), c => c.charCodeAt(0)))
            const bytes = new Uint8Array(maps.buffer, maps.byteOffset, maps.byteLength)
            made.push(btoa(Array.from(bytes, b => String.fromCharCode(b)).join("")))
          }
          return made
        }
        run().then(done, error => done(String(error)))
        """,
        f"/models/{SERVED.index(name)}.tflite",
        [base64.b64encode(crop.tobytes()).decode() for crop in crops],
    )
    assert isinstance(encoded, list), encoded
    _, height, width, count = runtime.artefact.output.shape
    maps = np.stack([np.frombuffer(base64.b64decode(text), np.float32) for text in encoded])
    ours = maps.reshape(-1, height, width, count).transpose(0, 3, 1, 2)
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
    """In floats: INT8 answers the rounding of the box in the JSON with a pixel or two."""
    page.choose("model", FP32)
    page.wait("document.getElementById('about').textContent.includes('fp32')")
    page.click("camera-first")
    page.wait("document.documentElement.dataset.source === 'camera'")
    page.wait("Number(document.getElementById('fps').textContent) > 0")
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
    page.give(picture)
    page.wait("document.documentElement.dataset.source === 'picture'")
    document = page.saved()
    result = document["results"][0]
    assert (result["image"], result["width_px"], result["height_px"]) == (picture.name, *CAMERA_WH)
    points, box = found(document)
    poses = predict_image(LiteRTRuntime(files / INT8), person)
    assert np.abs(points - poses.keypoints_px[0]).max() < 0.01
    assert np.abs(box - poses.boxes_xywh_px[0]).max() < 0.01
    assert result["people"][0]["score"] == pytest.approx(poses.pose_scores[0], abs=1e-4)


@pytest.mark.parametrize("name", [FP32, FIVE])
def test_another_model_looks_at_the_same_picture(
    page: Page, files: Path, picture: Path, person: NDArray[np.uint8], name: str
) -> None:
    page.give(picture)
    page.wait("document.documentElement.dataset.source === 'picture'")
    page.choose("model", name)
    page.wait("document.getElementById('about').textContent.includes(arguments[0])", "fp32")
    runtime = LiteRTRuntime(files / name)
    points, box = found(page.saved())
    poses = predict_image(runtime, person)
    assert len(page.keypoints()) == len(runtime.spec.skeleton.keypoints)
    assert np.abs(box - poses.boxes_xywh_px[0]).max() < 0.1
    assert np.abs(points - poses.keypoints_px[0]).max() < 0.1


def test_a_dragged_box_chooses_the_person(
    page: Page,
    files: Path,
    picture: Path,
    drawn: Drawn,
) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    page.choose("model", FP32)
    page.wait("document.getElementById('about').textContent.includes('fp32')")
    page.give(picture)
    page.wait("document.documentElement.dataset.source === 'picture'")
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
    page.click("benchmark")
    page.wait("document.getElementById('benchmark-result').textContent.includes('median')")
    assert "50 runs" in page.text("benchmark-result")


# accelerators


def test_without_a_gpu_the_cpu_runs_and_the_page_says_why(page: Page) -> None:
    assert page.text("runs").startswith("CPU, ")
    page.choose("accelerator", "WebGPU")
    page.wait("document.getElementById('why').textContent.startsWith('no WebGPU')")
    page.ready()
    assert page.text("runs").startswith("CPU, ")
    page.choose("accelerator", "CPU (WebAssembly)")
    page.wait("document.getElementById('why').textContent === ''")


def test_a_gpu_runs_floats_and_what_it_refuses_is_told(
    checkpoint: Path, float_files: Conversions, files: Path, tmp_path: Path
) -> None:
    """SwiftShader computes WebGPU on the CPU: slowly, so that the network is a small one."""
    small = tmp_path / "small.fp32.tflite"
    export(load_float(str(checkpoint)), float_files, {"fp32": small})
    picture = tmp_path / "noise.png"
    image = np.random.default_rng(0).integers(0, 256, (128, 96, 3), np.uint8)
    Image.fromarray(image).save(picture)
    swiftshader = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
    with (
        serving([small, files / INT8]) as server,
        chromium(tmp_path / "browser", *swiftshader) as browser,
    ):
        page = Page(browser, server.address)
        page.ready()
        if "WebGPU" in page.text("why"):
            pytest.skip(f"NOT TESTED: this Chromium has no WebGPU: {page.text('why')}")
        assert page.text("runs") == "WebGPU"
        page.give(picture)
        page.wait("document.documentElement.dataset.source === 'picture'")
        document = page.saved()
        assert (document["protocol"]["device"], document["protocol"]["threads"]) == ("webgpu", 0)
        points, box = found(document)
        poses = in_python(small, image, box)
        assert np.abs(points - poses.keypoints_px[0]).max() < 0.5
        page.choose("model", INT8)
        page.wait("document.getElementById('about').textContent.includes('static_')")
        assert page.text("runs").startswith("CPU, ")
        page.choose("accelerator", "WebGPU")
        page.wait("document.getElementById('why').textContent.startsWith('WebGPU does not run')")
        assert page.text("runs").startswith("CPU, ")
