"""Whether the browser computes what Python does: ``python -m mvpose.web_demo.parity``."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number
from numpy.typing import NDArray

from mvpose.artefact import TensorInfo
from mvpose.cli import Flag, run
from mvpose.errors import InputError

FIGURES = ("max_difference", "keypoints", "shift_median_px", "shift_p95_px", "shift_max_px")
INFER = """
const [url, crops, done] = arguments
const infer = async () => {
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
infer().then(done, error => done(String(error)))
"""


def browser_heatmaps(
    browser: Any, url: str, crops: NDArray[np.uint8], output: TensorInfo
) -> NDArray[np.float32]:
    """What the page's own modules make of crops, on the CPU.

    Args:
        browser: with the page open.
        url: of the model, on the page's server.
        crops: (N, height, width, 3).
        output: of the model.

    Returns:
        (N, K, h, w).

    Raises:
        InputError: the page fails.
    """
    texts = [base64.b64encode(crop.tobytes()).decode() for crop in crops]
    made = browser.execute_async_script(INFER, url, texts)
    if not isinstance(made, list):
        raise InputError(
            f"the page fails: {made}", "open it by mvpose-demo and look at its message"
        )
    maps = [np.frombuffer(base64.b64decode(text), np.float32) for text in made]
    return np.stack(maps).reshape(-1, *output.shape[1:]).transpose(0, 3, 1, 2)


def parity(
    *models: Path,
    crops: Annotated[int, Parameter(validator=Number(gte=1))] = 24,
    json: Path | None = None,
    overwrite: Flag = False,
) -> None:
    """Compare heatmaps in headless Chromium with those of Python's XNNPACK, on drawn people.

    ```
    python -m mvpose.web_demo.parity out/mobilevitpose-xxs.static_wi8_ai8_mixed.tflite
    ```

    Args:
        models: exported .tflite files.
        crops: how many drawn people.
        json: write the result rows to this file.
        overwrite: replace an existing file.
    """
    from mvpose.benchmark.machine import machine
    from mvpose.files import check_new, write_json
    from mvpose.parity import compare_heatmaps
    from mvpose.quantize.calibration import drawn_crops
    from mvpose.runtime.litert import LiteRTRuntime
    from mvpose.web_demo.chromium import NO_GPU, chromium
    from mvpose.web_demo.litertjs import find_litertjs, version
    from mvpose.web_demo.models import check_model
    from mvpose.web_demo.server import serving

    if not models:
        raise InputError("no model is given", "name exported .tflite files")
    if json:
        check_new(json, overwrite)
    for path in models:
        check_model(path)
    rows = []
    with (
        serving(find_litertjs(), models) as server,
        tempfile.TemporaryDirectory() as folder,
        chromium(Path(folder), NO_GPU) as browser,
    ):
        browser.get(server.address)
        browser_name = f"Chromium {browser.capabilities['browserVersion']}"
        for number, path in enumerate(models):
            runtime = LiteRTRuntime(path)
            people = drawn_crops(runtime.spec, crops, 0)
            made = runtime.artefact.output
            theirs = runtime.heatmaps(people)
            ours = browser_heatmaps(browser, f"/models/{number}.tflite", people, made)
            identical = sum(map(np.array_equal, ours, theirs))
            found = compare_heatmaps(theirs, ours, runtime.spec, "drawn people")
            figures = {name: getattr(found, name) for name in FIGURES}
            print(f"{path.name}: {identical} of {crops} crops to the last bit")
            rows.append({**runtime.protocol, "identical": identical, **figures})
    if json:
        protocol = {"browser": browser_name, "litertjs": version(), "crops": crops, **machine()}
        write_json(json, {"kind": "web_parity", "protocol": protocol, "rows": rows})


if __name__ == "__main__":
    run(parity, "demo-parity")
