"""What is wrong with a Core ML model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mvpose.export.doctor.coreml_program import (
    WEIGHTED,
    Operation,
    input_shapes,
    missing_blobs,
    operations,
    quantised,
)
from mvpose.export.doctor.findings import Finding, Report, counted, ordered, plural
from mvpose.export.doctor.quantisation import quantisation_findings
from mvpose.export.doctor.shapes import shape_findings
from mvpose.export.doctor.toolchain import (
    read_description,
    size_of,
    toolchain_findings,
)
from mvpose.runtime.coreml_package import read_package

OLDEST_SPECIFICATION = 6
"""ML Programs, iOS 15."""
SYSTEMS = {6: "iOS 15", 7: "iOS 16", 8: "iOS 17", 9: "iOS 18", 10: "iOS 26"}
MADE_WITH = "com.github.apple.coremltools.version"


def examine_coreml(path: Path) -> Report:
    """Examine an ``.mlpackage`` or ``.mlmodel``.

    Raises:
        InputError: it can't be read, or the package coremltools is not installed.
    """
    specification = read_package(path)
    about = dict(specification.description.metadata.userDefined)
    kind = specification.WhichOneof("Type")
    artefact, findings = read_description(about)
    version = specification.specificationVersion
    findings += [*_kind(kind, version), *shape_findings(input_shapes(specification), {})]
    if artefact is None and MADE_WITH in about:
        findings += toolchain_findings({"coremltools": about[MADE_WITH]})
    checked = [f"specification {version} ({SYSTEMS.get(version, 'another system')})", "inputs"]
    if kind == "mlProgram":
        program = operations(specification)
        tensors = quantised(program)
        findings += [
            *_missing(program, path),
            *shape_findings({}, {op.name: op.shape for op in program if not op.constant}),
            *_precision(program),
            *_partly_integer(program),
            *_custom(program),
            *quantisation_findings(tensors),
        ]
        checked += [
            plural(sum(not op.constant for op in program), "operator"),
            plural(len(tensors), "quantised tensor"),
            "precision",
            "weight file",
            "not run",
        ]
    return Report(str(path), f"Core ML {kind}, {size_of(path)}", tuple(checked), ordered(findings))


def _kind(kind: str, version: int) -> Iterator[Finding]:
    if kind.startswith("neuralNetwork"):
        yield Finding(
            "warning",
            "neural-network",
            f"the older format {kind} instead of an ML Program: no typed intermediate values, no "
            "INT8 activations, and new operators are not added to it",
            "converted for iOS 14 or earlier, or with convert_to='neuralnetwork'",
            "convert with convert_to='mlprogram' and minimum_deployment_target iOS16 or newer",
        )
    elif version < OLDEST_SPECIFICATION:
        yield Finding(
            "warning",
            "old-specification",
            f"specification version {version}, older than ML Programs ({OLDEST_SPECIFICATION})",
            "an old coremltools, or an old deployment target",
            "convert with minimum_deployment_target iOS16 or newer",
        )


def _missing(program: list[Operation], path: Path) -> Iterator[Finding]:
    missing = missing_blobs(program, path)
    if missing:
        yield Finding(
            "error",
            "external-data",
            f"{plural(len(missing), 'constant')} in a weight file that is missing or cut off",
            "only model.mlmodel was copied, or the copy stopped",
            "copy the whole .mlpackage folder again",
            missing,
        )


def _precision(program: list[Operation]) -> Iterator[Finding]:
    wide = [op for op in program if not op.constant and op.dtype == "float32"]
    narrow = [op for op in program if not op.constant and op.dtype == "float16"]
    computing = [op for op in wide if op.kind not in ("cast", "mul")]
    if computing:
        yield Finding(
            "warning",
            "float32",
            f"{len(wide)} of {len(wide) + len(narrow)} float operators compute in 32 bits "
            f"({counted(op.kind for op in wide)}): the Neural Engine computes in 16 and leaves "
            "them to the CPU or GPU",
            "compute_precision FLOAT32 was asked for, or these were excluded from FLOAT16",
            "convert with compute_precision=FLOAT16 (the default of ML Programs)",
            tuple(op.name for op in computing),
        )


def _partly_integer(program: list[Operation]) -> Iterator[Finding]:
    """Convolutions and products on float activations in a file that quantises activations."""
    if not any(op.kind == "quantize" for op in program):
        return
    makers = {op.name: op for op in program}
    weighted = [op for op in program if op.kind in WEIGHTED]
    floats = [
        op
        for op in weighted
        if not all(
            makers[name].kind == "dequantize" or makers[name].constant
            for name in op.inputs
            if name in makers
        )
    ]
    if floats:
        yield Finding(
            "warning",
            "float-islands",
            f"{len(floats)} of {len(weighted)} convolutions and products compute on float "
            f"activations ({counted(op.kind for op in floats)})",
            "they were excluded, or calibration did not reach them",
            "quantise their inputs too, unless accuracy needs them in float",
            tuple(op.name for op in floats),
        )


def _custom(program: list[Operation]) -> Iterator[Finding]:
    custom = [op for op in program if op.kind.startswith("custom")]
    if custom:
        yield Finding(
            "error",
            "custom-operators",
            f"{plural(len(custom), 'custom operator')}, which need Swift classes in the app",
            "an operator without Core ML form was converted as a custom layer",
            "rewrite these operators before converting",
            tuple(op.name for op in custom),
        )
