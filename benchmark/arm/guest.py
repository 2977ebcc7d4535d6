"""Runs in the emulated processor: python guest.py FOLDER, with what ``pieces`` wrote there.

Needs NumPy, ai-edge-litert and device_bench.py beside it; nothing of mvpose. Prints one JSON
object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import device_bench  # type: ignore[import-not-found]
import numpy as np


def compare_piece(path: Path, arrays: Any) -> list[dict[str, Any]]:
    """How far each output of a piece is from what the other processor made of its inputs."""
    interpreter = device_bench.find_interpreter()[1](model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    for place, given in enumerate(interpreter.get_input_details()):
        interpreter.set_tensor(given["index"], arrays[f"input_{place}"])
    interpreter.invoke()
    found = []
    for place, made in enumerate(interpreter.get_output_details()):
        here, there = interpreter.get_tensor(made["index"]), arrays[f"output_{place}"]
        apart = np.abs(here.astype(np.float64) - there.astype(np.float64))
        found.append(
            {
                "dtype": str(here.dtype),
                "values": int(here.size),
                "different": int((here != there).sum()),
                "largest": float(apart.max()),
                "range": float(np.ptp(there.astype(np.float64))),
            }
        )
    return found


def main(folder: Path) -> None:
    kinds = json.loads((folder / "pieces.json").read_text(encoding="utf-8"))
    pieces: list[dict[str, Any]] = []
    for number, kind in enumerate(kinds):
        with np.load(folder / f"{number}.npz") as arrays:
            outputs = compare_piece(folder / f"{number}.tflite", arrays)
        pieces.extend({"kind": kind, **output} for output in outputs)
    whole = device_bench.Model(folder / "whole.tflite", 1)
    answer = {"pieces": pieces, "whole": device_bench.compare(whole, folder / "golden.npz")}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
