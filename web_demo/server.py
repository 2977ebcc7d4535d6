"""A server of exactly one table of files, on this machine's own address."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

from mvpose.errors import InputError

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".tflite": "application/octet-stream",
    ".wasm": "application/wasm",
}
ISOLATION = {
    # without these two a page gets no shared memory, and LiteRT.js no threads
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
IDLE_S = 60


@dataclass(frozen=True)
class Document:
    """A body that is no file."""

    body: bytes
    content_type: str


Table = Mapping[str, Path | Document]


def page_table(litertjs: Path, models: Sequence[Path]) -> dict[str, Path | Document]:
    """Everything that is served, by path.

    Args:
        litertjs: the folder ``@litertjs``.
        models: exported files, the one to start with first.
    """
    table: dict[str, Path | Document] = {}
    page = Path(str(files(__package__).joinpath("page")))
    for path in sorted(page.rglob("*")):
        if path.suffix in TYPES:
            table[f"/{path.relative_to(page).as_posix()}"] = path
    table["/"] = table.pop("/index.html")
    for folder in ("core/dist", "core/wasm", "wasm-utils/dist"):
        for path in sorted((litertjs / folder).iterdir()):
            if path.suffix in TYPES:
                table[f"/litertjs/{folder}/{path.name}"] = path
    rows = []
    for number, path in enumerate(models):
        url = f"/models/{number}.tflite"
        table[url] = path
        rows.append({"file": path.name, "url": url})
    table["/models.json"] = Document(json.dumps(rows).encode(), "application/json")
    return table


class DemoServer(ThreadingHTTPServer):
    """Serves a table of files until interrupted.

    Args:
        host, port: to listen on; port 0 takes a free one.

    Raises:
        InputError: the address can't be had.
    """

    daemon_threads = True
    # on Windows it would let a second server share the port (cpython issue 85307)
    allow_reuse_address = os.name != "nt"

    def __init__(self, host: str, port: int) -> None:
        self.table: Table = {}
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise InputError(
                f"cannot listen on {host}:{port}: {error.strerror or error}",
                "another program listens there already, or the address is not of this machine; "
                "choose another with --port or --host",
            ) from error

    @property
    def address(self) -> str:
        """What to type into a browser on this machine."""
        host = str(self.server_address[0])
        local = host in ("127.0.0.1", "0.0.0.0")
        return f"http://{'localhost' if local else host}:{self.server_port}"

    def run(self) -> None:
        """Serve until Ctrl-C."""
        try:
            self.serve_forever()
        except KeyboardInterrupt:
            print()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no error."""


@contextmanager
def serving(litertjs: Path, models: Sequence[Path]) -> Iterator[DemoServer]:
    """The page with these files, on a free port of this machine, while the block runs.

    Args:
        litertjs, models: as for ``page_table``.
    """
    with DemoServer("127.0.0.1", 0) as server:
        server.table = page_table(litertjs, models)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    server: DemoServer

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        entry = self.server.table.get(self.path.partition("?")[0])
        if entry is None:
            self.send_error(HTTPStatus.NOT_FOUND)
        elif isinstance(entry, Document):
            self._start(HTTPStatus.OK, entry.content_type, len(entry.body))
            if with_body:
                self.wfile.write(entry.body)
        else:
            self._send_file(entry, with_body)

    def _send_file(self, path: Path, with_body: bool) -> None:
        try:
            file = path.open("rb")
        except OSError:
            self.send_error(HTTPStatus.GONE, "the file was moved or removed")
            return
        with file:
            state = os.fstat(file.fileno())
            tag = f'"{state.st_mtime_ns:x}-{state.st_size:x}"'
            kind = TYPES.get(path.suffix, TYPES[".tflite"])
            validators = {"ETag": tag, "Last-Modified": formatdate(state.st_mtime, usegmt=True)}
            if self.headers.get("If-None-Match") == tag:
                self._start(HTTPStatus.NOT_MODIFIED, kind, None, validators)
                return
            self._start(HTTPStatus.OK, kind, state.st_size, validators)
            if with_body and state.st_size:
                sent = self.connection.sendfile(file, count=state.st_size)
                # cut off while it was sent: the end of the line tells the browser
                self.close_connection |= sent < state.st_size

    def _start(
        self,
        status: HTTPStatus,
        content_type: str,
        length: int | None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Cache-Control", "no-cache")
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in {**ISOLATION, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def version_string(self) -> str:
        return "mvpose-demo"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The terminal is for what the user must know."""
