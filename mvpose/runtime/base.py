"""One way to run any model: images in, heatmaps out."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mvpose.spec import ModelSpec


class Runtime(Protocol):
    """A loaded model.

    Attributes:
        spec: what the network means.
        protocol: what ran it: runtime, version, threads, precision, file and SHA-256.
    """

    spec: ModelSpec
    protocol: dict[str, str | int]

    def heatmaps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Crops (N, height, width, 3), RGB, 0..255 -> heatmaps (N, K, height / s, width / s).

        Where ``spec.decode.method`` is "coordinates": (N, K, 1, 3), x, y in the crop's pixels and
        score of each keypoint.
        """
        ...
