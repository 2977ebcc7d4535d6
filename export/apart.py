"""Running a converter in a process of its own, which may crash without taking the command along."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mvpose.errors import InputError

CHILD = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
from mvpose.export.apart import serve
serve()
"""
LAST_LINES = 3
TAIL_BYTES = 16384
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def run_apart(function: Callable[..., Any], *args: Any, what: str) -> Any:
    """Call a function in a new Python process and return its result.

    What the process prints is kept off the terminal. It ends with this one, however this one ends.

    Args:
        function: defined at the top of an importable module.
        args: picklable, as the result must be.
        what: is done there, as the subject of a sentence: "the conversion".

    Raises:
        InputError: that of the function; or it raised another exception, crashed or was killed,
            with the last lines that it printed.
    """
    with TemporaryDirectory(prefix="mvpose-") as folder:
        printed, result = Path(folder) / "printed.txt", Path(folder) / "result.pickle"
        with printed.open("wb") as log:
            code = _run([sys.path, (function, args, str(result))], log)
        if not result.is_file():
            raise _failure(code, _last_lines(printed), what)
        value = pickle.loads(result.read_bytes())
    if isinstance(value, InputError):
        raise value
    return value


def serve() -> None:
    """The child's side: read a call from the standard input, write its result to a file."""
    function, args, path = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        value = function(*args)
    except InputError as error:
        value = error
    written = Path(f"{path}.part")
    written.write_bytes(pickle.dumps(value))
    written.rename(path)


def _end_with_parent() -> None:
    os.read(0, 1)  # returns when the parent's end of the pipe is closed
    os._exit(1)


def _run(messages: list[Any], log: Any) -> int:
    """The exit code of a child that is given these messages; negative: the signal."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    assert process.stdin is not None
    try:
        with suppress(BrokenPipeError):  # it died early, as its exit code tells
            process.stdin.write(b"".join(map(pickle.dumps, messages)))
            process.stdin.flush()
        return process.wait()
    finally:
        process.kill()
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()


def _failure(code: int, lines: list[str], what: str) -> InputError:
    hint = "if its versions are not those of pyproject.toml, install them; else report these lines"
    if code == -signal.SIGKILL:
        ended = "was killed (SIGKILL), probably for want of memory"
        hint = "close other programs, or use a machine with more memory"
    elif code < 0:
        ended = f"crashed ({signal.Signals(-code).name})"
    else:
        ended = f"failed with exit code {code}"
    last = f"; its last lines: {' | '.join(lines)}" if lines else ", without a word"
    return InputError(f"{what} {ended}{last}", hint)


def _last_lines(path: Path) -> list[str]:
    text = path.read_bytes()[-TAIL_BYTES:].decode(errors="replace")
    lines = (COLOURS.sub("", line).strip() for line in text.splitlines())
    return [line for line in lines if line][-LAST_LINES:]
