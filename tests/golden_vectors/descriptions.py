"""Descriptions of files that the demos can run, and of such as they can't."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from golden_vectors.store import Store
from mvpose.artefact import Artefact
from mvpose.live.usable import UnusableError, usable

Change = Callable[[dict[str, Any]], None]


def put(place: str, value: Any) -> Change:
    """Set what lies at a dotted place."""

    def change(document: dict[str, Any]) -> None:
        *parents, last = place.split(".")
        for parent in parents:
            document = document[parent]
        document[last] = value

    return change


def drop(key: str) -> Change:
    """Leave out a field."""
    return lambda document: document.pop(key)


def five_keypoints(document: dict[str, Any]) -> None:
    """A face's keypoints in a tall crop."""
    model = document["model"]
    model["network"]["keypoints"] = 5
    model["skeleton"] = {
        "keypoints": ["nose", "left_eye", "right_eye", "left_ear", "right_ear"],
        "flip_pairs": [[1, 2], [3, 4]],
        "edges": [[0, 1], [0, 2], [1, 3], [2, 4]],
        "sigmas": [0.026, 0.025, 0.025, 0.035, 0.035],
    }
    model["preprocess"]["input_width_px"] = 192
    document["input"]["shape"] = [1, 256, 192, 3]
    document["output"]["shape"] = [1, 64, 48, 5]


def int8_tensors(document: dict[str, Any]) -> None:
    """INT8 input and output."""
    document["input"].update(dtype="int8", scale=1.0, zero_point=-128)
    document["output"].update(dtype="int8", scale=0.00390625, zero_point=-128)


CHANGES: dict[str, Change] = {
    "as exported": lambda document: None,
    "five keypoints, 192 x 256": five_keypoints,
    "INT8 input and output": int8_tensors,
    "without what was measured": drop("parity"),
    "before cells had a grid": put("model.decode", {"method": "dark", "sigma_cells": 2.0}),
    "newer schema": put("schema_version", 2),
    "schema before the first": put("schema_version", 0),
    "no schema": drop("schema_version"),
    "no model": drop("model"),
    "no output": drop("output"),
    "Core ML": put("format", "coreml"),
    "NCHW": put("layout", "NCHW"),
    "two crops at a time": put("input.shape", [2, 256, 256, 3]),
    "two results at a time": put("output.shape", [2, 64, 64, 17]),
    "half floats": put("input.dtype", "float16"),
    "heatmaps in half floats": put("output.dtype", "float16"),
    "coordinates": put("model.decode.method", "coordinates"),
    "unknown decode rule": put("model.decode.method", "integral"),
    "another input size": put("input.shape", [1, 128, 128, 3]),
    "heatmaps one cell high": put("output.shape", [1, 1, 64, 17]),
    "flat output": put("output.shape", [1, 69632]),
    "fewer heatmaps": put("output.shape", [1, 64, 64, 16]),
    "more heatmaps": put("output.shape", [1, 64, 64, 18]),
    "an edge to nowhere": put("model.skeleton.edges", [[0, 17]]),
}
TEXTS = {"empty": "", "no JSON": "PK\u0003\u0004", "a list": "[1, 2]", "cut off": '{"schema_ver'}


def write(store: Store, artefact: Artefact) -> None:
    """Write ``metadata.json``.

    Args:
        artefact: of an exported file.
    """
    texts = TEXTS | {"as exported, whole": artefact.to_json()}
    short = replace(artefact, calibration=None, quantisation=None).to_json()
    for name, change in CHANGES.items():
        document = json.loads(short)
        change(document)
        texts[name] = json.dumps(document)
    cases = [
        {"name": name, "document": text, "usable": reason is None, "reason": reason}
        for name, text in texts.items()
        for reason in [refusal(text)]
    ]
    store.write("metadata", {"cases": cases})


def refusal(text: str) -> str | None:
    """Why the demos can't run a file of this description."""
    try:
        usable(text, Path("model.tflite"))
    except UnusableError as error:
        return error.reason
    return None
