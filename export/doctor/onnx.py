"""What is wrong with an ``.onnx`` file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mvpose.artefact import Artefact
from mvpose.errors import InputError, require
from mvpose.export.doctor.clipping import clipping_findings
from mvpose.export.doctor.drawn import PEOPLE
from mvpose.export.doctor.findings import Finding, Report, Severity, counted, ordered, plural
from mvpose.export.doctor.islands import island_findings
from mvpose.export.doctor.onnx_graph import OnnxGraph, quantised, steps
from mvpose.export.doctor.onnx_run import drawn_inputs, quantised_outputs, ranges, run
from mvpose.export.doctor.outputs import output_facts, output_findings
from mvpose.export.doctor.quantisation import quantisation_findings
from mvpose.export.doctor.shapes import shape_findings
from mvpose.export.doctor.toolchain import (
    read_description,
    recipe_of,
    size_of,
    toolchain_findings,
)

PER_CHANNEL_OPSET = 13
EXPORTED_OPSET = 17
STANDARD_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
RUNTIME_DOMAIN = "com.microsoft"


def examine_onnx(path: Path) -> Report:
    """Examine an ``.onnx`` file.

    Raises:
        InputError: it can't be read, or onnx is not installed.
    """
    for package in ("onnx", "onnxruntime"):
        require(package, "onnx")
    model = load_onnx(path)
    graph = OnnxGraph(model, path.parent)
    about = {entry.key: entry.value for entry in model.metadata_props}
    artefact, findings = read_description(about)
    missing = list(_external_data(graph, path))
    found, operators = quantised(graph), steps(graph)
    inputs = None if missing else drawn_inputs(graph, found, artefact)
    watched = [t.name for t in found if t.part == "activation" and len(t.scales) == 1]
    held, failure = run(path, watched, inputs) if inputs is not None and watched else ({}, "")
    outputs = quantised_outputs(graph, found, artefact, held)
    findings += [
        *missing,
        *([] if missing else _checker(path)),
        *_not_run(failure),
        *_opset(model),
        *_foreign(graph),
        *_float_weights(graph),
        *shape_findings(graph.inputs, graph.shapes),
        *quantisation_findings(found),
        *island_findings(operators, recipe_of(artefact)),
        *_producer(model, artefact),
        *output_findings(outputs),
    ]
    checked = [
        plural(len(graph.nodes), "operator"),
        f"opset {_opset_of(model)}",
        f"{sum(bool(t.scales) for t in found)} quantised tensors",
        "constants",
        "shapes",
        "external data",
    ]
    if held:
        seen = ranges(operators, found, held)
        findings += clipping_findings(seen, PEOPLE)
        checked.append(f"{plural(len(seen), 'activation range')} on {PEOPLE} drawn people")
    checked += output_facts(outputs)
    return Report(str(path), f"ONNX, {size_of(path)}", tuple(checked), ordered(findings))


def load_onnx(path: Path) -> Any:
    import onnx

    try:
        model = onnx.load_model(str(path), load_external_data=False)
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror or error}", "check the path"
        ) from error
    except Exception as error:  # protobuf's own, which differs between its implementations
        raise InputError(
            f"{path} is not an ONNX file, or is cut off", "copy or export the file again"
        ) from error
    if not model.graph.node or not model.opset_import:
        raise InputError(
            f"{path} holds no ONNX graph" if path.stat().st_size else f"{path} is empty",
            "was the download or the export cut off?",
        )
    return model


def _external_data(graph: OnnxGraph, path: Path) -> Iterator[Finding]:
    missing = []
    files = set()
    for name, tensor in graph.initialisers.items():
        if tensor.data_location != tensor.EXTERNAL:
            continue
        about = {entry.key: entry.value for entry in tensor.external_data}
        file = path.parent / about.get("location", "")
        end = int(about.get("offset", 0)) + int(about.get("length", 0))
        if not file.is_file() or file.stat().st_size < end:
            missing.append(name)
            files.add(file.name)
    if missing:
        yield Finding(
            "error",
            "external-data",
            f"{plural(len(missing), 'constant')} in {', '.join(sorted(files)[:3])}, which is not "
            "beside the file, or cut off",
            "only the .onnx was copied; its weights lie in a second file",
            "copy both, or save the model as one file",
            tuple(missing),
        )


def _checker(path: Path) -> Iterator[Finding]:
    import onnx

    try:
        onnx.checker.check_model(str(path))
    except Exception as error:  # ValidationError, and others from the C++ part
        yield Finding(
            "error",
            "invalid",
            f"the ONNX checker refuses the file: {str(error).strip().splitlines()[0]}",
            "another tool edited the graph and left it inconsistent",
            "export it again, and see what the last tool in the chain did",
        )


def _not_run(failure: str) -> Iterator[Finding]:
    if failure:
        yield Finding(
            "error",
            "not-run",
            f"ONNX Runtime refuses the file: {failure}",
            "operators that it lacks, or types and shapes that its kernels refuse",
            "mend the other errors first; else export the file again",
        )


def _opset_of(model: Any) -> int:
    return max(
        (int(o.version) for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0
    )


def _opset(model: Any) -> Iterator[Finding]:
    opset = _opset_of(model)
    if opset >= EXPORTED_OPSET:
        return
    old = opset < PER_CHANNEL_OPSET
    yield Finding(
        "warning" if old else "note",
        "old-opset",
        f"opset {opset}: "
        + (
            f"per-channel quantisation needs {PER_CHANNEL_OPSET}"
            if old
            else f"LayerNormalization as one operator needs {EXPORTED_OPSET}"
        ),
        "an old exporter, or an old opset was asked for",
        f"export with opset {EXPORTED_OPSET} or newer, or use onnx.version_converter",
    )


def _foreign(graph: OnnxGraph) -> Iterator[Finding]:
    custom = [n for n in graph.nodes if n.domain not in (*STANDARD_DOMAINS, RUNTIME_DOMAIN)]
    contrib = [n for n in graph.nodes if n.domain == RUNTIME_DOMAIN]
    kinds: tuple[tuple[list[Any], Severity, str, str, str, str], ...] = (
        (
            custom,
            "error",
            "custom-operators",
            "which plain runtimes do not load",
            "the network uses kernels of its own project",
            "export without them, or register their library in the app",
        ),
        (
            contrib,
            "warning",
            "contrib-operators",
            "which only ONNX Runtime runs",
            "ONNX Runtime's optimiser or quantiser fused operators and the result was saved",
            "save the model before optimisation, and quantise in the QDQ format",
        ),
    )
    for nodes, severity, code, what, cause, mend in kinds:
        if nodes:
            yield Finding(
                severity,
                code,
                f"{plural(len(nodes), 'operator')} of other domains "
                f"({counted(f'{n.domain}.{n.op_type}' for n in nodes)}), {what}",
                cause,
                mend,
                tuple(n.name or n.output[0] for n in nodes),
            )


def _float_weights(graph: OnnxGraph) -> Iterator[Finding]:
    """Constants that are stored as floats and quantised when the file is loaded."""
    late = [
        node.input[0]
        for node in graph.nodes
        if node.op_type == "QuantizeLinear" and graph.is_constant(node.input[0])
    ]
    if late:
        stored = [graph.values(name) for name in late]
        saved = sum(values.nbytes * 3 // 4 for values in stored if values is not None)
        yield Finding(
            "warning",
            "float-weights",
            f"{plural(len(late), 'constant')} stored as float behind QuantizeLinear: the file is "
            f"{saved / 1e6:.1f} MB larger than INT8 need be",
            "quantisation-aware training or NNCF wrote fake quantisers, and nothing folded them",
            "fold constants (onnxslim, or ONNX Runtime's basic optimisation saved to a file)",
            tuple(late),
        )


def _producer(model: Any, artefact: Artefact | None) -> Iterator[Finding]:
    """Which exporter wrote a file that is not described."""
    if artefact is None and model.producer_name in ("pytorch", "torch"):
        yield from toolchain_findings({"torch": model.producer_version})
