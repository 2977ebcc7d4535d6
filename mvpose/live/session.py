"""One person before a camera: where to look, and the keypoints to show."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mvpose.estimate import Poses
from mvpose.live.smoothing import PoseSmoother
from mvpose.live.tracking import PersonTracker


@dataclass
class LiveSession:
    """Tracker and smoother together. The tracker goes on from keypoints as found, so that
    smoothing never holds the box back.

    Attributes:
        tracker: where to look.
        smoother: of what is shown; it begins anew with every person who is not a tracked one.
    """

    tracker: PersonTracker
    smoother: PoseSmoother

    def look(self) -> NDArray[np.float64]:
        """The box (4,) to look in now."""
        return self.tracker.look()

    def read(self, poses: Poses, time_s: float) -> Poses:
        """The pose to show of the one that was found in that box.

        Args:
            poses: of one person, in the upright picture.
            time_s: of the frame.
        """
        if not self.tracker.tracked:
            self.smoother.forget()
        self.tracker.update(poses)
        length_px = float(poses.boxes_xywh_px[0, 2:].max())
        shown = self.smoother.smooth(poses.keypoints_px[0], poses.scores[0], length_px, time_s)
        return replace(poses, keypoints_px=shown[None])
