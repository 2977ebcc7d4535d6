"""Functions in a process of their own: what they return, and how they may end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mvpose.errors import InputError
from mvpose.export.apart import run_apart

posix = pytest.mark.skipif(os.name != "posix", reason="signals and named pipes of POSIX")


def measure(word: str, big: bytes) -> tuple[str, int, int]:
    print("printed by the child")
    return word.upper(), len(big), os.getpid()


def refuse() -> None:
    raise InputError("no such thing", "try another")


def fail() -> None:
    print("\x1b[31mfirst\x1b[0m\n\nsecond")
    raise ValueError("third")


def leave() -> None:
    print("before the end", flush=True)
    os._exit(3)


def leave_by_sys_exit() -> None:
    print("what a library says")
    sys.exit(1)


def return_the_unpicklable() -> Callable[[], int]:
    return lambda: 1


def stop(number: int) -> None:
    print("so far", flush=True)
    os.kill(os.getpid(), number)


def hold(pipe: str) -> None:
    """Say its number and keep the pipe open until the end of the process."""
    with Path(pipe).open("w") as end:
        end.write(f"{os.getpid()}\n")
        end.flush()
        while True:
            time.sleep(60)


def test_a_result_comes_back(capfd: pytest.CaptureFixture[str]) -> None:
    word, length, process = run_apart(measure, "pose", bytes(1 << 20), what="the measurement")
    assert (word, length) == ("POSE", 1 << 20)
    assert process != os.getpid()
    assert capfd.readouterr() == ("", "")


def test_an_input_error_is_raised_again() -> None:
    with pytest.raises(InputError) as error:
        run_apart(refuse, what="the measurement")
    assert (error.value.what, error.value.hint) == ("no such thing", "try another")


@pytest.mark.parametrize(
    ("function", "args", "expected"),
    [
        pytest.param(fail, (), "failed with exit code 1.*third", id="exception"),
        pytest.param(leave, (), "failed with exit code 3.*: before the end", id="exit"),
        pytest.param(leave_by_sys_exit, (), "code 1.*: what a library says", id="sys_exit"),
        pytest.param(return_the_unpicklable, (), "failed.*pickle", id="unpicklable"),
        pytest.param(
            stop, (signal.SIGKILL,), "SIGKILL.*want of memory.*: so far", id="killed", marks=posix
        ),
        pytest.param(stop, (signal.SIGSEGV,), "SIGSEGV.*: so far", id="crash", marks=posix),
        pytest.param(print, ("no word\n" * 9,), None, id="much output and nothing wrong"),
    ],
)
def test_a_bad_end_is_an_input_error(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    expected: str | None,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if expected is None:
        assert run_apart(function, *args, what="the conversion") is None
    else:
        with pytest.raises(InputError, match=f"^the conversion .*{expected}") as error:
            run_apart(function, *args, what="the conversion")
        assert error.value.hint
        assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_only_the_last_lines_are_told() -> None:
    with pytest.raises(InputError) as error:
        run_apart(fail, what="the conversion")
    assert error.value.what.endswith("ValueError: third")
    assert "first" not in error.value.what


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_child_ends_with_its_parent(number: int, tmp_path: Path) -> None:
    """Whose end of the named pipe is closed then."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    program = (
        "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"sys.path[:] = {sys.path!r}\n"
        "from mvpose.export.apart import run_apart\nfrom test_apart import hold\n"
        f"run_apart(hold, {str(pipe)!r}, what='it')"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    try:
        with pipe.open() as end:
            child = int(end.readline())
            assert child != parent.pid
            parent.send_signal(number)
            assert end.read() == ""
        assert parent.wait() == -number
    finally:
        parent.kill()
        parent.wait()
