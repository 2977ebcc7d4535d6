"""A pose network of another maker as a Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mvpose.errors import InputError
from mvpose.peers.adapter import CoordinateOutput, HeatmapOutput, PoseAdapter, read_adapter
from mvpose.peers.network import ForeignFile

Floats = NDArray[np.float32]


class PeerRuntime:
    """A ``.tflite`` or ``.onnx`` of another maker, by its adapter.

    Args:
        path: the file.
        adapter: what it means.
        threads: of the CPU kernels.

    Raises:
        InputError: the file can't be loaded, or is not what the adapter says.
    """

    def __init__(self, path: Path, adapter: PoseAdapter, threads: int = 1) -> None:
        self.adapter = adapter
        self.spec = adapter.spec
        self._file = ForeignFile(path, adapter.input, adapter.output.tensors, threads)
        self.protocol: dict[str, str | int] = {**self._file.protocol, "adapter": adapter.name}

    def heatmaps(self, images: NDArray[np.uint8]) -> Floats:
        """As in ``Runtime``.

        Raises:
            InputError: the network fails, or its output has not the adapter's shape.
        """
        outputs = self._file.run(images)
        try:
            landmarks = self._read(outputs)
            order = self.adapter.landmarks or range(len(self.spec.skeleton.keypoints))
            return np.ascontiguousarray(landmarks[:, list(order)])
        except (IndexError, ValueError) as error:
            shapes = ", ".join("x".join(map(str, output.shape[1:])) for output in outputs)
            raise InputError(
                f"the output {shapes} of {self._file.path} is not what the adapter "
                f"{self.adapter.name} says",
                "check its columns and landmarks",
            ) from error

    def _read(self, outputs: list[Floats]) -> Floats:
        """Heatmaps (N, landmarks, h, w), or (N, landmarks, 1, 3) of x, y in px and score."""
        output = self.adapter.output
        if isinstance(output, HeatmapOutput):
            (maps,) = outputs
            return maps.transpose(0, 3, 1, 2) if output.layout == "NHWC" else maps
        if isinstance(output, CoordinateOutput):
            x, y, score = self._coordinates(outputs[0], output)
        else:
            x, y = (bins.argmax(2) / output.bins_per_px for bins in outputs)
            score = np.minimum(outputs[0].max(2), outputs[1].max(2))
        return np.stack([x, y, score], 2)[:, :, None].astype(np.float32)

    def _coordinates(
        self, values: Floats, output: CoordinateOutput
    ) -> tuple[Floats, Floats, Floats]:
        rows = values.reshape(len(values), -1, len(output.columns))
        x, y, score = (rows[..., output.columns.index(name)] for name in ("x", "y", output.score))
        width, height = self.spec.preprocess.size_wh if output.unit == "fraction" else (1, 1)
        x, y = x * width - 0.5, y * height - 0.5  # 0 is the first pixel's centre
        if output.logits:
            score = np.asarray(1 / (1 + np.exp(-score)), np.float32)
        return x, y, score


def load_peer(adapter: Path, path: Path, threads: int = 1) -> PeerRuntime:
    """Load a pose network by its adapter's file.

    Raises:
        InputError: as of ``read_adapter`` and ``PeerRuntime``, or the adapter is a detector's.
    """
    found = read_adapter(adapter)
    if not isinstance(found, PoseAdapter):
        raise InputError(f"{adapter.stem} is a detector, no pose network", "give it to --detector")
    return PeerRuntime(path, found, threads)
