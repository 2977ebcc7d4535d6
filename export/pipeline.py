"""Checkpoint -> deploy form -> files of any format and precision, each with its proof."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

from mvpose.artefact import Artefact
from mvpose.bootstrap import APDifference, Comparison, compare
from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.data.synthetic import resolve_data
from mvpose.evaluation import Accuracy, evaluate
from mvpose.export.inventory import Inventory
from mvpose.export.targets.base import Job, Target
from mvpose.files import staging
from mvpose.models.deploy import deploy
from mvpose.parity import Parity, measure_parity
from mvpose.quantize.calibration import CalibrationSet, crops_of, drawn_crops
from mvpose.quantize.network import QuantGraph, capture
from mvpose.quantize.observers import CALIBRATORS, Calibrator
from mvpose.quantize.plan import Plan, plan_int8
from mvpose.quantize.qat_checkpoint import Trained
from mvpose.quantize.recipes import Recipe
from mvpose.quantize.remedies.plan import HELD_OUT, apply_remedies
from mvpose.runtime.base import Runtime
from mvpose.runtime.torch_runtime import TorchRuntime

TOOLCHAIN = ("mvpose", "torch")
"""Of every file, besides its format's."""
PARITY_CROPS = 64
PARITY_SEED = 1


@dataclass(frozen=True)
class Exported:
    """A finished file and what was measured of it."""

    path: Path
    target: Target
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


class Exporter:
    """Exports one network in any number of formats and recipes; what they share is done once.

    Args:
        reference: the float network.
        targets: the formats; the suffix of a file's name chooses among them.
        calibration: makes the calibration set when a recipe first needs it.
        calibrator: makes ranges of the activations.
        truth: where AP is wanted; parity is then measured on its people, else on drawn ones.
        threads: of the runtimes.
        plain: calibrate only, without remedies.
        trained: by recipe: what quantisation-aware training made of the network.
    """

    def __init__(
        self,
        reference: TorchRuntime,
        targets: Iterable[Target],
        calibration: Callable[[], CalibrationSet],
        calibrator: Calibrator = CALIBRATORS["average"],
        truth: Truth | None = None,
        threads: int = 1,
        plain: bool = False,
        trained: Mapping[str, Trained] = MappingProxyType({}),
    ) -> None:
        self.reference = reference
        self.targets = {target.suffix: target for target in targets}
        self.calibration = cache(calibration)
        self.calibrator = calibrator
        self.truth = truth
        self.threads = threads
        self.plain = plain
        self.trained = trained
        self.network = deploy(reference.model, reference.spec.preprocess)

    def export(self, recipe: Recipe, path: Path, plan: Plan | None = None) -> Exported:
        """Write one file with its description inside and, as ``<name>.json``, beside it.

        Args:
            recipe: how to store and compute the network.
            path: the file; its suffix chooses the format.
            plan: of a static recipe; None makes one.

        Raises:
            InputError: the file can't be written.
        """
        target = self.targets[path.suffix]
        if recipe.needs_calibration and not target.own_ranges:
            trained = self.trained.get(recipe.name)
            plan = plan or (trained.plan if trained else self.plan)
        job = Job(
            self.reference.spec,
            recipe,
            self.network,
            lambda: self.graph,
            lambda: self.calibration().crops,
            plan,
        )
        with staging(path.parent) as folder:
            file = folder / path.name
            target.write(job, file)
            inventory = target.inventory(file)
            artefact = self._describe(target, file, job)
            runtime = target.open(file, self.threads, artefact)
            parity = measure_parity(self.reference, runtime, *self._parity_crops)
            accuracy, comparison = self._accuracy(runtime)
            artefact = replace(
                artefact,
                parity=asdict(parity),
                accuracy=asdict(accuracy) if accuracy else None,
            )
            target.embed(file, artefact)
            described = folder / f"{path.name}.json"
            described.write_text(artefact.to_json(indent=1) + "\n", encoding="utf-8")
        return Exported(
            path,
            target,
            recipe,
            artefact.weights_sha256,
            inventory,
            parity,
            accuracy,
            comparison,
        )

    @cached_property
    def graph(self) -> QuantGraph:
        """The operators of the float network."""
        return capture(self.network, self.reference.spec.preprocess)

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

    @cached_property
    def _parity_crops(self) -> tuple[NDArray[np.uint8], str]:
        if self.truth is None:
            return drawn_crops(self.reference.spec, PARITY_CROPS, PARITY_SEED), "drawn people"
        people = self.truth.data.people[:PARITY_CROPS]
        return crops_of(people, self.reference.spec), self.truth.data.annotations.name

    def _describe(self, target: Target, path: Path, job: Job) -> Artefact:
        given, made = target.tensors(path)
        return Artefact(
            model=job.spec,
            format=target.format,
            layout=target.layout,
            input=given,
            output=made,
            recipe=job.recipe.name,
            weights_sha256=str(self.reference.protocol.get("sha256", "")),
            toolchain={package: version(package) for package in (*TOOLCHAIN, *target.toolchain)},
            calibration=asdict(replace(self.calibration().manifest, ranges=self.calibrator))
            if job.recipe.needs_calibration
            else None,
            quantisation=job.plan.description() if job.plan else None,
        )

    def _accuracy(self, runtime: Runtime) -> tuple[Accuracy | None, Comparison | None]:
        if self.truth is None:
            return None, None
        accuracy, matches = evaluate(runtime, self.truth.data, flip=self.truth.flip)
        return accuracy, compare(self.truth.matches, matches, runtime.spec.skeleton)
