"""Whether a program can run on a phone, by its ELF header."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mvpose.errors import InputError

MACHINES = {3: "x86", 40: "armeabi-v7a", 62: "x86_64", 183: "arm64-v8a", 243: "riscv64"}
"""Android's name of an ABI by ELF's e_machine."""


def check_program(path: Path, abis: Sequence[str]) -> None:
    """Raise InputError where a program is missing or not for a phone of these ABIs.

    A script, which starts with "#!", runs anywhere.
    """
    if not path.is_file():
        raise InputError(
            f"no benchmark_model at {path}",
            "give it with --benchmark-binary; docs/devices.md says where to get it",
        )
    with path.open("rb") as file:
        if file.read(2) == b"#!":
            return
    abi = abi_of(path)
    if abi is None:
        raise InputError(f"{path} is no program", "give the file for Android, unpacked")
    if abi not in abis:
        raise InputError(
            f"{path} is built for {abi}, the phone runs {', '.join(abis) or 'nothing known'}",
            "give the benchmark_model for the phone's ABI; docs/devices.md says where to get it",
        )


def abi_of(path: Path) -> str | None:
    """The ABI of an ELF file; None of any other file."""
    with path.open("rb") as file:
        header = file.read(20)
    if len(header) < 20 or header[:4] != b"\x7fELF":
        return None
    machine = int.from_bytes(header[18:20], "little")
    return MACHINES.get(machine, f"ELF machine {machine}")
