"""Float ``.tflite`` and a recipe -> quantised ``.tflite``, by ai-edge-quantizer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.errors import require
from mvpose.quantize.recipes import Recipe
from mvpose.quiet import quiet

FileRanges = dict[str, dict[str, NDArray[np.float64]]]
""""min" and "max" by tensor of a file."""


def quantize(
    float_file: Path,
    recipe: Recipe,
    path: Path,
    ranges: FileRanges | None = None,
    float_tensors: Iterable[str] = (),
    io: str = "float32",
) -> None:
    """Write the quantised file.

    Args:
        float_file: the float file.
        recipe: anything but "float32".
        path: where to; the caller provides a temporary name.
        ranges: of a static recipe: of all tensors.
        float_tensors: of a static recipe: those whose operators stay in float.
        io: element type of input and output of a static recipe: "float32" or "int8".
    """
    quantizer = _quantizer(float_file)
    with quiet():
        everything = (".*", _op("ALL_SUPPORTED"))
        if recipe.kind == "float16":
            _store_as_float16(quantizer)
        elif recipe.kind == "weight_only":
            quantizer.add_weight_only_config(*everything, 8)
        elif recipe.kind == "dynamic":
            quantizer.add_dynamic_config(*everything, 8)
        else:
            quantizer.add_static_config(*everything, recipe.activation_bits, 8)
            _keep_float(quantizer, float_tensors)
            if io == "float32":
                for end in ("INPUT", "OUTPUT"):
                    quantizer.update_quantization_recipe(
                        ".*", _op(end), algorithm_key="no_quantize"
                    )
        result = quantizer.quantize(ranges, enable_progress_report=False)
        result.export_model(str(path), overwrite=True)


def _quantizer(float_file: Path) -> Any:
    require("ai_edge_quantizer", "tflite")
    with quiet():
        from ai_edge_quantizer import quantizer

        return quantizer.Quantizer(str(float_file))


def _op(name: str) -> Any:
    from ai_edge_quantizer import qtyping

    return qtyping.TFLOperationName[name]


def _store_as_float16(quantizer: Any) -> None:
    from ai_edge_quantizer import qtyping

    config = qtyping.OpQuantizationConfig(
        weight_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=16, dtype=qtyping.TensorDataType.FLOAT
        ),
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )
    quantizer.update_quantization_recipe(
        ".*", _op("ALL_SUPPORTED"), config, algorithm_key="float_casting"
    )


def _keep_float(quantizer: Any, tensors: Iterable[str]) -> None:
    """Leave the operators in float that write these tensors.

    Patterns over parts of names would also catch the layers that the converter fused with them.
    """
    names = "|".join(map(re.escape, tensors))
    if names:
        quantizer.update_quantization_recipe(
            f"^(?:{names});?$", _op("ALL_SUPPORTED"), algorithm_key="no_quantize"
        )
