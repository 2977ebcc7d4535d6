#!/usr/bin/env python3
"""Whether an APK's native libraries can be mapped on phones with memory pages of 16 KB.

    android_demo/verify/steps/alignment.py APP.apk

Each library of a 64-bit ABI must be stored uncompressed at an offset that 16384 divides, and each
of its ELF LOAD segments must be aligned to 16384 or more
(developer.android.com/guide/practices/page-sizes).
"""

from __future__ import annotations

import struct
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

PAGE = 16384
ABIS = ("arm64-v8a", "x86_64")
LOCAL_HEADER = 30
ELF_64_LITTLE = b"\x7fELF\x02\x01"
PT_LOAD = 1


def libraries(apk: Path) -> list[str]:
    """The native libraries of 64-bit ABIs in an APK."""
    with zipfile.ZipFile(apk) as archive:
        return [name for name in archive.namelist() if is_library(name)]


def is_library(name: str) -> bool:
    parts = name.split("/")
    return len(parts) == 3 and parts[0] == "lib" and parts[1] in ABIS and name.endswith(".so")


def problems(apk: Path) -> Iterator[str]:
    """A line for each thing that keeps a library from being mapped; none: all is well."""
    with zipfile.ZipFile(apk) as archive:
        for entry in archive.infolist():
            if not is_library(entry.filename):
                continue
            if entry.compress_type != zipfile.ZIP_STORED:
                yield f"{entry.filename} is compressed, so that it cannot be mapped"
            elif offset := data_offset(apk, entry.header_offset) % PAGE:
                yield f"{entry.filename} lies {offset} bytes after a multiple of {PAGE}"
            for problem in elf_problems(archive.read(entry)):
                yield f"{entry.filename} {problem}"


def data_offset(apk: Path, header_offset: int) -> int:
    """Where an entry's bytes begin: after its local header, its name and its extra field."""
    with apk.open("rb") as file:
        file.seek(header_offset)
        header = file.read(LOCAL_HEADER)
    name, extra = struct.unpack_from("<HH", header, 26)
    return header_offset + LOCAL_HEADER + name + extra


def elf_problems(elf: bytes) -> Iterator[str]:
    """What of an ELF file's LOAD segments is not aligned to a page."""
    if not elf.startswith(ELF_64_LITTLE) or len(elf) < 64:
        yield "is no 64-bit little-endian ELF file"
        return
    (table,) = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    loads = 0
    for place in range(table, table + size * count, size or 1):
        if place + 56 > len(elf):
            yield "ends within its program headers"
            return
        kind, _, offset, address, _, _, _, alignment = struct.unpack_from("<IIQQQQQQ", elf, place)
        if kind != PT_LOAD:
            continue
        loads += 1
        if alignment % PAGE or alignment == 0:
            yield f"has a LOAD segment aligned to {alignment} bytes, not {PAGE}"
        elif (address - offset) % PAGE:
            yield f"has a LOAD segment whose address and offset differ modulo {PAGE}"
    if not loads:
        yield "has no LOAD segment"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not zipfile.is_zipfile(arguments[0]):
        print("usage: alignment.py APP.apk", file=sys.stderr)
        return 2
    apk = Path(arguments[0])
    found = list(problems(apk))
    for problem in found:
        print(problem)
    if not found:
        print(f"{len(libraries(apk))} 64-bit libraries, all aligned to {PAGE} bytes")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
