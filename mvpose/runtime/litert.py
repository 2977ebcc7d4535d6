"""Running a ``.tflite`` file in LiteRT, or in tflite-runtime where LiteRT is not installed."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.artefact import Artefact, TensorInfo, read_artefact
from mvpose.errors import InputError
from mvpose.files import sha256
from mvpose.quiet import quiet

PACKAGES = {"ai_edge_litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime"}


class LiteRTRuntime:
    """A ``.tflite`` file as a Runtime.

    Args:
        path: the file.
        threads: of the CPU kernels.
        artefact: its description, where it is not yet in the file.

    Raises:
        InputError: no interpreter is installed, or the file can't be loaded.
    """

    def __init__(self, path: Path, threads: int = 1, artefact: Artefact | None = None) -> None:
        self.artefact = artefact or read_artefact(path)
        self.spec = self.artefact.model
        module, self.interpreter = open_interpreter(path, threads)
        self.protocol: dict[str, str | int] = {
            "runtime": PACKAGES[module],
            "version": version(PACKAGES[module]),
            "device": "cpu",
            "threads": threads,
            "precision": self.artefact.recipe,
            "file": path.name,
            "sha256": sha256(path),
        }
        self._input = self.interpreter.get_input_details()[0]["index"]
        self._output = self.interpreter.get_output_details()[0]["index"]

    def heatmaps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        maps = []
        for image in images:
            self.interpreter.set_tensor(self._input, store(image[None], self.artefact.input))
            self.interpreter.invoke()
            maps.append(restore(self.interpreter.get_tensor(self._output), self.artefact.output))
        return np.concatenate(maps).transpose(0, 3, 1, 2)


def open_interpreter(path: Path, threads: int = 1, **options: Any) -> tuple[str, Any]:
    """The name of the package used and its interpreter, with tensors allocated.

    Raises:
        InputError: no interpreter is installed, or the file can't be loaded.
    """
    module = next((name for name in PACKAGES if find_spec(name)), None)
    if module is None:
        raise InputError("no TFLite interpreter is installed", "pip install 'mvpose[litert]'")
    if module == "ai_edge_litert":
        from ai_edge_litert.interpreter import Interpreter
    else:
        from tflite_runtime.interpreter import Interpreter
    if not path.is_file():
        raise InputError(f"no such file: {path}", "check the path")
    try:
        with quiet():
            interpreter = Interpreter(model_path=str(path), num_threads=threads, **options)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"{PACKAGES[module]} cannot load {path}: {str(error).strip().splitlines()[0]}",
            "the file is damaged, or holds operators that this runtime lacks",
        ) from error
    return module, interpreter


def store(image: NDArray[np.uint8], info: TensorInfo) -> NDArray[Any]:
    """Crops in 0..255 as the input tensor stores them."""
    if not info.scale:
        return image.astype(info.dtype)
    limits = np.iinfo(info.dtype)
    stored = np.round(image / info.scale) + info.zero_point
    return stored.clip(limits.min, limits.max).astype(info.dtype)


def restore(output: NDArray[Any], info: TensorInfo) -> NDArray[np.float32]:
    """Heatmaps in real numbers from the output tensor."""
    if not info.scale:
        return output.astype(np.float32)
    return ((output.astype(np.float32) - info.zero_point) * info.scale).astype(np.float32)


def file_tensors(path: Path) -> tuple[TensorInfo, TensorInfo]:
    """The input and output of a file."""
    _, interpreter = open_interpreter(path)
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    return tensor_info(given), tensor_info(made)


def tensor_info(details: dict[str, Any]) -> TensorInfo:
    """The description of an interpreter's input or output."""
    scale, zero_point = details["quantization"]
    return TensorInfo(
        tuple(map(int, details["shape"])), np.dtype(details["dtype"]).name, float(scale), zero_point
    )
