"""JSON documents and the arrays that they name, in one folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parents[1] / "golden"
DTYPES = {".u8": np.dtype(np.uint8), ".f32": np.dtype("<f4")}


@dataclass(frozen=True)
class Store:
    """Where the vectors lie."""

    folder: Path = FOLDER

    def put(self, name: str, array: NDArray[Any]) -> dict[str, Any]:
        """Write an array; its suffix, .u8 or .f32, is the element type. Returns its JSON."""
        stored = array.astype(DTYPES[Path(name).suffix], casting="same_kind")
        (self.folder / name).write_bytes(stored.tobytes())
        return {"file": name, "shape": list(array.shape)}

    def get(self, reference: dict[str, Any]) -> NDArray[Any]:
        """Read an array by its JSON."""
        name = reference["file"]
        flat = np.fromfile(self.folder / name, DTYPES[Path(name).suffix])
        return flat.reshape(reference["shape"])

    def write(self, topic: str, document: dict[str, Any]) -> None:
        """Write a topic's document; arrays of numbers become lists."""
        text = json.dumps(document, indent=1, default=lambda value: value.tolist())
        (self.folder / f"{topic}.json").write_text(text + "\n", encoding="utf-8")

    def read(self, topic: str) -> dict[str, Any]:
        """Read a topic's document."""
        document: dict[str, Any] = json.loads((self.folder / f"{topic}.json").read_text("utf-8"))
        return document
