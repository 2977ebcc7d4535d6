"""The models of a run: what the user named, and how to open it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mvpose.benchmark.complexity import complexity
from mvpose.benchmark.document import Row
from mvpose.benchmark.file_counts import count_file
from mvpose.errors import InputError, first_line
from mvpose.files import size_bytes
from mvpose.models.build import build_network
from mvpose.runtime.base import Runtime
from mvpose.runtime.coreml_runtime import EVALUATOR
from mvpose.runtime.load import load_runtime, resolve
from mvpose.runtime.onnx_runtime import CPU, OnnxRuntime
from mvpose.runtime.torch_runtime import TorchRuntime
from mvpose.spec import Network, VitPoseNetwork
from mvpose.zoo import zoo_spec

RANDOM = "random:"
FORMATS = {
    "torch": "torch",
    "ai-edge-litert": "tflite",
    "tflite-runtime": "tflite",
    "onnxruntime": "onnx",
    "openvino": "openvino",
    "ncnn": "ncnn",
}


@dataclass(frozen=True)
class Subject:
    """One model to measure.

    Attributes:
        name: as the user wrote it.
        row: what is known before measuring, or why nothing can be measured.
        open: loads it anew.
        weights: SHA-256 of the weights it stands for, the same for all files of one network.
        evaluated: its runtime is an evaluation of the program, whose speed means nothing.
    """

    name: str
    row: Row
    open: Callable[[], Runtime]
    weights: str = ""
    evaluated: bool = False


def subjects(names: Sequence[str], threads: int) -> list[Subject]:
    """Open each model once, to see what it is; one that can't be opened keeps the reason.

    Args:
        names: MODEL arguments, or ``random:NAME`` for a zoo model with random weights.
        threads: of the CPU kernels.
    """
    found = [_subject(name, partial(open_model, name, threads)) for name in names]
    labels = Counter(subject.row.label for subject in found)
    seen: Counter[str] = Counter()
    for place, subject in enumerate(found):
        label = subject.row.label
        seen[label] += 1
        if labels[label] > 1:
            parent = Path(subject.name).parent.name
            unique = f"{parent}/{label}" if parent else label
            again = f" ({seen[label]})" if seen[label] > 1 else ""
            found[place] = replace(subject, row=replace(subject.row, label=unique + again))
    return found


def open_model(name: str, threads: int) -> Runtime:
    """Load a MODEL, or ``random:NAME``.

    Raises:
        InputError: there is no such model, or it gives no finite numbers.
    """
    if name.startswith(RANDOM):
        runtime = _random(name.removeprefix(RANDOM), threads)
    else:
        runtime = load_runtime(name, threads)
    if isinstance(runtime, OnnxRuntime):
        runtime.use(CPU)
    width, height = runtime.spec.preprocess.size_wh
    try:
        maps = runtime.heatmaps(np.full((1, height, width, 3), 128, np.uint8))
    except InputError:
        raise
    except Exception as error:  # each runtime has kinds of its own
        raise InputError(
            f"{name} does not run: {first_line(error)}", "try mvpose-doctor"
        ) from error
    if not np.isfinite(maps).all():
        raise InputError(
            f"{name} gives numbers that are not finite",
            "its weights or scales are damaged: export it again, or run mvpose-doctor",
        )
    return runtime


def _random(name: str, threads: int) -> Runtime:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    spec = zoo_spec(name)
    facts: dict[str, str | int] = {"file": f"{RANDOM}{name}", "sha256": ""}
    return TorchRuntime(build_network(spec.network).eval(), spec, facts)


def _subject(name: str, opening: Callable[[], Runtime]) -> Subject:
    label = Path(name).name
    try:
        runtime = opening()
    except InputError as error:
        nothing = Row(label, label, "", "", label, "", 0, error=str(error))
        return Subject(name, nothing, opening)
    facts: dict[str, Any] = runtime.protocol
    artefact = getattr(runtime, "artefact", None)
    known = isinstance(runtime.spec.network, Network | VitPoseNetwork)
    row = Row(
        label=str(facts["file"]),
        model=runtime.spec.name,
        format=FORMATS.get(str(facts["runtime"]), "coreml"),
        precision=str(facts["precision"]),
        file=str(facts["file"]),
        sha256=str(facts["sha256"]),
        size_bytes=_size(runtime, name),
        device=str(facts["device"]),
        random_weights=name.startswith(RANDOM) or ".random." in label,
        complexity=complexity(runtime.spec) if known else None,
        operators=_operators(name),
    )
    weights = artefact.weights_sha256 if artefact else row.sha256
    return Subject(name, row, opening, weights, facts["runtime"] == EVALUATOR)


def _operators(name: str) -> dict[str, int] | None:
    try:
        counts = None if name.startswith(RANDOM) else count_file(resolve(name))
    except InputError:
        return None
    return counts.operators if counts else None


def _size(runtime: Runtime, name: str) -> int:
    """Bytes of the file and its parts, or of the parameters where there is no file."""
    if isinstance(runtime, TorchRuntime) and name.startswith(RANDOM):
        return sum(p.numel() * p.element_size() for p in runtime.model.parameters())
    return size_bytes(resolve(name))
