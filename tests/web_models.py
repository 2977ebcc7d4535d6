"""Files for the browser demo's tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from small_tflite import SmallModel

from mvpose.artefact import Artefact, TensorInfo, append_artefact
from mvpose.spec import Preprocess, Skeleton
from mvpose.zoo import zoo_spec

FIVE_POINTS = Skeleton(
    keypoints=("head", "left_hand", "right_hand", "left_foot", "right_foot"),
    flip_pairs=((1, 2), (3, 4)),
    edges=((0, 1), (0, 2), (0, 3), (0, 4)),
    sigmas=(0.05,) * 5,
)
STRIDE = 4
INPUT_SHAPE = (1, 128, 64, 3)
OUTPUT_SHAPE = (1, 128 // STRIDE, 64 // STRIDE, 5)


def write_bare(path: Path) -> Path:
    """One float convolution that finds five keypoints on crops that are higher than wide.

    It has no description. The colours of drawn people make heatmaps within about -1..1.
    """
    made = SmallModel()
    weights = np.random.default_rng(0).normal(0, 1e-3, (5, STRIDE, STRIDE, 3)).astype(np.float32)
    x = made.tensor("input", INPUT_SHAPE, "FLOAT32")
    w = made.tensor("weight", weights.shape, "FLOAT32", data=weights)
    b = made.tensor("bias", (5,), "FLOAT32", data=np.zeros(5, np.float32))
    y = made.tensor("output", OUTPUT_SHAPE, "FLOAT32")
    options = schema.Conv2DOptionsT()
    options.padding = schema.Padding.VALID
    options.strideW = options.strideH = STRIDE
    made.operator("CONV_2D", (x, w, b), (y,), options)
    made.graph.inputs, made.graph.outputs = np.array([x]), np.array([y])
    return made.write(path)


def write_five(path: Path) -> Path:
    """The same with its description."""
    xxs = zoo_spec("mobilevitpose-xxs")
    spec = replace(
        xxs,
        name="five",
        network=replace(xxs.network, keypoints=5),
        skeleton=FIVE_POINTS,
        preprocess=Preprocess(64, 128),
    )
    given = TensorInfo(INPUT_SHAPE, "float32")
    made = TensorInfo(OUTPUT_SHAPE, "float32")
    artefact = Artefact(spec, "tflite", "NHWC", given, made, "fp32", "", {})
    append_artefact(write_bare(path), artefact)
    return path
