"""Core ML packages, for iPhones and Macs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mvpose.artefact import Artefact, Format, Layout, TensorInfo
from mvpose.export.coreml import SUPPORTED, describe_coreml, write_coreml
from mvpose.export.doctor.coreml_program import operations
from mvpose.export.inventory import Inventory
from mvpose.export.targets.base import Job
from mvpose.files import size_bytes
from mvpose.runtime.coreml_package import read_package
from mvpose.runtime.coreml_runtime import CoreMLRuntime


class CoreMLTarget:
    """Writes ``.mlpackage`` folders with an ML Program that takes an image."""

    format: Format = "coreml"
    suffix = ".mlpackage"
    layout: Layout = "NCHW"
    recipes = SUPPORTED
    toolchain = ("coremltools",)
    own_ranges = False

    def write(self, job: Job, path: Path) -> None:
        write_coreml(job.net(), job.spec, path, job.recipe)

    def tensors(self, path: Path) -> tuple[TensorInfo, TensorInfo]:
        description = read_package(path).description
        (given,), (made,) = description.input, description.output
        image, maps = given.type.imageType, made.type.multiArrayType
        shape = 1, 3, image.height, image.width
        return TensorInfo(shape, "uint8"), TensorInfo(tuple(maps.shape), "float32")

    def inventory(self, path: Path) -> Inventory:
        program = [op for op in operations(read_package(path)) if not op.constant]
        return Inventory(
            operators=dict(Counter(op.kind for op in program).most_common()),
            foreign=tuple(sorted({op.kind for op in program if "custom" in op.kind})),
            highest_rank=max(len(op.shape) for op in program),
            size_bytes=size_bytes(path),
        )

    def open(self, path: Path, threads: int, artefact: Artefact) -> CoreMLRuntime:
        return CoreMLRuntime(path, threads, artefact)

    def embed(self, path: Path, artefact: Artefact) -> None:
        describe_coreml(path, artefact)
