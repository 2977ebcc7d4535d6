"""Deploy forms as float ``.tflite`` files, each converted once, and their tensors found in them."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mvpose.export.apart import run_apart
from mvpose.export.tensors import Match, match_tensors
from mvpose.export.tflite import convert
from mvpose.files import replacing
from mvpose.models.deploy import DeployNet
from mvpose.quantize.calibration import drawn_crops
from mvpose.quantize.network import QuantGraph
from mvpose.spec import ModelSpec


class Conversions:
    """Float files by the weights of their networks.

    Args:
        spec: of the model.
        folder: for the files.
    """

    def __init__(self, spec: ModelSpec, folder: Path) -> None:
        self.spec = spec
        self.folder = folder
        self._matches: dict[Path, Match] = {}

    def file(self, network: DeployNet) -> Path:
        """The float file of a network, without a description.

        Raises:
            InputError: the converter is not installed, or fails.
        """
        path = self.folder / f"{_digest(network)}.tflite"
        if not path.exists():
            what = "the conversion by litert-torch"
            with replacing(path) as temporary:
                run_apart(convert, network, self.spec.preprocess, temporary, what=what)
        return path

    def match(self, network: DeployNet, graph: QuantGraph) -> Match:
        """The tensors of the network's file as nodes of its graph."""
        path = self.file(network)
        if path not in self._matches:
            (crop,) = drawn_crops(self.spec, 1, seed=0)
            self._matches[path] = match_tensors(path, graph, crop)
        return self._matches[path]


@contextmanager
def conversions(spec: ModelSpec) -> Iterator[Conversions]:
    """``Conversions`` in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="mvpose-") as folder:
        yield Conversions(spec, Path(folder))


def _digest(network: DeployNet) -> str:
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()
