"""Running a ``.mlpackage``: in Core ML on macOS, as an evaluation of its program elsewhere."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mvpose.artefact import ENTRY, Artefact, parse_artefact
from mvpose.errors import InputError, require
from mvpose.files import sha256
from mvpose.quiet import quiet
from mvpose.runtime.coreml_package import read_package

ComputeUnit = Literal["ALL", "CPU_AND_NE", "CPU_AND_GPU", "CPU_ONLY"]
EVALUATOR = "MIL evaluator (not Core ML)"


class CoreMLRuntime:
    """A Core ML package as a Runtime.

    Args:
        path: the package.
        threads: of the evaluator; Core ML has its own.
        artefact: its description, where it is not yet in the package.
        compute_unit: what Core ML may use, by coremltools' name; the evaluator uses the CPU.

    Raises:
        InputError: coremltools is not installed, or the package can't be loaded.
    """

    def __init__(
        self,
        path: Path,
        threads: int = 1,
        artefact: Artefact | None = None,
        compute_unit: ComputeUnit = "ALL",
    ) -> None:
        self.artefact = artefact or read_coreml(path)
        self.spec = self.artefact.model
        require("coremltools", "coreml")
        on_mac = sys.platform == "darwin"
        self._run = _core_ml(path, compute_unit) if on_mac else _evaluator(path, threads)
        self.protocol: dict[str, str | int] = {
            "runtime": "Core ML" if on_mac else EVALUATOR,
            "version": version("coremltools"),
            "device": compute_unit if on_mac else "cpu",
            "threads": threads,
            "precision": self.artefact.recipe,
            "file": path.name,
            "sha256": sha256(path),
        }

    def heatmaps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.concatenate([self._run(image) for image in images])


def read_coreml(path: Path) -> Artefact:
    """Read the description out of a package.

    Raises:
        InputError: there is none, the package is damaged, or coremltools is not installed.
    """
    about = read_package(path).description.metadata.userDefined
    return parse_artefact(about.get(ENTRY), path)


def _core_ml(path: Path, compute_unit: ComputeUnit) -> Any:
    """Crop (H, W, 3) -> heatmaps (1, K, h, w), by Core ML."""
    with quiet():
        import coremltools as ct
        from PIL import Image

        try:
            model = ct.models.MLModel(str(path), compute_units=ct.ComputeUnit[compute_unit])
        except Exception as error:  # whatever Core ML stumbles over
            raise InputError(
                f"Core ML cannot load {path}: {str(error).splitlines()[0]}",
                "it may need a newer macOS: INT8 activations need macOS 14, others 13",
            ) from error
    return lambda image: model.predict({"image": Image.fromarray(image)})["heatmaps"]


def _evaluator(path: Path, threads: int) -> Any:
    """The same by the evaluator."""
    import torch

    from mvpose.runtime.mil_evaluator import MilEvaluator

    torch.set_num_threads(threads)
    program = MilEvaluator(path)

    def run(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        planes = torch.from_numpy(image).permute(2, 0, 1)[None]
        return program(image=planes)["heatmaps"].numpy()

    return run
