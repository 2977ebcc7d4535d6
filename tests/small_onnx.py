"""Small ``.onnx`` files that find coloured dots, as networks of other makers do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dot_finder import dot_weights
from numpy.typing import NDArray

onnx = pytest.importorskip("onnx", reason="needs mvpose[onnx]")
pytest.importorskip("onnxruntime", reason="needs mvpose[onnx]")
helper = onnx.helper

WIDTH, HEIGHT = 64, 96


def write_onnx(
    path: Path,
    nodes: Sequence[Any],
    constants: dict[str, NDArray[Any]],
    outputs: Sequence[str],
    shape: Sequence[int | str] = (1, 3, HEIGHT, WIDTH),
) -> Path:
    """Write a graph whose input is "image"."""
    kinds = onnx.TensorProto
    given = [helper.make_tensor_value_info("image", kinds.FLOAT, shape)]
    made = [helper.make_tensor_value_info(name, kinds.FLOAT, None) for name in outputs]
    stored = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "net", given, made, stored)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="test"
    )
    onnx.save(model, path)
    return path


def write_heatmaps(path: Path) -> Path:
    """The dot finder's heatmaps "maps", (N, 3, height / 4, width / 4), of any number of crops."""
    conv = helper.make_node("Conv", ["image", "weight"], ["maps"], strides=[4, 4])
    shape = ("n", 3, HEIGHT, WIDTH)
    return write_onnx(path, [conv], {"weight": dot_weights()}, ["maps"], shape)


def write_coordinates(path: Path, scale: float = 1.0) -> Path:
    """Centroids "points" (1, 3, 3): y and x in 0..1, score 0..1, of each channel in 0..1.

    Args:
        scale: of the coordinates and scores; NaN spoils them.
    """
    y, x = (np.arange(side, dtype=np.float32) for side in (HEIGHT, WIDTH))
    constants: dict[str, NDArray[Any]] = {
        "space": np.array([2, 3]),
        "last": np.array([2]),
        "grid y": ((y + 0.5) / HEIGHT)[:, None].astype(np.float32),
        "grid x": ((x + 0.5) / WIDTH)[None].astype(np.float32),
        "least": np.float32(1e-6),
        "scale": np.float32(scale),
    }
    nodes = [
        helper.make_node("ReduceSum", ["image", "space"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sum", "least"], ["total"]),
        helper.make_node("ReduceMax", ["image"], ["score"], axes=[2, 3], keepdims=0),
    ]
    for axis in "yx":
        nodes += [
            helper.make_node("Mul", ["image", f"grid {axis}"], [f"{axis} weighted"]),
            helper.make_node(
                "ReduceSum", [f"{axis} weighted", "space"], [f"{axis} sum"], keepdims=0
            ),
            helper.make_node("Div", [f"{axis} sum", "total"], [axis]),
        ]
    names = ["y", "x", "score"]
    nodes += [helper.make_node("Unsqueeze", [n, "last"], [f"{n} column"]) for n in names]
    nodes += [
        helper.make_node("Concat", [f"{n} column" for n in names], ["rows"], axis=2),
        helper.make_node("Mul", ["rows", "scale"], ["points"]),
    ]
    return write_onnx(path, nodes, constants, ["points"])


def write_simcc(path: Path) -> Path:
    """The brightest column "simcc_x" (1, 3, width) and row "simcc_y" (1, 3, height)."""
    nodes = [
        helper.make_node("ReduceMax", ["image"], [f"simcc_{axis}"], axes=[other], keepdims=0)
        for axis, other in (("x", 2), ("y", 3))
    ]
    return write_onnx(path, nodes, {}, ["simcc_x", "simcc_y"])


def write_boxes(path: Path, tables: dict[str, NDArray[np.float32]], side: int = 64) -> Path:
    """Outputs that are the same for every picture (1, 3, side, side)."""
    zero = [
        helper.make_node("ReduceMax", ["image"], ["most"], axes=[0, 1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["most", "nothing"], ["zero"]),
    ]
    nodes = [helper.make_node("Add", [f"{name} stored", "zero"], [name]) for name in tables]
    constants: dict[str, NDArray[Any]] = {f"{name} stored": t for name, t in tables.items()}
    constants["nothing"] = np.float32(0)
    return write_onnx(path, [*zero, *nodes], constants, list(tables), (1, 3, side, side))
