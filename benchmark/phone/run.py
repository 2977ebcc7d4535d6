"""Files on a phone: each with each accelerator, as rows of the benchmark."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Sequence
from itertools import product
from math import ceil
from pathlib import Path

from mvpose.benchmark.document import Row
from mvpose.benchmark.phone.abi import check_program
from mvpose.benchmark.phone.adb import PhoneGoneError, connect
from mvpose.benchmark.phone.benchmark_model import ASK, RUNS, known_flags
from mvpose.benchmark.phone.folder import Folder, fresh_folder
from mvpose.benchmark.phone.session import RUN_S, Session
from mvpose.benchmark.phone.state import about
from mvpose.errors import InputError

ACCELERATORS = ("cpu1", "cpu2", "cpu4", "gpu", "npu")
KINDS = re.compile(r"cpu[1-9][0-9]?|gpu|npu")
LEAST_RUNS = 2 * RUNS

MODEL = "model.tflite"
Job = tuple[Path, str]
Track = Callable[[Iterable[Job]], Iterable[Job]]


def measure_on_phone(
    files: Sequence[Path],
    *,
    binary: Path,
    serial: str | None = None,
    accelerators: Sequence[str] = ACCELERATORS,
    runs: int = 60,
    sustained_s: float = 0.0,
    cool_c: float = 35.0,
    adb: str = "adb",
    track: Track = iter,
) -> Generator[Row]:
    """Measure ``.tflite`` files on a phone; a row as soon as it is known.

    A file or accelerator that fails gives a row with its ``error``, and the rest goes on.

    Args:
        files: to push.
        binary: benchmark_model of TensorFlow Lite or LiteRT, built for Android.
        serial: of the phone; None takes the only one.
        accelerators: "cpu" and a number of threads, "gpu", "npu".
        runs: measured runs of each, 6 or more.
        sustained_s: how long each goes on after that, to see it throttle.
        cool_c: temperature of the battery that each waits for, in degrees Celsius.
        adb: the client.
        track: wraps the jobs, to show progress.

    Raises:
        InputError: bad input, or no phone that can be used.
        PhoneGoneError: the phone went away; the rows so far were given out.
    """
    _check(files, accelerators, runs)
    phone = connect(adb, serial)
    facts = about(phone)
    check_program(binary, facts.abis)
    with fresh_folder(phone) as folder:
        folder.add_program(binary)
        known = known_flags(folder.run(ASK, RUN_S).output)
        session = Session(folder, facts, known, ceil(runs / RUNS), sustained_s, cool_c)
        pushed: dict[Path, str | InputError] = {}
        for file, accelerator in track(list(product(files, accelerators))):
            if file not in pushed:
                folder.drop(MODEL)
                pushed = {file: _push(folder, file)}
            yield from session.rows(file, accelerator, pushed[file])


def _push(folder: Folder, file: Path) -> str | InputError:
    try:
        return folder.add(file, MODEL)
    except PhoneGoneError:
        raise
    except InputError as error:
        return error


def _check(files: Sequence[Path], accelerators: Sequence[str], runs: int) -> None:
    for file in files:
        if file.suffix != ".tflite":
            raise InputError(f"{file} can't run on a phone", "export it: mvpose-export -t tflite")
        if not file.is_file():
            raise InputError(f"no such file: {file}", "check the path")
    for accelerator in accelerators:
        if not KINDS.fullmatch(accelerator):
            raise InputError(
                f"no accelerator {accelerator!r}", "choose of cpu1, cpu2, cpu4, gpu and npu"
            )
    if runs < LEAST_RUNS:
        raise InputError(f"{runs} runs are too few", f"take {LEAST_RUNS} or more")
