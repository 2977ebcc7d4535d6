"""A network -> ``.onnx`` and ``.tflite``, in float and INT8, by the runtimes' own tools.

What a network without deploy form gets; ours go through ``mvpose.export``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mvpose.errors import require
from mvpose.export.tflite import convert
from mvpose.models.deploy import DeployNet
from mvpose.quiet import quiet
from mvpose.runtime.litert import open_interpreter
from mvpose.spec import Preprocess

OPSET = 17
INPUT, OUTPUT = "image", "heatmaps"

Crops = NDArray[np.float32]


def export_onnx(network: nn.Module, preprocess: Preprocess, path: Path) -> None:
    """Write the float file: (1, 3, H, W) in 0..255 -> what the network returns.

    Its constants are folded and its shapes known.

    Raises:
        InputError: the package onnx or ONNX Runtime is not installed.
    """
    require("onnx", "onnx")
    require("onnxruntime", "onnx")
    width, height = preprocess.size_wh
    names: dict[str, Any] = {"input_names": [INPUT], "output_names": [OUTPUT]}
    example = (torch.zeros(1, 3, height, width),)
    with tempfile.TemporaryDirectory(prefix="mvpose-") as folder, quiet():
        from onnxruntime.quantization.shape_inference import quant_pre_process

        raw = str(Path(folder) / "raw.onnx")
        torch.onnx.export(network, example, raw, dynamo=False, opset_version=OPSET, **names)
        quant_pre_process(raw, str(path), skip_symbolic_shape=True)


def export_tflite(network: nn.Module, preprocess: Preprocess, path: Path) -> None:
    """Write the float file: (1, H, W, 3) in 0..255 -> what the network returns, channels last.

    Raises:
        InputError: litert-torch is not installed, or fails.
    """
    convert(cast(DeployNet, network), preprocess, path)


def quantise_onnx(plain: Path, path: Path, crops: Crops | None) -> None:
    """Convolutions and linear layers in INT8, by ONNX Runtime's quantisation.

    Args:
        plain: the float file, of ``export_onnx``.
        path: where to.
        crops: (N, H, W, 3) in 0..255 that fix the ranges of activations; None finds them at run
            time, for linear layers alone.

    Raises:
        InputError: ONNX Runtime is not installed.
    """
    require("onnxruntime", "onnx")
    with quiet():
        from onnxruntime import quantization

        linear = ["MatMul", "Gemm"]
        about: dict[str, Any] = {
            "per_channel": True,
            "weight_type": quantization.QuantType.QInt8,
            "extra_options": {"MatMulConstBOnly": True},
        }
        if crops is None:
            quantization.quantize_dynamic(
                str(plain), str(path), op_types_to_quantize=linear, **about
            )
            return
        pictures = iter(np.ascontiguousarray(crops.transpose(0, 3, 1, 2)))

        class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
            def get_next(self) -> dict[str, Crops] | None:
                picture = next(pictures, None)
                return None if picture is None else {INPUT: picture[None]}

        quantization.quantize_static(
            str(plain),
            str(path),
            Reader(),
            op_types_to_quantize=["Conv", *linear],
            activation_type=quantization.QuantType.QUInt8,
            **about,
        )


def quantise_tflite(plain: Path, path: Path, crops: Crops | None) -> None:
    """Convolutions and linear layers in INT8, by ai-edge-quantizer.

    Args:
        plain: the float file.
        path: where to.
        crops: (N, H, W, 3) in 0..255 that fix the ranges of activations; None finds them at run
            time.

    Raises:
        InputError: ai-edge-quantizer is not installed.
    """
    require("ai_edge_quantizer", "tflite")
    with quiet():
        from ai_edge_quantizer import qtyping, quantizer

        made = quantizer.Quantizer(str(plain))
        ranges = None
        if crops is None:
            made.add_dynamic_config(".*", qtyping.TFLOperationName.ALL_SUPPORTED, 8)
        else:
            for kind in ("FULLY_CONNECTED", "CONV_2D"):
                made.add_static_config(".*", qtyping.TFLOperationName[kind], 8, 8)
            _, interpreter = open_interpreter(plain)
            ((signature, ends),) = interpreter.get_signature_list().items()
            (given,) = ends["inputs"]
            ranges = made.calibrate({signature: [{given: crop[None]} for crop in crops]})
        result = made.quantize(ranges, enable_progress_report=False)
        result.export_model(str(path), overwrite=True)
