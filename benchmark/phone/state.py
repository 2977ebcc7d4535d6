"""What a phone tells about itself: what it is, and how warm and how charged it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from time import monotonic, sleep

from mvpose.benchmark.phone.adb import Phone
from mvpose.cli import note

GOVERNORS = "cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
COOLING_S = 15 * 60.0
LOOK_S = 10.0


@dataclass(frozen=True)
class About:
    """What a phone is.

    Attributes:
        name: maker and model.
        android: version.
        soc: system on a chip.
        abis: that it runs, the best first.
        governor: of the CPU's frequencies, all that are in use.
    """

    name: str
    android: str
    soc: str
    abis: tuple[str, ...]
    governor: str


@dataclass(frozen=True)
class Condition:
    """How a phone is doing; None is what it does not tell.

    Attributes:
        temperature_c: of the battery.
        thermal_status: Android's, from 0 (none) to 6 (shutdown); 1 and more means throttling.
        charge_uah: left in the battery.
        voltage_v: of the battery.
        powered: it is being charged.
    """

    temperature_c: float | None
    thermal_status: int | None
    charge_uah: int | None
    voltage_v: float | None
    powered: bool


def about(phone: Phone) -> About:
    """Ask a phone what it is."""
    told = dict(re.findall(r"^\[(.+?)\]: \[(.*?)\]$", phone.shell("getprop").output, re.MULTILINE))

    def first(*keys: str) -> str:
        return next((told[key] for key in keys if told.get(key)), "unknown")

    maker, model = first("ro.product.manufacturer"), first("ro.product.model")
    soc = [told.get("ro.soc.manufacturer", ""), first("ro.soc.model", "ro.board.platform")]
    abis = first("ro.product.cpu.abilist", "ro.product.cpu.abi").split(",")
    answer = phone.shell(GOVERNORS)
    governors = sorted(set(answer.output.split())) if answer.status == 0 else []
    return About(
        name=model if model.lower().startswith(maker.lower()) else f"{maker} {model}",
        android=first("ro.build.version.release"),
        soc=" ".join(part for part in soc if part),
        abis=() if abis == ["unknown"] else tuple(abis),
        governor=", ".join(governors) or "unknown",
    )


def condition(phone: Phone) -> Condition:
    """Ask a phone how it is doing."""
    told = phone.shell("dumpsys battery; dumpsys thermalservice").output
    tenths = _number(r"^\s*temperature: (-?\d+)", told)
    millivolts = _number(r"^\s*voltage: (\d+)", told)
    return Condition(
        temperature_c=None if tenths is None else tenths / 10,
        thermal_status=_number(r"^\s*Thermal Status: (\d+)", told),
        charge_uah=_number(r"^\s*Charge counter: (\d+)", told),
        voltage_v=millivolts / 1000 if millivolts else None,
        powered=bool(re.search(r"^\s*\w[\w ]* powered: true", told, re.MULTILINE)),
    )


def cool_down(phone: Phone, limit_c: float) -> tuple[Condition, str | None]:
    """Wait until the battery is cooler than ``limit_c``, for a quarter of an hour at most.

    Returns:
        How the phone is doing then, and what to say where it isn't cool.
    """
    start = monotonic()
    told = False
    while True:
        now = condition(phone)
        if now.temperature_c is None:
            return now, "the phone tells no battery temperature: not waited for it to cool"
        if now.temperature_c < limit_c:
            return now, None
        waited_s = monotonic() - start
        if waited_s >= COOLING_S:
            return now, (
                f"started at {now.temperature_c:.1f} C: not below {limit_c:.1f} C after"
                f" {waited_s / 60:.0f} minutes"
            )
        if not told:
            note(f"waiting for the phone to cool: {now.temperature_c:.1f} C, to {limit_c:.1f} C")
            told = True
        sleep(LOOK_S)


def energy_j(before: Condition, after: Condition) -> float | None:
    """Joules out of the battery in between; None while it is charged, or where untold."""
    if before.powered or after.powered:
        return None
    if before.charge_uah is None or after.charge_uah is None or before.voltage_v is None:
        return None
    return (before.charge_uah - after.charge_uah) * 3600e-6 * before.voltage_v


def _number(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text, re.MULTILINE)
    return int(found[1]) if found else None
