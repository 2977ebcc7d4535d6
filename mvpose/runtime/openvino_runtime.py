"""Running OpenVINO IR (an ``.xml`` with its ``.bin``) in OpenVINO."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.artefact import ENTRY, Artefact, parse_artefact
from mvpose.errors import InputError, require
from mvpose.files import sha256
from mvpose.quiet import quiet

DEVICE = "CPU"


class OpenVINORuntime:
    """An OpenVINO model as a Runtime, on the CPU.

    What is not integer is computed in float32, or in bfloat16 where the file's recipe ends so: left
    to itself, OpenVINO would take bfloat16 where the processor has it, and with it another
    accuracy.

    Args:
        path: the ``.xml``; its ``.bin`` lies beside it.
        threads: of the CPU kernels.
        artefact: its description, where it is not yet in the file.

    Raises:
        InputError: OpenVINO is not installed, or the model can't be loaded.
    """

    def __init__(self, path: Path, threads: int = 1, artefact: Artefact | None = None) -> None:
        require("openvino", "openvino")
        if not path.is_file():
            raise InputError(f"no such file: {path}", "check the path")
        if not path.with_suffix(".bin").is_file():
            raise InputError(f"{path} has no {path.stem}.bin beside it", "copy both files")
        with quiet():
            import openvino

            try:
                model = core().read_model(path)
                self.artefact = artefact or parse_artefact(_description(model), path)
                floats = "bf16" if self.artefact.recipe.endswith("bf16") else "f32"
                self._model = core().compile_model(model, DEVICE, settings(threads, floats))
            except RuntimeError as error:
                raise InputError(
                    f"openvino {openvino.__version__} cannot load {path}: {_first_line(error)}",
                    "a file is damaged, or newer than this runtime: export it again, or update",
                ) from error
        self.spec = self.artefact.model
        self._request = self._model.create_infer_request()
        self.protocol: dict[str, str | int] = {
            "runtime": "openvino",
            "version": openvino.__version__,
            "device": DEVICE.lower(),
            "threads": threads,
            "precision": self.artefact.recipe,
            "file": path.name,
            "sha256": sha256(path),
        }

    def heatmaps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        crops = images.transpose(0, 3, 1, 2).astype(np.float32)
        maps = [self._request.infer([crop[None]])[0].copy() for crop in crops]
        return np.concatenate(maps)


@cache
def core() -> Any:
    """OpenVINO's ``Core``, the only one of the process.

    Its CPU plugin gives the thread that compiles first a stack for signals, and unmaps that in the
    thread that releases the plugin: after another thread did, any signal ends the process.
    """
    import openvino

    return openvino.Core()


def settings(threads: int, floats: str = "f32") -> dict[str, Any]:
    """For ``compile_model``.

    Args:
        floats: of what is not integer: "f32" or "bf16".
    """
    return {
        "INFERENCE_PRECISION_HINT": floats,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }


def _description(model: Any) -> str | None:
    return str(model.get_rt_info([ENTRY]).value) if model.has_rt_info([ENTRY]) else None


def _first_line(error: RuntimeError) -> str:
    """Of the message, without the place in OpenVINO's sources that stands before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (told or lines or ["no reason given"])[0]
