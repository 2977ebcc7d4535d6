"""What an exported file is made of, and what TFLite's CPU delegate leaves behind."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pydantic.dataclasses import dataclass

from mvpose.export.graph import Graph, read_graph
from mvpose.runtime.litert import open_interpreter
from mvpose.spec import FROZEN, Record

CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")


@dataclass(frozen=True, config=FROZEN)
class Inventory(Record):
    """The operators of a file.

    Attributes:
        operators: how many of each kind.
        foreign: Flex and custom operators, which plain runtimes don't load.
        highest_rank: of any tensor.
        size_bytes: of the file, all parts together.
        float_operators: of a ``.tflite`` file: those that compute on floats, conversions apart, by
            kind.
        undelegated: of a ``.tflite`` file: those that XNNPACK does not run, by kind.
    """

    operators: dict[str, int]
    foreign: tuple[str, ...]
    highest_rank: int
    size_bytes: int
    float_operators: dict[str, int] | None = None
    undelegated: dict[str, int] | None = None


def take_inventory(path: Path) -> Inventory:
    """Read a file's graph and load it to see what the delegate takes."""
    graph = read_graph(path)
    kinds = Counter(op.kind for op in graph.operators)
    return Inventory(
        operators=dict(kinds.most_common()),
        float_operators=dict(_float_operators(graph).most_common()),
        undelegated=dict(undelegated(path).most_common()),
        foreign=tuple(sorted(k for k in kinds if k.startswith("CUSTOM:"))),
        highest_rank=max(len(t.shape) for t in graph.tensors),
        size_bytes=path.stat().st_size,
    )


def undelegated(path: Path) -> Counter[str]:
    """The operators that run outside XNNPACK, by kind.

    The interpreter lists the original operators and the delegates that replaced some of them; what
    really runs is what the outputs need, followed backwards.
    """
    _, interpreter = open_interpreter(path)
    producers = {}
    for op in interpreter._get_ops_details():
        for tensor in op["outputs"]:
            if op["op_name"] == "DELEGATE" or tensor not in producers:
                producers[int(tensor)] = op
    front = [int(d["index"]) for d in interpreter.get_output_details()]
    seen: set[int] = set()
    left: Counter[str] = Counter()
    while front:
        op = producers.get(front.pop())
        if op is None or op["index"] in seen:
            continue
        seen.add(op["index"])
        if op["op_name"] != "DELEGATE":
            left[op["op_name"]] += 1
        front.extend(int(tensor) for tensor in op["inputs"] if tensor >= 0)
    return left


def _float_operators(graph: Graph) -> Counter[str]:
    return Counter(
        op.kind
        for op in graph.operators
        if op.kind not in CONVERSIONS and graph.tensors[op.outputs[0]].dtype == "float32"
    )
