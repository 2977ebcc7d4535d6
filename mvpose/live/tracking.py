"""Following one person through a camera's pictures: where to look next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvpose.estimate import Poses
from mvpose.prediction import pose_box, whole_image

Box = NDArray[np.float64]


@dataclass
class PersonTracker:
    """One inference a frame: in the box of the last pose, or in the whole picture.

    Attributes:
        image_wh: width and height of the upright picture.
        box_xywh_px: (4,) where the person is expected; None where nobody is followed.
        tracked: whether that box comes from the last pose; not from a user, a detector or the whole
            picture.
    """

    image_wh: tuple[int, int]
    box_xywh_px: Box | None = None
    tracked: bool = False

    def choose(self, box_xywh_px: Box) -> None:
        """Look here in the next frame: a user's box or a detector's."""
        self.box_xywh_px, self.tracked = box_xywh_px, False

    def look(self) -> Box:
        """The box (4,) to look in."""
        return whole_image(self.image_wh) if self.box_xywh_px is None else self.box_xywh_px

    def update(self, poses: Poses) -> None:
        """Go on from the pose that was found in the box."""
        self.box_xywh_px = pose_box(poses, self.image_wh)
        self.tracked = self.box_xywh_px is not None
