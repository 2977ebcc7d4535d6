#!/usr/bin/env python3
"""Unpack Debian packages into a folder, of any suite and architecture, installing nothing.

    tools/debian_packages.py FOLDER --suite trixie --architecture arm64 --dependencies python3

The archive is the one that this system's own apt sources name; each suite and architecture has an
apt root of its own below FOLDER/.apt, and nothing of the system is changed. Exit status: 0 where
all is there, 1 with one line where it can't be had.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
STATUS = Path("/var/lib/dpkg/status")


class UnavailableError(Exception):
    """A package can't be had here; the text says why in one line."""


@dataclass(frozen=True)
class Archive:
    """One suite of Debian, as apt sees it for one architecture.

    Attributes:
        state: folder for apt's lists and downloads.
        suite: code name, such as "bookworm"; "" is this system's own.
        architecture: as dpkg calls it; "" is this system's own.
    """

    state: Path
    suite: str = ""
    architecture: str = ""

    def unpack(self, packages: list[str], root: Path, dependencies: bool = False) -> None:
        """Fetch packages and unpack them below ``root``.

        Args:
            packages: their names.
            root: is made.
            dependencies: with all that they depend on and that this system, where it is of the
                same suite and architecture, has not installed.

        Raises:
            UnavailableError: one of them can't be fetched or unpacked.
        """
        apt = self._apt()
        downloads = self.state.resolve() / "archives"
        shutil.rmtree(downloads, ignore_errors=True)
        (downloads / "partial").mkdir(parents=True)
        verb = ["download"]
        if dependencies:
            verb = ["install", "--download-only", "--reinstall", "--yes"]
        _run([*apt, *verb, *packages], f"cannot fetch {' '.join(packages)}", downloads)
        root.mkdir(parents=True, exist_ok=True)
        for package in sorted(downloads.glob("*.deb")):
            _run(["dpkg", "-x", str(package), str(root)], f"cannot unpack {package.name}")
        shutil.rmtree(downloads)

    def _apt(self) -> list[str]:
        """The words that every apt-get command begins with."""
        state = self.state.resolve()
        own = self.suite in ("", system_suite()) and not self.architecture
        status = STATUS if own else state / "nothing-installed"
        words = [
            *("apt-get", "--quiet=2", "--no-install-recommends"),
            *("-o", f"Dir::State={state}"),
            *("-o", f"Dir::State::status={status}"),
            *("-o", f"Dir::Cache={state}"),
            *("-o", f"Dir::Etc::sourcelist={state / 'sources.list'}"),
            *("-o", "Dir::Etc::sourceparts=-"),
            *("-o", "Dir::Etc::preferencesparts=-"),
            *("-o", "Acquire::Languages=none"),
            *("-o", "Debug::NoLocking=1"),
            *("-o", "APT::Sandbox::User="),
        ]
        if self.architecture:
            words += ["-o", f"APT::Architecture={self.architecture}"]
            words += ["-o", f"APT::Architectures={self.architecture}"]
        if not (state / "updated").is_file():
            (state / "lists/partial").mkdir(parents=True, exist_ok=True)
            (state / "nothing-installed").touch()
            suite = self.suite or system_suite()
            source = f"deb [signed-by={KEYRING}] {address()} {suite} main\n"
            (state / "sources.list").write_text(source, encoding="utf-8")
            _run([*words, "update"], f"the archive has no suite {suite}")
            (state / "updated").touch()
        return words


def system_suite() -> str:
    """The code name of the Debian release that this is.

    Raises:
        UnavailableError: it is none.
    """
    if shutil.which("apt-get") is None or not KEYRING.is_file():
        raise UnavailableError("this is no Debian system: it has no apt-get or no archive keyring")
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    facts = dict(line.split("=", 1) for line in lines if "=" in line)
    if facts.get("ID") != "debian" or "VERSION_CODENAME" not in facts:
        raise UnavailableError("this is no release of Debian")
    return facts["VERSION_CODENAME"]


def address() -> str:
    """Of the archive that this system's apt sources name for its own suite.

    Raises:
        UnavailableError: they name none.
    """
    words = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(CREATED_BY)"]
    suite = system_suite()
    for line in _run(words, "apt-get cannot list its sources").splitlines():
        found, codename, kind = line.split()
        if (codename, kind) == (suite, "Packages"):
            return found
    raise UnavailableError(f"this system's apt sources name no archive of {suite}")


def library_path(root: Path) -> str:
    """The folders below an unpacked root that hold shared libraries, as LD_LIBRARY_PATH."""
    return ":".join(sorted({str(path.parent) for path in root.resolve().rglob("*.so*")}))


def _run(words: list[str], on_failure: str, folder: Path | None = None) -> str:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"exit {done.returncode}"]
        raise UnavailableError(f"{on_failure}: {said[-1]}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description="Unpack Debian packages into a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("packages", nargs="+")
    parser.add_argument("--suite", default="", help="code name; this system's own if left out")
    parser.add_argument("--architecture", default="", help="such as arm64")
    parser.add_argument("--dependencies", action="store_true", help="and what they depend on")
    given = parser.parse_args()
    name = "-".join(filter(None, (given.suite or "own", given.architecture)))
    archive = Archive(given.folder / ".apt" / name, given.suite, given.architecture)
    try:
        archive.unpack(given.packages, given.folder, given.dependencies)
    except UnavailableError as problem:
        sys.exit(f"error: {problem}")


if __name__ == "__main__":
    main()
