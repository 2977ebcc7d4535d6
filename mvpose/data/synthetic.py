"""Drawn people in COCO layout: data without a download, for calibration, trials and pretraining."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mvpose.data.drawn_body import paint_figure
from mvpose.data.drawn_canvas import Canvas, new_canvas
from mvpose.data.drawn_obstacles import paint_obstacles
from mvpose.data.drawn_parts import sample_looks
from mvpose.data.drawn_people import FEWEST_KEYPOINTS, Placed, place_people
from mvpose.data.drawn_scene import background, photograph
from mvpose.data.pose_prior import SHIPPED, shipped_prior
from mvpose.data.workers import ordered_map
from mvpose.errors import InputError
from mvpose.files import unwritable
from mvpose.spec import COCO17

PREFIX = "synthetic:"
LONG_SIDE_PX = 480
MOST_PEOPLE = 8
FEWEST_PER_WORKER = 32
Track = Callable[[Iterable[int]], Iterable[int]]
Row = dict[str, Any]


@dataclass(frozen=True)
class DrawnPerson:
    """A person in a drawn picture.

    Attributes:
        keypoints_px: (17, 3) x, y and visibility (0 unlabelled, 1 hidden, 2 visible).
        box_xywh_px: (4,) left, top, width, height of the visible body.
        area_px: visible pixels.
        keypoints_3d: (17, 3) x, y, z in body heights from the pelvis: to the right, down and away
            from the camera. All of them, also where the picture shows none.
        scale_px, pelvis_px: the camera, which has no perspective: a point of the body lies at
            scale_px * (x, y) + pelvis_px (2,) in the picture.
    """

    keypoints_px: NDArray[np.float64]
    box_xywh_px: NDArray[np.float64]
    area_px: float
    keypoints_3d: NDArray[np.float64]
    scale_px: float
    pelvis_px: NDArray[np.float64]


def draw_person(
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
    """Draw a picture of one person.

    Returns:
        image (H, W, 3) RGB, keypoints (17, 3) with visibility, and box (4,) x, y, width, height.
    """
    image, people = draw_scene(rng, 1)
    return image, people[0].keypoints_px, people[0].box_xywh_px


def draw_scene(rng: np.random.Generator, count: int) -> tuple[NDArray[np.uint8], list[DrawnPerson]]:
    """Draw a picture (H, W, 3) of ``count`` people, from the farthest to the nearest.

    Each has at least five labelled keypoints in the picture.
    """
    encoded, _, people = _draw(rng, count)
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1], np.uint8), people


def write_synthetic(
    folder: Path,
    count: int,
    seed: int,
    split: str,
    track: Track = iter,
    workers: int | None = None,
) -> None:
    """Write drawn pictures and their annotations in COCO layout.

    Beside COCO's fields an annotation has ``keypoints_3d``, 17 times x, y, z in body heights from
    the pelvis (right, down, away from the camera) and the visibility of the keypoint, and
    ``camera`` with ``scale_px`` and ``offset_px``: x and y times the scale plus the offset are
    pixels.

    Args:
        folder: gets ``annotations/person_keypoints_<split>.json`` and the images in ``<split>/``.
        count: images, of as many people each as photographs have, eight at most.
        seed: the same seed draws the same pictures, whatever the workers.
        split: "train", "val", ...
        track: wraps the image numbers, to show progress.
        workers: processes that draw; left out, one per core, and fewer for few pictures.

    Raises:
        InputError: a drawing process was killed.
        OSError: the folder can't be written.
    """
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    (folder / split).mkdir(exist_ok=True)
    images: list[Row] = []
    annotations: list[Row] = []
    numbers = range(1, count + 1)
    write = partial(_write_picture, folder / split, seed)
    workers = min(workers or os.cpu_count() or 1, max(1, count // FEWEST_PER_WORKER))
    with ordered_map(workers, "draws people") as run:
        for _, (image, people) in zip(track(numbers), run(write, numbers), strict=True):
            images.append(image)
            annotations += [{"id": len(annotations) + k, **row} for k, row in enumerate(people, 1)]
    category = {
        "id": 1,
        "name": "person",
        "keypoints": list(COCO17.keypoints),
        "skeleton": [[a + 1, b + 1] for a, b in COCO17.edges],
    }
    document = {"images": images, "annotations": annotations, "categories": [category]}
    path = folder / "annotations" / f"person_keypoints_{split}.json"
    path.write_text(json.dumps(document), encoding="utf-8")


def resolve_data(text: str, split: str, track: Track = iter) -> Path:
    """The folder that ``--data`` means.

    Args:
        text: a folder, or "synthetic:N" for N drawn pictures. These are drawn once and kept in
            the system's temporary folder.
        split: decides what is drawn, so that training and validation pictures differ.
        track: wraps the image numbers, to show progress.

    Raises:
        InputError: N is no number from 1 to 100,000, or the temporary folder can't be written.
    """
    if not text.startswith(PREFIX):
        return Path(text)
    digits = text.removeprefix(PREFIX)
    if not (digits.isascii() and digits.isdigit() and 1 <= int(digits) <= 100_000):
        raise InputError(
            f"{text!r} does not say how many pictures to draw", "write synthetic:200, say"
        )
    root = Path(tempfile.gettempdir())
    folder = root / f"mvpose-synthetic-{_drawing_version()}-{split}-{digits}"
    if folder.is_dir():
        return folder
    try:
        with tempfile.TemporaryDirectory(prefix="mvpose-", dir=root) as work:
            drawn = Path(work) / "data"
            write_synthetic(drawn, int(digits), zlib.crc32(split.encode()), split, track)
            drawn.rename(folder)
    except OSError as error:
        if not folder.is_dir():
            raise unwritable(folder, error) from error
    return folder


def _draw(
    rng: np.random.Generator, count: int
) -> tuple[NDArray[np.uint8], tuple[int, int], list[DrawnPerson]]:
    """The bytes of a JPEG, its width and height, and who is in it."""
    prior = shipped_prior()
    size = prior.sizes_wh[rng.choice(len(prior.sizes_wh), p=prior.size_weights)]
    width, height = (size * LONG_SIDE_PX / size.max()).round().astype(int).tolist()
    scene = background(rng, height, width)
    while True:
        canvas = new_canvas(rng, scene)
        placed = place_people(rng, prior, count, (width, height))
        people = _paint_people(rng, canvas, placed, prior.legs_hidden)
        if all((p.keypoints_px[:, 2] > 0).sum() >= FEWEST_KEYPOINTS for p in people):
            return photograph(rng, canvas.picture), (width, height), people


def _paint_people(
    rng: np.random.Generator, canvas: Canvas, people: list[Placed], legs_hidden: float
) -> list[DrawnPerson]:
    keypoints = []
    for number, placed in enumerate(people):
        keypoints.append(paint_figure(rng, canvas, placed, sample_looks(rng), number))
        paint_obstacles(rng, canvas, placed, legs_hidden)
    return [
        _visible_person(canvas, number, points, placed)
        for number, (points, placed) in enumerate(zip(keypoints, people, strict=True))
    ]


def _visible_person(
    canvas: Canvas, person: int, keypoints_px: NDArray[np.float64], placed: Placed
) -> DrawnPerson:
    """Box, area and final visibility of a person, once everyone is painted."""
    own = np.array([number == person and name != "seat" for number, name in canvas.parts] + [False])
    mask = own[canvas.owner]
    points = keypoints_px.copy()
    columns, rows = points[:, :2].round().astype(int).T
    points[(points[:, 2] == 2) & ~mask[rows, columns], 2] = 1
    x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
    if not mask.any():
        points[:] = 0
    return DrawnPerson(
        points,
        np.array([x, y, w, h], np.float64),
        float(mask.sum()),
        placed.figure.keypoints(COCO17.keypoints),
        placed.scale_px,
        placed.pelvis_px,
    )


def _write_picture(folder: Path, seed: int, number: int) -> tuple[Row, list[Row]]:
    """Draw and write a picture; its row and those of its people, without ids."""
    rng = np.random.default_rng([seed, number])
    encoded, (width, height), people = _draw(rng, shipped_prior().sample_count(rng, MOST_PEOPLE))
    name = f"{number:06d}.jpg"
    (folder / name).write_bytes(encoded.tobytes())
    image = {"id": number, "file_name": name, "width": width, "height": height}
    return image, [_annotation(number, person) for person in people]


def _annotation(image: int, person: DrawnPerson) -> Row:
    space = np.concatenate([person.keypoints_3d.round(5), person.keypoints_px[:, 2:]], 1)
    return {
        "image_id": image,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": person.box_xywh_px.tolist(),
        "area": person.area_px,
        "num_keypoints": int((person.keypoints_px[:, 2] > 0).sum()),
        "keypoints": person.keypoints_px.round(2).ravel().tolist(),
        "keypoints_3d": space.ravel().tolist(),
        "camera": {
            "scale_px": round(person.scale_px, 4),
            "offset_px": person.pelvis_px.round(4).tolist(),
        },
    }


def _drawing_version() -> str:
    """Changes with what decides the drawings, so that a cached folder is never of older ones."""
    here = Path(__file__).parent
    code = [here / "synthetic.py", here / "pose_prior.py", *here.glob("drawn_*.py"), SHIPPED]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(code))).hexdigest()[:8]
