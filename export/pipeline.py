"""Checkpoint -> deploy form -> float file -> quantised files, each with its proof."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

from mvpose.artefact import Artefact, append_artefact
from mvpose.bootstrap import APDifference, ap_difference
from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.data.synthetic import resolve_data
from mvpose.evaluation import Accuracy, evaluate
from mvpose.export.inventory import Inventory, take_inventory
from mvpose.export.parity import Parity, measure_parity
from mvpose.export.tflite import convert
from mvpose.export.tflite_quantize import Ranges, measure_ranges, quantize
from mvpose.files import replacing, write_text
from mvpose.models.deploy import deploy
from mvpose.quantize.calibration import CalibrationSet, crops_of, drawn_crops
from mvpose.quantize.recipes import Recipe
from mvpose.runtime.litert import LiteRTRuntime, open_interpreter, tensor_info
from mvpose.runtime.torch_runtime import TorchRuntime

TOOLCHAIN = ("mvpose", "torch", "litert-torch", "ai-edge-quantizer", "ai-edge-litert")
PARITY_CROPS = 64
PARITY_SEED = 1


@dataclass(frozen=True)
class Exported:
    """A finished file and what was measured of it."""

    path: Path
    recipe: Recipe
    weights_sha256: str
    inventory: Inventory
    parity: Parity
    accuracy: Accuracy | None
    difference: APDifference | None


@dataclass(frozen=True)
class Truth:
    """The float network's own accuracy, and the data to measure the files on."""

    data: KeypointData
    accuracy: Accuracy
    matches: COCOeval
    flip: bool


def float_truth(reference: TorchRuntime, data: str, split: str, flip: bool) -> Truth:
    """Evaluate the float network on a folder in COCO layout or "synthetic:N"."""
    loaded = load_keypoints(resolve_data(data, split), split, reference.spec.skeleton)
    accuracy, matches = evaluate(reference, loaded, flip=flip)
    return Truth(loaded, accuracy, matches, flip)


@contextmanager
def converted(reference: TorchRuntime) -> Iterator[Path]:
    """The float file of a network, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="mvpose-") as folder:
        path = Path(folder) / "float.tflite"
        preprocess = reference.spec.preprocess
        convert(deploy(reference.model, preprocess), preprocess, path)
        yield path


class TFLiteExport:
    """Exports one network in any number of recipes; what they share is done once.

    Args:
        reference: the float network.
        float_file: its conversion.
        calibration: makes the calibration set when a recipe first needs it.
        truth: where AP is wanted; parity is then measured on its people, else on drawn ones.
        threads: of the interpreters.
        io: element type of input and output of static recipes.
    """

    def __init__(
        self,
        reference: TorchRuntime,
        float_file: Path,
        calibration: Callable[[], CalibrationSet],
        truth: Truth | None = None,
        threads: int = 1,
        io: str = "float32",
    ) -> None:
        self.reference = reference
        self.float_file = float_file
        self.calibration = calibration
        self.truth = truth
        self.threads = threads
        self.io = io

    def export(self, recipe: Recipe, path: Path) -> Exported:
        """Write one file with its description inside and, as ``.json``, beside it.

        Raises:
            InputError: the file can't be written.
        """
        with replacing(path) as temporary:
            manifest = self._write(recipe, temporary)
            inventory = take_inventory(temporary)
            artefact = self._describe(temporary, recipe, manifest)
            runtime = LiteRTRuntime(temporary, self.threads, artefact)
            parity = measure_parity(self.reference, runtime, *self._parity_crops)
            accuracy, difference = self._accuracy(runtime)
            artefact = replace(
                artefact,
                parity=asdict(parity),
                accuracy=asdict(accuracy) if accuracy else None,
            )
            append_artefact(temporary, artefact)
            write_text(path.with_suffix(".json"), artefact.to_json(indent=1) + "\n")
        return Exported(
            path, recipe, artefact.weights_sha256, inventory, parity, accuracy, difference
        )

    def _write(self, recipe: Recipe, path: Path) -> dict[str, Any] | None:
        """Write the bare file; returns the calibration's manifest where there was one."""
        if recipe.kind == "float32":
            shutil.copyfile(self.float_file, path)
            return None
        if not recipe.needs_calibration:
            quantize(self.float_file, recipe, None, path)
            return None
        calibration, ranges = self._calibrated
        quantize(self.float_file, recipe, ranges, path, self.io)
        return asdict(calibration.manifest)

    @cached_property
    def _calibrated(self) -> tuple[CalibrationSet, Ranges]:
        calibration = self.calibration()
        return calibration, measure_ranges(self.float_file, calibration.crops)

    @cached_property
    def _parity_crops(self) -> tuple[NDArray[np.uint8], str]:
        if self.truth is None:
            return drawn_crops(self.reference.spec, PARITY_CROPS, PARITY_SEED), "drawn people"
        people = self.truth.data.people[:PARITY_CROPS]
        return crops_of(people, self.reference.spec), self.truth.data.annotations.name

    def _describe(self, path: Path, recipe: Recipe, manifest: dict[str, Any] | None) -> Artefact:
        _, interpreter = open_interpreter(path)
        return Artefact(
            model=self.reference.spec,
            format="tflite",
            layout="NHWC",
            input=tensor_info(interpreter.get_input_details()[0]),
            output=tensor_info(interpreter.get_output_details()[0]),
            recipe=recipe.name,
            weights_sha256=str(self.reference.protocol.get("sha256", "")),
            toolchain={package: version(package) for package in TOOLCHAIN},
            calibration=manifest,
        )

    def _accuracy(self, runtime: LiteRTRuntime) -> tuple[Accuracy | None, APDifference | None]:
        if self.truth is None:
            return None, None
        accuracy, matches = evaluate(runtime, self.truth.data, flip=self.truth.flip)
        return accuracy, ap_difference(self.truth.matches, matches)
