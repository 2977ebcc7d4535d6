"""``.tflite``, by litert-torch and ai-edge-quantizer."""

from __future__ import annotations

import shutil
from pathlib import Path

from mvpose.artefact import Artefact, Format, Layout, TensorInfo, append_artefact
from mvpose.export.conversion import Conversions
from mvpose.export.inventory import Inventory, take_inventory
from mvpose.export.targets.base import Job
from mvpose.export.tensors import exact_ranges, wide_ranges
from mvpose.export.tflite_quantize import quantize
from mvpose.runtime.litert import LiteRTRuntime, file_tensors


class TFLiteFile:
    """What ``.tflite`` files have in common, whoever writes them."""

    format: Format = "tflite"
    suffix = ".tflite"
    layout: Layout = "NHWC"

    def tensors(self, path: Path) -> tuple[TensorInfo, TensorInfo]:
        return file_tensors(path)

    def inventory(self, path: Path) -> Inventory:
        return take_inventory(path)

    def open(self, path: Path, threads: int, artefact: Artefact) -> LiteRTRuntime:
        return LiteRTRuntime(path, threads, artefact)

    def embed(self, path: Path, artefact: Artefact) -> None:
        append_artefact(path, artefact)


class TFLiteTarget(TFLiteFile):
    """Writes ``.tflite`` files.

    Args:
        conversions: makes and keeps the float files.
        io: element type of input and output of static recipes: "float32" or "int8".
    """

    recipes = (
        "fp32",
        "fp16",
        "wi8_afp32",
        "dynamic_wi8",
        "static_wi8_ai8_mixed",
        "static_wi8_ai8",
        "static_wi8_ai16",
    )
    toolchain = ("litert-torch", "ai-edge-quantizer", "ai-edge-litert")
    own_ranges = False

    def __init__(self, conversions: Conversions, io: str = "float32") -> None:
        self.conversions = conversions
        self.io = io

    def write(self, job: Job, path: Path) -> None:
        recipe, plan = job.recipe, job.plan
        if plan is None:
            float_file = self.conversions.file(job.network)
            if recipe.kind == "float32":
                shutil.copyfile(float_file, path)
            else:
                quantize(float_file, recipe, path)
            return
        match = self.conversions.match(plan.network, plan.graph)
        if recipe.activation_bits == 8:
            ranges = exact_ranges(match, plan.graph, plan.qparams)
        else:
            ranges = wide_ranges(match, plan.graph, plan.ranges)
        stay = plan.float_nodes(recipe)
        float_tensors = [name for name, node in match.items() if node in stay]
        float_file = self.conversions.file(plan.network)
        quantize(float_file, recipe, path, ranges, float_tensors, self.io)
