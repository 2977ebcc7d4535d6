"""What the browser demo says about the accelerator is what runs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from web_browser import Page, chromium, found, serving

from mvpose.estimate import estimate
from mvpose.export.pipeline import Exported
from mvpose.runtime.litert import LiteRTRuntime
from mvpose.web_demo.server import DemoServer

pytest_plugins = ["web_fixtures"]

INT8 = "small.static_wi8_ai8.tflite"


@pytest.fixture(scope="module")
def models(exports: dict[str, Exported]) -> list[Path]:
    return [exports[recipe].path for recipe in ("fp32", "static_wi8_ai8")]


def test_without_a_gpu_the_cpu_runs_and_the_page_says_why(page: Page) -> None:
    assert page.text("runs").startswith("CPU, ")
    page.choose("accelerator", "WebGPU")
    page.wait("document.getElementById('why').textContent.startsWith('no WebGPU')")
    page.ready()
    assert page.text("runs").startswith("CPU, ")
    page.choose("accelerator", "CPU (WebAssembly)")
    page.wait("document.getElementById('why').textContent === ''")


def test_without_relaxed_simd_the_cpu_runs_on_one_thread(browser: Any, server: DemoServer) -> None:
    """LiteRT.js has no threaded build without it, and asks for it by a short module of SIMD."""
    plain = (
        "const make = WebAssembly.instantiate; WebAssembly.instantiate = (code, ...rest) =>"
        " code.byteLength < 200 && code.includes(253) ? Promise.reject(new Error('no'))"
        " : make.call(WebAssembly, code, ...rest)"
    )
    page = Page(browser, server.address, plain)
    page.ready()
    assert page.complaint == ""
    assert page.text("runs") == "CPU, 1 thread"


def test_a_gpu_runs_floats_and_what_it_refuses_is_told(models: list[Path], tmp_path: Path) -> None:
    """SwiftShader computes WebGPU on the CPU: slowly, so that the network is the small one."""
    picture = tmp_path / "noise.png"
    image = np.random.default_rng(0).integers(0, 256, (128, 96, 3), np.uint8)
    Image.fromarray(image).save(picture)
    swiftshader = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
    with serving(models) as server, chromium(tmp_path / "browser", *swiftshader) as browser:
        page = Page(browser, server.address)
        page.ready()
        if "WebGPU" in page.text("why"):
            pytest.skip(f"NOT TESTED: this Chromium has no WebGPU: {page.text('why')}")
        assert page.text("runs") == "WebGPU"
        page.show(picture)
        document = page.saved()
        assert (document["protocol"]["device"], document["protocol"]["threads"]) == ("webgpu", 0)
        points, box = found(document)
        poses = estimate(LiteRTRuntime(models[0]), image, box[None])
        assert np.median(np.abs(points - poses.keypoints_px[0])) < 0.5
        page.choose("model", INT8)
        page.wait("document.getElementById('about').textContent.includes('static_')")
        assert page.text("runs").startswith("CPU, ")
        page.choose("accelerator", "WebGPU")
        page.wait("document.getElementById('why').textContent.startsWith('WebGPU does not run')")
        assert "choose an FP32 file" in page.text("why")
        assert page.text("runs").startswith("CPU, ")
