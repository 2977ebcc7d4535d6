"""How fast this machine multiplies and reads at most: what achieved speeds are a share of.

The roofline model: Williams et al., "Roofline: an insightful visual performance model for multicore
architectures", CACM 2009, https://doi.org/10.1145/1498765.1498785.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pydantic.dataclasses import dataclass

from mvpose.benchmark.document import Row
from mvpose.errors import InputError
from mvpose.spec import FROZEN, Preprocess, Record

SIDE_PX = 32
WIDTHS = (512, 1024)
LAYERS = 8
SQUARES = {"cpu": (1024, 2048), "cuda": (4096, 8192)}
COPIED_BYTES = 2**29
WARM_UP = 3
SECONDS = 0.6
"""Each shape is repeated for so long."""
PRECISIONS = {
    "torch": ("fp32", "tf32", "fp16", "bf16"),
    "onnxruntime": ("fp32", "int8"),
    "openvino": ("fp32", "bf16", "int8"),
    "ai-edge-litert": ("fp32", "int8"),
}
"""What can be measured, by the runtimes' names in protocols; TF32 on CUDA alone."""


@dataclass(frozen=True, config=FROZEN)
class Roof(Record):
    """What a device reaches at most.

    Attributes:
        peak_gmacs: 10^9 multiply-accumulates a second.
        bandwidth_gbs: 10^9 bytes a second, read and written together.
    """

    peak_gmacs: float
    bandwidth_gbs: float

    def attainable(self, macs_per_byte: float) -> float:
        """10^9 multiply-accumulates a second of a network that moves a byte for so many."""
        return min(self.peak_gmacs, self.bandwidth_gbs * macs_per_byte)

    def share(self, achieved_gmacs: float) -> float:
        """Of the peak, 0..1."""
        return achieved_gmacs / self.peak_gmacs


def roof(runtime: str, precision: str, threads: int = 1, device: str = "cpu") -> Roof:
    """Both roofs, measured once in a process.

    Raises:
        InputError: see ``measured_peak``.
    """
    peak = measured_peak(runtime, precision, threads, device)
    return Roof(peak, measured_bandwidth(threads, device))


@cache
def measured_peak(runtime: str, precision: str, threads: int = 1, device: str = "cpu") -> float:
    """10^9 multiply-accumulates a second at most, in the runtime itself.

    Torch multiplies square matrices. The others run ``LAYERS`` 1x1 convolutions of ``WIDTHS``
    channels on 32 x 32 pixels, exported as any network is. The best repetition of the best size
    counts: a peak is what is possible, and other load on the machine only hides it.

    Args:
        runtime, precision: one of ``PRECISIONS``.
        threads: of the CPU kernels.
        device: "cpu", or "cuda" for torch.

    Raises:
        InputError: there is no such runtime, precision or device, or a package is not installed.
    """
    if precision not in PRECISIONS.get(runtime, ()):
        known = "; ".join(f"{name}: {', '.join(of)}" for name, of in PRECISIONS.items())
        raise InputError(f"no peak of {runtime!r} in {precision!r} can be measured", known)
    if runtime == "torch":
        return _torch_peak(precision, threads, device)
    best = 0.0
    with tempfile.TemporaryDirectory(prefix="mvpose-") as folder:
        for width in WIDTHS:
            go = PREPARED[runtime](width, precision, threads, Path(folder))
            best = max(best, chain_macs(width) / _best_seconds(go) / 1e9)
    return best


def with_peak(row: Row) -> Row:
    """A row with the peak of its runtime and precision, where that can be measured here."""
    if row.timing is None or row.complexity is None or row.device not in ("cpu", "cuda"):
        return row
    run = row.timing.protocol
    runtime = str(run["runtime"]).partition(" ")[0]
    precision = str(run["precision"]) if row.device == "cuda" else arithmetic(row.precision)
    if precision not in PRECISIONS.get(runtime, ()) or (runtime != "torch" and row.device != "cpu"):
        return row
    try:
        peak = measured_peak(runtime, precision, int(run.get("threads", 1)), row.device)
    except InputError as error:
        return replace(row, marks=(*row.marks, f"no peak: {error.what}"))
    return replace(row, peak_gmacs=peak)


def arithmetic(precision: str) -> str:
    """What a recipe multiplies in: "int8", "bf16", "fp16", "tf32" or "fp32"."""
    if precision.startswith(("static", "dynamic", "int8")):
        return "int8"
    return precision if precision in ("bf16", "tf32") else "fp32"


@cache
def measured_bandwidth(threads: int = 1, device: str = "cpu") -> float:
    """10^9 bytes a second, read and written, of copying half a gigabyte to another place."""
    import torch

    _check_device(device)
    torch.set_num_threads(threads)
    source = torch.ones(COPIED_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = _best_seconds(lambda: target.copy_(source), device)
    return 2 * COPIED_BYTES / seconds / 1e9


def chain_macs(width: int) -> int:
    """Multiply-accumulates of the chain of convolutions."""
    return SIDE_PX**2 * width * (3 + LAYERS * width + 1)


def _torch_peak(precision: str, threads: int, device: str) -> float:
    import torch

    _check_device(device)
    if precision == "tf32" and device == "cpu":
        raise InputError("TF32 is an arithmetic of CUDA GPUs", "ask for fp32")
    torch.set_num_threads(threads)
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(precision, torch.float32)
    allowed = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    best = 0.0
    try:
        for size in SQUARES[device]:
            a, b = torch.randn(2, size, size, device=device).to(dtype)
            out = torch.empty_like(a)
            with torch.inference_mode():
                seconds = _best_seconds(partial(torch.mm, a, b, out=out), device)
            best = max(best, size**3 / seconds / 1e9)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = allowed
    return best


def _check_device(device: str) -> None:
    import torch

    if device not in SQUARES:
        raise InputError(f"unknown device {device!r}", f"known: {', '.join(SQUARES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("torch sees no CUDA GPU here", "leave the device out to take the CPU")


def _best_seconds(go: Callable[[], Any], device: str = "cpu") -> float:
    """Of the fastest repetition; on a GPU between events."""
    for _ in range(WARM_UP):
        go()
    timed = _cuda_seconds if device == "cuda" else _cpu_seconds
    best, end = np.inf, time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        best = min(best, timed(go))
    return best


def _cpu_seconds(go: Callable[[], Any]) -> float:
    start = time.perf_counter()
    go()
    return time.perf_counter() - start


def _cuda_seconds(go: Callable[[], Any]) -> float:
    import torch

    event: Any = torch.cuda.Event
    start, end = (event(enable_timing=True) for _ in range(2))
    start.record()
    go()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1e3


def _chain(width: int) -> Any:
    """3 -> ``width`` channels, ``LAYERS`` times kept, -> 1, so that the ends cost little."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    widths = [3, *[width] * (LAYERS + 1), 1]
    layers = (nn.Conv2d(a, b, 1) for a, b in pairwise(widths))
    return nn.Sequential(*layers).eval().requires_grad_(False)


def _exported(suffix: str, width: int, precision: str, folder: Path) -> Path:
    """The chain as a file, in floats or INT8."""
    from mvpose.benchmark import plain_export as tools
    from mvpose.export.apart import run_apart

    tflite = suffix == ".tflite"
    plain = folder / f"{width}.fp32{suffix}"
    export = tools.export_tflite if tflite else tools.export_onnx
    size = Preprocess(SIDE_PX, SIDE_PX)
    run_apart(export, _chain(width), size, plain, what="the export of a chain of convolutions")
    if precision != "int8":
        return plain
    path = folder / f"{width}.int8{suffix}"
    crops = np.random.default_rng(0).uniform(0, 255, (4, SIDE_PX, SIDE_PX, 3)).astype(np.float32)
    quantise = tools.quantise_tflite if tflite else tools.quantise_onnx
    quantise(plain, path, crops)
    return path


def _in_onnxruntime(width: int, precision: str, threads: int, folder: Path) -> Callable[[], Any]:
    from mvpose.runtime.onnx_runtime import CPU, open_session

    session = open_session(_exported(".onnx", width, precision, folder), threads)
    session.set_providers([CPU])
    given = {session.get_inputs()[0].name: np.ones((1, 3, SIDE_PX, SIDE_PX), np.float32)}
    return lambda: session.run(None, given)


def _in_openvino(width: int, precision: str, threads: int, folder: Path) -> Callable[[], Any]:
    from mvpose.errors import require

    require("openvino", "openvino")
    from mvpose.runtime.openvino_runtime import DEVICE, core, settings

    path = _exported(".onnx", width, precision, folder)
    floats = "bf16" if precision == "bf16" else "f32"
    model = core().compile_model(core().read_model(path), DEVICE, settings(threads, floats))
    request = model.create_infer_request()
    crop = np.ones((1, 3, SIDE_PX, SIDE_PX), np.float32)
    return lambda: request.infer([crop])


def _in_litert(width: int, precision: str, threads: int, folder: Path) -> Callable[[], Any]:
    from mvpose.runtime.litert import open_interpreter

    _, interpreter = open_interpreter(_exported(".tflite", width, precision, folder), threads)
    return interpreter.invoke


PREPARED: dict[str, Callable[[int, str, int, Path], Callable[[], Any]]] = {
    "onnxruntime": _in_onnxruntime,
    "openvino": _in_openvino,
    "ai-edge-litert": _in_litert,
}
