"""What the benchmark is asked to measure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mvpose.errors import InputError
from mvpose.protocol import Protocol

FEWEST_ROUNDS = 10
ADB = "adb"


@dataclass(frozen=True)
class Phone:
    """How to measure on a phone; see ``mvpose-benchmark --help``."""

    binary: Path | None
    accelerators: tuple[str, ...]
    sustained: str | None
    cool_c: float


@dataclass(frozen=True)
class Accuracies:
    """Where to measure AP, and how; see ``mvpose-benchmark --help``."""

    data: str | None
    split: str
    baseline: str | None
    protocol: Protocol


@dataclass(frozen=True)
class Plan:
    """What to measure; see ``mvpose-benchmark --help``."""

    models: tuple[str, ...]
    device: str
    threads: int
    rounds: int
    strict: bool
    roofline: bool
    batches: tuple[int, ...]
    modes: tuple[str, ...]
    precisions: tuple[str, ...]
    phone: Phone
    accuracies: Accuracies


@dataclass(frozen=True)
class Outputs:
    """Files to write; None where there is to be none."""

    json: Path | None
    csv: Path | None
    html: Path | None


def check_plan(plan: Plan) -> None:
    """Raise InputError where options are wrong or don't go together."""
    accuracies, phone = plan.accuracies, plan.phone
    if 0 < plan.rounds < FEWEST_ROUNDS:
        raise InputError(
            f"--rounds {plan.rounds} tells nothing", f"give {FEWEST_ROUNDS} or more, or 0"
        )
    if min(plan.batches) < 1:
        raise InputError(f"--batch {min(plan.batches)} holds no crop", "give 1 or more")
    if plan.device not in ("cpu", "cuda", ADB) and not plan.device.startswith(f"{ADB}:"):
        raise InputError(f"no device {plan.device!r}", "give cpu, cuda, adb or adb:SERIAL")
    if plan.device.startswith(ADB) and phone.binary is None:
        raise InputError(
            "a phone needs the program that runs files there",
            "give --benchmark-binary; docs/devices.md tells where to get it",
        )
    if not plan.device.startswith(ADB) and (phone.binary or phone.sustained):
        raise InputError("--benchmark-binary and --sustained are for phones", "add --device adb")
    if phone.sustained:
        seconds(phone.sustained)
    accuracies.protocol.check()
    if accuracies.data is None and (accuracies.protocol != Protocol() or accuracies.baseline):
        raise InputError("there are switches of AP, but no data", "add --data DIR")
    if accuracies.baseline and accuracies.baseline not in plan.models:
        raise InputError(
            f"--baseline {accuracies.baseline} is not among the models", "name it there too"
        )


def seconds(text: str) -> float:
    """A duration as 10m, 90s or 1h.

    Raises:
        InputError: it is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not found:
        raise InputError(f"{text!r} is no duration", "write 90s, 10m or 1h")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
