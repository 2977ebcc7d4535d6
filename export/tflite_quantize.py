"""Float ``.tflite`` and a recipe -> quantised ``.tflite``, by ai-edge-quantizer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.errors import require
from mvpose.export.graph import normalisation, of_kind, read_graph
from mvpose.quantize.recipes import FloatGroup, Recipe
from mvpose.quiet import quiet

Ranges = dict[str, dict[str, NDArray[np.float32]]]

KINDS: dict[FloatGroup, tuple[str, ...]] = {
    "softmax": ("SOFTMAX",),
    "attention_products": ("BATCH_MATMUL",),
}


def measure_ranges(float_file: Path, crops: NDArray[np.uint8]) -> Ranges:
    """The range of every tensor over calibration crops.

    Args:
        float_file: the float file.
        crops: (N, height, width, 3), 0..255.

    Returns:
        "min" and "max" by tensor name; it serves every static recipe of this file.
    """
    quantizer = _quantizer(float_file)
    with quiet():
        from ai_edge_quantizer.calibrator import CalibrationMode

        quantizer.add_static_config(".*", _op("ALL_SUPPORTED"), 8, 8)
        samples = [{"args_0": crop[None].astype(np.float32)} for crop in crops]
        ranges: Ranges = quantizer.calibrate(
            {"serving_default": samples}, mode=CalibrationMode.CALIBRATION_PROFILER_BASED
        )
    graph = read_graph(float_file)
    ranges[graph.tensors[graph.inputs[0]].name] = {
        "min": np.zeros((1, 1, 1, 1), np.float32),
        "max": np.full((1, 1, 1, 1), 255, np.float32),
    }
    return ranges


def quantize(
    float_file: Path, recipe: Recipe, ranges: Ranges | None, path: Path, io: str = "float32"
) -> None:
    """Write the quantised file.

    Args:
        float_file: the float file.
        recipe: anything but "float32".
        ranges: of a static recipe, from ``measure_ranges``.
        path: where to; the caller provides a temporary name.
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
            _keep_float(quantizer, float_file, recipe.float_groups)
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


def _keep_float(quantizer: Any, float_file: Path, groups: tuple[FloatGroup, ...]) -> None:
    """Leave groups of operators in float, picked by the exact names of the tensors they write.

    Patterns over parts of names would also catch the layers that the converter fused with them.
    """
    if not groups:
        return
    graph = read_graph(float_file)
    chosen: set[int] = set()
    for group in groups:
        chosen |= normalisation(graph) if group == "normalisation" else of_kind(graph, KINDS[group])
    names = "|".join(re.escape(name) for name in graph.output_names(chosen))
    quantizer.update_quantization_recipe(
        f"^(?:{names});?$", _op("ALL_SUPPORTED"), algorithm_key="no_quantize"
    )
