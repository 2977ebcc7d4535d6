"""A loaded model for programs: crops to heatmaps, pictures to keypoints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mvpose.errors import InputError
from mvpose.estimate import Poses
from mvpose.prediction import predict_image
from mvpose.runtime.base import Runtime
from mvpose.spec import ModelSpec


@dataclass(frozen=True)
class Model:
    """Any checkpoint or exported file.

    Attributes:
        runtime: runs it; ``runtime.protocol`` says what that is.
    """

    runtime: Runtime

    @property
    def spec(self) -> ModelSpec:
        """Name, skeleton, preprocessing and decode rule, read from the file."""
        return self.runtime.spec

    def heatmaps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Heatmaps (N, K, h, w) of crops (N, height, width, 3), RGB, 0..255.

        Raises:
            InputError: the crops have another size or element type.
        """
        width, height = self.spec.preprocess.size_wh
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (height, width, 3):
            raise InputError(
                f"crops are uint8 (N, {height}, {width}, 3), not {images.dtype} {images.shape}",
                "predict() takes whole pictures and boxes",
            )
        return self.runtime.heatmaps(images)

    def predict(
        self, image: NDArray[np.uint8], boxes: ArrayLike | None = None, flip: bool = False
    ) -> Poses:
        """Keypoints of the people in a picture.

        Args:
            image: (height, width, 3) RGB, 0..255.
            boxes: (N, 4) left, top, width and height of each person in pixels; None looks for one.
            flip: average with mirrored crops.

        Raises:
            InputError: the picture has another shape, or a box no area or no part in it.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(
                f"a picture is uint8 (height, width, 3), not {image.dtype} {image.shape}",
                "convert it to RGB",
            )
        people = None if boxes is None else np.atleast_2d(np.asarray(boxes, np.float64))
        return predict_image(self.runtime, image, people, flip)
