"""From the names of formats to what writes them."""

from __future__ import annotations

from collections.abc import Sequence

from mvpose.artefact import Format
from mvpose.errors import require
from mvpose.export.conversion import Conversions
from mvpose.export.targets.base import Target
from mvpose.export.targets.coreml import CoreMLTarget
from mvpose.export.targets.onnx import OnnxTarget
from mvpose.export.targets.openvino import OpenVINOTarget
from mvpose.export.targets.tflite import TFLiteTarget
from mvpose.export.targets.tflite_onnx2tf import Onnx2tfTarget

ONNX2TF = {
    "onnx": "onnx2tf",
    "onnx2tf": "onnx2tf",
    "tensorflow": "onnx2tf",
    "ai_edge_litert": "tflite",
}
NEEDED = {
    "tflite": {"litert_torch": "tflite", "ai_edge_quantizer": "tflite", "ai_edge_litert": "tflite"},
    "onnx": {"onnx": "onnx", "onnxruntime": "onnx"},
    "openvino": {"onnx": "openvino", "openvino": "openvino"},
    "coreml": {"coremltools": "coreml"},
}
"""Modules by format, each with the extra that brings it."""


def make_targets(
    formats: Sequence[Format],
    conversions: Conversions,
    converter: str = "litert",
    io: str = "float32",
    dynamic_batch: bool = False,
) -> list[Target]:
    """Targets in the order asked for, ``.tflite`` first.

    Args:
        formats: their names.
        conversions: makes and keeps float ``.tflite`` files.
        converter: of ``.tflite`` files: "litert" or "onnx2tf".
        io: element type of the input and output of static ``.tflite`` files.
        dynamic_batch: let ``.onnx`` files take any number of crops.

    Raises:
        InputError: a package that one of them needs is not installed.
    """
    made: dict[str, Target] = {
        "tflite": Onnx2tfTarget(io) if converter == "onnx2tf" else TFLiteTarget(conversions, io),
        "onnx": OnnxTarget(dynamic_batch),
        "openvino": OpenVINOTarget(),
        "coreml": CoreMLTarget(),
    }
    chosen = [name for name in made if name in formats]
    for name in chosen:
        needed = ONNX2TF if (name, converter) == ("tflite", "onnx2tf") else NEEDED[name]
        for module, extra in needed.items():
            require(module, extra)
    return [made[name] for name in chosen]
