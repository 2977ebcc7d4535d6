"""LiteRT.js, which npm fetches once into the user's cache."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import as_file, files
from pathlib import Path

from mvpose.cli import note
from mvpose.errors import InputError
from mvpose.files import check_writable, staging

PINS = ("package.json", "package-lock.json")
MODULES = ("litert_wasm_internal", "litert_wasm_compat_internal", "litert_wasm_threaded_internal")
"""The WebAssembly builds that browsers ask for, each by what it can do."""
PARTS = (
    "core/dist/index.js",
    "wasm-utils/dist/index.js",
    *(f"core/wasm/{module}.{kind}" for module in MODULES for kind in ("js", "wasm")),
)
"""Of the folder ``@litertjs``, what a complete one has."""
OFFLINE = "install Node.js with npm, or name an unpacked @litertjs folder with --litertjs"


def find_litertjs(given: Path | None = None) -> Path:
    """The folder ``@litertjs``, with ``core`` and ``wasm-utils``; fetched at first use.

    Args:
        given: such a folder, or a ``node_modules`` with one.

    Raises:
        InputError: the given folder is no such one, or npm is missing or fails.
    """
    if given is not None:
        for folder in (given, given / "@litertjs"):
            if _complete(folder):
                return folder
        raise InputError(
            f"{given} is no folder of LiteRT.js, or parts of it are missing",
            "name the folder @litertjs inside node_modules, which npm install @litertjs/core makes",
        )
    name = f"litertjs-{version()}"
    folder = user_cache() / name / "node_modules" / "@litertjs"
    if not _complete(folder):
        try:
            check_writable(user_cache())
        except InputError as error:
            raise InputError(
                error.what, "check its permissions and the free space, or name a --litertjs folder"
            ) from error
        note(f"fetching LiteRT.js {version()} with npm, once")
        with staging(user_cache()) as beside:
            _install(beside / name)
            if not _complete(beside / name / "node_modules" / "@litertjs"):
                raise InputError("npm left LiteRT.js incomplete", OFFLINE)
    return folder


def user_cache() -> Path:
    """Where this user's programs keep what they can fetch again."""
    from platformdirs import user_cache_path

    return user_cache_path("mvpose", appauthor=False)


def version() -> str:
    """Of LiteRT.js, as pinned."""
    pinned = json.loads(files(__package__).joinpath("package.json").read_text("utf-8"))
    return str(pinned["dependencies"]["@litertjs/core"])


def _complete(folder: Path) -> bool:
    parts = (folder / part for part in PARTS)
    return all(part.is_file() and part.stat().st_size for part in parts)


def _install(folder: Path) -> None:
    """Install what the lock file pins into a new folder."""
    npm = shutil.which("npm")
    if npm is None:
        raise InputError("LiteRT.js is not here yet and there is no npm to fetch it", OFFLINE)
    folder.mkdir()
    for pin in PINS:
        with as_file(files(__package__).joinpath(pin)) as path:
            shutil.copyfile(path, folder / pin)
    options = ["--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(
        [npm, "ci", *options], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip() or "no reason given").splitlines()
        raise InputError(
            f"npm could not fetch LiteRT.js: {_reason(said)}",
            "check the network and npm's registry, or name an unpacked @litertjs with --litertjs",
        )


def _reason(lines: list[str]) -> str:
    """What npm says went wrong: the first line that is more than a code."""
    said = [line.removeprefix("npm error").strip() for line in lines]
    told = [line for line in said if line and not line.startswith(("code ", "errno ", "syscall "))]
    return (told or said)[0]
