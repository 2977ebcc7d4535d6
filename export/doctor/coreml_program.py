"""An ML Program in the terms of the checks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.export.doctor.quantisation import Quantised
from mvpose.export.doctor.shapes import Shapes

WEIGHTED = ("conv", "conv_transpose", "linear", "matmul")
CONVOLUTIONS = {"conv": 0, "conv_transpose": 1}
"""Their weight's dimension that counts output channels."""
TYPES = {1: "bool", 2: "string", 10: "float16", 11: "float32", 12: "float64", 21: "int8",
         22: "int16", 23: "int32", 24: "int64", 25: "int4", 31: "uint8", 32: "uint16",
         33: "uint32", 34: "uint64", 35: "uint4"}  # fmt: skip
"""MIL.proto's DataType."""
PACKAGE_ROOT = "@model_path"


@dataclass(frozen=True)
class Operation:
    """An operation of an ML Program.

    Attributes:
        kind, name: MIL's name of it, and of what it makes.
        dtype, shape: of what it makes; -1 for open dimensions.
        arguments: names of the values it reads, or what stands in their place, by parameter.
        constant: fixed when the model is loaded.
    """

    kind: str
    name: str
    dtype: str
    shape: tuple[int, ...]
    arguments: dict[str, Any]
    constant: bool

    @property
    def inputs(self) -> list[str]:
        return [value for value in self.arguments.values() if isinstance(value, str)]


def operations(specification: Any) -> list[Operation]:
    """The operations of all functions, in order of execution."""
    found = []
    for function in specification.mlProgram.functions.values():
        for op in function.block_specializations[function.opset].operations:
            arguments: dict[str, Any] = dict(op.attributes)
            for parameter, argument in op.inputs.items():
                for number, bound in enumerate(argument.arguments):
                    key = f"{parameter}{number or ''}"
                    arguments[key] = bound.name or bound.value
            made = op.outputs[0] if op.outputs else None
            tensor = made.type.tensorType if made else None
            found.append(
                Operation(
                    op.type,
                    made.name if made else op.type,
                    TYPES.get(tensor.dataType, "") if tensor else "",
                    tuple(_size(d) for d in tensor.dimensions) if tensor else (),
                    arguments,
                    op.type.startswith("const"),
                )
            )
    return found


def input_shapes(specification: Any) -> Shapes:
    """Shapes of the array inputs; those of flexible size have -1 in every dimension but the batch.

    Images have one size and batch 1 unless they say otherwise.
    """
    found = {}
    for given in specification.description.input:
        kind = given.type.WhichOneof("Type")
        if kind == "multiArrayType":
            array = given.type.multiArrayType
            shape = tuple(map(int, array.shape))
            flexible = array.WhichOneof("ShapeFlexibility") is not None
            found[given.name] = (shape[0], *(-1 for _ in shape[1:])) if flexible else shape
        elif kind == "imageType":
            image = given.type.imageType
            flexible = image.WhichOneof("SizeFlexibility") is not None
            found[given.name] = (1, 3, *((-1, -1) if flexible else (image.height, image.width)))
    return found


def quantised(program: list[Operation]) -> list[Quantised]:
    """Weights and activations whose scales stand in the program itself."""
    makers = {op.name: op for op in program}
    channels = {
        op.arguments.get("weight"): CONVOLUTIONS[op.kind]
        for op in program
        if op.kind in CONVOLUTIONS and isinstance(op.arguments.get("weight"), str)
    }
    found = []
    for op in program:
        if op.kind not in ("quantize", "constexpr_affine_dequantize"):
            continue
        scales = numbers(op.arguments.get("scale"), makers)
        zero_points = numbers(op.arguments.get("zero_point"), makers)
        weight = op.kind == "constexpr_affine_dequantize"
        dimension = channels.get(op.name)
        found.append(
            Quantised(
                op.name,
                _stored_type(op, weight),
                "weight" if weight else "activation",
                () if scales is None else tuple(map(float, scales)),
                () if zero_points is None else tuple(map(int, zero_points)),
                channels=op.shape[dimension] if dimension is not None else 0,
            )
        )
    return found


def missing_blobs(program: list[Operation], path: Path) -> tuple[str, ...]:
    """Constants whose values lie in a file of the package that is not there, or ends before."""
    root = path / "Data" / "com.apple.CoreML"
    missing = []
    for op in program:
        for value in op.arguments.values():
            if isinstance(value, str) or value.WhichOneof("value") != "blobFileValue":
                continue
            name = value.blobFileValue.fileName.removeprefix(PACKAGE_ROOT).lstrip("/")
            file = root / name
            if not file.is_file() or file.stat().st_size <= value.blobFileValue.offset:
                missing.append(op.name)
    return tuple(missing)


def _stored_type(op: Operation, weight: bool) -> str:
    if not weight:
        return op.dtype
    value = op.arguments.get("quantized_data")
    return (
        ""
        if value is None or isinstance(value, str)
        else TYPES.get(value.type.tensorType.dataType, "")
    )


def numbers(value: Any, makers: dict[str, Operation]) -> NDArray[Any] | None:
    """An immediate value as a flat array; None where it lies in the weight file."""
    if isinstance(value, str):
        value = makers[value].arguments.get("val") if value in makers else None
    if value is None or isinstance(value, str) or value.WhichOneof("value") != "immediateValue":
        return None
    tensor = value.immediateValue.tensor
    held = tensor.WhichOneof("value")
    if held is None:
        return None
    if held == "bytes":
        dtype = TYPES.get(value.type.tensorType.dataType, "uint8")
        return np.frombuffer(tensor.bytes.values, dtype)
    return np.asarray(getattr(tensor, held).values)


def _size(dimension: Any) -> int:
    fixed = dimension.WhichOneof("dimension") == "constant"
    return int(dimension.constant.size) if fixed else -1
