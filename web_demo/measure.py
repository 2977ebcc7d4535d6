"""How long the page takes until it can be used: ``python -m mvpose.web_demo.measure``.

From the browser's request to the moment when a model is loaded, has run once and the buttons work;
in headless Chromium from this machine, each time with an empty cache. Needs
``pip install 'mvpose[test]'``, chromium and chromedriver.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from mvpose.cli import run

READY = (
    "return document.getElementById('camera')?.disabled === false"
    " ? performance.getEntriesByName('mvpose-ready')[0]?.startTime : null"
)


def measure(
    model: Path,
    *,
    rounds: Annotated[int, Parameter(validator=Number(gte=1))] = 5,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Measure the seconds until the page can be used.

    ```
    python -m mvpose.web_demo.measure out/mobilevitpose-xxs.static_wi8_ai8_mixed.tflite
    ```

    Args:
        model: an exported .tflite file.
        rounds: how often, each in a new browser.
        json_file: also write the result there.
    """
    from mvpose.benchmark.machine import machine
    from mvpose.files import sha256, write_json
    from mvpose.web_demo.litertjs import find_litertjs, version
    from mvpose.web_demo.models import check_model
    from mvpose.web_demo.server import serving

    check_model(model)
    with serving(find_litertjs(), [model]) as server:
        found = [_load(server.address) for _ in range(rounds)]
    seconds = sorted(round(ready_s, 3) for ready_s, _ in found)
    result = {
        "kind": "web",
        "what": "from the request to a page with a model that has run once",
        "model": model.name,
        "sha256": sha256(model),
        "litertjs": version(),
        "median_s": statistics.median(seconds),
        "rounds_s": seconds,
        "browser": found[0][1],
        "machine": machine(),
    }
    print(json.dumps(result, indent=1))
    if json_file:
        write_json(json_file, result)


def _load(address: str) -> tuple[float, str]:
    """Seconds until the page is ready in a new browser, and that browser's version."""
    from selenium.webdriver.support.ui import WebDriverWait

    from mvpose.web_demo.chromium import LONGEST_S, NO_GPU, chromium

    with tempfile.TemporaryDirectory() as folder, chromium(Path(folder), NO_GPU) as browser:
        browser.get(address)
        ready_ms = WebDriverWait(browser, LONGEST_S, 0.05).until(
            lambda _: browser.execute_script(READY)
        )
        return ready_ms / 1000, f"Chromium {browser.capabilities['browserVersion']}"


if __name__ == "__main__":
    run(measure, "demo-measure")
