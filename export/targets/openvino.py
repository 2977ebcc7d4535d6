"""OpenVINO IR: an ``.xml`` and its ``.bin``, for x86 and ARM desktops."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mvpose.artefact import ENTRY, Artefact, Format, Layout, TensorInfo
from mvpose.errors import require
from mvpose.export.inventory import Inventory
from mvpose.export.onnx_qdq import write_onnx
from mvpose.export.targets.base import Job
from mvpose.export.targets.onnx import OnnxTarget, desktop_net
from mvpose.files import size_bytes
from mvpose.quiet import quiet
from mvpose.runtime.openvino_runtime import OpenVINORuntime, core

ENDS = ("Parameter", "Result", "Constant")
"""What is no operator."""


class OpenVINOTarget:
    """Writes OpenVINO IR, by way of ONNX."""

    format: Format = "openvino"
    suffix = ".xml"
    layout: Layout = "NCHW"
    recipes = OnnxTarget.recipes
    toolchain = ("onnx", "openvino")
    own_ranges = False

    def write(self, job: Job, path: Path) -> None:
        require("openvino", "openvino")
        with tempfile.TemporaryDirectory(prefix="mvpose-") as folder, quiet():
            import openvino

            between = Path(folder) / "network.onnx"
            write_onnx(desktop_net(job), job.spec, between)
            model = openvino.convert_model(between)
            _name_operators(model)
            openvino.save_model(model, path, compress_to_fp16=job.recipe.kind == "float16")

    def tensors(self, path: Path) -> tuple[TensorInfo, TensorInfo]:
        model = _read(path)
        first, second = (
            TensorInfo(tuple(end.get_shape()), end.get_element_type().to_dtype().name)
            for end in (model.input(0), model.output(0))
        )
        return first, second

    def inventory(self, path: Path) -> Inventory:
        model = _read(path)
        operators = [op for op in model.get_ops() if op.get_type_name() not in ENDS]
        kinds = Counter(op.get_type_name() for op in operators)
        standard = ("opset", "extension")
        return Inventory(
            operators=dict(kinds.most_common()),
            foreign=tuple(
                sorted(
                    {
                        op.get_type_name()
                        for op in operators
                        if not op.get_type_info().version_id.startswith(standard)
                    }
                )
            ),
            highest_rank=max(len(shape) for shape in _activations(model)),
            size_bytes=size_bytes(path),
        )

    def open(self, path: Path, threads: int, artefact: Artefact) -> OpenVINORuntime:
        return OpenVINORuntime(path, threads, artefact)

    def embed(self, path: Path, artefact: Artefact) -> None:
        with tempfile.TemporaryDirectory(prefix="mvpose-") as folder, quiet():
            import openvino

            model = _read(path)
            model.set_rt_info(artefact.to_json(), [ENTRY])
            copy = Path(folder) / path.name
            openvino.save_model(model, copy, compress_to_fp16=False)
            del model  # which reads its weights from the file
            for part in (copy, copy.with_suffix(".bin")):
                path.with_suffix(part.suffix).write_bytes(part.read_bytes())


def _name_operators(model: Any) -> None:
    """Names that count from 0, in place of those that OpenVINO counts through the process; ours
    are in lower case."""
    for number, op in enumerate(model.get_ordered_ops()):
        if op.get_friendly_name()[0].isupper():
            op.set_friendly_name(f"{op.get_type_name()}_{number}")


def _activations(model: Any) -> Iterator[Any]:
    """Shapes of what is computed out of the input; grouped convolutions' weights have rank 5."""
    computed: set[str] = set()
    for op in model.get_ordered_ops():
        sources = {end.get_source_output().get_node().get_name() for end in op.inputs()}
        if op.get_type_name() == "Parameter" or sources & computed:
            computed.add(op.get_name())
            yield from (end.get_partial_shape() for end in op.outputs())


def _read(path: Path) -> Any:
    with quiet():
        return core().read_model(path)
