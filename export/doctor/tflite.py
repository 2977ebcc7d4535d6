"""What is wrong with a ``.tflite`` file."""

from __future__ import annotations

import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from mvpose.artefact import ENTRY, Artefact, TensorInfo, read_artefact
from mvpose.errors import InputError
from mvpose.export.doctor.clipping import clipping_findings
from mvpose.export.doctor.drawn import PEOPLE
from mvpose.export.doctor.findings import Finding, Report, counted, ordered, plural
from mvpose.export.doctor.outputs import output_facts, output_findings
from mvpose.export.doctor.probe import Probe, probe
from mvpose.export.doctor.tflite_checks import graph_findings
from mvpose.export.doctor.tflite_graph import steps
from mvpose.export.doctor.tflite_run import drawn_inputs, quantised_outputs, ranges
from mvpose.export.doctor.toolchain import (
    bad_description,
    no_description,
    recipe_of,
    size_of,
    toolchain_findings,
)
from mvpose.export.graph import Graph, Tensor, read_graph

DECODING = "decoding inside the graph, which the app can do"
WHY_UNDELEGATED = {
    "ADD": "INT8 scales too far apart are not taken",
    "ARG_MAX": DECODING,
    "BATCH_MATMUL": "INT8 products are taken where the second operand has zero point 0",
    "DEPTHWISE_CONV_2D": "INT8 weights with float activations are not taken",
    "GATHER_ND": DECODING,
    "HARD_SWISH": "there is no INT8 form",
    "RSQRT": "there is no INT8 form",
    "SOFTMAX": "there is no INT8 form",
    "STRIDED_SLICE": "only stride 1 is taken",
    "TOPK_V2": DECODING,
}


def examine_tflite(path: Path) -> Report:
    """Examine a ``.tflite`` file.

    Raises:
        InputError: it can't be read.
    """
    graph = read_graph(path)
    artefact, findings = _description(path, graph)
    inputs = drawn_inputs(graph, artefact)
    ran = probe(path, inputs)
    outputs = quantised_outputs(graph, artefact, ran)
    findings += [
        *_load_findings(ran),
        *_undelegated(graph, ran),
        *graph_findings(graph, recipe_of(artefact)),
    ]
    checked = [
        plural(len(graph.operators), "operator"),
        plural(sum(bool(tensor.scales) for tensor in graph.tensors), "quantised tensor"),
        "constants",
        "shapes",
    ]
    if ran.delegation:
        checked.append(f"delegation ({plural(ran.delegation.partitions, 'XNNPACK partition')})")
    if ran.fillings is not None:
        found = ranges(graph, steps(graph), ran)
        findings += [*clipping_findings(found, PEOPLE), *_dead_outputs(graph, ran)]
        watched = plural(len(found), "activation range") if found else "outputs"
        checked.append(f"{watched} on {PEOPLE} drawn people")
    elif inputs is None:
        checked.append("not run: what its input takes is unknown")
    findings += output_findings(outputs)
    checked += output_facts(outputs)
    if graph.subgraphs > 1:
        checked.append(f"not {plural(graph.subgraphs - 1, 'further subgraph')}")
    recipe = f", recipe {artefact.recipe}" if artefact else ""
    return Report(str(path), f"TFLite, {size_of(path)}{recipe}", tuple(checked), ordered(findings))


def _description(path: Path, graph: Graph) -> tuple[Artefact | None, list[Finding]]:
    """The description and the findings on it."""
    if not zipfile.is_zipfile(path) or ENTRY not in zipfile.ZipFile(path).namelist():
        return None, [no_description()]
    try:
        artefact = read_artefact(path)
    except InputError as error:
        return None, [bad_description(error.what)]
    findings = list(toolchain_findings(artefact.toolchain))
    for end, told, indices in (
        ("input", artefact.input, graph.inputs),
        ("output", artefact.output, graph.outputs),
    ):
        held = _info(graph.tensors[indices[0]])
        if told != held:
            findings.append(
                bad_description(f"the description's {end} is {told}, the file's is {held}")
            )
    return artefact, findings


def _info(tensor: Tensor) -> TensorInfo:
    scale = tensor.scales[0] if tensor.scales else 0.0
    zero_point = tensor.zero_points[0] if tensor.zero_points else 0
    return TensorInfo(tensor.shape, tensor.dtype, scale, zero_point)


def _load_findings(ran: Probe) -> Iterator[Finding]:
    if ran.failure:
        stage = "run" if ran.delegation else "loaded"
        yield Finding(
            "error",
            f"not-{stage}",
            f"the file cannot be {stage}: {ran.failure}",
            "operators that the runtime lacks, or shapes and scales that its kernels refuse",
            "mend the errors named below first; else export the file again",
        )


def _undelegated(graph: Graph, ran: Probe) -> Iterator[Finding]:
    left = ran.delegation.undelegated if ran.delegation else {}
    if ran.delegation is None or not left:
        return
    kinds = [op.kind for op in graph.operators]
    whole = [kind for kind, count in left.items() if kinds.count(kind) == count]
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for kind in left:
        if kind in WHY_UNDELEGATED:
            reasons[WHY_UNDELEGATED[kind]].append(kind)
    ordered_kinds = [kind for kind, count in left.items() for _ in range(count)]
    yield Finding(
        "warning" if ran.delegation.partitions > 1 else "note",
        "undelegated",
        f"{plural(len(ordered_kinds), 'operator')} outside XNNPACK ({counted(ordered_kinds)}); "
        f"the graph falls into {plural(ran.delegation.partitions, 'partition')}",
        "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items())
        or "XNNPACK has no kernel for these kinds, types or shapes",
        "export with --int8, which leaves softmax, products and normalisation in float, or rewrite "
        "them by operators that it takes",
        tuple(graph.tensors[op.outputs[0]].name for op in graph.operators if op.kind in whole),
    )


def _dead_outputs(graph: Graph, ran: Probe) -> Iterator[Finding]:
    outputs = list(zip((graph.tensors[i].name for i in graph.outputs), ran.outputs, strict=False))
    broken = tuple(name for name, output in outputs if not output.finite)
    dead = tuple(name for name, output in outputs if output.finite and output.moved == 0)
    if broken:
        yield Finding(
            "error",
            "output-not-finite",
            f"{plural(len(broken), 'output')} with NaN or infinity on drawn people",
            "an overflow in half precision, or weights that are no numbers",
            "export with --fp32; if it stays, look at the checkpoint",
            broken,
        )
    if dead:
        yield Finding(
            "error",
            "dead-output",
            f"{plural(len(dead), 'output')} the same to the last bit for all drawn people",
            "a range on the way is so wide, or so narrow, that everything rounds to one value",
            "see the findings on scales and clipping; calibrate on pictures of people "
            "(mvpose-export --calib DIR)",
            dead,
        )
