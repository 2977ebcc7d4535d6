"""mvpose-benchmark: models and files side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mvpose.cli import Flag, Many, run


def benchmark(
    models: Annotated[list[str] | None, Many] = None,
    *,
    data: str | None = None,
    split: str = "val",
    flip: Flag = False,
    threads: int = 1,
    rounds: int = 50,
    json: Path | None = None,
    overwrite: Flag = False,
) -> None:
    """Measure parameters, GFLOPs, size, latency and, given data, AP of models side by side.

    All models take turns in one run; speed-ups refer to the first one.

    ```
    mvpose-benchmark mobilevitpose-xxs out/*.tflite
    mvpose-benchmark mobilevitpose-xxs out/*.tflite --data coco --json results.json
    ```

    Args:
        models: zoo names, checkpoints or exported files; left out, the shipped checkpoint.
        data: folder in COCO layout, or synthetic:N, to measure AP on.
        split: split to measure on.
        flip: average with mirrored crops when measuring AP.
        threads: CPU threads of every runtime.
        rounds: crops that each model is timed on.
        json: write the result rows to this file.
        overwrite: replace an existing file.
    """
    from dataclasses import asdict
    from functools import partial

    from mvpose.benchmark.complexity import complexity
    from mvpose.benchmark.machine import machine
    from mvpose.benchmark.report import print_rows
    from mvpose.cli import progress
    from mvpose.files import check_new, size_bytes, write_json
    from mvpose.runtime.load import load_runtime, resolve
    from mvpose.timing import time_interleaved

    if json:
        check_new(json, overwrite)
    names = models or ["mobilevitpose-xxs"]
    runtimes = [load_runtime(name, threads) for name in names]
    timings = time_interleaved(
        runtimes, rounds, track=partial(progress, label="timing", total=rounds)
    )
    rows = [
        {
            "kind": "benchmark",
            "model": runtime.spec.name,
            "file": resolve(name).name,
            "size_bytes": size_bytes(resolve(name)),
            "complexity": asdict(complexity(runtime.spec)),
            "timing": asdict(timing),
            "machine": machine(),
        }
        for name, runtime, timing in zip(names, runtimes, timings, strict=True)
    ]
    if data is not None:
        from mvpose.bootstrap import compare
        from mvpose.data.coco import load_keypoints
        from mvpose.data.synthetic import resolve_data
        from mvpose.evaluation import evaluate

        first = None
        for row, runtime in zip(rows, runtimes, strict=True):
            people = load_keypoints(resolve_data(data, split), split, runtime.spec.skeleton)
            accuracy, matches = evaluate(runtime, people, flip=flip)
            row["accuracy"] = asdict(accuracy)
            if first is not None:
                row["comparison"] = asdict(compare(first, matches, people.skeleton))
            first = first or matches
    print_rows(rows)
    if json:
        write_json(json, rows)


def main() -> None:
    """Entry point."""
    run(benchmark)
