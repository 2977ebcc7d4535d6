"""Drawn people in COCO layout: data without a download, for calibration, trials and pictures."""

from __future__ import annotations

import hashlib
import json
import tempfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mvpose.data.drawn_body import paint_figure
from mvpose.data.drawn_canvas import Canvas, new_canvas
from mvpose.data.drawn_parts import sample_looks
from mvpose.data.drawn_pose import sample_figure
from mvpose.data.drawn_scene import background, photograph, random_color
from mvpose.errors import InputError
from mvpose.files import unwritable
from mvpose.spec import COCO17

PREFIX = "synthetic:"
FEWEST_KEYPOINTS = 6
SIZES_WH = ((480, 360), (360, 480), (480, 320), (400, 400), (320, 480), (512, 384))


@dataclass(frozen=True)
class DrawnPerson:
    """A person in a drawn picture.

    Attributes:
        keypoints_px: (17, 3) x, y and visibility (0 unlabelled, 1 hidden, 2 visible).
        box_xywh_px: (4,) left, top, width, height of the visible body.
        area_px: visible pixels.
    """

    keypoints_px: NDArray[np.float64]
    box_xywh_px: NDArray[np.float64]
    area_px: float


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

    Each has at least six labelled keypoints in the picture.
    """
    width, height = SIZES_WH[rng.integers(len(SIZES_WH))]
    scene = background(rng, height, width)
    while True:
        canvas = new_canvas(rng, scene)
        people = _paint_people(rng, canvas, count)
        if all((p.keypoints_px[:, 2] > 0).sum() >= FEWEST_KEYPOINTS for p in people):
            return photograph(rng, canvas.picture), people


def write_synthetic(
    folder: Path,
    count: int,
    seed: int,
    split: str,
    track: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> None:
    """Write drawn pictures and their annotations in COCO layout.

    Args:
        folder: gets ``annotations/person_keypoints_<split>.json`` and the images in ``<split>/``.
        count: images, of one to three people each.
        seed: the same seed draws the same pictures.
        split: "train", "val", ...
        track: wraps the image numbers, to show progress.
    """
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    (folder / split).mkdir(exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in track(range(1, count + 1)):
        rng = np.random.default_rng([seed, number])
        image, people = draw_scene(rng, int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15])))
        name = f"{number:06d}.jpg"
        quality = [cv2.IMWRITE_JPEG_QUALITY, 92]
        encoded = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), quality)[1]
        (folder / split / name).write_bytes(encoded.tobytes())
        height, width = image.shape[:2]
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for person in people:
            annotations.append(_annotation(len(annotations) + 1, number, person))
    category = {
        "id": 1,
        "name": "person",
        "keypoints": list(COCO17.keypoints),
        "skeleton": [[a + 1, b + 1] for a, b in COCO17.edges],
    }
    document = {"images": images, "annotations": annotations, "categories": [category]}
    path = folder / "annotations" / f"person_keypoints_{split}.json"
    path.write_text(json.dumps(document), encoding="utf-8")


def resolve_data(
    text: str, split: str, track: Callable[[Iterable[int]], Iterable[int]] = iter
) -> Path:
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


def _paint_people(rng: np.random.Generator, canvas: Canvas, count: int) -> list[DrawnPerson]:
    height, width = canvas.owner.shape
    sizes = np.sort(height * rng.uniform(0.5, 1.25 if count == 1 else 0.95, count))
    slots = (rng.permutation(count) + 0.5) / count
    keypoints = []
    for person, (size, slot) in enumerate(zip(sizes, slots, strict=True)):
        figure = sample_figure(rng)
        joints = np.stack([figure.points[name][:2] for name in COCO17.keypoints]) * size
        middle = (joints.min(0) + joints.max(0)) / 2
        wanted = np.array([width * (slot + rng.normal(0, 0.08)), height * rng.normal(0.52, 0.06)])
        looks = sample_looks(rng)
        keypoints.append(paint_figure(rng, canvas, figure, looks, size, wanted - middle, person))
    if rng.random() < 0.15:
        _paint_obstacle(rng, canvas)
    return [_visible_person(canvas, number, points) for number, points in enumerate(keypoints)]


def _paint_obstacle(rng: np.random.Generator, canvas: Canvas) -> None:
    """Something in the foreground: a table or wall from below, or a post."""
    height, width = canvas.owner.shape
    top = np.array([rng.uniform(-0.2, 0.7) * width, rng.uniform(0.7, 0.92) * height])
    size = np.array([rng.uniform(0.3, 1.0) * width, height])
    if rng.random() < 0.3:
        top[1], size[0] = 0, rng.uniform(0.02, 0.06) * width
    low, high = top.astype(int).tolist(), (top + size).astype(int).tolist()
    cv2.rectangle(canvas.picture, low, high, random_color(rng).tolist(), -1)
    canvas.parts.append((-1, "obstacle"))
    cv2.rectangle(canvas.owner, low, high, (len(canvas.parts) - 1,), -1)


def _visible_person(canvas: Canvas, person: int, keypoints_px: NDArray[np.float64]) -> DrawnPerson:
    """Box, area and final visibility of a person, once everyone is painted."""
    own = np.array([number == person and name != "seat" for number, name in canvas.parts] + [False])
    mask = own[canvas.owner]
    points = keypoints_px.copy()
    columns, rows = points[:, :2].round().astype(int).T
    points[(points[:, 2] == 2) & ~mask[rows, columns], 2] = 1
    x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
    if not mask.any():
        points[:] = 0
    return DrawnPerson(points, np.array([x, y, w, h], np.float64), float(mask.sum()))


def _annotation(number: int, image: int, person: DrawnPerson) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": person.box_xywh_px.tolist(),
        "area": person.area_px,
        "num_keypoints": int((person.keypoints_px[:, 2] > 0).sum()),
        "keypoints": person.keypoints_px.round(2).ravel().tolist(),
    }


def _drawing_version() -> str:
    """Changes with the code that draws, so that a cached folder is never of older drawings."""
    code = [Path(__file__).parent / "synthetic.py", *Path(__file__).parent.glob("drawn_*.py")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(code))).hexdigest()[:8]
