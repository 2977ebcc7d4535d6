"""A phone that an ``adb`` plays, and what is to be measured on it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mvpose.benchmark.document import Row
from mvpose.benchmark.phone.run import measure_on_phone

HERE = Path(__file__).parent
ONE = "A1\tdevice"


def elf(machine: int) -> bytes:
    """The start of a little-endian ELF file."""
    return b"\x7fELF\x02\x01\x01" + bytes(11) + machine.to_bytes(2, "little") + bytes(44)


class Bench:
    """A folder with a binary, two model files and an adb that plays a scenario."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.adb = folder / "adb"
        program = [sys.executable, "-S", str(HERE / "fake_adb.py"), str(folder)]
        self.adb.write_text(f'#!/bin/sh\nexec {shlex.join(program)} "$@"\n')
        self.adb.chmod(0o755)
        self.binary = folder / "benchmark_model"
        self.binary.write_bytes(elf(183))
        self.files = [folder / "small.fp32.tflite", folder / "small.random.tflite"]
        for file in self.files:
            file.write_bytes(b"not looked at")
        self.play()

    def play(self, devices: str = ONE, **scenario: Any) -> None:
        (self.folder / "scenario.json").write_text(json.dumps({"devices": devices, **scenario}))

    def measure(self, **options: Any) -> Iterator[Row]:
        given: dict[str, Any] = {
            "files": self.files[:1],
            "binary": self.binary,
            "accelerators": ["cpu4"],
            "runs": 6,
            "adb": str(self.adb),
        }
        return measure_on_phone(**given | options)

    def calls(self) -> list[str]:
        return (self.folder / "calls.txt").read_text().splitlines()

    def left(self) -> set[str]:
        """Folders made on the phone and not removed."""
        made = {word for call in self.calls() if "(mkdir" in call for word in call.split()}
        removed = {word for call in self.calls() if "rm -rf" in call for word in call.split()}
        return {word for word in made - removed if word.startswith("/data")}
