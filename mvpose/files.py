"""Writing files so that a final name never holds half a file."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mvpose.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; rename it to ``path`` when the block succeeds.

    Raises:
        InputError: the folder can't be created or written, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
    except OSError as error:
        raise unwritable(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder in ``folder``; what it holds moves up when the block succeeds.

    Files and folders of the same names are replaced.

    Raises:
        InputError: the folder can't be created or written, or the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".mvpose-", dir=folder) as name:
            yield Path(name)
            for made in sorted(Path(name).iterdir()):
                final = folder / made.name
                if final.is_dir():
                    final.replace(Path(name) / f"{made.name}.old")
                made.replace(final)
    except OSError as error:
        raise unwritable(folder, error) from error


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write ``value`` to ``path`` as indented JSON in one step."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def check_new(path: Path, overwrite: bool) -> None:
    """Raise InputError when ``path`` exists and may not be replaced."""
    if path.exists() and not overwrite:
        raise InputError(
            f"{path} exists already", "add --overwrite, or choose another place for it"
        )


def check_writable(folder: Path) -> None:
    """Fail early when nothing can be written into ``folder``, which is made if absent."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise unwritable(folder, error) from error


def parts(path: Path) -> list[Path]:
    """The files of a model: all in a package's folder, a graph and its ``.bin``, or itself."""
    if path.is_dir():
        return sorted(p for p in path.rglob("*") if p.is_file())
    weights = path.with_suffix(".bin")
    split = path.suffix in (".xml", ".param") and weights.is_file()
    return [path, weights] if split else [path]


def size_bytes(path: Path) -> int:
    """Of a model, all parts together."""
    return sum(part.stat().st_size for part in parts(path))


def sha256(path: Path) -> str:
    """SHA-256 of a model, in hexadecimal.

    Where it has several parts: of the lines that sha256sum prints for them, in order of their names
    relative to the folder.
    """
    first, *others = parts(path)
    if not others and first == path:
        return _digest(path)
    folder = path if path.is_dir() else path.parent
    lines = [f"{_digest(p)}  {p.relative_to(folder).as_posix()}\n" for p in (first, *others)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unwritable(path: Path, error: OSError) -> InputError:
    """The InputError for a path that can't be written."""
    return InputError(
        f"cannot write {path}: {error.strerror or error}",
        "check the folder, its permissions and the free space, or choose another",
    )
