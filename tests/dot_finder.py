"""A pose network in ncnn's format that finds coloured dots, and pictures with such dots in them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mvpose.spec import Decode, ForeignNetwork, ModelSpec, Preprocess, Skeleton

Floats = NDArray[np.float64]

DOTS = Skeleton(("head", "hand", "foot"), (), ((0, 1), (0, 2)), (0.08, 0.08, 0.08))
"""Red, green and blue."""
CELL_PX = 4
DOT_FINDER = ModelSpec(
    name="dot-finder",
    network=ForeignNetwork(kind="foreign", keypoints=3, heatmap_stride=CELL_PX),
    skeleton=DOTS,
    preprocess=Preprocess(64, 96),
    decode=Decode("dark", grid="stride"),
)
FP16_FLAG = 0x01306B47


def dot_weights() -> NDArray[np.float32]:
    """(3, 3, 4, 4): each output is how much more of its colour a cell's first pixel has."""
    weights = np.zeros((3, 3, CELL_PX, CELL_PX), np.float32)
    weights[:, :, 0, 0] = 1.5 * np.eye(3) - 0.5
    return weights


def write_ncnn(
    param: Path,
    weights: NDArray[np.float32],
    spec: ModelSpec | None = None,
    half: bool = False,
    bias: float = 0.0,
) -> Path:
    """Write one convolution whose stride is its kernel's side as ``X.ncnn.param`` and ``.bin``.

    Args:
        param: the ``.param`` file.
        weights: (outputs, inputs, side, side).
        spec: goes beside it as JSON.
        half: store the weights as float16.
        bias: of all outputs.
    """
    outputs, _, side, _ = weights.shape
    layer = f"0={outputs} 1={side} 3={side} 5=1 6={weights.size}"
    param.write_text(f"7767517\n2 2\nInput in 0 1 image\nConvolution conv 1 1 image maps {layer}\n")
    stored = weights.astype(np.float16 if half else np.float32).tobytes()
    stored += bytes(-len(stored) % 4)
    flag = np.uint32(FP16_FLAG if half else 0).tobytes()
    biases = np.full(outputs, bias, np.float32).tobytes()
    param.with_suffix(".bin").write_bytes(flag + stored + biases)
    if spec is not None:
        name = param.name.removesuffix(".ncnn.param")
        param.with_name(f"{name}.json").write_text(spec.to_json())
    return param


def draw_dots(points_px: Floats, size_wh: tuple[int, int], sigma_px: float = 5.0) -> Floats:
    """A black picture (height, width, 3), 0..255, with a soft dot per point and colour.

    Args:
        points_px: (N, 3, 2) head, hand and foot of N people.
    """
    y, x = np.mgrid[: size_wh[1], : size_wh[0]]
    picture = np.zeros((size_wh[1], size_wh[0], 3))
    for person in points_px:
        for channel, (px, py) in enumerate(person):
            dot = np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma_px**2))
            picture[..., channel] += 255 * dot
    return picture.clip(0, 255)


def write_dots(folder: Path, people_px: list[Floats], labels: list[list[list[float]]]) -> None:
    """Write a COCO folder of one picture per entry, split "train".

    Args:
        folder: of the data set.
        people_px: per picture, (N, 3, 2) where the dots are.
        labels: per person in turn, the visibility of the three keypoints.
    """
    import cv2

    (folder / "annotations").mkdir(parents=True)
    (folder / "train").mkdir()
    images, annotations = [], []
    for number, points in enumerate(people_px, 1):
        name = f"{number:03d}.png"
        picture = draw_dots(points, (320, 160)).round().astype(np.uint8)
        assert cv2.imwrite(str(folder / "train" / name), picture[..., ::-1])
        images.append({"id": number, "file_name": name, "width": 320, "height": 160})
        for person in points:
            visible = np.array(labels[len(annotations)], float)[:, None]
            low, high = person.min(0) - 8, person.max(0) + 8
            annotations.append(
                {
                    "id": 100 + len(annotations),
                    "image_id": number,
                    "category_id": 1,
                    "iscrowd": 0,
                    "bbox": [*low.tolist(), *(high - low).tolist()],
                    "area": float((high - low).prod() * 0.53),
                    "keypoints": np.hstack([person * (visible > 0), visible]).ravel().tolist(),
                    "num_keypoints": int((visible > 0).sum()),
                }
            )
    category = {
        "id": 1,
        "name": "person",
        "keypoints": list(DOTS.keypoints),
        "skeleton": [[1, 2], [1, 3]],
        "sigmas": list(DOTS.sigmas),
    }
    document = {"images": images, "annotations": annotations, "categories": [category]}
    path = folder / "annotations" / "person_keypoints_train.json"
    path.write_text(json.dumps(document))
