"""The loader: the same batches from any number of processes, and clear words when one fails."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from mvpose.benchmark.loader import ONE_BY_ONE, measure
from mvpose.data.coco import KeypointData
from mvpose.data.crops import Cut, FolderCrops, PersonCrop
from mvpose.data.pack import pack, pack_settings
from mvpose.data.samples import (
    CropSource,
    EpochSamples,
    Sample,
    TrainingCrops,
    crop_loader,
    loader_errors,
)
from mvpose.data.shards import ShardCrops
from mvpose.errors import InputError


def loader_of(source: CropSource, workers: int) -> DataLoader[Sample]:
    return crop_loader(TrainingCrops([source]), EpochSamples([source], None, 0), 3, workers)


@pytest.fixture(scope="module")
def shards(drawn_data: KeypointData, tmp_path_factory: pytest.TempPathFactory) -> ShardCrops:
    folder = tmp_path_factory.mktemp("shards")
    pack(drawn_data, folder, pack_settings(drawn_data, "val", Cut(), 92, 5))
    return ShardCrops.open(folder, "val")


def test_same_batches_from_workers(shards: ShardCrops) -> None:
    alone, several = loader_of(shards, 0), loader_of(shards, 2)
    for epoch in range(2):
        for loader in (alone, several):
            loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        pairs = list(zip(alone, several, strict=True))
        assert len(pairs) == len(shards) // 3
        for a, b in pairs:
            assert a.keys() == b.keys()
            assert all(torch.equal(tensor, b[name]) for name, tensor in a.items())


@dataclass(frozen=True)
class Killed(FolderCrops):
    """A source whose process the system kills, as it does when memory runs out."""

    def __getitem__(self, index: int) -> PersonCrop:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


@pytest.fixture
def no_handlers() -> Iterator[None]:
    """Torch leaves its handler of dead children behind."""
    handler = signal.getsignal(signal.SIGCHLD)
    yield
    signal.signal(signal.SIGCHLD, handler)


@pytest.mark.usefixtures("no_handlers")
def test_killed_worker(drawn_data: KeypointData) -> None:
    loader = loader_of(Killed(drawn_data.people, drawn_data.skeleton), 1)
    with (
        pytest.raises(InputError, match=r"^a process that loads data was stopped: .*") as caught,
        loader_errors(),
    ):
        next(iter(loader))
    assert "--workers" in caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_picture_in_a_worker(drawn_data: KeypointData, tmp_path: Path, workers: int) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"")
    people = [replace(person, image=bad) for person in drawn_data.people]
    with pytest.raises(InputError) as caught, loader_errors():
        next(iter(loader_of(FolderCrops(people, drawn_data.skeleton), workers)))
    assert str(caught.value).startswith(f"cannot read {bad} as an image: the file is empty")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [InputError("bad label", "mend it"), RuntimeError("no kernel")])
def test_other_errors_pass(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, loader_errors():
        raise error
    assert caught.value is error


def test_measures_every_loader(drawn_data: KeypointData) -> None:
    folder = drawn_data.annotations.parents[1]
    speeds, protocol = measure(str(folder), "val", rounds=2, batch=2, gpu_images_per_second=1e4)
    assert len({(row.loader, row.recipe) for row in speeds}) == len(speeds) == 8
    for row in speeds:
        assert row.cores_for_gpu == pytest.approx(1e4 / row.people_per_second)
        assert row.ratio_low <= row.ratio * 1.001
        assert row.ratio_high >= row.ratio * 0.999
        assert (row.ratio == 1) == (row.loader == ONE_BY_ONE)
    assert protocol["people"] == len(drawn_data.people)
    assert "estimate" in str(protocol["gpu_images_per_second_is"])
