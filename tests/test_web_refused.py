"""The browser demo where something is missing or wrong, and the page itself."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from web_browser import CONTRASTS, Page, chromium, command, view

from mvpose.artefact import ENTRY, read_artefact
from mvpose.web_demo.chromium import NO_GPU
from mvpose.web_demo.server import DemoServer

pytest_plugins = ["web_fixtures"]

SMALL = "small.fp32.tflite"
OTHER = "other.fp32.tflite"


@pytest.fixture(scope="module")
def models(five: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A small network's file, under two names."""
    folder = tmp_path_factory.mktemp("files")
    paths = [folder / SMALL, folder / OTHER]
    for path in paths:
        path.write_bytes(five.read_bytes())
    return paths


# what can't be used


@pytest.fixture(scope="module")
def unusable(models: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files that the page must refuse, by what is wrong."""
    from web_models import write_bare

    folder = tmp_path_factory.mktemp("unusable")
    paths = {
        name: folder / f"{name}.tflite"
        for name in ("bare", "newer", "int8", "cut off", "another's", "empty")
    }
    bare = write_bare(paths["bare"]).read_bytes()
    paths["empty"].touch()
    text = read_artefact(models[0]).to_json()
    higher = json.loads(text)
    higher["model"]["preprocess"]["input_height_px"] = higher["input"]["shape"][1] = 256
    for name, changed in {
        "newer": text.replace('"schema_version":1', '"schema_version":2'),
        "another's": json.dumps(higher),
        "int8": text.replace('"float32"', '"int8"'),
    }.items():
        paths[name].write_bytes(bare)
        with zipfile.ZipFile(paths[name], "a") as archive:
            archive.writestr(ENTRY, changed)
    whole = models[0].read_bytes()
    paths["cut off"].write_bytes(whole[: len(whole) - 100])
    return paths


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("bare", "carries no description of mvpose-export", id="no description"),
        pytest.param("empty", "carries no description of mvpose-export", id="empty"),
        pytest.param("cut off", "carries no description of mvpose-export", id="cut off"),
        pytest.param("newer", "schema version 2, this page reads 1", id="newer schema"),
        pytest.param("int8", "export it with --io float32", id="INT8 input and output"),
        pytest.param("another's", "has tensors", id="another model's description"),
    ],
)
def test_an_unusable_model_is_told_and_the_last_one_stays(
    page: Page, unusable: dict[str, Path], picture: Path, name: str, said: str
) -> None:
    before = page.text("about")
    page.drop(unusable[name])
    complaint = page.complains()
    assert said in complaint
    assert complaint.startswith(f"{unusable[name].name} cannot be run: ")
    assert "\n" not in complaint
    assert page.text("about") == before
    page.show(picture)
    assert page.complaint == ""


def test_a_dropped_model_is_run_and_listed(page: Page, models: list[Path], tmp_path: Path) -> None:
    mine = tmp_path / "mine.tflite"
    mine.write_bytes(models[0].read_bytes())
    page.drop(mine)
    page.wait("document.getElementById('model').length === 3")
    page.ready()
    chosen = page.browser.execute_script(
        "return document.getElementById('model').selectedOptions[0].textContent"
    )
    assert chosen == mine.name
    page.choose("model", OTHER)
    page.ready()
    assert page.complaint == ""


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        pytest.param("empty.png", b"", "it is empty", id="empty"),
        pytest.param("text.jpg", b"no picture", "it is damaged", id="no picture"),
    ],
)
def test_an_unusable_picture_is_told(
    page: Page, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    page.give(path)
    complaint = page.complains()
    assert said in complaint and name in complaint


@pytest.mark.parametrize(
    ("stop", "said"),
    [
        pytest.param(
            "throw new Error('the device was lost')",
            "The model stopped - choose another model or accelerator",
            id="it fails",
        ),
        pytest.param(
            "return new Float32Array(32 * 16 * 5).fill(NaN)", "NaN or infinity", id="it gives NaN"
        ),
    ],
)
def test_a_model_that_stops_is_told_and_shows_nothing_old(
    page: Page, picture: Path, stop: str, said: str
) -> None:
    page.show(picture)
    page.browser.execute_async_script(
        "const [stop, done] = arguments; import('/runtime/litert.js').then(({ Engine }) => {"
        " Engine.prototype.run = async () => new Function(stop)() }).then(done)",
        stop,
    )
    page.give(picture)
    assert said in page.complains()
    page.wait("document.documentElement.dataset.source === 'none'")
    assert not page.browser.find_element("id", "save").is_enabled()
    page.click("benchmark")
    page.wait("!document.getElementById('benchmark').disabled")


REFUSING = """
navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("said", "%s") }
"""


@pytest.mark.parametrize(
    ("before", "said"),
    [
        pytest.param(REFUSING % "NotAllowedError", "was not allowed", id="denied"),
        pytest.param(REFUSING % "NotFoundError", "There is no camera", id="none"),
        pytest.param(REFUSING % "NotReadableError", "used by another program", id="in use"),
        pytest.param(REFUSING % "AbortError", "does not start: said", id="for another reason"),
        pytest.param(
            "Object.defineProperty(navigator, 'mediaDevices', {value: undefined})",
            "localhost and HTTPS alone",
            id="no secure page",
        ),
    ],
)
def test_a_camera_that_does_not_start_is_told(
    browser: Any, server: DemoServer, picture: Path, before: str, said: str
) -> None:
    page = Page(browser, server.address, before)
    page.ready()
    page.click("camera-first")
    assert said in page.complains()
    page.show(picture)
    assert page.complaint == ""


def test_without_a_camera_the_browser_itself_says_so(server: DemoServer, tmp_path: Path) -> None:
    with chromium(tmp_path, NO_GPU) as bare:
        page = Page(bare, server.address)
        page.ready()
        page.click("camera-first")
        assert "camera" in page.complains()


def test_a_lost_camera_is_told_and_its_last_picture_stays(browser: Any, server: DemoServer) -> None:
    keep = (
        "const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);"
        "navigator.mediaDevices.getUserMedia = async wanted => window.stream = await open(wanted)"
    )
    page = Page(browser, server.address, keep)
    page.ready()
    page.click("camera-first")
    page.wait("!document.getElementById('save').disabled")
    browser.execute_script(
        "const [track] = stream.getTracks(); track.stop(); track.dispatchEvent(new Event('ended'))"
    )
    assert "went away" in page.complains()
    assert page.saved()["results"][0]["image"] == "camera"
    page.click("camera")
    page.wait("document.documentElement.dataset.source === 'camera'")
    page.wait("document.getElementById('message').dataset.kind !== 'error'")


@pytest.mark.parametrize(
    ("before", "said"),
    [
        pytest.param("WebAssembly.validate = () => false", "has no SIMD", id="no SIMD"),
        pytest.param("delete self.WebAssembly", "has no WebAssembly", id="no WebAssembly"),
    ],
)
def test_a_browser_that_can_run_nothing_is_told(
    browser: Any, server: DemoServer, before: str, said: str
) -> None:
    page = Page(browser, server.address, before)
    page.ready()
    assert said in page.complaint
    assert browser.find_element("id", "camera-first").get_property("disabled")


def test_a_server_that_went_away_is_told(browser: Any, models: list[Path], picture: Path) -> None:
    with command(*models) as (address, _):
        page = Page(browser, address)
        page.ready()
        before = page.text("about")
    page.choose("model", OTHER)
    assert "start mvpose-demo again" in page.complains()
    assert page.text("about") == before
    page.show(picture)


# the page itself


def test_the_keyboard_goes_on_where_the_welcome_was(page: Page, picture: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    page.browser.find_element("id", "camera-first").send_keys(Keys.ENTER)
    page.wait("document.activeElement.id === 'camera'")
    page.browser.refresh()
    page.ready()
    page.browser.execute_script("document.getElementById('picture-first').focus()")
    page.give(picture)
    page.wait("document.activeElement.id === 'picture'")


def test_everything_comes_from_this_machine(page: Page, server: DemoServer) -> None:
    events = [
        json.loads(entry["message"])["message"] for entry in page.browser.get_log("performance")
    ]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    local = (server.address, "data:", "blob:", "about:", "chrome:")
    assert asked and [url for url in asked if not url.startswith(local)] == []
    assert page.browser.execute_script("return crossOriginIsolated")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("width_px", "height_px"),
    [
        pytest.param(390, 844, id="phone"),
        pytest.param(844, 390, id="phone on its side"),
        pytest.param(820, 1180, id="tablet"),
        pytest.param(1280, 800, id="desktop"),
    ],
)
def test_it_fits_and_can_be_used_by_all(
    page: Page, picture: Path, width_px: int, height_px: int, theme: str
) -> None:
    page.show(picture)
    view(page.browser, width_px, theme, height_px)
    shown = page.browser.find_element("css selector", ".screen").size
    assert 150 < shown["width"] <= width_px and 150 < shown["height"] <= height_px
    assert page.browser.execute_script("return document.documentElement.scrollWidth") <= width_px
    controls = page.browser.execute_script(
        "return [...document.querySelectorAll('button, select, input, canvas')]"
        ".filter(e => e.checkVisibility()).map(e => [e.id, e.computedName ?? "
        "(e.ariaLabel || e.labels?.[0]?.textContent || e.textContent),"
        " e.getBoundingClientRect().height])"
    )
    assert len(controls) > 8
    assert [row for row in controls if not row[1] or row[2] < 40] == []
    assert page.text("runs").startswith("CPU")
    contrasts = page.browser.execute_script(CONTRASTS)
    assert len(contrasts) > 20
    assert {what for what, contrast in contrasts if contrast < 4.5} == set()
