"""What a converter needs to write a network in INT8, whatever the format."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.models.deploy import DeployNet
from mvpose.quantize.network import QuantGraph, capture
from mvpose.quantize.observers import Calibrator
from mvpose.quantize.ranges import Ranges, measure_ranges
from mvpose.quantize.recipes import Recipe
from mvpose.quantize.simulate import QParams, QuantNet, qparams_of
from mvpose.spec import Preprocess


@dataclass(frozen=True)
class Plan:
    """A network with the scales of all its tensors.

    Attributes:
        network: its weights.
        graph: its operators.
        ranges: of the tensors, for integers wider than INT8.
        qparams: INT8 scales and zero points of the tensors.
        islands: operators that stay in float beyond those of the recipe.
        steps: what was done to the network and its ranges, for the file's description.
    """

    network: DeployNet
    graph: QuantGraph
    ranges: Ranges
    qparams: QParams
    islands: frozenset[str] = frozenset()
    steps: tuple[dict[str, Any], ...] = ()

    def float_nodes(self, recipe: Recipe) -> frozenset[str]:
        """The operators that stay in float."""
        return self.islands.union(*(self.graph.group(group) for group in recipe.float_groups))

    def simulate(self, recipe: Recipe) -> QuantNet:
        """What a file of this plan and recipe computes, in torch and in eval mode."""
        net = QuantNet(self.graph, self.float_nodes(recipe))
        net.set_qparams(self.qparams)
        return net.eval()

    def description(self) -> dict[str, Any]:
        """What a file says of it."""
        islands = sorted({self.graph.path[node] for node in self.islands})
        return {"steps": list(self.steps), "float_islands": islands}

    def with_islands(self, islands: frozenset[str]) -> Plan:
        """The same with other operators in float."""
        return replace(self, islands=islands)


def plan_int8(
    network: DeployNet,
    preprocess: Preprocess,
    crops: NDArray[np.uint8],
    calibrator: Calibrator,
) -> Plan:
    """Post-training quantisation: the network as it is, ranges from calibration crops.

    Args:
        network: the deploy form.
        preprocess: for the input size.
        crops: (N, height, width, 3), 0..255.
        calibrator: makes a range of a tensor's values.

    Raises:
        InputError: an activation is not finite, or an operator has no INT8 form.
    """
    graph = capture(network, preprocess)
    ranges = measure_ranges(graph, crops, calibrator)
    return Plan(network, graph, ranges, qparams_of(graph, ranges))
