"""What workers hand over: crops about people, in an order that only the seed decides."""

from pathlib import Path

import numpy as np
import pytest

from mvpose.codec.affine import invert, transform
from mvpose.data.coco import KeypointData, Person
from mvpose.data.crops import Cut, FolderCrops, PersonCrop, cut_person
from mvpose.data.samples import Draw, EpochSamples, Sample, TrainingCrops, collate

WIDTH, HEIGHT = 200, 120
COORDINATES = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
COORDINATES[..., 0] = np.arange(WIDTH)
COORDINATES[..., 1] = np.arange(HEIGHT)[:, None]


def person(box: tuple[float, float, float, float]) -> Person:
    keypoints = np.array([[box[0] + box[2] / 2, box[1], 2], [0, 0, 0]], np.float64)
    return Person(Path("x.jpg"), 1, 1, np.array(box), keypoints, 1.0)


@pytest.mark.parametrize(
    ("box", "cut", "shape"),
    [
        pytest.param((80, 40, 20, 30), Cut(64, 2), (60, 60), id="inside, as it is"),
        pytest.param((80, 40, 20, 30), Cut(32, 2), (32, 32), id="inside, scaled down"),
        pytest.param((0, 0, 40, 40), Cut(64, 2), (60, 60), id="at a corner"),
        pytest.param((0, 0, 200, 120), Cut(100, 2), (60, 100), id="the whole picture"),
        pytest.param((80, 200, 20, 30), Cut(64, 2), (1, 60), id="below"),
        pytest.param((-50, -50, 20, 20), Cut(64, 1), (1, 1), id="outside"),
        pytest.param((300, 50, 0.5, 0.5), Cut(64, 1), (1, 1), id="outside and tiny"),
    ],
)
def test_cut(box: tuple[float, float, float, float], cut: Cut, shape: tuple[int, int]) -> None:
    someone = person(box)
    crop = cut_person(COORDINATES, someone, cut)
    assert crop.image.shape == (*shape, 3)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    there = transform(invert(crop.matrix), np.stack([columns, rows], -1))
    assert np.abs(crop.image[..., :2] - there).max() <= 0.51  # areas are rounded
    corner = transform(crop.matrix, np.array(box[:2]))
    np.testing.assert_allclose(crop.box_xywh_px[:2], corner)
    other = transform(crop.matrix, np.add(box[:2], box[2:]))
    np.testing.assert_allclose(crop.box_xywh_px[:2] + crop.box_xywh_px[2:], other)
    expected = transform(crop.matrix, someone.keypoints_px[0, :2])
    np.testing.assert_allclose(crop.keypoints_px, [[*expected, 2], [0, 0, 0]])


def test_cut_holds_all_keypoints() -> None:
    someone = person((80, 40, 4, 4))
    someone.keypoints_px[1] = 120, 60, 1
    crop = cut_person(COORDINATES, someone, Cut(64, 1))
    assert crop.image.shape == (40, 40, 3)
    assert (crop.keypoints_px[:, :2] >= 0).all()
    assert (crop.keypoints_px[:, :2] <= 40).all()


def test_everyone_once_per_epoch() -> None:
    samples = EpochSamples([range(5), range(3)], None, seed=1)
    first, again = samples.people(), EpochSamples([range(5), range(3)], None, seed=1).people()
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(np.sort(first), np.arange(8))
    samples.set_epoch(1)
    assert sorted(samples.people()) == sorted(first)
    assert list(samples.people()) != list(first)
    assert list(EpochSamples([range(5), range(3)], None, seed=2).people()) != list(first)


def test_shares_of_sources() -> None:
    samples = EpochSamples([range(100), range(10)], [3, 1], seed=0, count=40)
    seen = []
    for epoch in range(10):
        samples.set_epoch(epoch)
        people = samples.people()
        assert [(people < 100).sum(), (people >= 100).sum()] == [30, 10]
        assert sorted(people[people >= 100]) == list(range(100, 110))
        seen += people[people < 100].tolist()
    # 300 draws from 100 people: three passes, none of which begins before the last is over
    assert [seen.count(person) for person in range(100)] == [3] * 100
    assert len(set(seen[:90])) == 90


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_same_samples_for_any_number_of_processes(world: int) -> None:
    sources = [range(7), range(6)]
    alone = list(EpochSamples(sources, [1, 2], seed=5, epoch=3, count=14))
    ranks = [
        list(EpochSamples(sources, [1, 2], 5, 3, 14, rank=rank, world=world))
        for rank in range(world)
    ]
    assert {len(draws) for draws in ranks} == {14 // world}
    together = sorted((draw for draws in ranks for draw in draws), key=lambda draw: draw.number)
    assert together == alone[: 14 // world * world]


def test_noise_follows_from_the_draw_alone() -> None:
    noise = np.stack([Draw(9, 1, 2, number).noise() for number in range(400)])
    np.testing.assert_array_equal(noise[7], Draw(3, 1, 2, 7).noise())
    assert not np.array_equal(noise[7], Draw(9, 1, 3, 7).noise())
    assert noise.min() >= 0
    assert noise.max() < 1
    np.testing.assert_allclose(noise.mean(0), 0.5, atol=0.08)
    np.testing.assert_allclose(noise.std(0), 12**-0.5, atol=0.03)


@pytest.mark.parametrize("shared", [False, True])
def test_collate(shared: bool) -> None:
    rng = np.random.default_rng(0)
    sizes = [(40, 70), (33, 10), (1, 1)]
    samples = [
        Sample(
            n,
            PersonCrop(
                rng.integers(1, 256, (*size, 3), np.uint8),
                np.array([[1.5, 2.5, 2], [3, 4, 1], [0, 0, 0]]),
                np.array([1.0, 2, 3, 4]),
                np.eye(2, 3),
            ),
            Draw(n, 0, 0, n).noise(),
        )
        for n, size in enumerate(sizes)
    ]
    batch = collate(samples, shared)
    assert batch["images"].shape == (3, 3, 64, 96)
    assert batch["images"].is_shared() == shared  # type: ignore[no-untyped-call]
    for image, (height, width), sample in zip(batch["images"], sizes, samples, strict=True):
        np.testing.assert_array_equal(image[:, :height, :width].permute(1, 2, 0), sample.crop.image)
        assert int((image > 0).sum()) == sample.crop.image.size
    assert batch["labelled"].tolist() == [[1, 1, 0]] * 3
    assert batch["points_px"][0].tolist() == [[1.5, 2.5], [3, 4], [0, 0]]
    assert batch["box_xywh_px"].tolist() == [[1, 2, 3, 4]] * 3
    assert batch["person"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(batch["noise"], [sample.noise for sample in samples])


def test_people_of_several_sources(drawn_data: KeypointData) -> None:
    people = drawn_data.people
    sources = [FolderCrops(part, drawn_data.skeleton) for part in (people[:3], people[3:])]
    crops = TrainingCrops(sources)
    assert len(crops) == len(people)
    for number in (0, 2, 3, len(people) - 1):
        expected = cut_person_of(people[number])
        np.testing.assert_array_equal(crops[Draw(number, 0, 0, 0)].crop.image, expected.image)
        assert f"annotation {people[number].annotation_id}" in crops.name(number)
        assert str(people[number].image) in crops.name(number)


def cut_person_of(someone: Person) -> PersonCrop:
    from mvpose.data.images import read_image

    return cut_person(read_image(someone.image), someone, Cut())
