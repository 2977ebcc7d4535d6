"""ViTPose-B rewritten for its files, and the export of small networks by the same tools."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mvpose.benchmark import plain_export
from mvpose.benchmark.vitpose_files import vitpose_files
from mvpose.benchmark.vitpose_writer import DeployVitPose, random_vitpose
from mvpose.errors import InputError
from mvpose.runtime.litert import open_interpreter
from mvpose.runtime.onnx_runtime import open_session
from mvpose.runtime.torch_runtime import normalise
from mvpose.spec import Preprocess

SIZE = Preprocess(32, 64)


def test_same_function() -> None:
    pytest.importorskip("transformers", reason="needs mvpose[vitpose]")
    reference = random_vitpose()
    assert reference.spec.name == "vitpose-b.random"
    with torch.no_grad():
        for module in reference.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
        crop = torch.randint(0, 256, (1, 3, 256, 192)).float()
        expected = reference.model(normalise(crop, reference.spec))
        found = DeployVitPose(reference.model, reference.spec.preprocess)(crop)
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()


def test_weights_of_another_network(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds small, not vitpose-b"):
        vitpose_files(weights=checkpoint, out=tmp_path)


def test_no_weights(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="add --random"):
        vitpose_files(weights=tmp_path / "absent.pth", out=tmp_path)


class Small(nn.Module):
    """A convolution and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.linear = nn.Conv2d(3, 16, 4, 4), nn.Linear(16, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.conv(x / 255).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("recipe", ["fp32", "dynamic", "static"])
@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_small_network(tmp_path: Path, suffix: str, recipe: str) -> None:
    pytest.importorskip("litert_torch" if suffix == ".tflite" else "onnxruntime")
    network = Small().eval().requires_grad_(False)
    crops = np.random.default_rng(0).uniform(0, 255, (4, 64, 32, 3)).astype(np.float32)
    plain = path = tmp_path / f"plain{suffix}"
    tflite = suffix == ".tflite"
    (plain_export.export_tflite if tflite else plain_export.export_onnx)(network, SIZE, plain)
    if recipe != "fp32":
        path = tmp_path / f"small{suffix}"
        quantise = plain_export.quantise_tflite if tflite else plain_export.quantise_onnx
        quantise(plain, path, crops if recipe == "static" else None)
    expected = network(torch.from_numpy(crops[:1]).permute(0, 3, 1, 2)).numpy()
    if tflite:
        _, interpreter = open_interpreter(path)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], crops[:1])
        interpreter.invoke()
        made = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        found = made.transpose(0, 3, 1, 2)
    else:
        (found,) = open_session(path).run(None, {"image": crops[:1].transpose(0, 3, 1, 2)})
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert error < (1e-5 if recipe == "fp32" else 0.05)
    assert (error > 1e-5) == (recipe != "fp32")
