"""Running an ``.onnx`` file in ONNX Runtime."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.artefact import ENTRY, Artefact, parse_artefact
from mvpose.errors import InputError, require
from mvpose.files import sha256
from mvpose.quiet import quiet

CPU = "CPUExecutionProvider"
ELSEWHERE = ("AzureExecutionProvider",)
"""Providers that compute on other machines."""


class OnnxRuntime:
    """An ``.onnx`` file as a Runtime, with the providers that ONNX Runtime has here.

    Args:
        path: the file.
        threads: of the CPU kernels.
        artefact: its description, where it is not yet in the file.

    Raises:
        InputError: ONNX Runtime is not installed, or the file can't be loaded.
    """

    def __init__(self, path: Path, threads: int = 1, artefact: Artefact | None = None) -> None:
        self.session = open_session(path, threads)
        properties = self.session.get_modelmeta().custom_metadata_map
        self.artefact = artefact or parse_artefact(properties.get(ENTRY), path)
        self.spec = self.artefact.model
        (self._input,) = self.session.get_inputs()
        self.protocol: dict[str, str | int] = {
            "runtime": "onnxruntime",
            "version": version("onnxruntime"),
            "device": _device(self.session.get_providers()[0]),
            "threads": threads,
            "precision": self.artefact.recipe,
            "file": path.name,
            "sha256": sha256(path),
        }

    def use(self, provider: str) -> None:
        """Run with one provider, and with the CPU what it can't.

        Raises:
            InputError: it doesn't start.
        """
        self.session.set_providers(list(dict.fromkeys((provider, CPU))))
        if self.session.get_providers()[0] != provider:
            raise InputError(f"ONNX Runtime could not start its {_device(provider)} provider")
        self.protocol["device"] = _device(provider)

    def heatmaps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        crops = images.transpose(0, 3, 1, 2).astype(np.float32)
        fixed = isinstance(self._input.shape[0], int)
        batches = np.split(crops, len(crops)) if fixed else [crops]
        return np.concatenate([self.session.run(None, {self._input.name: b})[0] for b in batches])


def open_session(path: Path, threads: int = 1) -> Any:
    """A session with all providers of this machine.

    Raises:
        InputError: ONNX Runtime is not installed, or the file can't be loaded.
    """
    require("onnxruntime", "onnx")
    with quiet():
        import onnxruntime
    if not path.is_file():
        raise InputError(f"no such file: {path}", "check the path")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    providers = [p for p in onnxruntime.get_available_providers() if p not in ELSEWHERE]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers)
    except Exception as error:  # ONNX Runtime's own kinds have no common one
        raise InputError(
            f"onnxruntime {onnxruntime.__version__} cannot load {path}: "
            f"{str(error).strip().splitlines()[0]}",
            "the file is damaged, or newer than this runtime: mvpose writes opset 19, which "
            "onnxruntime 1.15 and newer read",
        ) from error


def _device(provider: str) -> str:
    return provider.removesuffix("ExecutionProvider").lower()
