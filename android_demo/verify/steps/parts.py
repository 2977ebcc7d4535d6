"""Step `parts`: the compilers, the linters and Android's API, by package name from npm and Debian.

Debian packages are unpacked into a private folder; nothing of the system is changed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from debian_packages import Archive, UnavailableError, library_path

from steps.workshop import KOTLIN, PARTS, VERIFY, CheckError, NotVerifiedError, once, run

OWN = ""
"""The system's own suite."""


@dataclass(frozen=True)
class DebianPart:
    """Debian packages, where to find them, and the file that shows that they are there."""

    name: str
    packages: tuple[str, ...]
    suites: tuple[str, ...]
    proof: str
    with_libraries: bool = False  # native: what it needs and the system lacks comes along


DEBIAN = (
    DebianPart("junit", ("junit4", "libhamcrest-java"), (OWN,), "usr/share/java/junit4.jar"),
    DebianPart(
        "android.jar of API 23",
        ("libandroid-23-java",),
        ("bullseye", "sid"),
        "usr/lib/android-sdk/platforms/android-23/android.jar",
    ),
    DebianPart(
        "org.json", ("libandroid-json-java",), (OWN,), "usr/share/java/com.android.json.jar"
    ),
    DebianPart(
        "dx",
        ("dalvik-exchange",),
        ("bullseye",),
        "usr/share/java/com.android.dx.jar",
    ),
    DebianPart("aapt", ("aapt",), (OWN,), "usr/bin/aapt2", with_libraries=True),
    DebianPart(
        "resources of a newer Android",
        ("android-framework-res",),
        ("trixie", OWN),
        "usr/share/android-framework-res/framework-res.apk",
    ),
    DebianPart("zipalign", ("zipalign",), (OWN,), "usr/bin/zipalign", with_libraries=True),
    DebianPart(
        "apksigner", ("apksigner", "libapksig-java"), (OWN,), "usr/share/java/apksigner.jar"
    ),
)


@once
def fetch() -> str:
    """Fetch what is not there; `NotVerifiedError` names each Debian package that is gone."""
    fetch_npm()
    versions = json.loads((VERIFY / "package.json").read_text())["dependencies"]
    problems = []
    for part in DEBIAN:
        try:
            debian(part.name)
        except NotVerifiedError as problem:
            problems.append(str(problem))
    if problems:
        raise NotVerifiedError("; ".join(problems))
    npm = (f"{name} {version}" for name, version in versions.items())
    return ", ".join([*npm, *(part.name for part in DEBIAN)])


@once
def fetch_npm() -> None:
    """The npm packages of package-lock.json; fetched again where the lock file changed."""
    folder = PARTS / "npm"
    stamp = folder / "fetched"
    lock = (VERIFY / "package-lock.json").read_bytes()
    digest = hashlib.sha256(lock).hexdigest()
    if stamp.is_file() and stamp.read_text() == digest:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(VERIFY / name, folder)
    run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
        cwd=folder,
        on_failure="npm cannot fetch the packages of package-lock.json",
    )
    if not (KOTLIN / "kotlin-compiler.jar").is_file():
        raise CheckError(f"the package kotlin-compiler brought no {KOTLIN / 'kotlin-compiler.jar'}")
    stamp.write_text(digest)


def debian(name: str) -> Path:
    """The root into which a part's Debian packages are unpacked; they are fetched where absent."""
    part = next(part for part in DEBIAN if part.name == name)
    root = PARTS / "debian" / part.packages[0]
    if (root / part.proof).exists():
        return root
    problems = []
    for suite in part.suites:
        archive = Archive(PARTS / "apt" / (suite or "own"), suite)
        try:
            archive.unpack(list(part.packages), root, part.with_libraries)
        except UnavailableError as problem:
            problems.append(str(problem))
            continue
        if (root / part.proof).exists():
            return root
        problems.append(f"{suite or 'the own suite'} has no {part.proof}")
    raise NotVerifiedError(f"{part.name} could not be fetched ({'; '.join(problems)})")


def native(name: str, program: str, *arguments: str | Path, on_failure: str) -> str:
    """Run a native program of a Debian part; `NotVerifiedError` where the part cannot be had."""
    root = debian(name)
    binary = root / "usr/bin" / program
    environment = {"LD_LIBRARY_PATH": library_path(root)}
    return run([binary, *arguments], environment=environment, on_failure=on_failure)
