"""A recipe's data: sources opened and checked, and the batches of every epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import lightning as L
from torch.utils.data import DataLoader

from mvpose.cli import progress
from mvpose.data.check import check_images, settle
from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.data.crops import Cut, FolderCrops
from mvpose.data.merge import merge_report
from mvpose.data.samples import (
    Batch,
    CropSource,
    EpochSamples,
    Sample,
    TrainingCrops,
    collate,
    crop_loader,
)
from mvpose.data.shard_index import is_packed
from mvpose.data.shards import ShardCrops
from mvpose.spec import Skeleton
from mvpose.training.recipe import Source, TrainRecipe

NAMED = 8


@dataclass(frozen=True)
class TrainingSource:
    """A data set to train on, opened.

    Attributes:
        crops: its people.
        summary: what it holds, in one line.
    """

    crops: CropSource
    summary: str


def open_source(
    root: Path, source: Source, skeleton: Skeleton | None, cut: Cut, skip_bad: bool
) -> TrainingSource:
    """Open shards or a folder in COCO layout, whose images are looked at once.

    Args:
        root: what relative folders count from.
        source: which data set.
        skeleton: map the keypoints onto these by name; None keeps the data set's own.
        cut: how much to keep about a person.
        skip_bad: leave out missing and damaged images.

    Raises:
        InputError: labels or images are not usable.
    """
    folder = root / source.folder
    if is_packed(folder, source.split):
        shards = ShardCrops.open(folder, source.split, skeleton, source.rename)
        return TrainingSource(shards, f"{folder}, {len(shards)} people in shards")
    merge = skeleton is not None
    data = load_keypoints(folder, source.split, skeleton, merge, source.rename, skip_bad)
    data = without_bad_images(data, skip_bad)
    return TrainingSource(FolderCrops(data.people, data.skeleton, cut), merge_report(data))


def open_validation(folder: Path, split: str, skeleton: Skeleton) -> tuple[KeypointData, str]:
    """The people to validate on, and what they are in one line.

    Bad images are never skipped here: their people would count as missed.

    Raises:
        InputError: labels or images are not usable, or the keypoints differ.
    """
    data = without_bad_images(load_keypoints(folder, split, skeleton), skip_bad=False)
    return data, merge_report(data)


def without_bad_images(data: KeypointData, skip_bad: bool) -> KeypointData:
    """Look for damaged images, as ``settle``."""
    images = len({person.image for person in data.people})
    track = partial(progress, label="checking images", total=images)
    return settle(data, check_images(data.people, track=track), skip_bad)


class PoseSamples(L.LightningDataModule):
    """The recipe's mixture of data sets.

    The samples of an epoch and their random numbers follow from the recipe's seed alone: not from
    the number of workers or processes, nor from whether the run was stopped in between.

    Args:
        sources: the recipe's data sets, in order.
        recipe: mixture and batch sizes.
        workers: loader processes.
    """

    def __init__(self, sources: Sequence[CropSource], recipe: TrainRecipe, workers: int) -> None:
        super().__init__()
        self.crops = TrainingCrops(sources)
        self.recipe = recipe
        self.workers = workers
        self._loader: DataLoader[Sample] | None = None

    def samples(self, epoch: int, rank: int = 0, world: int = 1) -> EpochSamples:
        """What a process draws in an epoch."""
        recipe = self.recipe
        weights = [source.weight for source in recipe.sources]
        count = recipe.samples_per_epoch
        return EpochSamples(self.crops.sources, weights, recipe.seed, epoch, count, rank, world)

    def train_dataloader(self) -> DataLoader[Sample]:
        """The loader of the current epoch; its workers live as long as the batch size stays."""
        trainer = self.trainer
        assert trainer is not None
        epoch, world = trainer.current_epoch, trainer.world_size
        size = self.recipe.stage(epoch).batch_size // world
        if self._loader is None or self._loader.batch_size != size:
            draws = self.samples(epoch, trainer.global_rank, world)
            self._loader = crop_loader(self.crops, draws, size, self.workers)
        self._loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        return self._loader

    def val_dataloader(self) -> DataLoader[int]:
        """A single empty step, in which ``PoseTraining`` evaluates everything."""
        return DataLoader([0])  # type: ignore[arg-type]

    def batches(self, count: int) -> Iterator[Batch]:
        """The first batches of the first epoch, of one process."""
        size = self.recipe.stage(0).batch_size
        loader = crop_loader(self.crops, self.samples(0), size, self.workers)
        yield from islice(loader, count)  # type: ignore[arg-type]

    def first(self, count: int, epoch: int) -> Batch:
        """The first samples of an epoch as a batch."""
        draws = [draw for draw, _ in zip(self.samples(epoch), range(count), strict=False)]
        return collate([self.crops[draw] for draw in draws])

    def names(self, people: Sequence[int]) -> str:
        """Where people of a batch come from, for messages."""
        named = "; ".join(self.crops.name(person) for person in people[:NAMED])
        return named + (f"; and {len(people) - NAMED} more" if len(people) > NAMED else "")
