"""One fresh folder on the phone, which is removed again."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from mvpose.benchmark.phone.abi import abi_of
from mvpose.benchmark.phone.adb import Answer, Phone, PhoneGoneError, PhoneSlowError, last_line
from mvpose.errors import InputError

ROOT = "/data/local/tmp"
BACK_S = 20.0
"""How long a phone that went away is waited for, to clean up on it."""
PROGRAM = "benchmark_model"


@dataclass(frozen=True)
class Folder:
    """A folder on a phone.

    Attributes:
        phone: it lies on.
        path: of the folder.
    """

    phone: Phone
    path: str

    def add(self, source: Path, name: str) -> str:
        """Copy a file into it; returns where it lies."""
        target = f"{self.path}/{name}"
        self.phone.push(source, target)
        return target

    def add_program(self, source: Path) -> None:
        """Copy a program and the libraries beside it that are built for the same ABI."""
        libraries = sorted(source.resolve().parent.glob("*.so"))
        for library in libraries:
            if abi_of(library) == abi_of(source):
                self.add(library, library.name)
        self.add(source, PROGRAM)
        self.phone.shell(f"chmod 755 {quote(self.path)}/{PROGRAM}")

    def run(self, arguments: str, patience_s: float) -> Answer:
        """Run the program in it, with its libraries."""
        place = quote(self.path)
        return self.phone.shell(
            f"cd {place} && LD_LIBRARY_PATH={place} ./{PROGRAM} {arguments}", patience_s
        )

    def drop(self, target: str) -> None:
        """Remove one file."""
        self.phone.shell(f"rm -f {quote(target)}")

    def stop(self) -> None:
        """End what still runs in it."""
        name = self.path.rpartition("/")[2]
        # the brackets keep the pattern from matching the command that holds it
        self.phone.shell(f"pkill -9 -f '[{name[0]}]{name[1:]}/'")

    def remove(self) -> bool:
        """End what still runs in it and remove it; whether that worked."""
        try:
            self.stop()
            return self.phone.shell(f"rm -rf {quote(self.path)}").status == 0
        except (PhoneGoneError, PhoneSlowError):
            return False


@contextmanager
def fresh_folder(phone: Phone) -> Iterator[Folder]:
    """Make a folder, and remove it whatever happens.

    Raises:
        InputError: it can't be made, or not removed.
    """
    folder = Folder(phone, f"{ROOT}/mvpose-{secrets.token_hex(4)}")
    made = phone.shell(f"mkdir {quote(folder.path)}")
    if made.status != 0:
        raise InputError(
            f"cannot make a folder on the phone: {last_line(made.output)}",
            "free storage on it, and look at: adb shell ls -ld /data/local/tmp",
        )
    gone: PhoneGoneError | None = None
    try:
        yield folder
    except PhoneGoneError as error:
        gone = error
        phone.comes_back(BACK_S)
    finally:
        removed = folder.remove()
    left = "" if removed else f"; {folder.path} may be left on it"
    if gone:
        raise PhoneGoneError(gone.what + left, gone.hint) from gone
    if left:
        raise InputError(
            f"the phone could not be cleaned up{left}", f"adb shell rm -rf {folder.path}"
        )
