"""mvpose-benchmark: models and files side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from mvpose.cli import Flag, Many, run

Accelerator = Literal["cpu1", "cpu2", "cpu4", "gpu", "npu"]
Mode = Literal["eager", "compile", "graphs"]
Precision = Literal["fp32", "tf32", "fp16", "bf16"]


def benchmark(
    models: Annotated[list[str] | None, Many] = None,
    *,
    device: str = "cpu",
    threads: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    rounds: Annotated[int, Parameter(validator=Number(gte=0))] = 100,
    strict: Flag = False,
    roofline: Flag = False,
    batch: Annotated[tuple[int, ...], Many] = (1, 64),
    mode: Annotated[tuple[Mode, ...], Many] = ("eager", "compile", "graphs"),
    precision: Annotated[tuple[Precision, ...], Many] = ("fp32", "tf32", "fp16", "bf16"),
    benchmark_binary: Path | None = None,
    accelerator: Annotated[tuple[Accelerator, ...], Many] = ("cpu1", "cpu2", "cpu4", "gpu", "npu"),
    sustained: str | None = None,
    cool: float = 35.0,
    data: str | None = None,
    split: str = "val",
    boxes: str = "gt",
    detector: str | None = None,
    detector_score: Annotated[float | None, Parameter(validator=Number(gte=0, lte=1))] = None,
    flip: Flag = False,
    decode: Literal["dark", "quarter", "argmax"] | None = None,
    input_size: str | None = None,
    single_person: Flag = False,
    limit: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    baseline: str | None = None,
    json: Path | None = None,
    csv: Path | None = None,
    html: Path | None = None,
    compare: tuple[Path, Path] | None = None,
    overwrite: Flag = False,
) -> None:
    """Measure parameters, GFLOPs, size, latency and, given data, AP of models side by side.

    All models take turns in one run and are opened anew six times; speed-ups refer to the first
    one, with 95 % intervals. What disturbed the machine is said with the figures.

    ```
    mvpose-benchmark mobilevitpose-xxs out/*.tflite
    mvpose-benchmark mobilevitpose-xxs out/*.tflite --data coco --html report.html
    mvpose-benchmark out/*.tflite movenet:lightning.tflite --data coco --single-person
    mvpose-benchmark random:vitpose-b random:mobilevitpose-s --device cuda --batch 1 64
    mvpose-benchmark out/*.tflite --device adb --benchmark-binary benchmark_model --sustained 10m
    mvpose-benchmark --compare old.json new.json
    ```

    Args:
        models: zoo names, checkpoints, exported files, or ADAPTER:FILE for a file of another maker;
            random:NAME is a zoo model with random weights, for its speed alone; left out, the
            shipped checkpoint.
        device: cpu, cuda, or adb[:SERIAL] for a phone at the cable.
        threads: CPU threads of every runtime.
        rounds: batches that each model is timed on; 0 leaves latency out, else 10 or more.
        strict: refuse to measure while other programs use the processor.
        roofline: measure the peak of each runtime and precision too, and each model's share of it.
        batch: crops at a time, of networks on CUDA.
        mode: ways to run networks on CUDA.
        precision: arithmetic on CUDA.
        benchmark_binary: TensorFlow Lite's or LiteRT's benchmark_model for the phone; see
            docs/devices.md.
        accelerator: what to run on, on a phone; cpu2 is two threads.
        sustained: also run each file so long on the phone, as 10m or 90s, and tell each minute.
        cool: battery temperature in degrees Celsius that the phone has to fall under before a run.
        data: folder in COCO layout, or synthetic:N, to measure AP on.
        split: split to measure on.
        boxes: gt for the annotated boxes, or a file of COCO detection results.
        detector: ADAPTER:FILE of a detector of people, whose boxes are taken in all images.
        detector_score: leave out boxes with a lower score than this [default: 0.1].
        flip: average with mirrored crops when measuring AP.
        decode: read all models' heatmaps by this rule instead of their own.
        input_size: HEIGHTxWIDTH of the crops in pixels, for AP of checkpoints of MobileViTPose.
        single_person: AP on images annotated with exactly one person alone.
        limit: AP on the first so many images.
        baseline: one of the models: also the difference of every AP to its.
        json: write all results to this file.
        csv: the same as a table, a line for each model.
        html: the same as a page with pictures that needs no network.
        compare: an old and a new result file: what became slower, larger or less accurate; exit
            code 1 if anything did. Nothing is measured.
        overwrite: replace existing files.
    """
    from mvpose.benchmark.plan import Accuracies, Outputs, Phone, Plan
    from mvpose.benchmark.run import perform
    from mvpose.files import check_new, check_writable
    from mvpose.protocol import Protocol

    if compare:
        _compare(*compare)
        return
    for path in (json, csv, html):
        if path:
            check_new(path, overwrite)
            check_writable(path.parent)
    protocol = Protocol(
        boxes, detector, detector_score, flip, decode, input_size, single_person, limit
    )
    plan = Plan(
        models=tuple(models or ["mobilevitpose-xxs"]),
        device=device,
        threads=threads,
        rounds=rounds,
        strict=strict,
        roofline=roofline,
        batches=batch,
        modes=mode,
        precisions=precision,
        phone=Phone(benchmark_binary, accelerator, sustained, cool),
        accuracies=Accuracies(data, split, baseline, protocol),
    )
    perform(plan, Outputs(json, csv, html))


def main() -> None:
    """Entry point."""
    run(benchmark)


def _compare(old: Path, new: Path) -> None:
    from mvpose.benchmark.compare import compare_documents, print_changes
    from mvpose.benchmark.document import read_document
    from mvpose.errors import InputError

    changes = compare_documents(read_document(old), read_document(new))
    print_changes(changes)
    worse = sum(change.regression for change in changes)
    if worse:
        raise InputError(f"{worse} figures are worse in {new}", "they are named above")
