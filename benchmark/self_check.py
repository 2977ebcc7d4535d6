"""The benchmark against itself: one model under two names must not differ from itself.

    python -m mvpose.benchmark.self_check out/mobilevitpose-xxs.static_wi8_ai8_mixed.tflite

A 95 % interval of a ratio that is 1 leaves 1 out in one run of twenty.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from mvpose.cli import Flag, progress, run


def self_check(
    model: str | None = None,
    /,
    *,
    runs: Annotated[int, Parameter(validator=Number(gte=1))] = 20,
    rounds: Annotated[int, Parameter(validator=Number(gte=10))] = 50,
    threads: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    json: Path | None = None,
    overwrite: Flag = False,
) -> None:
    """Time a model against itself, many times.

    Args:
        model: a zoo name, a checkpoint or an exported file; left out, the shipped checkpoint.
        runs: how often.
        rounds: of each run.
        threads: CPU threads.
        json: write the ratios to this file.
        overwrite: replace an existing file.
    """
    from mvpose.benchmark.latency.cpu import time_rows
    from mvpose.benchmark.latency.subjects import subjects
    from mvpose.benchmark.machine import machine, watch
    from mvpose.errors import InputError
    from mvpose.files import check_new, check_writable, write_json
    from mvpose.zoo import SHIPPED

    if json:
        check_new(json, overwrite)
        check_writable(json.parent)
    twice = subjects([model or SHIPPED.stem] * 2, threads)
    if twice[0].row.error:
        raise InputError(twice[0].row.error)
    marks: list[str] = []
    with watch(marks):
        timings = [
            list(time_rows(twice, rounds))[-1][1].timing
            for _ in progress(range(runs), "timing against itself", runs)
        ]
    found = [timing for timing in timings if timing is not None]
    apart = [t for t in found if not t.speedup_low <= 1 <= t.speedup_high]
    widths = sorted(t.speedup_high - t.speedup_low for t in found)
    print(
        f"{len(apart)} of {runs} runs told {twice[0].row.file} from itself; "
        f"median width of the intervals {widths[runs // 2]:.4f}"
    )
    for mark in marks:
        print(f"DISTURBED: {mark}")
    if json:
        rows = [asdict(timing) for timing in found]
        write_json(json, {"kind": "self_check", "machine": machine(), "marks": marks, "runs": rows})


if __name__ == "__main__":
    run(self_check)
