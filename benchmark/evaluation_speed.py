"""What evaluation costs beside the network: reading, cropping, decoding, formatting.

python -m mvpose.benchmark.evaluation_speed --data coco
python -m mvpose.benchmark.evaluation_speed mobilevitpose-xxs out/*.tflite --data coco
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from mvpose.cli import Flag, Many, run
from mvpose.spec import FROZEN, Record
from mvpose.zoo import SHIPPED

if TYPE_CHECKING:
    from mvpose.data.coco import KeypointData
    from mvpose.results import BoxedImage
    from mvpose.runtime.base import Runtime

T = TypeVar("T")

STEPS = ("read", "crop", "decode", "format")
TARGET_MS = 2.0
TARGET_RATIO = 1.3


@dataclass(frozen=True, config=FROZEN)
class StepTime(Record):
    """Time of one step for one person, on one core.

    Attributes:
        cpu_ms: processor time, in which other programs' turns don't count; median over the rounds.
        cpu_fastest_ms, cpu_slowest_ms: of the rounds.
        wall_ms: time on the clock, median over the rounds.
    """

    cpu_ms: float
    cpu_fastest_ms: float
    cpu_slowest_ms: float
    wall_ms: float


class StopWatch:
    """Adds up the time of named steps: CPU and wall, in milliseconds."""

    def __init__(self) -> None:
        self.spent_ms: dict[str, NDArray[np.float64]] = {}

    def time(self, step: str, call: Callable[[], T]) -> T:
        """Run ``call`` and add its time to ``step``."""
        start = np.array([time.process_time(), time.perf_counter()])
        result = call()
        taken = np.array([time.process_time(), time.perf_counter()]) - start
        self.spent_ms[step] = self.spent_ms.get(step, np.zeros(2)) + 1e3 * taken
        return result


def time_steps(
    runtimes: dict[str, Runtime],
    images: list[BoxedImage],
    rounds: int,
    track: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> dict[str, StepTime]:
    """Time evaluation's steps, image after image in turn, over all images round after round.

    Args:
        runtimes: by name, on one thread; the steps after the network read the first one's maps.
        images: with the boxes of their people.
        rounds: measured ones, after one that is not.
        track: wraps the rounds, to show progress.

    Returns:
        "read", "crop", "decode" (to keypoints in the image) and "format" (OKS suppression, COCO
        rows); "beside the network", which is their sum; "network NAME" of each runtime.
    """
    people = sum(len(item.boxes_xywh_px) for item in images)
    samples = []
    for _ in track(range(rounds + 1)):
        watch = StopWatch()
        for item in images:
            _time_image(watch, runtimes, item)
        spent_ms = watch.spent_ms
        spent_ms["beside the network"] = np.sum([spent_ms[step] for step in STEPS], axis=0)
        samples.append(spent_ms)
    return {
        step: _summary(np.stack([sample[step] for sample in samples[1:]]) / people)
        for step in samples[0]
    }


def _time_image(watch: StopWatch, runtimes: dict[str, Runtime], item: BoxedImage) -> None:
    from mvpose.data.images import read_image
    from mvpose.estimate import crop_heatmaps, make_crops, read_poses
    from mvpose.results import coco_results

    boxes = item.boxes_xywh_px
    spec = next(iter(runtimes.values())).spec
    image = watch.time("read", lambda: read_image(item.path))
    crops, matrices = watch.time("crop", lambda: make_crops(image, boxes, spec))
    maps = [
        watch.time(f"network {name}", partial(crop_heatmaps, runtime, crops))
        for name, runtime in runtimes.items()
    ]
    poses = watch.time("decode", lambda: read_poses(maps[0], matrices, boxes, spec))
    watch.time("format", lambda: coco_results(item, poses, spec.skeleton))


class TimedRuntime:
    """A runtime that adds up its own time on the clock, in seconds."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.spec, self.protocol = runtime.spec, runtime.protocol
        self.spent_s = 0.0

    def heatmaps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        start = time.perf_counter()
        maps = self.runtime.heatmaps(images)
        self.spent_s += time.perf_counter() - start
        return maps


def whole_ratios(runtime: Runtime, data: KeypointData, rounds: int) -> list[float]:
    """Time on the clock of a whole evaluation, AP with its interval included, over that of its
    inference alone; of each round, after one that is not measured."""
    from mvpose.evaluation import evaluate

    ratios = []
    for _ in range(rounds + 1):
        timed = TimedRuntime(runtime)
        start = time.perf_counter()
        evaluate(timed, data)
        ratios.append((time.perf_counter() - start) / timed.spent_s)
    return ratios[1:]


def _summary(times_ms: NDArray[np.float64]) -> StepTime:
    """Of (rounds, 2) CPU and wall times."""
    cpu, wall = times_ms.T
    figures = (np.median(cpu), cpu.min(), cpu.max(), np.median(wall))
    return StepTime(*(round(float(figure), 4) for figure in figures))


def evaluation_speed(
    models: Annotated[list[str] | None, Many] = None,
    *,
    data: str,
    split: str = "val",
    rounds: Annotated[int, Parameter(validator=Number(gte=1))] = 5,
    json: Path | None = None,
    overwrite: Flag = False,
) -> None:
    """Measure what evaluation costs a person on one core, the network and everything else apart.

    Args:
        models: zoo names, checkpoints or exported files of one input size; left out, the shipped
            checkpoint.
        data: folder in COCO layout, or synthetic:N; its images lie in the page cache.
        split: which annotations.
        rounds: passes over all images.
        json: write the figures to this file.
        overwrite: replace an existing file.
    """
    import os
    from dataclasses import asdict

    import cv2
    from rich.table import Table

    from mvpose.benchmark.machine import machine
    from mvpose.cli import console, progress
    from mvpose.data.coco import load_keypoints
    from mvpose.data.synthetic import PREFIX, resolve_data
    from mvpose.files import check_new, write_json
    from mvpose.results import ground_truth_boxes
    from mvpose.runtime.load import load_runtime, resolve

    if json:
        check_new(json, overwrite)
    cv2.setNumThreads(1)
    runtimes = {
        resolve(name).name: load_runtime(name, threads=1) for name in models or [SHIPPED.stem]
    }
    folder = resolve_data(data, split)
    skeleton = next(iter(runtimes.values())).spec.skeleton
    people = load_keypoints(folder, split, skeleton)
    images = ground_truth_boxes(people)
    steps = time_steps(
        runtimes, images, rounds, partial(progress, label="timing", total=rounds + 1)
    )
    table = Table("ms a person", "CPU", "fastest", "slowest", "wall")
    for name, step in steps.items():
        table.add_row(name, *(f"{value:.3f}" for value in asdict(step).values()))
    console().print(table)
    whole = {name: whole_ratios(runtime, people, rounds) for name, runtime in runtimes.items()}
    for name, ratios in whole.items():
        print(f"{name}: a whole evaluation takes {np.median(ratios):.2f} times its inference")
    document = {
        "kind": "evaluation_speed",
        "steps": {name: asdict(step) for name, step in steps.items()},
        "whole_over_inference": {
            name: {
                "median": round(float(np.median(ratios)), 3),
                "rounds": np.round(ratios, 3).tolist(),
            }
            for name, ratios in whole.items()
        },
        "target_ratio": TARGET_RATIO,
        "target_ms": TARGET_MS,
        "protocol": {
            "data": data if data.startswith(PREFIX) else folder.name,
            "split": split,
            "images": len(images),
            "people": sum(len(item.boxes_xywh_px) for item in images),
            "rounds": rounds,
            "threads": 1,
            "load_average": round(os.getloadavg()[1], 1),
            "networks": {name: runtime.protocol for name, runtime in runtimes.items()},
        },
        "machine": machine(),
    }
    if json:
        write_json(json, document)


if __name__ == "__main__":
    run(evaluation_speed, "evaluation-speed")
