"""Which INT8 operators the runtime's delegate takes: python -m mvpose.benchmark.delegation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mvpose.cli import Flag, run

SHAPE = (1, 16, 32)
SCALE = 0.05


@dataclass(frozen=True)
class Operand:
    """An INT8 tensor: real = (stored - zero_point) * scale; constants hold ones."""

    shape: tuple[int, ...] = SHAPE
    scale: float = SCALE
    zero_point: int = 0
    constant: bool = False


@dataclass(frozen=True)
class Case:
    """One operator on some operands.

    Attributes:
        kind: TFLite's name of the operator.
        operands: what is special about them.
        inputs: INT8 tensors.
        output: the INT8 tensor it writes.
        version: of the operator.
        options: the name of its options in the schema, where it has any, and their fields.
        extra: further constant INT32 inputs: values, and scales where they are quantised.
    """

    kind: str
    operands: str
    inputs: tuple[Operand, ...]
    output: Operand = Operand()
    version: int = 2
    options: tuple[str, dict[str, Any]] | None = None
    extra: tuple[tuple[list[int], list[float]], ...] = field(default=())


def cases() -> Iterator[Case]:
    """The operators of a transformer, and what could stand in for those that are not taken."""
    yield from _products()
    yield from _unary()
    yield from _binary()
    yield from _reductions()


def _products() -> Iterator[Case]:
    left, out = Operand((4, 16, 8)), Operand((4, 16, 16))
    for right, text in (
        (Operand((4, 16, 8)), "second computed, zero point 0"),
        (Operand((4, 16, 8), zero_point=1), "second computed, zero point 1"),
        (Operand((4, 16, 8), constant=True), "second constant, zero point 0"),
    ):
        options = ("BatchMatMulOptions", {"adjY": True})
        yield Case("BATCH_MATMUL", f"{text}, transposed", (left, right), out, 1, options)
    for right, text in (
        (Operand((4, 8, 16)), "second computed, zero point 0"),
        (Operand((4, 8, 16), zero_point=1), "second computed, zero point 1"),
    ):
        plain = ("BatchMatMulOptions", dict[str, Any]())
        yield Case("BATCH_MATMUL", text, (left, right), out, 1, plain)
        wide = tuple(Operand((1, *x.shape), zero_point=x.zero_point) for x in (left, right, out))
        yield Case("BATCH_MATMUL", f"{text}, rank 4", wide[:2], wide[2], 1, plain)
    bias = (([0] * 32, [SCALE * SCALE]),)
    for constant in (True, False):
        text = f"{'constant' if constant else 'computed'} weights"
        dense = ("FullyConnectedOptions", {"keepNumDims": True})
        matrix = Operand((32, 32), constant=constant)
        yield Case(
            "FULLY_CONNECTED", text, (Operand(), matrix), version=4, options=dense, extra=bias
        )
        image, filters = Operand((1, 4, 4, 32)), Operand((32, 1, 1, 32), constant=constant)
        strides = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
        yield Case(
            "CONV_2D",
            text,
            (image, filters),
            Operand((1, 4, 4, 32)),
            3,
            ("Conv2DOptions", strides),
            bias,
        )


def _unary() -> Iterator[Case]:
    unit = Operand(scale=1 / 256, zero_point=-128)
    for kind, output, version, options in (
        ("SOFTMAX", unit, 2, ("SoftmaxOptions", {"beta": 1.0})),
        ("LOG_SOFTMAX", Operand(scale=16 / 256, zero_point=127), 2, ("LogSoftmaxOptions", {})),
        ("EXP", Operand(), 2, ("ExpOptions", {})),
        ("LOG", Operand(), 2, None),
        ("SQRT", Operand(), 2, None),
        ("RSQRT", Operand(), 2, None),
        ("ABS", Operand(), 2, ("AbsOptions", {})),
        ("RELU", Operand(), 2, None),
        ("GELU", Operand(), 2, ("GeluOptions", {})),
        ("HARD_SWISH", Operand(), 1, ("HardSwishOptions", {})),
        ("LEAKY_RELU", Operand(), 2, ("LeakyReluOptions", {"alpha": 0.1})),
        ("ELU", Operand(), 1, None),
        ("LOGISTIC", unit, 2, None),
        ("TANH", Operand(scale=1 / 128), 2, None),
        ("L2_NORMALIZATION", Operand(scale=1 / 128), 2, ("L2NormOptions", {})),
    ):
        yield Case(kind, "", (Operand(),), output, version, options)
    for ratio in (1 / 300, 1 / 250, 1, 128, 129):
        output = Operand(scale=SCALE / ratio)
        options = ("QuantizeOptions", dict[str, Any]())
        yield Case(
            "QUANTIZE", f"input's scale {ratio:.4g} x output's", (Operand(),), output, 2, options
        )


def _binary() -> Iterator[Case]:
    for kind, name in (
        ("ADD", "AddOptions"),
        ("SUB", "SubOptions"),
        ("MUL", "MulOptions"),
        ("DIV", "DivOptions"),
        ("MAXIMUM", "MaximumMinimumOptions"),
        ("MINIMUM", "MaximumMinimumOptions"),
        ("SQUARED_DIFFERENCE", "SquaredDifferenceOptions"),
    ):
        options = (name, dict[str, Any]())
        for second, text in (
            (Operand(), "same shapes"),
            (Operand((1, 16, 1)), "second broadcast over the last axis"),
            (Operand((1, 1, 32)), "second broadcast over the middle axis"),
            (Operand((), constant=True), "second a constant scalar"),
        ):
            yield Case(kind, text, (Operand(), second), version=2, options=options)
        if kind in ("ADD", "SUB"):
            for ratio in (1 / 1100, 1 / 1000, 250, 260):
                second = Operand(scale=SCALE * ratio)
                text = f"second's scale {ratio:.4g} x output's"
                yield Case(kind, text, (Operand(), second), version=2, options=options)
        if kind == "MUL":
            for ratio in (1 / 66000, 1 / 65000, 250, 260):
                output = Operand(scale=SCALE * SCALE / ratio)
                text = f"product of the scales {ratio:.4g} x output's"
                yield Case(kind, text, (Operand(), Operand()), output, 2, options)


def _reductions() -> Iterator[Case]:
    for kind in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"):
        for axis, shape in ((1, (1, 1, 32)), (2, (1, 16, 1))):
            yield Case(
                kind,
                f"over {'last' if axis == 2 else 'middle'} axis",
                (Operand(),),
                Operand(shape),
                2,
                ("ReducerOptions", {"keepDims": True}),
                (([axis], []),),
            )


def write_case(case: Case, path: Path) -> None:
    """Write a ``.tflite`` file of this one operator."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    graph, model = schema.SubGraphT(), schema.ModelT()
    graph.tensors, model.buffers = [], [schema.BufferT()]

    def add(
        shape: tuple[int, ...], dtype: str, scales: list[float], zero_point: int, data: Any
    ) -> int:
        tensor = schema.TensorT()
        tensor.name = f"tensor_{len(graph.tensors)}".encode()
        tensor.shape, tensor.type = list(shape), getattr(schema.TensorType, dtype)
        tensor.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            model.buffers.append(buffer)
            tensor.buffer = len(model.buffers) - 1
        if scales:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = scales
            tensor.quantization.zeroPoint = [zero_point] * len(scales)
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    def add_operand(x: Operand) -> int:
        data = np.ones(x.shape, np.int8) if x.constant else None
        return add(x.shape, "INT8", [x.scale], x.zero_point, data)

    operator = schema.OperatorT()
    operator.opcodeIndex = 0
    operator.inputs = [add_operand(x) for x in case.inputs]
    graph.inputs = [i for i, x in zip(operator.inputs, case.inputs, strict=True) if not x.constant]
    for values, scales in case.extra:
        data = np.array(values, np.int32)
        operator.inputs.append(add(data.shape, "INT32", scales, 0, data))
    operator.outputs = graph.outputs = [add_operand(case.output)]
    if case.options:
        name, fields = case.options
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        operator.builtinOptions = getattr(schema, f"{name}T")()
        vars(operator.builtinOptions).update(fields)
    graph.operators = [operator]

    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, case.kind)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = case.version
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))


def delegation(*, json: Path | None = None, overwrite: Flag = False) -> None:
    """Load one-operator INT8 files and see which of them run outside XNNPACK.

    ```
    python -m mvpose.benchmark.delegation --json delegation.json
    ```

    Args:
        json: write the result rows to this file.
        overwrite: replace an existing file.
    """
    import tempfile
    from importlib.metadata import version

    from mvpose.benchmark.machine import machine
    from mvpose.errors import InputError, require
    from mvpose.export.inventory import undelegated
    from mvpose.files import check_new, write_json

    if json:
        check_new(json, overwrite)
    require("ai_edge_litert", "litert")
    protocol = {"runtime": f"ai-edge-litert {version('ai-edge-litert')}", **machine()}
    rows = []
    with tempfile.TemporaryDirectory(prefix="mvpose-") as folder:
        path = Path(folder) / "one.tflite"
        for case in cases():
            write_case(case, path)
            try:
                taken = "no" if undelegated(path) else "yes"
            except InputError:
                taken = "not loaded"
            rows.append(
                {
                    "kind": "delegation",
                    "operator": case.kind,
                    "operands": case.operands,
                    "version": case.version,
                    "delegated": taken,
                    "protocol": protocol,
                }
            )
            print(f"{case.kind:20} {case.operands:45} {taken}")
    if json:
        write_json(json, rows)


if __name__ == "__main__":
    run(delegation)
