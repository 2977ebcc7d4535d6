"""What a file says of itself: its description, and the packages that made it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import requires
from pathlib import Path

from mvpose.artefact import ENTRY, Artefact
from mvpose.errors import InputError
from mvpose.export.doctor.findings import Finding
from mvpose.quantize.recipes import RECIPES


def oldest_tested() -> dict[str, str]:
    """The oldest tested version of each package that mvpose asks for."""
    found = {}
    for line in requires("mvpose") or ():
        match = re.match(r"([\w.-]+)[^;]*?>=\s*([\d.]+)", line)
        if match:
            found[match[1].lower()] = match[2]
    return found


def toolchain_findings(versions: Mapping[str, str]) -> Iterator[Finding]:
    """A finding where packages are older than tested.

    Args:
        versions: of the packages that made the file, by name on PyPI.
    """
    oldest = oldest_tested()
    stale = [
        f"{package} {version} (tested from {oldest[package]})"
        for package, version in versions.items()
        if package in oldest and release(version) < release(oldest[package])
    ]
    if stale:
        yield Finding(
            "warning",
            "stale-toolchain",
            f"made by older packages than mvpose is tested with: {', '.join(stale)}",
            "the file is old, or was made in another environment",
            "export it again with the installed packages",
        )


def release(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: "2.13.0+cpu" -> (2, 13, 0)."""
    return tuple(int(n) for n in re.findall(r"\d+", re.split(r"[^\d.]", version.strip())[0]))


def read_description(about: Mapping[str, str]) -> tuple[Artefact | None, list[Finding]]:
    """The description among a file's notes, and the findings on it."""
    if ENTRY not in about:
        return None, [no_description()]
    try:
        artefact = Artefact.from_json(about[ENTRY])
    except InputError as error:
        return None, [bad_description(error.what)]
    return artefact, list(toolchain_findings(artefact.toolchain))


def no_description() -> Finding:
    """The finding on a file that mvpose did not make."""
    return Finding(
        "note",
        "no-description",
        "the file does not say how to use it: preprocessing, keypoints and decode rule are unknown",
        "mvpose-export did not write it, or another tool rewrote it",
        "export with mvpose-export, or check colour order, mean, std and decoding by hand: a wrong "
        "one looks like a quantisation error",
    )


def bad_description(what: str) -> Finding:
    """The finding on a description that can't be used."""
    return Finding(
        "error",
        "bad-description",
        what,
        "the file was changed after mvpose-export had written it, or another version wrote it",
        "export it again",
    )


def recipe_of(artefact: Artefact | None) -> str:
    """The recipe of a described file, unless every operator is to be integer by it: then ""."""
    if artefact is None:
        return ""
    known = RECIPES.get(artefact.recipe)
    integer = known is not None and known.kind == "static" and not known.float_groups
    return "" if integer else artefact.recipe


def size_of(path: Path) -> str:
    """Size of a file or folder: "5.1 MB"."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB"
