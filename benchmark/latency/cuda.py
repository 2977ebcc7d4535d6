"""Networks on a CUDA GPU: eager, compiled and captured, at several precisions and batch sizes."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
import torch._dynamo
from torch import nn

from mvpose.benchmark.document import Row
from mvpose.benchmark.latency.cpu import doubts
from mvpose.benchmark.latency.subjects import Subject
from mvpose.errors import InputError, first_line
from mvpose.runtime.onnx_runtime import OnnxRuntime
from mvpose.runtime.torch_runtime import TorchRuntime, normalise
from mvpose.spec import ModelSpec
from mvpose.timing import GROUPS, Step, Timing, inference, orders, summaries, warm_up

MODES = ("eager", "compile", "graphs")
PRECISIONS = ("fp32", "tf32", "fp16", "bf16")
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
PROVIDERS = {"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}


@dataclass(frozen=True)
class Variant:
    """One way to run a network on the GPU.

    Attributes:
        mode: "eager", "compile" (torch.compile), "graphs" (eager kernels captured in a CUDA graph),
            "cuda" or "tensorrt" (ONNX Runtime's providers).
        precision: of the arithmetic; "tf32" rounds the operands of float32 products.
        batch: crops at a time.
    """

    mode: str
    precision: str
    batch: int

    def __str__(self) -> str:
        return f"{self.mode} {self.precision} batch {self.batch}"


def check_cuda() -> None:
    """Raise InputError where torch finds no GPU."""
    if not torch.cuda.is_available():
        built = torch.version.cuda or "without CUDA"
        raise InputError(
            f"torch {torch.__version__} (built {built}) finds no CUDA GPU",
            "check nvidia-smi, and install a build of torch for CUDA; --device cpu needs neither",
        )


def time_on_cuda(
    subjects: Sequence[Subject],
    rounds: int,
    batches: Sequence[int] = (1, 64),
    modes: Sequence[str] = MODES,
    precisions: Sequence[str] = PRECISIONS,
    track: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> Iterator[Row]:
    """Time every model in every way that it can run; gives the rows of each variant as it ends.

    Networks run in torch, their crops on the device already; ``.onnx`` files one crop at a time in
    the GPU providers that ONNX Runtime has, their copies to and from the device included. One
    variant of all models is held at a time, and its models take turns.

    Args:
        subjects: speed-ups refer to the first of each variant that runs.
        rounds: measured batches of each.

    Raises:
        InputError: there is no GPU.
    """
    check_cuda()
    yield from (subject.row for subject in subjects if subject.row.error)
    usable = [subject for subject in subjects if not subject.row.error]
    torches = [s for s in usable if s.row.format == "torch"]
    files = [s for s in usable if s.row.format == "onnx"]
    for s in usable:
        if s not in torches + files:
            reason = f"a {s.row.format} file does not run on a CUDA GPU"
            yield replace(s.row, device="cuda", error=reason)
    groups = [
        *((torches, Variant(m, p, b)) for b in batches for p in precisions for m in modes),
        *((files, Variant(name, "as the file", 1)) for name in _providers()),
    ]
    for members, variant in track(groups):
        yield from _time_variant(members, variant, rounds)


def _providers() -> Iterator[str]:
    if find_spec("onnxruntime"):
        import onnxruntime

        present = onnxruntime.get_available_providers()
        yield from (name for name, provider in PROVIDERS.items() if provider in present)


def _time_variant(subjects: Sequence[Subject], variant: Variant, rounds: int) -> list[Row]:
    """The rows of one variant; models that fail keep the reason."""
    torch._dynamo.reset()
    rows: list[Row] = []
    steps: dict[int, Step] = {}
    begun: dict[int, tuple[int, bool]] = {}
    step: Step | None = None
    for place, subject in enumerate(subjects):
        name = f"{subject.row.label} [{variant}]"
        row = replace(subject.row, label=name, device="cuda", batch=variant.batch)
        held = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        try:
            step = _step(subject, variant)
            begun[place] = warm_up(partial(_synchronised, step))
            steps[place] = step
            row = replace(row, device_facts=_facts(variant, held))
        except Exception as error:  # ONNX Runtime's own kinds have no common one
            step = None
            row = replace(row, error=_reason(error, variant))
        rows.append(row)
    try:
        if steps:
            times_ms = _interleaved(list(steps.values()), rounds)
            protocols = [_protocol(variant, rows[next(iter(steps))].label)] * len(steps)
            timings = summaries(times_ms, protocols, list(begun.values()), GROUPS)
            for place, timing, taken in zip(steps, timings, times_ms.T, strict=True):
                rows[place] = _timed(rows[place], timing, taken)
    except Exception as error:
        for place in steps:
            rows[place] = replace(rows[place], error=_reason(error, variant))
    step = None
    steps.clear()
    gc.collect()
    torch.cuda.empty_cache()
    return rows


def _reason(error: Exception, variant: Variant) -> str:
    if isinstance(error, torch.OutOfMemoryError):
        total = torch.cuda.get_device_properties(0).total_memory / 1e9
        return f"the GPU's {total:.0f} GB do not hold {variant}"
    return first_line(error)


def _facts(variant: Variant, held: int) -> dict[str, Any]:
    """The GPU, and what a model took of its memory beyond what others held already."""
    if variant.mode not in MODES:
        return device_facts()
    return device_facts() | {"peak_memory_mb": (torch.cuda.max_memory_allocated() - held) / 1e6}


def _timed(row: Row, timing: Timing, taken_ms: np.ndarray[Any, Any]) -> Row:
    facts = {**(row.device_facts or {}), "crops_per_s": 1e3 * row.batch / timing.median_ms}
    return replace(
        row,
        precision=str(timing.protocol["precision"]) if row.format == "torch" else row.precision,
        timing=timing,
        samples_ms=tuple(taken_ms.round(4).tolist()),
        device_facts=facts,
        marks=(*row.marks, *doubts(timing)),
    )


def _step(subject: Subject, variant: Variant) -> Step:
    runtime = subject.open()
    if isinstance(runtime, OnnxRuntime):
        runtime.use(PROVIDERS[variant.mode])
        return inference(runtime)
    assert isinstance(runtime, TorchRuntime)
    crops = _crops(runtime.spec, variant.batch)
    model: Any = copy.deepcopy(runtime.model).eval()
    model = model.to("cuda", memory_format=torch.channels_last)
    if variant.precision in DTYPES:
        model, crops = model.to(DTYPES[variant.precision]), crops.to(DTYPES[variant.precision])
    _set_precision(variant.precision)
    if variant.mode == "compile":
        torch._dynamo.config.fail_on_recompile_limit_hit = True  # else it falls back to eager
        model = torch.compile(model, dynamic=False)
    if variant.mode == "graphs":
        return _captured(model, crops)
    return partial(_run, model, crops, variant.precision)


def _run(model: nn.Module, crops: torch.Tensor, precision: str) -> None:
    _set_precision(precision)
    with torch.inference_mode():
        model(crops)


def _captured(model: nn.Module, crops: torch.Tensor) -> Step:
    """The network's kernels in a CUDA graph, which one call replays."""
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside), torch.inference_mode():
        for _ in range(3):
            model(crops)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.inference_mode(), torch.cuda.graph(graph):
        model(crops)
    return partial(_replay, graph, (model, crops))


def _replay(graph: torch.cuda.CUDAGraph, _held: tuple[nn.Module, torch.Tensor]) -> None:
    """Also holds the memory that the graph reads."""
    graph.replay()


def _crops(spec: ModelSpec, batch: int) -> torch.Tensor:
    width, height = spec.preprocess.size_wh
    crops = np.random.default_rng(0).integers(0, 256, (batch, 3, height, width), np.uint8)
    on_device = normalise(torch.from_numpy(crops).to("cuda"), spec)
    return on_device.to(memory_format=torch.channels_last)


def _set_precision(precision: str) -> None:
    rounded = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = rounded
    torch.backends.cudnn.allow_tf32 = rounded


def _synchronised(step: Step) -> None:
    step()
    torch.cuda.synchronize()


def _interleaved(steps: Sequence[Step], rounds: int) -> np.ndarray[Any, Any]:
    """(rounds, N) milliseconds between two events of the stream, in another order each round."""
    start, end = (
        torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        for _ in range(2)
    )
    times_ms = np.empty((rounds, len(steps)))
    for index, order in zip(range(rounds), orders(len(steps)), strict=False):
        for column in order:
            torch.cuda.synchronize()
            start.record()
            steps[column]()
            end.record()
            end.synchronize()
            times_ms[index, column] = start.elapsed_time(end)
    return times_ms


def _protocol(variant: Variant, reference: str) -> dict[str, str | int]:
    return {
        "runtime": f"torch {variant.mode}" if variant.mode in MODES else "onnxruntime",
        "version": torch.__version__ if variant.mode in MODES else version("onnxruntime"),
        "device": "cuda",
        "precision": variant.precision,
        "batch": variant.batch,
        "input": "on the device" if variant.mode in MODES else "copied to the device",
        "speedup_against": reference,
    }


def device_facts() -> dict[str, Any]:
    """The GPU, its compute capability, CUDA and cuDNN."""
    properties = torch.cuda.get_device_properties(0)
    return {
        "gpu": properties.name,
        "memory_gb": round(properties.total_memory / 1e9),
        "compute_capability": f"{properties.major}.{properties.minor}",
        "cuda": torch.version.cuda or "",
        "cudnn": torch.backends.cudnn.version() or 0,  # type: ignore[no-untyped-call]
    }
