"""Files for the browser demo's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvpose.export import pipeline
from mvpose.export.conversion import Conversions
from mvpose.export.pipeline import Exporter
from mvpose.export.targets.tflite import TFLiteTarget
from mvpose.quantize.calibration import drawn_calibration
from mvpose.quantize.recipes import RECIPES
from mvpose.runtime.torch_runtime import TorchRuntime


def export(reference: TorchRuntime, float_files: Conversions, paths: dict[str, Path]) -> None:
    """Write files by recipe, calibrated on a few drawn people."""
    exporter = Exporter(
        reference,
        [TFLiteTarget(float_files, "float32")],
        lambda: drawn_calibration(reference.spec, 8),
        plain=True,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "PARITY_CROPS", 2)
        for recipe, path in paths.items():
            exporter.export(RECIPES[recipe], path)
