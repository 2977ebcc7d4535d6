"""One phone, reached by the official adb client.

The client is run as a program: it speaks to every version of adbd, holds the keys that phones have
authorised, and is what the user looks at when something is wrong.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mvpose.errors import InputError

PATIENCE_S = 60.0
PUSH_S = 600.0
STATUS = "mvpose-status:"
GONE = re.compile(
    r"device '.*' not found|device not found|no devices|device offline|device still"
    r"|error: closed|protocol fault|connection reset|failed to read|device unauthorized",
    re.IGNORECASE,
)
INSTALL = "apt install adb, brew install android-platform-tools, or give its path"


class PhoneGoneError(InputError):
    """The connection to the phone broke."""


class PhoneFullError(InputError):
    """There is no room on the phone."""


class PhoneSlowError(InputError):
    """A command on the phone did not end."""


@dataclass(frozen=True)
class Answer:
    """What a command on the phone printed, both streams, and its exit status."""

    output: str
    status: int


@dataclass(frozen=True)
class Phone:
    """A phone that is ready.

    Attributes:
        adb: the client.
        serial: what adb knows it by.
    """

    adb: str
    serial: str

    def shell(self, command: str, patience_s: float = PATIENCE_S) -> Answer:
        """Run a command on the phone.

        Raises:
            PhoneGoneError: the connection broke.
            PhoneSlowError: it did not end in ``patience_s``.
        """
        framed = f"({command}) 2>&1; status=$?; echo; echo {STATUS}$status"
        try:
            done = call(self.adb, ["-s", self.serial, "shell", framed], patience_s)
        except subprocess.TimeoutExpired as error:
            raise PhoneSlowError(
                f"no answer from {self.serial} after {patience_s:.0f} s",
                "look at the phone: it may be busy, asleep or asking something",
            ) from error
        # adbd before Android 7 sends carriage returns and no exit status
        output, found, status = done.stdout.replace("\r\n", "\n").rpartition(STATUS)
        if not found or not status.strip().isdigit():
            raise self._gone(done.stderr or done.stdout)
        return Answer(output.strip("\n"), int(status))

    def push(self, source: Path, target: str) -> None:
        """Copy a file to the phone.

        Raises:
            PhoneGoneError: the connection broke.
            PhoneFullError: there is no room.
            InputError: the phone refuses.
        """
        command = ["-s", self.serial, "push", str(source), target]
        try:
            done = call(self.adb, command, PUSH_S)
        except subprocess.TimeoutExpired as error:
            raise PhoneSlowError(
                f"{source.name} was not copied to {self.serial} in {PUSH_S:.0f} s",
                "try another cable or port",
            ) from error
        if done.returncode == 0:
            return
        text = done.stderr + done.stdout
        if "No space left" in text:
            raise PhoneFullError(
                f"the phone is full: {source.name} ({source.stat().st_size / 1e6:.1f} MB) does not"
                " fit",
                "free storage on it; files go to /data/local/tmp",
            )
        if GONE.search(text):
            raise self._gone(text)
        raise InputError(f"cannot copy {source.name} to the phone: {last_line(text)}", "try again")

    def comes_back(self, patience_s: float) -> bool:
        """Whether the phone is there, waiting for it that long."""
        try:
            return (
                call(self.adb, ["-s", self.serial, "wait-for-device"], patience_s).returncode == 0
            )
        except subprocess.TimeoutExpired:
            return False

    def _gone(self, text: str) -> PhoneGoneError:
        said = last_line(text)
        return PhoneGoneError(
            f"the phone {self.serial} went away{f' ({said})' if said else ''}",
            "check the cable, keep the phone awake, and start again",
        )


def connect(adb: str = "adb", serial: str | None = None) -> Phone:
    """The phone of that serial, or the only one.

    Raises:
        InputError: there is no adb, no phone, more than one, or it is not ready.
    """
    try:
        done = call(adb, ["devices"], PATIENCE_S)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{adb} does not answer", "adb kill-server, then try again") from error
    if done.returncode != 0:
        raise InputError(
            f"{adb} fails: {last_line(done.stderr + done.stdout)}",
            "adb kill-server, then try again",
        )
    phones = dict(re.findall(r"^(\S+)[\t ]+(\S.*?)\s*$", _listing(done.stdout), re.MULTILINE))
    if serial is None:
        serial = _only(list(phones))
    elif serial not in phones:
        known = f"connected: {', '.join(phones)}" if phones else "none is connected"
        network = f"; for wireless debugging, first: adb connect {serial}" if ":" in serial else ""
        raise InputError(f"no phone {serial!r}", known + network)
    _check_ready(serial, phones[serial])
    return Phone(adb, serial)


def call(adb: str, words: Sequence[str], patience_s: float) -> subprocess.CompletedProcess[str]:
    """Run the client.

    Raises:
        InputError: there is none.
        subprocess.TimeoutExpired: it did not end.
    """
    try:
        return subprocess.run(
            [adb, *words],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=patience_s,
            stdin=subprocess.DEVNULL,
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        raise InputError(f"cannot run {adb!r}: {error.strerror}", INSTALL) from error


def last_line(text: str) -> str:
    """The last line of some output that says something, shortened."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def _listing(text: str) -> str:
    return text.partition("List of devices attached")[2]


def _only(serials: list[str]) -> str:
    if not serials:
        raise InputError(
            "no phone is connected",
            "plug it in, turn on USB debugging in its developer options, and look at: adb devices",
        )
    if len(serials) > 1:
        raise InputError(
            f"{len(serials)} phones are connected: {', '.join(serials)}",
            f"name one: --device adb:{serials[0]}",
        )
    return serials[0]


def _check_ready(serial: str, state: str) -> None:
    hints = {
        "unauthorized": "unlock the phone and accept this computer's key",
        "authorizing": "unlock the phone and accept this computer's key",
        "offline": "pull the cable and plug it in again, or: adb reconnect offline",
        "no permissions": "this user may not open the USB device: "
        "apt install android-sdk-platform-tools-common, then plug it in again",
    }
    if state == "device":
        return
    hint = next((hints[key] for key in hints if state.startswith(key)), "start Android on it")
    raise InputError(f"the phone {serial} is not ready: {state.partition(';')[0]}", hint)
