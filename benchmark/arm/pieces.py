"""A ``.tflite`` file cut where integers and floats meet, with what flows between the pieces."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.benchmark.golden import write_golden
from mvpose.benchmark.segments import Cutter, runs
from mvpose.errors import InputError
from mvpose.export.graph import Graph, Operator, read_graph
from mvpose.runtime.litert import LiteRTRuntime, open_interpreter, store

OWN_KERNELS = ("SOFTMAX",)
"""INT8 operators that XNNPACK leaves to kernels that differ from processor to processor."""


def write_pieces(path: Path, crops: NDArray[np.uint8], folder: Path) -> None:
    """Write all that the guest compares.

    Args:
        path: an exported file.
        crops: (N, height, width, 3); the pieces are compared on the first, the whole on all.
        folder: for ``<number>.tflite`` and ``<number>.npz`` of each piece, their kinds in
            ``pieces.json``, ``whole.tflite`` and ``golden.npz``.

    Raises:
        InputError: the file can't be run, or its pieces together give something else than it.
    """
    runtime, graph = LiteRTRuntime(path), read_graph(path)
    write_golden(runtime, crops, folder / "golden.npz")
    shutil.copyfile(path, folder / "whole.tflite")
    cutter = Cutter(path, graph)
    values: dict[int, NDArray[Any]] = {
        graph.inputs[0]: store(crops[:1], runtime.artefact.input),
    }
    parts = runs(kind(graph, op) for op in graph.operators)
    for number, (_, places) in enumerate(parts):
        piece = folder / f"{number}.tflite"
        given, made = cutter.write(places, piece)
        _, interpreter = open_interpreter(piece)
        for details, tensor in zip(interpreter.get_input_details(), given, strict=True):
            interpreter.set_tensor(details["index"], values[tensor])
        interpreter.invoke()
        for details, tensor in zip(interpreter.get_output_details(), made, strict=True):
            values[tensor] = interpreter.get_tensor(details["index"])
        arrays: dict[str, Any] = {f"input_{i}": values[tensor] for i, tensor in enumerate(given)}
        arrays |= {f"output_{i}": values[tensor] for i, tensor in enumerate(made)}
        np.savez(folder / f"{number}.npz", **arrays)
    _check_whole(runtime, crops[0], values[graph.outputs[0]])
    (folder / "pieces.json").write_text(json.dumps([label for label, _ in parts]), "utf-8")


def kind(graph: Graph, op: Operator) -> str:
    """What a piece computes with: "int8", "int8 softmax" or "float"; "float" converts as well."""
    moved = (graph.tensors[i] for i in (*op.inputs, *op.outputs) if i >= 0)
    if any(tensor.dtype != "int8" for tensor in moved if not tensor.constant):
        return "float"
    return f"int8 {op.kind.lower()}" if op.kind in OWN_KERNELS else "int8"


def _check_whole(runtime: LiteRTRuntime, crop: NDArray[np.uint8], found: NDArray[Any]) -> None:
    """Cutting forbids fusions: where one of them rounds otherwise, pieces prove nothing."""
    runtime.heatmaps(crop[None])
    whole = runtime.interpreter.get_tensor(runtime.interpreter.get_output_details()[0]["index"])
    if not np.array_equal(whole, found):
        raise InputError(
            "the file's pieces together give something else than the file",
            "this runtime fuses operators that lie in different pieces",
        )
