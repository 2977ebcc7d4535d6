"""What an exported file of any format is made of: operators, bytes, multiply-accumulates."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.dataclasses import dataclass

from mvpose.errors import InputError
from mvpose.files import parts
from mvpose.spec import FROZEN, Record

if TYPE_CHECKING:
    from mvpose.export.graph import Graph, Operator

Shape = Sequence[int]


@dataclass(frozen=True, config=FROZEN)
class FileCounts(Record):
    """The contents of a file.

    Attributes:
        operators: how many of each kind, as the format calls them.
        weight_bytes: of all constants, as stored.
        written_bytes: of all tensors that operators write for one crop, one after another, in the
            types that the file names: what no runtime needs at once.
        macs: multiply-accumulates of convolutions, linear layers and matrix products; None where
            the file leaves their sizes open. The deploy form has a few more than the network: its
            norms take means by multiplying.
    """

    operators: dict[str, int]
    weight_bytes: int
    written_bytes: int
    macs: int | None


def count_file(path: Path) -> FileCounts | None:
    """Count a file from its own graph; None for what is no exported file.

    Raises:
        InputError: the file is damaged or absent, or a package that reads it is not installed.
    """
    reader = READERS.get(path.suffix)
    return reader(path) if reader else None


def tflite_macs(graph: Graph, op: Operator) -> int:
    """Multiply-accumulates of an operator of a ``.tflite`` file."""
    shapes = [graph.tensors[i].shape for i in op.inputs]
    made = graph.tensors[op.outputs[0]].shape if op.outputs else ()
    if op.kind == "CONV_2D":
        return math.prod(made) * math.prod(shapes[1][1:])
    if op.kind == "DEPTHWISE_CONV_2D":
        return math.prod(made) * math.prod(shapes[1][1:3])
    if op.kind == "FULLY_CONNECTED":
        return math.prod(made) * shapes[1][-1]
    if op.kind == "TRANSPOSE_CONV":
        return math.prod(shapes[2]) * math.prod(shapes[1][:3])
    return _product(made, shapes[0]) if op.kind == "BATCH_MATMUL" else 0


def _tflite(path: Path) -> FileCounts:
    import numpy as np

    from mvpose.export.graph import read_graph

    graph = read_graph(path)
    written = 0
    for op in graph.operators:
        for tensor in (graph.tensors[i] for i in op.outputs):
            known = tensor.dtype in np.sctypeDict
            written += math.prod(tensor.shape) * (np.dtype(tensor.dtype).itemsize if known else 1)
    return FileCounts(
        _kinds(op.kind for op in graph.operators),
        sum(len(tensor.data) for tensor in graph.tensors if tensor.data is not None),
        written,
        sum(tflite_macs(graph, op) for op in graph.operators),
    )


def _onnx(path: Path) -> FileCounts:
    from mvpose.errors import require

    require("onnx", "onnx")
    import onnx

    from mvpose.export.doctor.onnx import load_onnx
    from mvpose.export.doctor.onnx_graph import OnnxGraph

    model = load_onnx(path)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    graph = OnnxGraph(inferred, path.parent)
    shapes: dict[str, Shape] = {n: tuple(t.dims) for n, t in graph.initialisers.items()}
    shapes.update(graph.shapes)
    values = (*inferred.graph.value_info, *inferred.graph.output)
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    macs: list[Any] = [_onnx_macs(node, shapes) for node in graph.nodes]
    return FileCounts(
        _kinds(node.op_type for node in graph.nodes),
        sum(
            math.prod(tensor.dims) * _onnx_bytes(tensor.data_type)
            for tensor in graph.initialisers.values()
        ),
        sum(
            _elements(shapes.get(name, ())) * _onnx_bytes(types[name])
            for node in graph.nodes
            for name in node.output
            if name in types and not graph.is_constant(name)
        ),
        None if None in macs else sum(macs),
    )


def _onnx_macs(node: Any, shapes: dict[str, Shape]) -> int | None:
    kind = node.op_type
    if kind in ("QLinearConv", "QLinearMatMul"):
        given, weight = node.input[0], node.input[3]
    elif kind in ("Conv", "ConvTranspose", "MatMul", "Gemm", "ConvInteger", "MatMulInteger"):
        given, weight = node.input[:2]
    else:
        return 0
    made = shapes.get(node.output[0], (-1, -1))
    if any(name not in shapes for name in (given, weight)) or -1 in made[1:]:
        return None
    if kind == "ConvTranspose":
        return _elements(shapes[given]) * math.prod(shapes[weight][1:])
    if "Conv" in kind:
        return _elements(made) * math.prod(shapes[weight][1:])
    return _product(made, shapes[given])


def _onnx_bytes(kind: int) -> int:
    import onnx

    return int(onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize) if kind else 0


def _openvino(path: Path) -> FileCounts:
    from mvpose.errors import require
    from mvpose.quiet import quiet

    require("openvino", "openvino")
    from mvpose.export.targets.openvino import ENDS
    from mvpose.runtime.openvino_runtime import core

    if not path.is_file():
        raise InputError(f"no such file: {path}", "check the path")
    try:
        with quiet():
            operators = core().read_model(path).get_ordered_ops()
    except RuntimeError as error:
        raise InputError(f"{path} is damaged, or its .bin", "copy or export both again") from error
    computing = [op for op in operators if op.get_type_name() not in ENDS]
    return FileCounts(
        _kinds(op.get_type_name() for op in computing),
        sum(op.get_byte_size() for op in operators if op.get_type_name() == "Constant"),
        sum(
            math.prod(end.get_shape()) * end.get_element_type().size
            for op in computing
            for end in op.outputs()
            if end.get_partial_shape().is_static
        ),
        sum(_openvino_macs(op) for op in computing),
    )


def _openvino_macs(op: Any) -> int:
    kind = op.get_type_name()
    if kind == "ScaledDotProductAttention":
        query, key, value = (tuple(op.input_value(i).get_shape()) for i in range(3))
        return math.prod(query) * key[-2] + math.prod(query[:-1]) * math.prod(value[-2:])
    if kind not in ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul"):
        return 0
    given, weight = (tuple(op.input_value(i).get_shape()) for i in range(2))
    made = tuple(op.output(0).get_shape())
    if kind == "MatMul":
        return _product(made, given)
    if kind == "ConvolutionBackpropData":
        return math.prod(given) * math.prod(weight[1:])
    return math.prod(made) * math.prod(weight[2 if kind == "GroupConvolution" else 1 :])


def _coreml(path: Path) -> FileCounts:
    import numpy as np

    from mvpose.export.doctor.coreml_program import operations
    from mvpose.runtime.coreml_package import read_package

    program = operations(read_package(path))
    shapes = {op.name: op.shape for op in program}
    computing = [op for op in program if not op.constant]
    macs = 0
    for op in computing:
        if op.kind in ("conv", "linear"):
            weight = shapes[op.arguments["weight"]]
            macs += _elements(op.shape) * math.prod(weight[1:])
        elif op.kind == "matmul":
            macs += _product(op.shape, shapes[op.arguments["x"]])
    return FileCounts(
        _kinds(op.kind for op in computing),
        sum(part.stat().st_size for part in parts(path) if part.suffix == ".bin"),
        sum(
            _elements(op.shape) * (np.dtype(op.dtype).itemsize if op.dtype else 0)
            for op in computing
        ),
        macs,
    )


def _kinds(kinds: Any) -> dict[str, int]:
    return dict(Counter(kinds).most_common())


def _elements(shape: Shape) -> int:
    """With one crop where the batch is open."""
    return math.prod(max(1, size) for size in shape)


def _product(made: Shape, left: Shape) -> int:
    """Multiply-accumulates of a matrix product (..., m, k) x (..., k, n) -> (..., m, n)."""
    return _elements(made) * _elements(left) // max(1, _elements(made[:-1]))


READERS = {".tflite": _tflite, ".onnx": _onnx, ".xml": _openvino, ".mlpackage": _coreml}
