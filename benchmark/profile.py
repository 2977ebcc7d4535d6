"""Where the time of a ``.tflite`` file goes.

    python -m mvpose.benchmark.profile model.tflite
    python -m mvpose.benchmark.profile model.tflite --by operators --json profile.json

LiteRT's Python package has no profiler that sees into its delegate. So the file is cut into parts,
which are timed apart, in turn with the whole, each time in the second of two calls; what the parts
take together, beside the whole, says how far to trust them.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic.dataclasses import dataclass

from mvpose.cli import Flag, run
from mvpose.errors import InputError
from mvpose.spec import FROZEN, Record

if TYPE_CHECKING:
    from mvpose.export.graph import Graph, Operator

By = Literal["blocks", "operators"]

KINDS = {
    "convolution": ("CONV_2D", "TRANSPOSE_CONV"),
    "depthwise convolution": ("DEPTHWISE_CONV_2D",),
    "linear layer": ("FULLY_CONNECTED",),
    "matrix product": ("BATCH_MATMUL",),
    "softmax": ("SOFTMAX",),
    "SiLU": ("LOGISTIC",),
    "GELU": ("GELU",),
    "sum or mean": ("ADD", "SUB", "MEAN", "SUM", "SQUARED_DIFFERENCE"),
    "scaling": ("MUL", "DIV", "RSQRT", "SQRT"),
    "between integers and floats": ("QUANTIZE", "DEQUANTIZE"),
    "moving": ("RESHAPE", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "CONCATENATION"),
}
LABEL = {kind: label for label, kinds in KINDS.items() for kind in kinds}
WARM_UP = 3


@dataclass(frozen=True, config=FROZEN)
class PartTime(Record):
    """Time of a part of a file.

    Attributes:
        part: block or kind of operators.
        ms: median over the rounds, of all its places in the file together.
        share: of the time of all parts.
        macs: multiply-accumulates.
        macs_share: of those of the file.
        gmacs: 10^9 multiply-accumulates a second.
    """

    part: str
    ms: float
    share: float
    macs: int
    macs_share: float
    gmacs: float


@dataclass(frozen=True, config=FROZEN)
class Profile(Record):
    """Times of the parts of a file.

    Attributes:
        parts: in order of their first place in the file.
        whole_ms: median time of the file in one piece, in the same rounds.
        parts_ms: of all parts together; more than the whole where cuts forbid fusions, and for the
            call that each part costs.
    """

    parts: tuple[PartTime, ...]
    whole_ms: float
    parts_ms: float


def profile_file(path: Path, by: By = "blocks", threads: int = 1, rounds: int = 30) -> Profile:
    """Time the parts of a file in turn with the whole.

    Args:
        path: the file.
        by: "blocks", which mvpose's own files name, or "operators".
        threads: of the CPU kernels.
        rounds: measured calls of each part.

    Raises:
        InputError: the file is damaged, or not ours where blocks are asked for.
    """
    import tempfile

    from mvpose.benchmark.file_counts import tflite_macs
    from mvpose.benchmark.segments import Cutter, runs
    from mvpose.export.graph import read_graph

    graph = read_graph(path)
    labels = _labels(graph, path, by)
    parts = runs(labels)
    cutter = Cutter(path, graph)
    with tempfile.TemporaryDirectory(prefix="mvpose-") as folder:
        file = Path(folder) / "part.tflite"
        calls = [_prepared(path, threads)]
        for _, places in parts:
            cutter.write(places, file)
            calls.append(_prepared(file, threads))
    times_ms = np.empty((rounds, len(calls)))
    try:
        for number in range(-WARM_UP, rounds):
            for column, call in enumerate(calls):
                call()  # brings its data back into the cache, where in the whole file it would be
                start = time.perf_counter()
                call()
                if number >= 0:
                    times_ms[number, column] = (time.perf_counter() - start) * 1e3
    except RuntimeError as error:
        raise InputError(
            f"{path} cannot be run in parts: {str(error).strip().splitlines()[0]}",
            "an operator wants values that another computes, not noise",
        ) from error
    medians = np.median(times_ms, axis=0)
    macs: Counter[str] = Counter()
    for label, op in zip(labels, graph.operators, strict=True):
        macs[label] += tflite_macs(graph, op)
    spent: dict[str, float] = {}
    for (label, _), ms in zip(parts, medians[1:], strict=True):
        spent[label] = spent.get(label, 0.0) + float(ms)
    total = sum(spent.values())
    return Profile(
        tuple(
            PartTime(
                label,
                ms,
                ms / total,
                macs[label],
                macs[label] / macs.total(),
                macs[label] / ms / 1e6,
            )
            for label, ms in spent.items()
        ),
        float(medians[0]),
        total,
    )


def _labels(graph: Graph, path: Path, by: By) -> list[str]:
    if by == "operators":
        return _kinds(graph)
    from mvpose.artefact import read_artefact
    from mvpose.quantize.blocks import place
    from mvpose.spec import Network

    if not isinstance(read_artefact(path).model.network, Network):
        raise InputError(f"{path} is no MobileViTPose", "ask for --by operators")
    found, ends = [], _ends(graph)
    for op in graph.operators:
        name = graph.tensors[op.outputs[0]].name.rpartition(":")[0]
        if op.kind == "FULLY_CONNECTED" and name.endswith(".attn"):
            name += ".key"  # or value: the converter forgets the module of a layer without bias
        if op.kind == "CONV_2D" and op.outputs[0] in ends:
            name = "head.final"
        # of the head's convolutions only the last has no activation
        kind = "conv2d" if op.kind == "CONV_2D" and op.activation == "NONE" else op.kind.lower()
        found.append(place(f"{name} {kind}")[1] if name else "")
    for number, label in enumerate(found):  # nameless: converters' own, of the block before
        found[number] = label or found[max(0, number - 1)] or "input"
    return found


def _ends(graph: Graph) -> set[int]:
    """The heatmaps, before and after their conversion to floats."""
    makers = (graph.producer(i) for i in graph.outputs)
    before = (i for maker in makers if maker is not None for i in graph.operators[maker].inputs)
    return {*graph.outputs, *before}


def _kinds(graph: Graph) -> list[str]:
    """By kind and type; the multiplication of a SiLU counts to it."""
    found = []
    for op in graph.operators:
        kind = op.kind
        if kind == "PAD":  # runs with its reader
            kind = next((graph.operators[i].kind for i in graph.consumers(op.outputs[0])), kind)
        label = LABEL.get(kind, kind)
        if kind == "MUL" and _is_silu(graph, op):
            label = "SiLU"
        dtype = graph.tensors[op.outputs[0]].dtype
        plain = label in ("moving", "between integers and floats")
        found.append(label if plain else f"{label}, {dtype}")
    return found


def _is_silu(graph: Graph, op: Operator) -> bool:
    makers = (graph.producer(i) for i in op.inputs)
    return any(m is not None and graph.operators[m].kind == "LOGISTIC" for m in makers)


def _prepared(path: Path, threads: int) -> Any:
    """A call of a file, whose inputs are noise; indices, which are wider integers, are 0."""
    from mvpose.runtime.litert import open_interpreter

    _, interpreter = open_interpreter(path, threads)
    rng = np.random.default_rng(0)
    for given in interpreter.get_input_details():
        scale = {np.int8: 100, np.uint8: 100, np.float32: 1}.get(given["dtype"], 0)
        values = scale * rng.uniform(0.1, 1, given["shape"])
        interpreter.set_tensor(given["index"], values.astype(given["dtype"]))
    return interpreter.invoke


def profile(
    file: Path,
    /,
    *,
    by: By = "blocks",
    threads: int = 1,
    rounds: int = 30,
    json: Path | None = None,
    overwrite: Flag = False,
) -> None:
    """Show which parts of a ``.tflite`` file take how long, and how near they are to the peak.

    ```
    python -m mvpose.benchmark.profile model.tflite
    python -m mvpose.benchmark.profile model.tflite --by operators
    ```

    Args:
        file: the file.
        by: blocks of the network, or kinds of operators.
        threads: CPU threads.
        rounds: calls that are timed.
        json: write the result to this file.
        overwrite: replace an existing file.
    """
    from dataclasses import asdict
    from importlib.metadata import version

    from rich.table import Table

    from mvpose.benchmark.machine import machine
    from mvpose.benchmark.roofline import measured_peak
    from mvpose.cli import console
    from mvpose.files import check_new, sha256, write_json

    if json:
        check_new(json, overwrite)
    found = profile_file(file, by, threads, rounds)
    peaks = {name: measured_peak("ai-edge-litert", name, threads) for name in ("int8", "fp32")}
    table = Table("part", title=f"{file.name}: {found.whole_ms:.2f} ms in one piece")
    for heading in ("ms", "time", "MACs", "GMAC/s", "of INT8 peak"):
        table.add_column(heading, justify="right")
    for part in sorted(found.parts, key=lambda part: -part.ms):
        table.add_row(
            part.part,
            f"{part.ms:.2f}",
            f"{100 * part.share:.1f} %",
            f"{100 * part.macs_share:.1f} %",
            f"{part.gmacs:.0f}",
            f"{100 * part.gmacs / peaks['int8']:.0f} %",
        )
    table.add_row("all", f"{found.parts_ms:.2f}", "100.0 %", "100.0 %")
    console().print(table)
    if json:
        protocol = {
            "runtime": f"ai-edge-litert {version('ai-edge-litert')}",
            "file": file.name,
            "sha256": sha256(file),
            "threads": threads,
            "rounds": rounds,
            "by": by,
            **machine(),
        }
        row = {"kind": "profile", **asdict(found), "peaks_gmacs": peaks, "protocol": protocol}
        write_json(json, row)


if __name__ == "__main__":
    run(profile)
