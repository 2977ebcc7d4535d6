"""How fast exported files run on this machine, against PyTorch and against their float forms."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from mvpose.export.pipeline import Exported, Exporter
from mvpose.quantize.recipes import RECIPES
from mvpose.runtime.base import Runtime
from mvpose.runtime.coreml_runtime import EVALUATOR
from mvpose.runtime.load import load_runtime
from mvpose.timing import Timing, time_interleaved

ROUNDS = 30
GAIN = 1.1
"""Speed-up below which a precision is said to gain nothing."""


def time_files(exporter: Exporter, exports: Sequence[Exported]) -> dict[Path, Timing]:
    """Speed-up of each file over PyTorch, in one interleaved run.

    Files whose runtime does not exist on this machine are left out.
    """
    if not exports:
        return {}
    loaded = {file.path: load_runtime(str(file.path), exporter.threads) for file in exports}
    timed = {path: r for path, r in loaded.items() if r.protocol["runtime"] != EVALUATOR}
    timings = time_interleaved([exporter.reference, *timed.values()], ROUNDS)
    return dict(zip(timed, timings[1:], strict=True))


def without_gain(exporter: Exporter, exports: Sequence[Exported]) -> list[str]:
    """A line for each INT8 file for ONNX Runtime that is hardly faster there than FP32."""
    found = [e for e in exports if e.target.format == "onnx" and e.recipe.needs_calibration]
    if not found:
        return []
    with tempfile.TemporaryDirectory(prefix="mvpose-") as folder:
        floats = exporter.export(RECIPES["fp32"], Path(folder) / "fp32.onnx")
        runtimes: list[Runtime] = [
            load_runtime(str(file.path), exporter.threads) for file in (floats, *found)
        ]
        timings = time_interleaved(runtimes, ROUNDS)[1:]
    provider = runtimes[0].protocol["device"]
    return [
        f"{file.path.name} runs at {timing.speedup:.2f} times the speed of FP32 in ONNX Runtime on "
        f"this {provider}: INT8 gains nothing there; on desktop CPUs OpenVINO gains (--target "
        "openvino), on phones .tflite"
        for file, timing in zip(found, timings, strict=True)
        if timing.speedup < GAIN
    ]
