"""``.tflite`` by the second road: ONNX, onnx2tf and TensorFlow's converter."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mvpose.export.onnx2tf_road import SUPPORTED, convert_by_onnx2tf
from mvpose.export.onnx_qdq import write_onnx
from mvpose.export.targets.base import Job
from mvpose.export.targets.tflite import TFLiteFile
from mvpose.quantize.forms import float_form


class Onnx2tfTarget(TFLiteFile):
    """Writes ``.tflite`` files from the float network; TensorFlow calibrates INT8 itself.

    Args:
        io: element type of input and output of static recipes: "float32" or "int8".
    """

    recipes = SUPPORTED
    toolchain = ("onnx", "onnx2tf", "tensorflow")
    own_ranges = True

    def __init__(self, io: str = "float32") -> None:
        self.io = io

    def write(self, job: Job, path: Path) -> None:
        crops = job.crops() if job.recipe.needs_calibration else None
        with tempfile.TemporaryDirectory(prefix="mvpose-") as folder:
            between = Path(folder) / "network.onnx"
            write_onnx(float_form(job.graph()), job.spec, between)
            convert_by_onnx2tf(between, job.recipe, path, crops, self.io)
