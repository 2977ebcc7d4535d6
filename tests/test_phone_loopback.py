"""The real adb client, with this computer as the phone behind a real adbd."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mvpose.benchmark.phone import folder as phone_folder
from mvpose.benchmark.phone import run
from mvpose.benchmark.phone.adb import PhoneGoneError
from mvpose.benchmark.phone.run import measure_on_phone

HERE = Path(__file__).parent


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The serial of this computer, as the real adb sees it through a real adbd."""
    daemon = os.environ.get("MVPOSE_ADBD") or shutil.which("adbd")
    if not daemon or not shutil.which("adb"):
        pytest.skip("NOT TESTED: needs adb, and adbd on the PATH or in MVPOSE_ADBD")
    storage = tmp_path / "phone"
    storage.mkdir()
    monkeypatch.setattr(phone_folder, "ROOT", str(storage))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(free_port()))
    port = free_port()
    with (tmp_path / "adbd.log").open("w") as log:
        running = subprocess.Popen(
            [daemon],
            env={**os.environ, "ADBD_PORT": str(port)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    serial = f"localhost:{port}"
    try:
        for _ in range(50):
            said = subprocess.run(["adb", "connect", serial], capture_output=True, text=True)
            if said.stdout.startswith("connected"):
                break
            time.sleep(0.1)
        else:
            pytest.fail(f"adbd does not answer: {(tmp_path / 'adbd.log').read_text()}")
        yield serial
    finally:
        subprocess.run(["adb", "kill-server"], capture_output=True)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that takes benchmark_model's flags and prints what it prints."""
    pytest.importorskip("ai_edge_litert", reason="NOT TESTED: needs mvpose[litert]")
    script = tmp_path / "benchmark_model"
    words = [sys.executable, str(HERE / "benchmark_model_program.py")]
    script.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    return script


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A file with one convolution."""
    from small_tflite import convolution

    return convolution(256, channels=64).write(tmp_path / "small.tflite")


def test_real_adb_and_adbd(loopback: str, program: Path, small: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"no flatbuffer")
    rows = list(
        measure_on_phone(
            [small, broken],
            serial=loopback,
            binary=program,
            accelerators=["cpu1", "npu"],
            runs=6,
            sustained_s=0.1,
        )
    )
    good, no_npu, unreadable, _ = rows
    assert good.error is None
    assert good.timing is not None and good.timing.median_ms > 0
    assert good.timing.median_ms == pytest.approx(np.median(good.samples_ms))
    assert good.device_facts is not None
    assert len(good.device_facts["sustained"]) == 1
    assert any("no battery temperature" in mark for mark in good.marks)
    assert no_npu.error is not None and "--use_npu" in no_npu.error
    assert unreadable.error is not None and "it failed with status 1" in unreadable.error
    assert list(Path(phone_folder.ROOT).iterdir()) == []


def test_real_adb_when_the_phone_goes_away(
    loopback: str, program: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phone_folder, "BACK_S", 0.5)
    rows = measure_on_phone(
        [small], serial=loopback, binary=program, accelerators=["cpu1", "cpu2"], runs=6
    )
    assert next(rows).error is None
    subprocess.run(["adb", "disconnect", loopback], check=True, capture_output=True)
    with pytest.raises(PhoneGoneError, match=r"went away.*mvpose-\w+ may be left on it"):
        next(rows)
    assert run.MODEL in {path.name for path in Path(phone_folder.ROOT).glob("*/*")}
