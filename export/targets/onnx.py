"""``.onnx`` for ONNX Runtime."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mvpose.artefact import ENTRY, Artefact, Format, Layout, TensorInfo
from mvpose.export.doctor.onnx_graph import OnnxGraph
from mvpose.export.inventory import Inventory
from mvpose.export.onnx_qdq import write_onnx
from mvpose.export.targets.base import Job
from mvpose.files import size_bytes
from mvpose.quantize.forms import operands_form
from mvpose.quantize.recipes import RECIPES
from mvpose.quantize.simulate import QuantNet
from mvpose.runtime.onnx_runtime import OnnxRuntime, open_session

MIXED = RECIPES["static_wi8_ai8_mixed"]


class OnnxTarget:
    """Writes ``.onnx`` files.

    Args:
        dynamic_batch: take any number of crops, not one.
    """

    format: Format = "onnx"
    suffix = ".onnx"
    layout: Layout = "NCHW"
    recipes = ("fp32", "fp16", "wi8_afp32", "static_wi8_ai8_mixed", "static_wi8_ai8")
    toolchain = ("onnx", "onnxruntime")
    own_ranges = False

    def __init__(self, dynamic_batch: bool = False) -> None:
        self.dynamic_batch = dynamic_batch

    def write(self, job: Job, path: Path) -> None:
        half = job.recipe.kind == "float16"
        write_onnx(desktop_net(job), job.spec, path, half, self.dynamic_batch)

    def tensors(self, path: Path) -> tuple[TensorInfo, TensorInfo]:
        session = open_session(path)
        (given,), (made,) = session.get_inputs(), session.get_outputs()
        first, second = (
            TensorInfo(tuple(n if isinstance(n, int) else -1 for n in end.shape), "float32")
            for end in (given, made)
        )
        return first, second

    def inventory(self, path: Path) -> Inventory:
        import onnx

        graph = OnnxGraph(onnx.load(str(path)), path.parent)
        return Inventory(
            operators=dict(Counter(node.op_type for node in graph.nodes).most_common()),
            foreign=tuple(sorted({node.op_type for node in graph.nodes if node.domain})),
            highest_rank=max(map(len, graph.shapes.values())),
            size_bytes=size_bytes(path),
        )

    def open(self, path: Path, threads: int, artefact: Artefact) -> OnnxRuntime:
        return OnnxRuntime(path, threads, artefact)

    def embed(self, path: Path, artefact: Artefact) -> None:
        import onnx

        model = onnx.load(str(path))
        onnx.helper.set_model_props(model, {ENTRY: artefact.to_json()})
        onnx.save(model, str(path))


def desktop_net(job: Job) -> QuantNet:
    """What ONNX and OpenVINO files compute.

    Mixed INT8 is integer where numbers are multiplied, and float between: the runtimes of desktop
    processors fuse what is between into the multiplications. Full INT8 rounds every tensor.
    """
    if job.plan is not None and job.recipe.float_groups:
        return operands_form(job.plan, job.recipe)
    return job.net()
