"""The machine that a measurement was made on, and what else it did meanwhile."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from mvpose.errors import InputError

GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
OTHER_CORES = 0.15
"""Cores' worth of other programs above which times are doubtful."""
STOLEN = 0.02
LOOK_S = 1.0


def machine() -> dict[str, str | int]:
    """Processor, logical cores, those this process may use, governor, system and Python."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "affinity": ",".join(map(str, _affinity())),
        "governor": GOVERNOR.read_text().strip() if GOVERNOR.is_file() else "unknown",
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


@contextmanager
def watch(marks: list[str]) -> Iterator[None]:
    """Add to ``marks`` what took time from this process while the block ran."""
    before, start = _times(), time.perf_counter()
    try:
        yield
    finally:
        seconds = time.perf_counter() - start
        others, stolen = (
            (after - earlier) / seconds for after, earlier in zip(_times(), before, strict=True)
        )
        marks += disturbances(others, stolen)


def disturbances(other_cores: float, stolen: float) -> list[str]:
    """What to say of the load beside a measurement.

    Args:
        other_cores: cores' worth of time that other programs used.
        stolen: cores' worth of time that the hypervisor gave to other machines.
    """
    found = []
    if other_cores > OTHER_CORES:
        found.append(f"other programs used {other_cores:.1f} of {os.cpu_count()} cores meanwhile")
    if stolen > STOLEN:
        found.append(f"the hypervisor gave {100 * stolen:.0f} % of a core to other machines")
    return found


def check_quiet() -> None:
    """Raise InputError where other programs use the processor: looks for a second."""
    marks: list[str] = []
    with watch(marks):
        time.sleep(LOOK_S)
    if marks:
        raise InputError(
            f"the machine is not quiet: {'; '.join(marks)}",
            "stop what else runs, or leave --strict out to measure and mark the figures",
        )


def _times() -> tuple[float, float]:
    """CPU seconds of all other processes, and those stolen, since the machine started."""
    cpu, own = psutil.cpu_times(), psutil.Process().cpu_times()
    names = ("user", "nice", "system", "irq", "softirq")
    busy = sum(getattr(cpu, name, 0.0) for name in names)
    mine = own.user + own.system + getattr(own, "children_user", 0.0)
    return busy - mine - getattr(own, "children_system", 0.0), getattr(cpu, "steal", 0.0)


def _affinity() -> list[int]:
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):  # macOS has none
        return sorted(process.cpu_affinity())
    return list(range(os.cpu_count() or 0))


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
