"""What an exported file is made from, and what a format has to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mvpose.artefact import Artefact, Format, Layout, TensorInfo
from mvpose.export.inventory import Inventory
from mvpose.models.deploy import DeployNet
from mvpose.quantize.forms import float_form, weights_form
from mvpose.quantize.network import QuantGraph
from mvpose.quantize.plan import Plan
from mvpose.quantize.recipes import Recipe
from mvpose.quantize.simulate import QuantNet
from mvpose.runtime.base import Runtime
from mvpose.spec import ModelSpec


@dataclass(frozen=True)
class Job:
    """One file to write.

    Attributes:
        spec: what the network means.
        recipe: how to store and compute it.
        network: the float network's deploy form.
        graph: makes its operators.
        crops: makes (N, height, width, 3), 0..255, to calibrate on.
        plan: weights, scales and islands of a static recipe.
    """

    spec: ModelSpec
    recipe: Recipe
    network: DeployNet
    graph: Callable[[], QuantGraph]
    crops: Callable[[], NDArray[np.uint8]]
    plan: Plan | None = None

    def net(self) -> QuantNet:
        """What the file computes."""
        if self.plan is not None:
            return self.plan.simulate(self.recipe)
        if self.recipe.kind == "weight_only":
            return weights_form(self.graph())
        return float_form(self.graph())


class Target(Protocol):
    """A file format.

    Attributes:
        format: as descriptions name it.
        suffix: of its files.
        layout: of input and output.
        recipes: names of those that it can be written in.
        toolchain: packages whose versions decide what is written.
        own_ranges: its converter calibrates itself, on the same crops.
    """

    @property
    def format(self) -> Format: ...

    @property
    def suffix(self) -> str: ...

    @property
    def layout(self) -> Layout: ...

    @property
    def recipes(self) -> tuple[str, ...]: ...

    @property
    def toolchain(self) -> tuple[str, ...]: ...

    @property
    def own_ranges(self) -> bool: ...

    def write(self, job: Job, path: Path) -> None:
        """Write the bare file.

        Raises:
            InputError: the converter is not installed, or fails.
        """
        ...

    def tensors(self, path: Path) -> tuple[TensorInfo, TensorInfo]:
        """Its input and output."""
        ...

    def inventory(self, path: Path) -> Inventory:
        """Its operators."""
        ...

    def open(self, path: Path, threads: int, artefact: Artefact) -> Runtime:
        """Load it, with a description that is not in it yet."""
        ...

    def embed(self, path: Path, artefact: Artefact) -> None:
        """Put the description into it."""
        ...
