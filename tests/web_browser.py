"""The browser demo's page in headless Chromium, for tests and for looking at it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mvpose.errors import InputError
from mvpose.web_demo.chromium import chromium as open_chromium
from mvpose.web_demo.litertjs import find_litertjs
from mvpose.web_demo.server import DemoServer
from mvpose.web_demo.server import serving as serve

PATIENCE_S = 60
HEARING = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from mvpose.web_demo.command import main
main()
"""
CAMERA_WH = (640, 480)
Drawn = tuple[NDArray[np.uint8], NDArray[np.float64]]
"""A picture and the box (4,) about the person in it."""


def litertjs() -> Path:
    """LiteRT.js, or a loud skip where it can't be had."""
    try:
        return find_litertjs()
    except InputError as error:
        pytest.skip(f"NOT TESTED: no LiteRT.js: {error}")


def serving(models: Sequence[Path]) -> AbstractContextManager[DemoServer]:
    """The demo's server with some files, on a free port."""
    return serve(litertjs(), models)


@contextmanager
def command(*models: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The real command on a free port: its address and its process; Ctrl-C ends it.

    A shell's background jobs ignore Ctrl-C, and so would all that they start: it is heard again.
    """
    litertjs()
    arguments = [sys.executable, "-c", HEARING, *map(str, models), "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(arguments, text=True, **pipes) as running:
        assert running.stdout
        try:
            yield running.stdout.readline().split()[0], running
            running.send_signal(signal.SIGINT)
            running.wait(PATIENCE_S)
        finally:
            running.kill()


@contextmanager
def chromium(folder: Path, *flags: str) -> Iterator[Any]:
    """As the demo's measurements open it; skips where there is none."""
    with ExitStack() as stack:
        try:
            browser = stack.enter_context(open_chromium(folder, *flags))
        except InputError as error:
            pytest.skip(f"NOT TESTED in a browser: {error.what}")
        yield browser


class Page:
    """The demo's page and what a user does with it."""

    def __init__(self, browser: Any, address: str, before: str = "") -> None:
        """Open it.

        Args:
            before: a script that runs before the page's own.
        """
        self.browser = browser
        script = browser.execute_cdp_cmd(
            "Page.addScriptToEvaluateOnNewDocument", {"source": before}
        )
        browser.get(address)
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)

    def wait(self, condition: str, *arguments: object) -> Any:
        """Until a JavaScript expression is true; its value."""
        from selenium.common.exceptions import TimeoutException
        from selenium.webdriver.support.ui import WebDriverWait

        try:
            return WebDriverWait(self.browser, PATIENCE_S, 0.05).until(
                lambda browser: browser.execute_script(f"return {condition}", *arguments)
            )
        except TimeoutException:
            raise AssertionError(f"never: {condition}; the page says {self.message!r}") from None

    def ready(self) -> None:
        """Until a model is loaded or a message tells why none is."""
        self.wait(
            "!('busy' in document.documentElement.dataset) && (!document.getElementById('camera')"
            ".disabled || document.getElementById('message').dataset.kind === 'error')"
        )

    def click(self, name: str) -> None:
        self.browser.find_element("id", name).click()

    def text(self, name: str) -> str:
        return str(self.browser.find_element("id", name).get_property("textContent"))

    @property
    def message(self) -> str:
        return self.text("message")

    @property
    def complaint(self) -> str:
        """The message, where it is an error that is seen."""
        found = self.browser.execute_script(
            "const line = document.getElementById('message');"
            "return line.checkVisibility() && line.dataset.kind === 'error' ? line.textContent : ''"
        )
        return str(found)

    def complains(self) -> str:
        """Wait for an error; what it says."""
        self.wait("document.getElementById('message').dataset.kind === 'error'")
        return self.complaint

    def choose(self, name: str, value: str) -> None:
        """Take an entry of a list, by its text."""
        from selenium.webdriver.support.ui import Select

        Select(self.browser.find_element("id", name)).select_by_visible_text(value)

    def give(self, path: Path) -> None:
        """Hand the page a file."""
        self.browser.find_element("id", "file").send_keys(str(path))

    def show(self, picture: Path) -> None:
        """Hand the page a picture, and wait until its pose is found."""
        self.give(picture)
        self.wait("document.documentElement.dataset.source === 'picture'")

    def drop(self, path: Path) -> None:
        """Drop a file on the page."""
        self.browser.execute_script(
            "const made = document.createElement('input'); made.type = 'file';"
            "made.id = 'dropped'; document.body.append(made)"
        )
        self.browser.find_element("id", "dropped").send_keys(str(path))
        self.browser.execute_script(
            "const given = document.getElementById('dropped'); const data = new DataTransfer();"
            "data.items.add(given.files[0]); given.remove();"
            "document.dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true}))"
        )

    def keypoints(self) -> list[list[float]]:
        """x, y and score of each row of the table."""
        rows = self.browser.execute_script(
            "return [...document.getElementById('keypoints').rows]"
            ".map(row => [...row.cells].slice(1).map(cell => cell.textContent))"
        )
        return [[float(value) for value in row] for row in rows]

    def saved(self) -> dict[str, Any]:
        """The JSON that the page offers."""
        self.browser.execute_script(
            "window.saved = null; const make = URL.createObjectURL;"
            "URL.createObjectURL = blob => { blob.text().then(text => window.saved = text);"
            " URL.createObjectURL = make; return make.call(URL, blob) }"
        )
        self.click("save")
        return dict(json.loads(self.wait("window.saved")))

    def errors(self) -> list[str]:
        """What the browser's console complains of since the last call."""
        entries = self.browser.get_log("browser")
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]


def found(document: dict[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Keypoints (K, 2) and box (4,) of the one person in a result."""
    (person,) = document["results"][0]["people"]
    points = [(keypoint["x_px"], keypoint["y_px"]) for keypoint in person["keypoints"]]
    return np.array(points), np.array(person["box_xywh_px"])


def view(browser: Any, width_px: int, theme: str = "light", height_px: int = 900) -> None:
    """Another size and colour scheme of the window."""
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    narrow = width_px < 500
    size = {"width": width_px, "height": height_px, "mobile": narrow}
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {**size, "deviceScaleFactor": 2 if narrow else 1}
    )


def write_y4m(path: Path, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A still video for Chromium's fake camera.

    Args:
        image: (height, width, 3) RGB, sides even.

    Returns:
        (height, width, 3) RGB, what is left after 4:2:0 and BT.601's limited range.
    """
    height, width = image.shape[:2]
    planes = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
    header = f"YUV4MPEG2 W{width} H{height} F30:1 Ip A1:1 C420\n".encode()
    path.write_bytes(header + (b"FRAME\n" + planes.tobytes()) * 2)
    return np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420), np.uint8)


CONTRASTS = """
const luminance = rgb => {
  const [r, g, b] = rgb.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
const parse = colour => (colour.match(/[\\d.]+/g) || []).map(Number)
const behind = element => {
  for (; element; element = element.parentElement) {
    const [r, g, b, alpha = 1] = parse(getComputedStyle(element).backgroundColor)
    if (alpha === 1) return [r, g, b]
  }
  throw new Error("nothing behind")
}
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = []
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement
  if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue
  if (element.closest(":disabled, script, noscript, style, title")) continue
  const style = getComputedStyle(element)
  const ink = parse(element instanceof SVGElement ? style.fill : style.color).slice(0, 3)
  const pair = [luminance(ink), luminance(behind(element))].sort((a, b) => b - a)
  const what = element.tagName + " " + walker.currentNode.data.trim().slice(0, 30)
  found.push([what, (pair[0] + 0.05) / (pair[1] + 0.05)])
}
return found
"""
"""The contrast of each visible text with what lies behind it (WCAG 2.1, 1.4.3): what, ratio."""
