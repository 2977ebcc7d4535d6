"""INT8 files held against the simulation that foretells them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mvpose.export.pipeline import Exporter
from mvpose.quantize.agreement import Agreement, compare_levels
from mvpose.quantize.plan import Plan
from mvpose.quantize.recipes import Recipe
from mvpose.quantize.simulate import SimulatedRuntime
from mvpose.runtime.litert import LiteRTRuntime


def measure_agreement(
    exporter: Exporter, plan: Plan, recipe: Recipe, crops: NDArray[np.uint8], source: str
) -> Agreement:
    """Write the ``.tflite`` file of a plan, and run it and the simulation on the same crops.

    Args:
        exporter: of the plan's model.
        plan: the network and its scales.
        recipe: a static one of INT8.
        crops: (N, height, width, 3), 0..255.
        source: which crops.
    """
    spec = exporter.reference.spec
    with tempfile.TemporaryDirectory(prefix="mvpose-") as folder:
        path = Path(folder) / "int8.tflite"
        exporter.export(recipe, path, plan)
        file = LiteRTRuntime(path)
        (output,) = next(reversed(plan.graph.module.graph.nodes)).all_input_nodes
        step, _ = plan.qparams[plan.graph.tensor[output.name]]
        simulated = SimulatedRuntime(plan.simulate(recipe), spec, recipe.name).heatmaps(crops)
        runtime = f"{file.protocol['runtime']} {file.protocol['version']}"
        return compare_levels(
            simulated, file.heatmaps(crops), step, spec, recipe.name, runtime, source
        )
