"""The tool that unpacks Debian packages, where it can't."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "debian_packages.py"


def unpack(folder: Path, *words: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ if path is None else {"PATH": path}
    return subprocess.run(
        [sys.executable, str(TOOL), str(folder), *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_no_debian_system(tmp_path: Path) -> None:
    done = unpack(tmp_path / "parts", "hostname", path=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: this is no Debian system: it has no apt-get or no archive keyring"
    ]


def test_no_package_named(tmp_path: Path) -> None:
    done = unpack(tmp_path / "parts")
    assert done.returncode == 2
    assert not (tmp_path / "parts").exists()


def test_a_suite_that_the_archive_has_not(tmp_path: Path) -> None:
    if not Path("/usr/bin/apt-get").exists():
        pytest.skip("NOT TESTED with apt: this is no Debian system")
    done = unpack(tmp_path / "parts", "hostname", "--suite", "no-such-suite")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
