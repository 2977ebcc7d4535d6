"""Training samples: what workers do for a person. Augmentation follows in batches on the device."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from multiprocessing import get_context
from multiprocessing.context import BaseContext
from typing import NamedTuple, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from mvpose.data.augmentation import CHANCES
from mvpose.data.crops import PersonCrop
from mvpose.errors import InputError
from mvpose.spec import Skeleton

Batch = dict[str, Tensor]
CANVAS_STEP_PX = 32
MIXING, SHUFFLING = 1, 2  # keep random streams of one seed apart


class Draw(NamedTuple):
    """Sample ``number`` of an epoch is person ``person``; the rest seeds its random numbers."""

    person: int
    seed: int
    epoch: int
    number: int

    def noise(self) -> NDArray[np.float32]:
        """(CHANCES,) uniform random numbers in [0, 1), as ``Chance`` names them."""
        rng = np.random.default_rng([self.seed, self.epoch, self.number])
        return rng.random(CHANCES, np.float32)


class CropSource(Protocol):
    """People to train on: ``FolderCrops`` or ``ShardCrops``."""

    @property
    def skeleton(self) -> Skeleton: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> PersonCrop: ...

    def name(self, index: int) -> str: ...


class EpochSamples(Sampler[Draw]):
    """The samples of an epoch, the same for any number of processes and workers.

    Every source has its share of every epoch, and all people of a source come before one of them
    comes again, from one epoch into the next. Process r of w takes the samples r, r + w, ...; what
    is left over is not used.

    Args:
        sources: the data sets, as in ``TrainingCrops``.
        weights: relative shares of the sources; None: their sizes, so that with ``count`` left
            out everyone comes once per epoch.
        seed: of everything random.
        epoch: where to begin; ``set_epoch`` goes on.
        count: samples per epoch of all processes together; None: as many as there are people.
        rank, world: number of this process, and of processes.
    """

    def __init__(
        self,
        sources: Sequence[Sized],
        weights: Sequence[float] | None,
        seed: int,
        epoch: int = 0,
        count: int | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.lengths = [len(source) for source in sources]
        self.weights = self.lengths if weights is None else weights
        self.seed = seed
        self.epoch = epoch
        self.count = sum(self.lengths) if count is None else count
        self.rank = rank
        self.world = world

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration draws."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count // self.world

    def __iter__(self) -> Iterator[Draw]:
        people = self.people()
        for number in range(self.rank, len(self) * self.world, self.world):
            yield Draw(int(people[number]), self.seed, self.epoch, number)

    def people(self) -> NDArray[np.int64]:
        """(count,) the person of every sample of the epoch, over all processes."""
        ends = np.round(np.cumsum(self.weights) / np.sum(self.weights) * self.count)
        counts = np.diff(ends.astype(int), prepend=0).tolist()
        drawn = [self._of_source(source, count) for source, count in enumerate(counts)]
        order = np.random.default_rng([self.seed, self.epoch, MIXING])
        return order.permutation(np.concatenate(drawn))

    def _of_source(self, source: int, count: int) -> NDArray[np.int64]:
        """The people that this epoch takes from the endless row of shuffled passes."""
        length = self.lengths[source]
        first, last = self.epoch * count, (self.epoch + 1) * count
        row = np.empty(0, np.int64)
        for number in range(first // length, -(-last // length)):
            rng = np.random.default_rng([self.seed, source, number, SHUFFLING])
            row = np.append(row, rng.permutation(length))
        start = first % length
        return sum(self.lengths[:source]) + row[start : start + count]


@dataclass(frozen=True)
class Sample:
    """A person as a worker hands them over: image (h, w, 3), labels as in ``PersonCrop``."""

    person: int
    crop: PersonCrop
    noise: NDArray[np.float32]


@dataclass(frozen=True)
class TrainingCrops(Dataset[Sample]):
    """The people of several sources, numbered through.

    Attributes:
        sources: where to read them; all have the same keypoints.
    """

    sources: Sequence[CropSource]

    def __len__(self) -> int:
        return sum(map(len, self.sources))

    def __getitem__(self, draw: Draw) -> Sample:
        source, index = self._find(draw.person)
        return Sample(draw.person, source[index], draw.noise())

    def name(self, person: int) -> str:
        """Where a person of a batch comes from, for messages."""
        source, index = self._find(person)
        return source.name(index)

    def _find(self, person: int) -> tuple[CropSource, int]:
        ends = list(accumulate(map(len, self.sources)))
        source = bisect_right(ends, person)
        return self.sources[source], person - (ends[source - 1] if source else 0)


def collate(samples: Sequence[Sample], shared: bool = False) -> Batch:
    """One batch of tensors.

    Args:
        samples: the people.
        shared: put the images into shared memory at once, as worker processes must.

    Returns:
        images (B, 3, H, W) uint8, channels last, each at the top left of a black canvas whose
        sides are multiples of 32; points_px (B, K, 2) on it; labelled (B, K) 1 or 0; box_xywh_px
        (B, 4); noise (B, CHANCES); person (B,) its number in ``TrainingCrops``.
    """
    crops = [sample.crop for sample in samples]
    sides = np.array([c.image.shape[:2] for c in crops]).max(0)
    height, width = (-(-sides // CANVAS_STEP_PX) * CANVAS_STEP_PX).tolist()
    canvas = _black((len(crops), height, width, 3), shared)
    for place, image in zip(canvas.numpy(), (c.image for c in crops), strict=True):
        place[: image.shape[0], : image.shape[1]] = image
    keypoints = np.stack([c.keypoints_px for c in crops])
    boxes = np.stack([c.box_xywh_px for c in crops])
    return {
        "images": canvas.permute(0, 3, 1, 2),
        "points_px": torch.from_numpy(keypoints[..., :2].astype(np.float32)),
        "labelled": torch.from_numpy((keypoints[..., 2] > 0).astype(np.float32)),
        "box_xywh_px": torch.from_numpy(boxes.astype(np.float32)),
        "noise": torch.from_numpy(np.stack([sample.noise for sample in samples])),
        "person": torch.tensor([sample.person for sample in samples]),
    }


def _black(shape: tuple[int, ...], shared: bool) -> Tensor:
    """A uint8 tensor of zeros; fresh shared memory is zero, and costs nothing until it is used."""
    if not shared:
        return torch.zeros(shape, dtype=torch.uint8)
    storage = torch.UntypedStorage._new_shared(math.prod(shape))  # type: ignore[no-untyped-call]
    return torch.empty(0, dtype=torch.uint8).set_(storage).view(shape)


def crop_loader(
    samples: TrainingCrops, draws: EpochSamples, batch_size: int, workers: int
) -> DataLoader[Sample]:
    """Whole batches of an epoch's samples; the workers live on from epoch to epoch.

    Args:
        samples: the people.
        draws: who comes when; its ``set_epoch`` chooses the epoch.
        batch_size: of this process.
        workers: processes that read and decode; 0 does it in this one.
    """
    return DataLoader(
        samples,
        batch_size,
        sampler=draws,
        num_workers=workers,
        collate_fn=partial(collate, shared=workers > 0),
        drop_last=True,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_start_worker,
        persistent_workers=workers > 0,
        multiprocessing_context=_processes() if workers else None,
    )


def _processes() -> BaseContext:
    """Where workers come from: a process that has imported everything once for all of them."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["mvpose.data.samples", "mvpose.data.shards"])
    return context


def _start_worker(_number: int) -> None:
    cv2.setNumThreads(0)


@contextmanager
def loader_errors() -> Iterator[None]:
    """Turn what a ``DataLoader`` raises into one clear line.

    Raises:
        InputError: a worker met a bad picture or shard, or was stopped by the system.
    """
    try:
        yield
    except InputError as error:
        if "DataLoader worker process" not in error.what:
            raise
        cause = error.what.rpartition("InputError: ")[2].strip()
        raise InputError(" ".join(cause.split())) from error
    except RuntimeError as error:
        death = re.search(r"DataLoader worker \(.*?\) (.*)", str(error))
        if death is None:
            raise
        raise InputError(
            f"a process that loads data was stopped: {death[1].strip()}",
            "memory probably ran out: lower --workers or batch_size",
        ) from error
