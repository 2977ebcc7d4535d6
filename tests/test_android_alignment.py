"""The check of native libraries for phones with 16 KB pages, on crafted ELF files and APKs."""

import importlib
import struct
import sys
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "android_demo" / "verify"))
alignment = importlib.import_module("steps.alignment")

LIBRARY = "lib/arm64-v8a/libmodel.so"


def elf(*segments: tuple[int, int, int, int]) -> bytes:
    """A 64-bit ELF file with program headers (type, offset, address, alignment) and no content."""
    header = struct.pack("<4sBBBB8x", b"\x7fELF", 2, 1, 1, 0)
    header += struct.pack("<HHIQQQIHHHHHH", 3, 183, 1, 0, 64, 0, 0, 64, 56, len(segments), 64, 0, 0)
    table = (
        struct.pack("<IIQQQQQQ", kind, 5, offset, address, address, 100, 100, align)
        for kind, offset, address, align in segments
    )
    return header + b"".join(table)


def apk(path: Path, name: str, content: bytes, *, compressed: bool, start: int) -> Path:
    """An APK of one entry whose bytes begin at `start` (0: wherever they fall)."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    if start:
        padding = start - 30 - len(name)
        entry.extra = struct.pack("<HH", 0xD935, padding - 4) + bytes(padding - 4)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, content)
    return path


GOOD = elf((1, 0, 0, 16384), (1, 0x8000, 0xC000, 16384))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(GOOD, [], id="two segments at 16 KB"),
        pytest.param(elf((1, 0, 0, 65536)), [], id="a segment at 64 KB"),
        pytest.param(
            elf((6, 64, 64, 8), (1, 0, 0, 16384)), [], id="other headers may be aligned less"
        ),
        pytest.param(
            elf((1, 0, 0, 16384), (1, 0x1000, 0x1000, 4096)),
            ["has a LOAD segment aligned to 4096 bytes, not 16384"],
            id="one of 4 KB",
        ),
        pytest.param(
            elf((1, 0x1000, 0x2000, 16384)),
            ["has a LOAD segment whose address and offset differ modulo 16384"],
            id="not congruent",
        ),
        pytest.param(elf((6, 64, 64, 8)), ["has no LOAD segment"], id="nothing to load"),
        pytest.param(GOOD[:100], ["ends within its program headers"], id="cut short"),
        pytest.param(
            b"\x7fELF\x01" + GOOD[5:], ["is no 64-bit little-endian ELF file"], id="32 bits"
        ),
        pytest.param(b"text", ["is no 64-bit little-endian ELF file"], id="no ELF"),
    ],
)
def test_elf(content: bytes, expected: list[str]) -> None:
    assert list(alignment.elf_problems(content)) == expected


@pytest.mark.parametrize(
    ("name", "compressed", "start", "expected"),
    [
        pytest.param(LIBRARY, False, 16384, [], id="stored at 16 KB"),
        pytest.param(
            LIBRARY,
            False,
            4096,
            [f"{LIBRARY} lies 4096 bytes after a multiple of 16384"],
            id="stored at 4 KB",
        ),
        pytest.param(
            LIBRARY,
            True,
            16384,
            [f"{LIBRARY} is compressed, so that it cannot be mapped"],
            id="compressed",
        ),
        pytest.param("lib/armeabi-v7a/libmodel.so", True, 0, [], id="a 32-bit ABI is not asked"),
        pytest.param("assets/libmodel.so", True, 0, [], id="an asset is no library"),
    ],
)
def test_apk(tmp_path: Path, name: str, compressed: bool, start: int, expected: list[str]) -> None:
    package = apk(tmp_path / "a.apk", name, GOOD, compressed=compressed, start=start)
    assert list(alignment.problems(package)) == expected


def test_a_library_of_4_kb_pages_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    package = apk(tmp_path / "a.apk", LIBRARY, elf((1, 0, 0, 4096)), compressed=False, start=16384)
    assert alignment.main([str(package)]) == 1
    assert f"{LIBRARY} has a LOAD segment aligned to 4096" in capsys.readouterr().out


def test_what_is_no_apk_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "a.apk").write_text("text")
    assert alignment.main([str(tmp_path / "a.apk")]) == 2
    assert "usage" in capsys.readouterr().err
