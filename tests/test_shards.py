"""Packing: what comes out is what went in, whatever happens in between."""

import io
import json
import resource
import shutil
import signal
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mvpose.codec.affine import transform
from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.data.crops import Cut, FolderCrops
from mvpose.data.pack import pack, pack_settings
from mvpose.data.shard_index import (
    check_shards,
    index_path,
    is_packed,
    parse_index,
    read_index,
    unfinished_path,
)
from mvpose.data.shards import ShardCrops
from mvpose.errors import InputError
from mvpose.spec import Skeleton

CUT = Cut(side_px=160)


def packed(data: KeypointData, out: Path, shard_people: int = 4, **options: Any) -> ShardCrops:
    pack(data, out, pack_settings(data, "val", CUT, 95, shard_people), **options)
    return ShardCrops.open(out, "val")


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def shards(drawn_data: KeypointData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All people of the drawn pictures in shards of four."""
    folder = tmp_path_factory.mktemp("shards")
    packed(drawn_data, folder)
    return folder


@pytest.fixture
def copy(shards: Path, tmp_path: Path) -> Path:
    return shutil.copytree(shards, tmp_path / "shards")


@pytest.fixture
def data_copy(drawn_data: KeypointData, tmp_path: Path) -> KeypointData:
    """The drawn data set in a folder that a test may damage."""
    folder = shutil.copytree(drawn_data.annotations.parents[1], tmp_path / "data")
    return load_keypoints(folder, "val")


def test_holds_what_the_folder_holds(drawn_data: KeypointData, shards: Path) -> None:
    crops = ShardCrops.open(shards, "val")
    folder = FolderCrops(drawn_data.people, drawn_data.skeleton, CUT)
    assert len(crops) == len(folder) == len(drawn_data.people)
    assert crops.skeleton == drawn_data.skeleton
    for number, person in enumerate(drawn_data.people):
        ours, theirs = crops[number], folder[number]
        assert max(ours.image.shape[:2]) <= CUT.side_px
        difference = ours.image.astype(float) - theirs.image
        assert np.abs(difference).mean() < 6  # JPEG
        for name in ("keypoints_px", "box_xywh_px", "matrix"):
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-3)
        assert f"annotation {person.annotation_id}" in crops.name(number)


def test_is_plain_tar(drawn_data: KeypointData, shards: Path) -> None:
    names = []
    for path in sorted(shards.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                names.append(member.name)
                assert (member.mtime, member.uid, member.gid, member.uname) == (0, 0, 0, "")
                read = tar.extractfile(member)
                assert read is not None
                if member.name.endswith(".jpg"):
                    Image.open(io.BytesIO(read.read())).load()
                else:
                    assert f"{json.load(read)['annotation_id']}.json" == member.name
    ids = [person.annotation_id for person in drawn_data.people]
    assert names == [f"{i}.{suffix}" for i in ids for suffix in ("jpg", "json")]


def test_same_bytes_from_several_processes(
    drawn_data: KeypointData, shards: Path, tmp_path: Path
) -> None:
    packed(drawn_data, tmp_path, workers=2)
    assert content(tmp_path) == content(shards)


def test_goes_on_after_an_interruption(
    drawn_data: KeypointData, shards: Path, tmp_path: Path
) -> None:
    def stopped(people: Iterable[Any], total: int) -> Iterator[Any]:
        assert total == len(drawn_data.people)
        for number, person in enumerate(people):
            if number == 6:
                raise KeyboardInterrupt
            yield person

    with pytest.raises(KeyboardInterrupt):
        packed(drawn_data, tmp_path, track=stopped)
    unfinished = unfinished_path(tmp_path, "val")
    assert content(tmp_path).keys() == {"val-000000.tar", unfinished.name}
    assert is_packed(tmp_path, "val")
    with pytest.raises(InputError, match="interrupted") as caught:
        ShardCrops.open(tmp_path, "val")
    assert "goes on" in caught.value.hint

    (tmp_path / ".val-000001-killed.tar").write_bytes(b"half a shard")
    written = (tmp_path / "val-000000.tar").stat().st_mtime_ns
    totals = []

    def counted(people: Iterable[Any], total: int) -> Iterable[Any]:
        totals.append(total)
        return people

    packed(drawn_data, tmp_path, track=counted)
    assert totals == [len(drawn_data.people) - 4]
    assert (tmp_path / "val-000000.tar").stat().st_mtime_ns == written
    assert content(tmp_path) == content(shards)


def test_leaves_a_finished_pack_alone(drawn_data: KeypointData, copy: Path) -> None:
    times = {path: path.stat().st_mtime_ns for path in copy.iterdir()}
    packed(drawn_data, copy)
    assert {path: path.stat().st_mtime_ns for path in copy.iterdir()} == times
    packed(drawn_data, copy, overwrite=True)
    assert all(path.stat().st_mtime_ns > time for path, time in times.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"cut": Cut(side_px=128)}, "cut", id="size"),
        pytest.param({"jpeg_quality": 80}, "jpeg_quality 95, not 80", id="quality"),
        pytest.param({"shard_people": 3}, "shard_people 4, not 3", id="shards"),
        pytest.param({"annotations_sha256": "0"}, "annotations_sha256", id="annotations"),
        pytest.param({"listed": 5}, "listed", id="people"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_refuses_to_mix(
    drawn_data: KeypointData, copy: Path, changes: dict[str, Any], message: str, finished: bool
) -> None:
    if not finished:
        index_path(copy, "val").rename(unfinished_path(copy, "val"))
    before = content(copy)
    settings = replace(pack_settings(drawn_data, "val", CUT, 95, 4), **changes)
    with pytest.raises(InputError, match=f"packed otherwise: {message}") as caught:
        pack(drawn_data, copy, settings)
    assert "--overwrite" in caught.value.hint
    assert content(copy) == before
    assert pack(drawn_data, copy, settings, overwrite=True).settings == settings


def test_bad_picture(data_copy: KeypointData, tmp_path: Path) -> None:
    bad = data_copy.people[-1].image
    bad.write_bytes(bad.read_bytes()[:500])
    lost = sum(person.image == bad for person in data_copy.people)
    with pytest.raises(InputError, match=bad.name) as caught:
        packed(data_copy, tmp_path / "out")
    assert "--skip-bad" in caught.value.hint
    assert not index_path(tmp_path / "out", "val").exists()

    crops = packed(data_copy, tmp_path / "out", skip_bad=True)
    assert len(crops) == len(data_copy.people) - lost
    assert len(crops.index.skipped) == lost
    assert all(bad.name in line for line in crops.index.skipped)


def test_no_good_picture(data_copy: KeypointData, tmp_path: Path) -> None:
    for person in data_copy.people:
        person.image.write_bytes(b"")
    with pytest.raises(InputError, match="no picture of"):
        packed(data_copy, tmp_path / "out", skip_bad=True)
    assert not index_path(tmp_path / "out", "val").exists()


def test_disk_full(drawn_data: KeypointData, shards: Path, tmp_path: Path) -> None:
    largest = max(path.stat().st_size for path in shards.glob("*.tar"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest - 1, limits[1]))
    try:
        with pytest.raises(InputError, match="cannot write"):
            packed(drawn_data, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.glob(".*"))
    packed(drawn_data, tmp_path)
    assert content(tmp_path) == content(shards)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-512])


def other_bytes(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[1000] ^= 255
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        pytest.param("val-000001.tar", cut_off, "val-000001.tar .* bytes, not", id="shard cut off"),
        pytest.param("val-000001.tar", Path.unlink, "val-000001.tar .* has 0", id="shard missing"),
        pytest.param("val-index.json", cut_off, "val-index.json is not as", id="index cut off"),
        pytest.param(
            "val-index.json",
            lambda path: path.write_text(path.read_text().replace('"people"', '"folks"')),
            "val-index.json is not as it was packed: .*people",
            id="index without a field",
        ),
        pytest.param(
            "val-index.json",
            lambda path: path.write_text(path.read_text().replace('"schema":1', '"schema":9')),
            "version 9",
            id="newer index",
        ),
        pytest.param("val-index.json", Path.unlink, "no packed split 'val'", id="no index"),
    ],
)
def test_refuses_damaged(
    copy: Path, name: str, damage: Callable[[Path], object], message: str
) -> None:
    damage(copy / name)
    with pytest.raises(InputError, match=message) as caught:
        read_index(copy, "val")
    assert caught.value.hint


def test_check_reads_every_byte(copy: Path) -> None:
    assert check_shards(copy, "val")[1] == []
    other_bytes(copy / "val-000001.tar")
    read_index(copy, "val")
    index, problems = check_shards(copy, "val")
    assert index.people
    assert [Path(line.split()[0]).name for line in problems] == ["val-000001.tar"]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:700]), id="cut off"),
        pytest.param(lambda path: path.write_bytes(bytes(path.stat().st_size)), id="zeros"),
    ],
)
def test_shard_changed_after_opening(copy: Path, damage: Callable[[Path], object]) -> None:
    crops = ShardCrops.open(copy, "val")
    damage(copy / "val-000000.tar")
    with pytest.raises(InputError, match=r"val-000000.tar is not as it was packed") as caught:
        crops[0]
    assert "--overwrite" in caught.value.hint
    assert crops[4].image.size


def test_keypoints_by_name(drawn_data: KeypointData, shards: Path) -> None:
    few = Skeleton(("tail", "left_wrist", "nez"), (), (), (0.1, 0.1, 0.1))
    whole = ShardCrops.open(shards, "val")
    mapped = ShardCrops.open(shards, "val", few, {"nose": "nez"})
    wrist = drawn_data.skeleton.keypoints.index("left_wrist")
    for number in range(len(whole)):
        all_px, few_px = whole[number].keypoints_px, mapped[number].keypoints_px
        np.testing.assert_array_equal(few_px, [[0, 0, 0], all_px[wrist], all_px[0]])
    with pytest.raises(InputError, match="no keypoint in common"):
        ShardCrops.open(shards, "val", Skeleton(("tail",), (), (), (0.1,)))


def test_keeps_where_labels_come_from(data_copy: KeypointData, tmp_path: Path) -> None:
    document = json.loads(data_copy.annotations.read_text())
    points = np.array([person.keypoints_px for person in data_copy.people])
    for row, labels in zip(document["annotations"], points, strict=True):
        row["source"] = [1] * 16 + [2]
        row["teacher"] = [*np.column_stack([labels[:, :2], np.full(17, 0.5)]).ravel()]
    data_copy.annotations.write_text(json.dumps(document))
    crops = packed(load_keypoints(data_copy.annotations.parents[1], "val"), tmp_path / "out")
    for number, labels in enumerate(points):
        _, row = crops.read(number)
        assert row["source"] == [1] * 16 + [2]
        teacher = np.array(row["teacher"])
        expected = transform(np.array(row["image_to_crop"]), labels[:, :2])
        np.testing.assert_allclose(teacher[:, :2], expected, atol=2e-3)
        assert (teacher[:, 2] == 0.5).all()


def test_index_is_json_both_ways(shards: Path) -> None:
    index = parse_index(index_path(shards, "val"))
    assert type(index).from_json(index.to_json()) == index
