"""Bad image files: found, counted, listed, refused or left out."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mvpose.data.check import check_images, missing_images, settle
from mvpose.data.coco import KeypointData, Person, load_keypoints
from mvpose.errors import InputError
from mvpose.spec import COCO17

RNG = np.random.default_rng(0)
NOISE = Image.fromarray(RNG.integers(0, 255, (48, 64, 3), np.uint8))


def person(image: Path, number: int = 1, box: tuple[float, ...] = (5, 5, 20, 30)) -> Person:
    keypoints = np.full((17, 3), 2.0)
    return Person(image, number, number, np.array(box, np.float64), keypoints, 600.0)


def data_of(people: list[Person]) -> KeypointData:
    return KeypointData(Path("person_keypoints_val.json"), COCO17, people)


def saved(path: Path, **options: Any) -> Path:
    NOISE.save(path, **options)
    return path


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def zero_tail(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:1500] + bytes(len(content) - 1500))


def flip_bytes(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(255 - b for b in content[len(content) // 2 :])
    path.write_bytes(content)


def append(path: Path, tail: bytes) -> None:
    path.write_bytes(path.read_bytes() + tail)


@pytest.mark.parametrize("full", [False, True], ids=["quick", "full"])
@pytest.mark.parametrize(
    ("name", "spoil", "problem"),
    [
        pytest.param("a.jpg", Path.unlink, "missing", id="missing"),
        pytest.param("a.jpg", lambda p: (p.unlink(), p.mkdir()), "missing", id="a folder"),
        pytest.param("a.jpg", lambda p: p.write_bytes(b""), "empty", id="empty"),
        pytest.param("a.jpg", lambda p: p.write_text("<html>"), "not a picture", id="a web page"),
        pytest.param("a.jpg", lambda p: cut(p, 0.5), "truncated", id="half a JPEG"),
        pytest.param("a.jpg", lambda p: cut(p, 0.99), "truncated", id="nearly a JPEG"),
        pytest.param("a.png", lambda p: cut(p, 0.5), "truncated", id="half a PNG"),
        pytest.param("a.jpg", zero_tail, "ends in zeros", id="JPEG filled with zeros"),
        pytest.param("a.png", flip_bytes, "data stream", id="corrupt PNG"),
    ],
)
def test_finds(
    name: str, spoil: Callable[[Path], object], problem: str, full: bool, tmp_path: Path
) -> None:
    sound, bad = saved(tmp_path / "sound.jpg"), saved(tmp_path / name)
    spoil(bad)
    (found,) = check_images([person(sound), person(bad, 2), person(bad, 3)], full, workers=2)
    assert found.image == bad
    assert found.annotation_ids == (2, 3)
    assert problem in found.problem


@pytest.mark.parametrize("full", [False, True], ids=["quick", "full"])
@pytest.mark.parametrize(
    ("name", "change"),
    [
        pytest.param("a.jpg", lambda p: None, id="JPEG"),
        pytest.param("a.png", lambda p: None, id="PNG"),
        pytest.param("a.webp", lambda p: None, id="WebP"),
        pytest.param("a.bmp", lambda p: None, id="BMP"),
        pytest.param("a.jpg", lambda p: append(p, bytes(4096)), id="JPEG padded with zeros"),
        pytest.param("a.jpg", lambda p: append(p, b"more" * 300), id="JPEG with a trailer"),
        pytest.param("a.jpg", lambda p: p.rename(p.with_name("a.png")), id="wrong ending"),
    ],
)
def test_passes(name: str, change: Callable[[Path], object], full: bool, tmp_path: Path) -> None:
    change(saved(tmp_path / name))
    (path,) = tmp_path.iterdir()
    assert check_images([person(path)], full) == []


def test_damage_within_a_jpeg_needs_the_pixels(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg")
    content = path.read_bytes()
    codes = content.index(b"\xff\xc4") + 5
    path.write_bytes(content[:codes] + b"\xff" * 16 + content[codes + 16 :])
    assert check_images([person(path)]) == []
    assert len(check_images([person(path)], full=True)) == 1


@pytest.mark.parametrize("full", [False, True], ids=["quick", "full"])
@pytest.mark.parametrize(
    ("box", "lost"),
    [
        pytest.param((5, 5, 20, 30), (), id="inside"),
        pytest.param((-15, -25, 20, 30), (), id="partly outside"),
        pytest.param((64, 5, 20, 30), (2,), id="to the right"),
        pytest.param((5, 48, 20, 30), (2,), id="below"),
        pytest.param((-20, 5, 20, 30), (2,), id="to the left"),
        pytest.param((5, -31, 20, 30), (2,), id="above"),
    ],
)
def test_boxes_outside(
    box: tuple[float, ...], lost: tuple[int, ...], full: bool, tmp_path: Path
) -> None:
    path = saved(tmp_path / "a.jpg")
    found = check_images([person(path), person(path, 2, box)], full)
    assert [bad.annotation_ids for bad in found] == [lost] * bool(lost)
    assert all(bad.problem == "1 of 2 boxes outside its 64 x 48 pixels" for bad in found)


@pytest.mark.parametrize("full", [False, True], ids=["quick", "full"])
def test_box_in_a_rotated_picture(full: bool, tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    path = saved(tmp_path / "a.jpg", exif=turned)
    assert check_images([person(path, box=(5, 50, 20, 10))], full) == []


def test_tracks_each_image_once(tmp_path: Path) -> None:
    paths = [saved(tmp_path / f"{i}.jpg") for i in range(3)]
    people = [person(path, i) for i, path in enumerate(paths * 2)]
    seen: list[Path] = []

    def track(images: Iterable[Path]) -> Iterator[Path]:
        for image in images:
            seen.append(image)
            yield image

    check_images(people, track=track)
    assert seen == paths


def test_missing_images_looks_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, gone = saved(tmp_path / "a.jpg"), tmp_path / "gone.jpg"
    looked: list[Path] = []
    is_file = Path.is_file

    def counted(path: Path) -> bool:
        looked.append(path)
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", counted)
    people = [person(path), person(path, 2), person(gone, 3), person(gone, 4)]
    (bad,) = missing_images(people)
    assert (bad.image, bad.annotation_ids) == (gone, (3, 4))
    assert looked == [path, gone]


def test_settle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path / "a.jpg")
    gone = [tmp_path / f"gone{i}.jpg" for i in range(7)]
    people = [person(path, 1), *(person(g, 10 + i) for i, g in enumerate(gone))]
    data = data_of(people)
    bad = check_images(people)
    with pytest.raises(InputError, match="7 of 8 images are bad, with 7 of 8 people") as caught:
        settle(data, bad, skip_bad=False)
    assert caught.value.what.count("(missing)") == 5
    assert "gone4.jpg" in caught.value.what
    assert "gone5.jpg" not in caught.value.what
    kept = settle(data, bad, skip_bad=True)
    assert kept.people == [people[0]]
    assert "7 of 8 images are bad" in capsys.readouterr().err


def test_settle_keeps_the_others_of_a_picture(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg")
    people = [person(path, 1), person(path, 2, (500, 5, 20, 20))]
    kept = settle(data_of(people), check_images(people), skip_bad=True)
    assert kept.people == people[:1]


def test_settle_refuses_when_nobody_is_left(tmp_path: Path) -> None:
    people = [person(tmp_path / "gone.jpg")]
    with pytest.raises(InputError, match="1 of 1 images") as caught:
        settle(data_of(people), check_images(people), skip_bad=True)
    assert "another folder" in caught.value.hint


def test_settle_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    data = data_of([])
    assert settle(data, [], skip_bad=False) is data
    assert not capsys.readouterr().err


def test_real_images_are_sound(shared_data: Path) -> None:
    assert check_images(load_keypoints(shared_data / "coco_mini", "val").people) == []
