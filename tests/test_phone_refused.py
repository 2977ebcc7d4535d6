"""What keeps a session with a phone from starting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from phone_bench import Bench, elf

from mvpose.errors import InputError


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize(
    ("scenario", "serial", "said"),
    [
        ({"devices": ""}, None, "no phone is connected.*USB debugging"),
        ({"devices": "A1\tdevice\nB2\tdevice"}, None, "2 phones.*A1, B2.*--device adb:A1"),
        ({"devices": "A1\tunauthorized"}, None, "not ready: unauthorized.*accept this"),
        ({"devices": "A1\toffline"}, "A1", "not ready: offline.*adb reconnect"),
        ({"devices": "A1\trecovery"}, None, "not ready: recovery.*start Android"),
        (
            {"devices": "A1\tno permissions (missing udev rules?); see [a page]"},
            None,
            r"no permissions \(missing udev rules\?\) .*android-sdk-platform-tools-common",
        ),
        ({}, "B2", "no phone 'B2'.*connected: A1"),
        ({"devices": ""}, "B2", "no phone 'B2'.*none is connected"),
        ({}, "10.0.0.7:5555", "no phone.*adb connect 10.0.0.7:5555"),
        ({"devices_status": 1}, None, "fails.*adb kill-server"),
        ({"mkdir": "mkdir: '/data': Read-only file system"}, None, "cannot make a folder"),
        ({"push": {"benchmark_model": "remote No space left on device"}}, None, "phone is full"),
        ({"push": {"benchmark_model": "remote Permission denied"}}, None, "cannot copy"),
        ({"usage": "benchmark_model: not executable: 64-bit ELF file"}, None, "not run as one"),
    ],
)
def test_a_session_that_cannot_start(
    bench: Bench, scenario: dict[str, Any], serial: str | None, said: str
) -> None:
    bench.play(**scenario)
    with pytest.raises(InputError, match=said):
        list(bench.measure(serial=serial))
    if len(bench.calls()) > 4 and "mkdir" not in scenario:
        assert bench.left() == set()


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (None, "no benchmark_model at"),
        (b"PK\x03\x04", "is no program"),
        (elf(62), "built for x86_64, the phone runs arm64-v8a, armeabi-v7a, armeabi"),
        (elf(8), "built for ELF machine 8"),
    ],
    ids=["missing", "zip", "x86", "mips"],
)
def test_a_binary_that_cannot_run_there_is_not_pushed(
    bench: Bench, program: bytes | None, said: str
) -> None:
    bench.binary.unlink()
    if program is not None:
        bench.binary.write_bytes(program)
    with pytest.raises(InputError, match=said):
        list(bench.measure())
    assert not any(" push " in call for call in bench.calls())


def test_no_adb(bench: Bench) -> None:
    with pytest.raises(InputError, match=r"cannot run '/no/adb'.*apt install adb.*brew"):
        list(bench.measure(adb="/no/adb"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"accelerators": ["tpu"]}, "no accelerator 'tpu'"),
        ({"runs": 5}, "5 runs are too few"),
        ({"files": [Path("model.onnx")]}, "can't run on a phone"),
        ({"files": [Path("none.tflite")]}, "no such file"),
    ],
)
def test_bad_options(bench: Bench, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        list(bench.measure(**options))
