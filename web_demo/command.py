"""mvpose-demo: exported files at work in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from mvpose.cli import Flag, run


def demo(
    *models: Path,
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 8000,
    host: str = "127.0.0.1",
    open_browser: Annotated[Flag, Parameter(name="--open")] = False,
    litertjs: Path | None = None,
) -> None:
    """Serve a page that runs exported .tflite files on the camera and on pictures, in the browser.

    All inference happens in the browser, by LiteRT.js: with WebGPU where there is one, else on the
    CPU. Everything is served from this machine; at the first start npm fetches LiteRT.js into the
    user's cache, later starts need no network.

    A phone on a cable reaches the page, and may use its camera there, after
    `adb reverse tcp:8000 tcp:8000`.

    ```
    mvpose-demo
    mvpose-demo --open
    mvpose-demo out/mobilevitpose-xxs.static_wi8_ai8_mixed.tflite --port 8080
    ```

    Args:
        models: exported .tflite files; left out, those in out/, and where there are none the
            checkpoint that ships with the package is exported in INT8 first.
        port: to listen on; 0 takes a free one.
        host: address to listen on. Browsers give the camera to localhost and to HTTPS alone.
        open_browser: open the page in the browser.
        litertjs: folder of an unpacked @litertjs (with core/ and wasm-utils/), in place of the
            one that npm fetches.
    """
    from mvpose.cli import note
    from mvpose.web_demo.litertjs import find_litertjs
    from mvpose.web_demo.models import find_models
    from mvpose.web_demo.server import DemoServer, page_table

    server = DemoServer(host, port)
    with server:
        packages = find_litertjs(litertjs)
        served = find_models(models, Path("out"))
        server.table = page_table(packages, served)
        print(f"{server.address} ({', '.join(path.name for path in served)})", flush=True)
        note(
            f"a phone on a cable: adb reverse tcp:{server.server_port} tcp:{server.server_port}, "
            f"then http://localhost:{server.server_port} there; Ctrl-C ends"
        )
        if open_browser:
            import webbrowser

            webbrowser.open(server.address)
        server.run()


def main() -> None:
    """Entry point."""
    run(demo)
