"""ViTPose -> ``.onnx``, OpenVINO IR and ``.tflite``, by the runtimes' own tools."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mvpose.artefact import Artefact
from mvpose.benchmark.plain_export import (
    export_onnx,
    export_tflite,
    quantise_onnx,
    quantise_tflite,
)
from mvpose.errors import require
from mvpose.export.apart import run_apart
from mvpose.export.pipeline import PARITY_SEED, TOOLCHAIN
from mvpose.export.targets.onnx import OnnxTarget
from mvpose.export.targets.openvino import OpenVINOTarget
from mvpose.export.targets.tflite import TFLiteFile, TFLiteTarget
from mvpose.files import staging
from mvpose.models.build import build_network
from mvpose.models.deploy import DeployUpsampling
from mvpose.models.vitpose import PATCH, ViTPose
from mvpose.parity import Parity, measure_parity
from mvpose.quantize.calibration import CalibrationSet, drawn_calibration, drawn_crops
from mvpose.quiet import quiet
from mvpose.runtime.torch_runtime import TorchRuntime
from mvpose.spec import ModelSpec, Preprocess
from mvpose.zoo import zoo_spec

CALIBRATION_CROPS = 32
PARITY_CROPS = 4
DYNAMIC, MIXED = "dynamic_wi8", "static_wi8_ai8_mixed"
HALF = "bf16"
"""What is not integer is bfloat16: where a recipe ends so."""
RECIPES = {
    ".onnx": ("fp32", DYNAMIC, MIXED),
    ".xml": ("fp32", HALF, MIXED, f"{MIXED}_{HALF}"),
    ".tflite": ("fp32", DYNAMIC, MIXED),
}
"""What is written in each format."""
INTEGER = "convolutions and linear layers"


def random_vitpose(seed: int = 0) -> TorchRuntime:
    """ViTPose-B that nobody trained, named so."""
    torch.manual_seed(seed)
    spec = zoo_spec("vitpose-b")
    network = build_network(spec.network).eval()
    return TorchRuntime(network, replace(spec, name=f"{spec.name}.random"))


class DeployVitPose(nn.Module):
    """Crop (1, 3, H, W) in 0..255 -> heatmaps (1, K, H / 4, W / 4).

    Each transposed convolution is four convolutions, for which TFLite has faster kernels.

    Args:
        model: with the classic decoder, without a knowledge token.
        preprocess: its normalisation goes into the graph.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: ViTPose, preprocess: Preprocess) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(preprocess.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(preprocess.std)[:, None, None])
        self.backbone = model.backbone
        head: Any = model.head
        self.head = nn.Sequential(
            DeployUpsampling(head.deconv1, head.batchnorm1),
            DeployUpsampling(head.deconv2, head.batchnorm2),
            head.conv,
        )
        for parameter in self.parameters():  # converters may ignore strides
            parameter.data = parameter.data.contiguous()
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> Tensor:
        tokens = self.backbone.embeddings((image - self.mean) / self.std)
        tokens = self.backbone.layernorm(self.backbone.encoder(tokens).last_hidden_state)
        height, width = (side // PATCH for side in image.shape[-2:])
        # [1, N, C] -> [1, C, H / 16, W / 16]
        return self.head(tokens.transpose(1, 2).reshape(1, tokens.shape[2], height, width))


class VitPoseWriter:
    """Writes files of one ViTPose; what they share is made once.

    Args:
        reference: the float network, on the CPU.
        crops: drawn people to calibrate on.
    """

    def __init__(self, reference: TorchRuntime, crops: int = CALIBRATION_CROPS) -> None:
        self.reference = reference
        self.spec = reference.spec
        self.calibration: Callable[[], CalibrationSet] = cache(
            partial(drawn_calibration, self.spec, crops)
        )
        self._parity_crops = drawn_crops(self.spec, PARITY_CROPS, PARITY_SEED), "drawn people"
        self._float_files = tempfile.TemporaryDirectory(prefix="mvpose-")

    def write(self, path: Path, recipe: str) -> Parity:
        """Write one file with its description inside.

        Args:
            path: its suffix chooses the format.
            recipe: one of ``RECIPES`` of that suffix.

        Returns:
            How far it is from the float network.

        Raises:
            InputError: a package is not installed, a converter fails, or the folder can't be
                written.
        """
        formats: dict[str, tuple[Any, Callable[[Path, str], None]]] = {
            ".onnx": (OnnxTarget(), self._write_onnx),
            ".xml": (OpenVINOTarget(), self._write_openvino),
            ".tflite": (TFLiteFile(), self._write_tflite),
        }
        target, write = formats[path.suffix]
        with staging(path.parent) as folder:
            file = folder / path.name
            write(file, recipe)
            artefact = self._describe(target, file, recipe)
            parity = measure_parity(
                self.reference, target.open(file, 1, artefact), *self._parity_crops
            )
            target.embed(file, replace(artefact, parity=asdict(parity)))
        return parity

    def _write_onnx(self, path: Path, recipe: str) -> None:
        plain = self._float_file(".onnx")
        if recipe == "fp32":
            shutil.copyfile(plain, path)
        else:
            quantise_onnx(plain, path, self._crops() if recipe == MIXED else None)

    def _write_openvino(self, path: Path, recipe: str) -> None:
        require("openvino", "openvino")
        with tempfile.TemporaryDirectory(prefix="mvpose-") as folder, quiet():
            import openvino

            between = Path(folder) / "network.onnx"
            self._write_onnx(between, MIXED if recipe.startswith(MIXED) else "fp32")
            openvino.save_model(openvino.convert_model(between), path, compress_to_fp16=False)

    def _write_tflite(self, path: Path, recipe: str) -> None:
        plain = self._float_file(".tflite")
        if recipe == "fp32":
            shutil.copyfile(plain, path)
        else:
            quantise_tflite(plain, path, self._crops() if recipe == MIXED else None)

    def _float_file(self, suffix: str) -> Path:
        path = Path(self._float_files.name) / f"float{suffix}"
        if not path.exists():
            export = {".onnx": export_onnx, ".tflite": export_tflite}[suffix]
            what = "the conversion of ViTPose"
            weights = self.reference.model.state_dict()
            run_apart(_export, export, self.spec, weights, path, what=what)
        return path

    def _crops(self) -> NDArray[np.float32]:
        return self.calibration().crops.astype(np.float32)

    def _describe(self, target: Any, path: Path, recipe: str) -> Artefact:
        given, made = target.tensors(path)
        packages = getattr(target, "toolchain", TFLiteTarget.toolchain)
        return Artefact(
            model=self.spec,
            format=target.format,
            layout=target.layout,
            input=given,
            output=made,
            recipe=recipe,
            weights_sha256=str(self.reference.protocol.get("sha256", "")),
            toolchain={package: version(package) for package in (*TOOLCHAIN, *packages)},
            calibration=asdict(self.calibration().manifest) if recipe.startswith(MIXED) else None,
            quantisation=None if recipe in ("fp32", HALF) else {"integer": INTEGER},
        )


def _export(
    export: Callable[[nn.Module, Preprocess, Path], None],
    spec: ModelSpec,
    weights: dict[str, Tensor],
    path: Path,
) -> None:
    """In a process of its own; transformers' networks can't be sent there once they have run."""
    model = cast(ViTPose, build_network(spec.network).eval())
    model.load_state_dict(weights)
    export(DeployVitPose(model, spec.preprocess), spec.preprocess, path)
