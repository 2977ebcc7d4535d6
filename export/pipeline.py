"""Checkpoint -> deploy form -> float file -> quantised files, each with its proof."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

from mvpose.artefact import Artefact, append_artefact
from mvpose.bootstrap import APDifference, Comparison, compare
from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.data.synthetic import resolve_data
from mvpose.evaluation import Accuracy, evaluate
from mvpose.export.conversion import Conversions
from mvpose.export.inventory import Inventory, take_inventory
from mvpose.export.tensors import exact_ranges, wide_ranges
from mvpose.export.tflite_quantize import quantize
from mvpose.files import replacing, write_text
from mvpose.models.deploy import deploy
from mvpose.parity import Parity, measure_parity
from mvpose.quantize.calibration import CalibrationSet, crops_of, drawn_crops
from mvpose.quantize.observers import CALIBRATORS, Calibrator
from mvpose.quantize.plan import Plan, plan_int8
from mvpose.quantize.qat_checkpoint import Trained
from mvpose.quantize.recipes import Recipe
from mvpose.quantize.remedies.plan import HELD_OUT, apply_remedies
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
    comparison: Comparison | None

    @property
    def difference(self) -> APDifference | None:
        """Its AP minus the float network's, where AP was wanted."""
        return self.comparison.ap if self.comparison else None


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


class TFLiteExport:
    """Exports one network in any number of recipes; what they share is done once.

    Args:
        reference: the float network.
        conversions: makes and keeps the float files.
        calibration: makes the calibration set when a recipe first needs it.
        calibrator: makes ranges of the activations.
        truth: where AP is wanted; parity is then measured on its people, else on drawn ones.
        threads: of the interpreters.
        io: element type of input and output of static recipes.
        plain: calibrate only, without remedies.
        trained: by recipe: what quantisation-aware training made of the network.
    """

    def __init__(
        self,
        reference: TorchRuntime,
        conversions: Conversions,
        calibration: Callable[[], CalibrationSet],
        calibrator: Calibrator = CALIBRATORS["average"],
        truth: Truth | None = None,
        threads: int = 1,
        io: str = "float32",
        plain: bool = False,
        trained: Mapping[str, Trained] = MappingProxyType({}),
    ) -> None:
        self.reference = reference
        self.conversions = conversions
        self.calibration = cache(calibration)
        self.calibrator = calibrator
        self.truth = truth
        self.threads = threads
        self.io = io
        self.plain = plain
        self.trained = trained
        self.network = deploy(reference.model, reference.spec.preprocess)

    def export(self, recipe: Recipe, path: Path, plan: Plan | None = None) -> Exported:
        """Write one file with its description inside and, as ``.json``, beside it.

        Args:
            recipe: how to store and compute the network.
            path: the file.
            plan: of a static recipe; None makes one.

        Raises:
            InputError: the file can't be written.
        """
        if recipe.needs_calibration:
            trained = self.trained.get(recipe.name)
            plan = plan or (trained.plan if trained else self.plan)
        with replacing(path) as temporary:
            self._write(recipe, temporary, plan)
            inventory = take_inventory(temporary)
            artefact = self._describe(temporary, recipe, plan)
            runtime = LiteRTRuntime(temporary, self.threads, artefact)
            parity = measure_parity(self.reference, runtime, *self._parity_crops)
            accuracy, comparison = self._accuracy(runtime)
            artefact = replace(
                artefact,
                parity=asdict(parity),
                accuracy=asdict(accuracy) if accuracy else None,
            )
            append_artefact(temporary, artefact)
            write_text(path.with_suffix(".json"), artefact.to_json(indent=1) + "\n")
        return Exported(
            path, recipe, artefact.weights_sha256, inventory, parity, accuracy, comparison
        )

    @cached_property
    def plan(self) -> Plan:
        """INT8 without training: with remedies, or by calibration alone if so asked."""
        if self.plain:
            return self.calibrated
        crops = self.calibration().crops
        return apply_remedies(
            self.network,
            self.reference.spec,
            crops,
            self.calibrator,
            held_out=min(HELD_OUT, len(crops) // 4),
        )

    @cached_property
    def calibrated(self) -> Plan:
        """INT8 by calibration alone."""
        return plan_int8(
            self.network, self.reference.spec.preprocess, self.calibration().crops, self.calibrator
        )

    def _write(self, recipe: Recipe, path: Path, plan: Plan | None) -> None:
        """Write the bare file."""
        if plan is None:
            float_file = self.conversions.file(self.network)
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

    @cached_property
    def _parity_crops(self) -> tuple[NDArray[np.uint8], str]:
        if self.truth is None:
            return drawn_crops(self.reference.spec, PARITY_CROPS, PARITY_SEED), "drawn people"
        people = self.truth.data.people[:PARITY_CROPS]
        return crops_of(people, self.reference.spec), self.truth.data.annotations.name

    def _describe(self, path: Path, recipe: Recipe, plan: Plan | None) -> Artefact:
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
            calibration=asdict(replace(self.calibration().manifest, ranges=self.calibrator))
            if plan
            else None,
            quantisation=plan.description() if plan else None,
        )

    def _accuracy(self, runtime: LiteRTRuntime) -> tuple[Accuracy | None, Comparison | None]:
        if self.truth is None:
            return None, None
        accuracy, matches = evaluate(runtime, self.truth.data, flip=self.truth.flip)
        return accuracy, compare(self.truth.matches, matches, runtime.spec.skeleton)
