"""mvpose-demo without a browser: what it serves, and what it refuses."""

import http.client
import json
import os
import signal
import socket
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from golden_vectors.store import Store
from web_browser import PATIENCE_S, command, serving

from mvpose.artefact import ENTRY
from mvpose.errors import InputError
from mvpose.web_demo.models import find_models
from mvpose.web_demo.server import IDLE_S, DemoServer

DESCRIPTION: str = next(
    case["document"] for case in Store().read("metadata")["cases"] if case["name"] == "as exported"
)


def described(path: Path, text: str = DESCRIPTION) -> Path:
    """Write a file with a description; the server looks at no more of it."""
    path.write_bytes(b"weights")
    if text:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(ENTRY, text)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return described(tmp_path_factory.mktemp("model") / "model.tflite")


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[DemoServer]:
    with serving([model]) as started:
        yield started


def ask(
    server: DemoServer, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        pytest.param("/", "text/html; charset=utf-8", id="page"),
        pytest.param("/?a=b", "text/html; charset=utf-8", id="query"),
        pytest.param("/demo.js", "text/javascript; charset=utf-8", id="script"),
        pytest.param("/pose/crop.js", "text/javascript; charset=utf-8", id="in a folder"),
        pytest.param("/style.css", "text/css; charset=utf-8", id="style"),
        pytest.param("/icon.svg", "image/svg+xml", id="icon"),
        pytest.param("/models.json", "application/json", id="list of models"),
        pytest.param("/models/0.tflite", "application/octet-stream", id="model"),
        pytest.param(
            "/litertjs/core/wasm/litert_wasm_threaded_internal.wasm", "application/wasm", id="wasm"
        ),
    ],
)
def test_serves(server: DemoServer, path: str, kind: str) -> None:
    status, headers, body = ask(server, path)
    assert (status, headers["content-type"]) == (200, kind)
    assert len(body) == int(headers["content-length"]) > 0
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    status, headers, nothing = ask(server, path, "HEAD")
    assert (status, int(headers["content-length"]), nothing) == (200, len(body), b"")


def test_a_file_that_did_not_change_is_not_sent_again(server: DemoServer) -> None:
    _, headers, _ = ask(server, "/models/0.tflite")
    same = ask(server, "/models/0.tflite", headers={"If-None-Match": headers["etag"]})
    assert (same[0], same[2]) == (304, b"")
    other = ask(server, "/models/0.tflite", headers={"If-None-Match": '"other"'})
    assert other[0] == 200


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        pytest.param("/nothing", "GET", 404, id="unknown"),
        pytest.param("/index.html/", "GET", 404, id="folder"),
        pytest.param("/../command.py", "GET", 404, id="above"),
        pytest.param("/%2e%2e/command.py", "GET", 404, id="above, escaped"),
        pytest.param("/pose/../../server.py", "GET", 404, id="above, from a folder"),
        pytest.param("//etc/passwd", "GET", 404, id="absolute"),
        pytest.param("/models/1.tflite", "GET", 404, id="no such model"),
        pytest.param("/" + "a" * 5000, "GET", 404, id="long"),
        pytest.param("/" + "a" * 70000, "GET", 414, id="too long"),
        pytest.param("/", "POST", 501, id="posted"),
        pytest.param("/models.json", "DELETE", 501, id="deleted"),
    ],
)
def test_refuses(server: DemoServer, path: str, method: str, status: int) -> None:
    assert ask(server, path, method)[0] == status
    assert ask(server, "/")[0] == 200


def test_nonsense_does_not_stop_it(server: DemoServer) -> None:
    for nonsense in (b"\x16\x03\x01\x02\x00\x01\n\n", b"GET\n\n", b"GET / HTTP/9.9\n\n", b""):
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as line:
            line.sendall(nonsense)
    assert ask(server, "/")[0] == 200


def test_a_model_exported_again_is_sent_again(tmp_path: Path) -> None:
    copy = described(tmp_path / "copy.tflite")
    changed = copy.read_bytes()[::-1]
    with serving([copy]) as started:
        _, before, _ = ask(started, "/models/0.tflite")
        again = tmp_path / "again"
        again.write_bytes(changed)
        again.replace(copy)
        status, after, body = ask(
            started, "/models/0.tflite", headers={"If-None-Match": before["etag"]}
        )
    assert (status, body) == (200, changed)
    assert before["cache-control"] == after["cache-control"] == "no-cache"


def test_a_removed_model_is_gone(tmp_path: Path) -> None:
    copy = described(tmp_path / "copy.tflite")
    with serving([copy]) as started:
        copy.unlink()
        assert ask(started, "/models/0.tflite")[0] == 410


def test_a_file_cut_off_while_it_is_sent_does_not_keep_the_browser_waiting(tmp_path: Path) -> None:
    """More than the sockets hold, so that the server still sends when the file changes."""
    path = tmp_path / "model.tflite"
    with path.open("wb") as file:
        file.truncate(200 << 20)
    with serving([path]) as started:
        line = http.client.HTTPConnection("127.0.0.1", started.server_port, timeout=IDLE_S / 2)
        line.request("GET", "/models/0.tflite")
        answer = line.getresponse()
        assert answer.status == 200
        os.truncate(path, 1 << 20)
        with pytest.raises(http.client.IncompleteRead):
            answer.read()
        line.close()


def test_a_taken_port_is_told(server: DemoServer) -> None:
    with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1:{server.server_port}"):
        DemoServer("127.0.0.1", server.server_port)


def test_starts_and_ends(model: Path) -> None:
    """The real command: its address, what it serves there, and a clean end by Ctrl-C."""
    with command(model) as (address, running):
        assert model.name.encode() in urllib.request.urlopen(f"{address}/models.json").read()
        running.send_signal(signal.SIGINT)
        assert running.wait(PATIENCE_S) == 0
        assert running.stderr and "adb reverse" in running.stderr.read()


# which models


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda text: "", "carries no description", id="no description"),
        pytest.param(
            lambda text: text.replace('"schema_version": 1', '"schema_version": 2'),
            "schema version 2",
            id="newer schema",
        ),
        pytest.param(
            lambda text: text.replace('"dtype": "float32"', '"dtype": "int8"'),
            "input and output of int8",
            id="INT8 input and output",
        ),
        pytest.param(
            lambda text: text.replace('"layout": "NHWC"', '"layout": "NCHW"'), "NCHW", id="layout"
        ),
    ],
)
def test_unusable_models_are_refused_or_left_out(
    change: Callable[[str], str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = change(json.dumps(json.loads(DESCRIPTION)))
    bad, good = described(tmp_path / "bad.tflite", text), described(tmp_path / "good.tflite")
    with pytest.raises(InputError, match=said):
        find_models([good, bad], tmp_path)
    assert find_models([], tmp_path) == [good]
    assert said in capsys.readouterr().err


def test_the_usual_int8_file_comes_first(tmp_path: Path) -> None:
    names = ["a.fp32", "b.static_wi8_ai8_mixed", "c.static_wi8_ai8"]
    paths = [described(tmp_path / f"{name}.tflite") for name in names]
    assert find_models([], tmp_path) == [paths[1], paths[0], paths[2]]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("none.tflite", "no such file", id="missing"),
        pytest.param("folder", "is a folder", id="folder"),
        pytest.param("model.onnx", "is no .tflite file", id="another format"),
    ],
)
def test_what_is_no_model_is_told(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    described(tmp_path / "model.onnx")
    with pytest.raises(InputError, match=said):
        find_models([tmp_path / name], tmp_path)


def test_nothing_is_exported_over_files_that_cannot_be_run(tmp_path: Path) -> None:
    bad = described(tmp_path / "bad.tflite", "")
    with pytest.raises(InputError, match="can run none"):
        find_models([], tmp_path)
    assert list(tmp_path.iterdir()) == [bad]


def test_a_folder_that_cannot_be_written_is_told_before_the_export(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(InputError, match="cannot write") as caught:
        find_models([], tmp_path / "out")
    assert "name an exported file" in caught.value.hint
