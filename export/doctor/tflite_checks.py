"""What is wrong with a TFLite graph, as far as it shows without running it."""

from __future__ import annotations

from collections.abc import Iterator

from mvpose.export.doctor.findings import Finding, Severity, counted, plural
from mvpose.export.doctor.islands import island_findings
from mvpose.export.doctor.quantisation import quantisation_findings
from mvpose.export.doctor.shapes import shape_findings
from mvpose.export.doctor.tflite_graph import (
    INTEGERS,
    input_shapes,
    quantised,
    steps,
    used_shapes,
)
from mvpose.export.doctor.toolchain import release
from mvpose.export.graph import Graph, Operator

LAST_TFLITE_RUNTIME = "2.14.0"


def graph_findings(graph: Graph, recipe: str = "") -> list[Finding]:
    """Findings on operators, shapes, scales, constants and float islands.

    Args:
        graph: of the file.
        recipe: name of the one that asks for float operators; "" where none does.
    """
    return [
        *_foreign(graph),
        *_hard_swish(graph),
        *shape_findings(input_shapes(graph), used_shapes(graph)),
        *quantisation_findings(quantised(graph)),
        *island_findings(steps(graph), recipe),
        *_runtime_version(graph),
    ]


def _foreign(graph: Graph) -> Iterator[Finding]:
    """Flex operators, which only builds with TensorFlow's kernels run, and custom ones."""
    custom = [op for op in graph.operators if op.kind.startswith("CUSTOM:")]
    flex = [op for op in custom if op.kind.startswith("CUSTOM:Flex")]
    rest = [op for op in custom if op not in flex]
    kinds: tuple[tuple[list[Operator], Severity, str, str, str], ...] = (
        (
            flex,
            "error",
            "Flex",
            "the converter found no TFLite form and fell back on TensorFlow's kernels (a fused qkv "
            "split becomes FlexSplitV)",
            "rewrite these operators before converting, as model.deploy() does; don't allow "
            "SELECT_TF_OPS",
        ),
        (
            rest,
            "warning",
            "custom",
            "the network was made for a runtime with kernels of its own (MediaPipe, Edge TPU)",
            "register these kernels in the app, or export without them",
        ),
    )
    for ops, severity, what, cause, mend in kinds:
        if ops:
            yield Finding(
                severity,
                f"{what.lower()}-operators",
                f"{plural(len(ops), f'{what} operator')} "
                f"({counted(op.kind.removeprefix('CUSTOM:') for op in ops)}), which plain runtimes "
                "do not load",
                cause,
                mend,
                tuple(graph.tensors[op.outputs[0]].name for op in ops),
            )


def _hard_swish(graph: Graph) -> Iterator[Finding]:
    found = [
        graph.tensors[op.outputs[0]]
        for op in graph.operators
        if op.kind == "HARD_SWISH" and graph.tensors[op.outputs[0]].dtype in INTEGERS
    ]
    if found:
        yield Finding(
            "warning",
            "int8-hard-swish",
            f"{plural(len(found), 'INT8 HARD_SWISH', 'INT8 HARD_SWISH')}: XNNPACK takes it in "
            "float only, so each splits the graph",
            "the network uses hard-swish, thought to be cheap",
            "keep SiLU (LOGISTIC and MUL, both taken) or ReLU6, or leave hard-swish in float",
            tuple(tensor.name for tensor in found),
        )


def _runtime_version(graph: Graph) -> Iterator[Finding]:
    """Findings on the converter's notes in the flatbuffer."""
    needed = graph.metadata.get("min_runtime_version", b"").split(b"\0")[0].decode(errors="replace")
    if graph.description.startswith("TOCO"):
        yield Finding(
            "warning",
            "stale-converter",
            "converted by TOCO, which TensorFlow gave up in 2020",
            "an old file",
            "convert it again with a current converter",
        )
    if needed and release(needed) > release(LAST_TFLITE_RUNTIME):
        yield Finding(
            "note",
            "needs-litert",
            f"needs runtime {needed} by its own account; the last tflite-runtime is "
            f"{LAST_TFLITE_RUNTIME}",
            "made by a newer converter",
            "run it in LiteRT",
        )
