"""How many people a CPU core can load per second: one by one, in batches, from shards.

``python -m mvpose.benchmark.loader --data coco --json loader.json``
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from mvpose.cli import console, make_app, note, progress, start
from mvpose.spec import FROZEN, Record

if TYPE_CHECKING:
    from mvpose.data.augmentation import Augmentation
    from mvpose.data.crops import FolderCrops
    from mvpose.data.samples import CropSource, Draw
    from mvpose.data.shards import ShardCrops

RESAMPLES = 1000
HEATMAP_WH = (64, 64)
ONE_BY_ONE = "one by one, folder"
SHARDS = "shards"
RECIPES = ("mobilevitpose-s-coco", "mobilevitpose-s-plus")
GPU_ESTIMATE = (
    "images per second that one H100-class GPU trains MobileViTPose-S at, 256 x 256; an estimate, "
    "not a measurement, unless given"
)


@dataclass(frozen=True, config=FROZEN)
class LoaderSpeed(Record):
    """What one CPU core does with one loader.

    Attributes:
        loader: where the people come from and what is done on the CPU.
        recipe: whose augmentation.
        people_per_second: of one core, median over the rounds.
        ratio: median of the speed over that of the loader that goes one by one.
        ratio_low, ratio_high: 95 % interval, by bootstrap over rounds.
        cores_for_gpu: cores that keep up with the GPU; an estimate where its speed is one.
    """

    loader: str
    recipe: str
    people_per_second: float
    ratio: float
    ratio_low: float
    ratio_high: float
    cores_for_gpu: float


def measure(
    data: str,
    split: str = "train",
    rounds: int = 20,
    batch: int = 64,
    gpu_images_per_second: float = 3000.0,
    track: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> tuple[list[LoaderSpeed], dict[str, str | int | float]]:
    """Time the loaders in turn, round after round, in CPU seconds of a single thread.

    Args:
        data: a folder in COCO layout, or synthetic:N.
        split: which annotations.
        rounds: batches per loader, each of other people.
        batch: people per batch.
        gpu_images_per_second: what the cores must keep up with.
        track: wraps the rounds, to show progress.

    Returns:
        the speeds, and the protocol.
    """
    import cv2
    import torch

    from mvpose.benchmark.machine import machine
    from mvpose.data.coco import load_keypoints
    from mvpose.data.crops import Cut, FolderCrops
    from mvpose.data.pack import pack, pack_settings
    from mvpose.data.samples import EpochSamples
    from mvpose.data.shards import ShardCrops
    from mvpose.data.synthetic import resolve_data
    from mvpose.training.recipe import find_recipe, read_recipe

    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    found = load_keypoints(resolve_data(data, split), split)
    with tempfile.TemporaryDirectory(prefix="mvpose-") as work:
        settings = pack_settings(found, split, Cut(), 92, 2000)
        pack(found, Path(work), settings)
        shards = ShardCrops.open(Path(work), split)
        folder = FolderCrops(found.people, found.skeleton)
        loaders = {
            (name, recipe): loader
            for recipe in RECIPES
            for name, loader in _loaders(
                folder, shards, read_recipe(find_recipe(recipe)).augmentation
            ).items()
        }
        draws = EpochSamples([folder], None, 0, count=batch * (rounds + 1))
        order = list(draws)
        seconds = np.empty((rounds + 1, len(loaders)))
        for number in track(range(rounds + 1)):
            drawn = order[number * batch : (number + 1) * batch]
            for column, loader in enumerate(loaders.values()):
                begun = time.process_time()
                loader(drawn)
                seconds[number, column] = time.process_time() - begun
    torch.set_num_threads(threads[0])
    cv2.setNumThreads(threads[1])
    protocol: dict[str, str | int | float] = {
        **machine(),
        "data": Path(data).name,
        "people": len(found.people),
        "rounds": rounds,
        "batch": batch,
        "input": "256 x 256",
        "time": "CPU seconds of one thread, the batch in shared memory, files in the page cache",
        "gpu_images_per_second": gpu_images_per_second,
        "gpu_images_per_second_is": GPU_ESTIMATE,
        "torch": torch.__version__,
        "opencv": cv2.__version__,
    }
    return _speeds(list(loaders), batch / seconds[1:], gpu_images_per_second), protocol


def _loaders(
    folder: FolderCrops, shards: ShardCrops, augmentation: Augmentation
) -> dict[str, Callable[[list[Draw]], object]]:
    """What a worker does for a batch, by the name of the loader."""
    from torch.utils.data import default_collate

    from mvpose.benchmark.one_by_one import OneByOne
    from mvpose.codec.affine import px_per_cell
    from mvpose.codec.heatmaps import encode
    from mvpose.data.samples import Batch, TrainingCrops, collate
    from mvpose.spec import Preprocess
    from mvpose.training.augment import BatchAugment

    preprocess, skeleton = Preprocess(), folder.skeleton
    straight = OneByOne(folder.people, skeleton, preprocess, augmentation, HEATMAP_WH)
    augment = BatchAugment(augmentation, preprocess, skeleton)
    across, _ = px_per_cell(HEATMAP_WH, preprocess.size_wh).tolist()

    def one_by_one(draws: list[Draw]) -> None:
        for tensor in default_collate([straight[draw] for draw in draws]):
            tensor.share_memory_()

    def canvases(source: CropSource, draws: list[Draw]) -> Batch:
        samples = TrainingCrops([source])
        batch = collate([samples[draw] for draw in draws], shared=True)
        for tensor in batch.values():
            tensor.share_memory_()  # type: ignore[no-untyped-call]
        return batch

    def everything(draws: list[Draw]) -> None:
        _, points, _ = augment(canvases(shards, draws))
        encode(points / across, HEATMAP_WH, 2.0)

    return {
        ONE_BY_ONE: one_by_one,
        "folder": partial(canvases, folder),
        SHARDS: partial(canvases, shards),
        "shards, and the device's work on the CPU": everything,
    }


def _speeds(
    names: list[tuple[str, str]], people_per_second: NDArray[np.float64], gpu: float
) -> list[LoaderSpeed]:
    """Speeds (rounds, loaders), each beside that of going one by one with the same recipe."""
    rounds = len(people_per_second)
    picks = np.random.default_rng(0).integers(rounds, size=(RESAMPLES, rounds))
    speeds = []
    for column, (name, recipe) in enumerate(names):
        base = people_per_second[:, names.index((ONE_BY_ONE, recipe))]
        own = people_per_second[:, column]
        ratios = np.median(own[picks], 1) / np.median(base[picks], 1)
        low, high = np.percentile(ratios, [2.5, 97.5]).tolist()
        median = float(np.median(own))
        ratio = median / float(np.median(base))
        speeds.append(LoaderSpeed(name, recipe, median, ratio, low, high, gpu / median))
    return speeds


def loader(
    *,
    data: str,
    split: str = "train",
    rounds: Annotated[int, Parameter(validator=Number(gte=2))] = 20,
    batch: Annotated[int, Parameter(validator=Number(gte=1))] = 64,
    gpu_images_per_second: Annotated[float, Parameter(validator=Number(gt=0))] = 3000.0,
    json: Path | None = None,
) -> None:
    """Measure how many people a CPU core loads per second, by the ways there are.

    ```
    python -m mvpose.benchmark.loader --data coco --json loader.json
    python -m mvpose.benchmark.loader --data synthetic:200 --gpu-images-per-second 2500
    ```

    Args:
        data: a folder in COCO layout, or synthetic:N for N drawn pictures.
        split: which annotations.
        rounds: measured batches per loader.
        batch: people per batch.
        gpu_images_per_second: what the cores must keep up with; the default is an estimate for
            MobileViTPose-S on one H100-class GPU.
        json: file for the rows.
    """
    from rich.table import Table

    from mvpose.files import write_json

    track = partial(progress, label="measuring", total=rounds + 1)
    speeds, protocol = measure(data, split, rounds, batch, gpu_images_per_second, track)
    table = Table("loader", "augmentation of", "people/s/core", "ratio [95 %]", "cores for the GPU")
    for row in speeds:
        table.add_row(
            row.loader,
            row.recipe,
            f"{row.people_per_second:.0f}",
            f"{row.ratio:.2f} [{row.ratio_low:.2f}, {row.ratio_high:.2f}]",
            f"{row.cores_for_gpu:.1f}",
        )
    console().print(table)
    note(f"cores for {gpu_images_per_second:.0f} {GPU_ESTIMATE}")
    if json is not None:
        write_json(json, {"protocol": protocol, "rows": [asdict(row) for row in speeds]})


if __name__ == "__main__":
    start(make_app(loader, "python -m mvpose.benchmark.loader"))
