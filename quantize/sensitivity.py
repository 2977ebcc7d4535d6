"""What each block of a network costs in INT8, in AP, OKS and pixels, by simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from itertools import chain
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval
from pydantic.dataclasses import dataclass
from torch.fx import GraphModule

from mvpose.bootstrap import APDifference, ap_difference
from mvpose.data.coco import KeypointData
from mvpose.errors import InputError
from mvpose.evaluation import check_labels, score_results
from mvpose.parity import Parity, compare_heatmaps
from mvpose.quantize.agreement import Agreement
from mvpose.quantize.blocks import Block, blocks
from mvpose.quantize.network import Role
from mvpose.quantize.outliers import Outlier, find_outliers
from mvpose.quantize.plan import Plan
from mvpose.quantize.recipes import RECIPES, Recipe
from mvpose.quantize.simulate import SimulatedRuntime
from mvpose.quantize.variants import share_parameters, variant_heatmaps
from mvpose.results import batch_results, crop_images, ground_truth_boxes
from mvpose.spec import FROZEN, ModelSpec, Record

T = TypeVar("T")
Track = Callable[[Iterable[T], str, int], Iterable[T]]
"""Shows the progress of so many items under a label."""

FULL = RECIPES["static_wi8_ai8"]
MIXED = RECIPES["static_wi8_ai8_mixed"]


@dataclass(frozen=True, config=FROZEN)
class Cost(Record):
    """What a form of a network loses against the float one on the same people.

    Attributes:
        ap: its AP minus the float network's.
        parity: its heatmaps and keypoints against the float network's.
    """

    ap: APDifference
    parity: Parity


@dataclass(frozen=True, config=FROZEN)
class LeftOut(Record):
    """A network in INT8 but for one block.

    Attributes:
        cost: of what is in INT8.
        gain: its AP minus that of the network with the block in INT8 as well.
    """

    cost: Cost
    gain: APDifference


@dataclass(frozen=True, config=FROZEN)
class BlockCost(Record):
    """What was measured of one block.

    Attributes:
        name, title: as in ``Block``.
        operators: how many it has, and ``weights``: how many numbers.
        alone: the network in float but for this block, which reads and writes INT8.
        left_out: by recipe, the network in INT8 but for this block; without the recipes that leave
            it in float anyway.
        outliers: channels far above the others in the tensors that it writes, the widest first.
    """

    name: str
    title: str
    operators: int
    weights: int
    alone: Cost
    left_out: dict[str, LeftOut]
    outliers: tuple[Outlier, ...]


@dataclass(frozen=True, config=FROZEN)
class SensitivityMap(Record):
    """What INT8 costs a network, block by block.

    Attributes:
        float_ap: AP of the float network.
        whole: by recipe, all that it has in INT8.
        blocks: in order of computation.
        protocol: model, checkpoint, people, calibration, simulation.
        agreement: of the simulation with files.
    """

    float_ap: float
    whole: dict[str, Cost]
    blocks: tuple[BlockCost, ...]
    protocol: dict[str, Any]
    agreement: tuple[Agreement, ...] = ()

    @property
    def recipes_left_out(self) -> list[str]:
        """The recipes whose blocks were left out one at a time."""
        return list(dict.fromkeys(name for block in self.blocks for name in block.left_out))


def int8_recipe(name: str) -> Recipe:
    """A recipe that the simulation knows.

    Raises:
        InputError: it is none of static INT8.
    """
    known = {recipe.name: recipe for recipe in (FULL, MIXED)}
    if name not in known:
        raise InputError(
            f"blocks can't be left out of the recipe {name!r}", f"known: {', '.join(known)}"
        )
    return known[name]


class Sensitivity:
    """Measures a network's blocks on people, who are cropped once.

    Args:
        plan: the network and its scales.
        spec: what it means.
        data: the people, in their annotated boxes.
        track: to show progress.

    Raises:
        InputError: the labels have other keypoints than the model, or an image can't be read.
    """

    def __init__(
        self,
        plan: Plan,
        spec: ModelSpec,
        data: KeypointData,
        track: Track[Any] = lambda items, label, total: items,
    ) -> None:
        check_labels(data, spec)
        self.plan = plan
        self.spec = spec
        self.data = data
        self.track = track
        self.blocks = blocks(plan.graph)
        self.people = crop_images(ground_truth_boxes(data), spec)
        self._wholes: dict[str, tuple[Cost, COCOeval]] = {}

    @cached_property
    def float_heatmaps(self) -> NDArray[np.float32]:
        """Of the float network."""
        runtime = SimulatedRuntime(self.plan.graph.module, self.spec, "fp32")
        return runtime.heatmaps(self.people.crops)

    @cached_property
    def float_matches(self) -> COCOeval:
        """Of the float network with the labels."""
        return self._matches(self.float_heatmaps)

    @cached_property
    def alone(self) -> dict[str, Cost]:
        """By block: it alone in INT8."""
        everything = frozenset(self.plan.graph.roles)
        bodies = {b.name: self._body(FULL, everything - b.nodes) for b in self.blocks}
        base = self.plan.graph.module
        return {
            name: self._cost(maps, self._matches(maps))
            for name, maps in self._run(base, bodies, "one block in INT8")
        }

    def whole(self, recipe: Recipe) -> Cost:
        """All that a recipe has in INT8."""
        return self._whole(recipe)[0]

    def left_out(self, recipe: Recipe) -> dict[str, LeftOut]:
        """By block that a recipe has in INT8: all but it."""
        bodies = {
            b.name: self._body(recipe, self.plan.islands | b.nodes) for b in self._integer(recipe)
        }
        _, everything = self._whole(recipe)
        base = self._body(recipe, self.plan.islands)
        found = {}
        for name, maps in self._run(base, bodies, f"{recipe.name} but one block"):
            matches = self._matches(maps)
            gain = ap_difference(everything, matches)
            found[name] = LeftOut(self._cost(maps, matches), gain)
        return found

    def costliest(self, recipe: Recipe) -> list[Block]:
        """The blocks that a recipe has in INT8, what should be left in float first.

        By the OKS that each loses alone: on few people it tells blocks apart where AP can't, and
        one block's gain among all the others is lost in their noise.
        """
        blocks = self._integer(recipe)
        return sorted(blocks, key=lambda block: self.alone[block.name].parity.oks or 0.0)

    def measure(self, crops: NDArray[np.uint8], leave_out: Iterable[Recipe] = ()) -> SensitivityMap:
        """Everything.

        Args:
            crops: to look for outliers in, (N, height, width, 3).
            leave_out: recipes whose blocks are also left out one at a time.
        """
        left_out = {recipe.name: self.left_out(recipe) for recipe in leave_out}
        outliers = find_outliers(self.plan.graph, crops)
        rows = [
            BlockCost(
                name=block.name,
                title=block.title,
                operators=len(block.nodes),
                weights=block.weights,
                alone=self.alone[block.name],
                left_out={
                    r: found[block.name] for r, found in left_out.items() if block.name in found
                },
                outliers=tuple(o for o in outliers if o.tensor in block.nodes),
            )
            for block in self.blocks
        ]
        return SensitivityMap(
            float_ap=float(self.float_matches.stats[0]),
            whole={recipe.name: self.whole(recipe) for recipe in (FULL, MIXED)},
            blocks=tuple(rows),
            protocol={
                "model": self.spec.name,
                "annotations": self.data.annotations.name,
                "boxes": "ground truth",
                "images": len(self.people.images),
                "people": len(self.people.crops),
                **SimulatedRuntime(self.plan.graph.module, self.spec, "INT8").protocol,
            },
        )

    def _integer(self, recipe: Recipe) -> list[Block]:
        """The blocks of which a recipe has more in INT8 than what moves values."""
        roles, kept = self.plan.graph.roles, self.plan.float_nodes(recipe)
        return [
            block
            for block in self.blocks
            if any(roles[node] is not Role.SAME for node in block.nodes - kept)
        ]

    def _whole(self, recipe: Recipe) -> tuple[Cost, COCOeval]:
        if recipe.name in self._wholes:
            return self._wholes[recipe.name]
        runtime = SimulatedRuntime(self.plan.simulate(recipe), self.spec, recipe.name)
        maps = runtime.heatmaps(self.people.crops)
        matches = self._matches(maps)
        self._wholes[recipe.name] = self._cost(maps, matches), matches
        return self._wholes[recipe.name]

    def _run(
        self, base: GraphModule, bodies: Mapping[str, GraphModule], label: str
    ) -> Iterable[tuple[str, NDArray[np.float32]]]:
        return self.track(variant_heatmaps(base, bodies, self.people.crops), label, len(bodies))

    def _body(self, recipe: Recipe, islands: frozenset[str]) -> GraphModule:
        body = self.plan.with_islands(islands).simulate(recipe).body
        share_parameters(body, self.plan.graph.module)
        return body

    def _matches(self, heatmaps: NDArray[np.float32]) -> COCOeval:
        results = batch_results((self.people, heatmaps), self.spec)
        return score_results(self.data, list(chain.from_iterable(results)))

    def _cost(self, heatmaps: NDArray[np.float32], matches: COCOeval) -> Cost:
        source = self.data.annotations.name
        return Cost(
            ap_difference(self.float_matches, matches),
            compare_heatmaps(self.float_heatmaps, heatmaps, self.spec, source),
        )
