"""INT8 forms of one network against its float form, in simulation, on the same people."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

from mvpose.bootstrap import RESAMPLES, ap_difference
from mvpose.data.coco import KeypointData
from mvpose.evaluation import check_labels, score_results
from mvpose.models.deploy import DeployNet
from mvpose.parity import compare_heatmaps
from mvpose.quantize.network import capture
from mvpose.quantize.plan import Plan
from mvpose.quantize.recipes import Recipe
from mvpose.quantize.simulate import SimulatedRuntime
from mvpose.results import batch_results, crop_images, ground_truth_boxes
from mvpose.spec import ModelSpec

FIRST = 128


class Judge:
    """Compares forms of a network on people, who are cropped once.

    Args:
        network: the deploy form.
        spec: what it means.
        data: the people, in their annotated boxes.

    Raises:
        InputError: the labels have other keypoints than the model, or an image can't be read.
    """

    def __init__(self, network: DeployNet, spec: ModelSpec, data: KeypointData) -> None:
        check_labels(data, spec)
        self.network = network
        self.spec = spec
        self.data = data
        self.graph = capture(network, spec.preprocess)
        self.people = crop_images(ground_truth_boxes(data), spec)

    @property
    def protocol(self) -> dict[str, Any]:
        """What is compared on what."""
        return {
            "model": self.spec.name,
            "annotations": self.data.annotations.name,
            "boxes": "ground truth",
            "decode": self.spec.decode.method,
            "images": len(self.people.images),
            "people": len(self.people.crops),
            "heatmaps_of": min(FIRST, len(self.people.crops)),
            "resamples": RESAMPLES,
        }

    @cached_property
    def float_maps(self) -> NDArray[np.float32]:
        """Heatmaps of the float network."""
        return SimulatedRuntime(self.graph.module, self.spec, "fp32").heatmaps(self.people.crops)

    @cached_property
    def float_matches(self) -> COCOeval:
        """Of the float network with the labels."""
        return self._matches(self.float_maps)

    def cost(
        self, plan: Plan, recipe: Recipe, everybody: bool = True
    ) -> tuple[dict[str, Any], COCOeval | None]:
        """Parity of the first people and difference in AP, against the float network.

        Args:
            plan: of the network, or of the same function rewritten.
            recipe: what is in INT8.
            everybody: for the AP; else it is None.

        Returns:
            Both as result rows have them, and the matches with the labels.
        """
        crops = self.people.crops if everybody else self.people.crops[:FIRST]
        maps = SimulatedRuntime(plan.simulate(recipe), self.spec, recipe.name).heatmaps(crops)
        source = self.data.annotations.name
        parity = compare_heatmaps(self.float_maps[:FIRST], maps[:FIRST], self.spec, source)
        matches = self._matches(maps) if everybody else None
        change = ap_difference(self.float_matches, matches) if matches else None
        row = {"parity": asdict(parity), "ap_difference": asdict(change) if change else None}
        return row, matches

    def _matches(self, heatmaps: NDArray[np.float32]) -> COCOeval:
        results = batch_results((self.people, heatmaps), self.spec)
        return score_results(self.data, list(chain.from_iterable(results)))
