"""A detector's boxes of a whole data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from mvpose.data.coco import KeypointData
from mvpose.data.images import read_image
from mvpose.detection.detector import Detector
from mvpose.errors import InputError
from mvpose.results import BoxedImage, Boxes, all_images

Found = tuple[int, Path]


def detect_people(
    detector: Detector,
    data: KeypointData,
    track: Callable[[Iterable[Found]], Iterable[Found]] = iter,
) -> Boxes:
    """The people of all images of the split, also of those without an annotated person.

    Args:
        detector: finds them.
        data: whose images are looked at.
        track: wraps the images, to show progress.

    Raises:
        InputError: an image is unreadable, or nobody is found in any.
    """
    images = []
    looked_at = list(all_images(data).items())
    for image_id, path in track(looked_at):
        found = detector.detect(read_image(path))
        if len(found.scores):
            images.append(BoxedImage(image_id, path, found.boxes_xywh_px, found.scores))
    facts = detector.protocol
    if not images:
        raise InputError(
            f"{facts['detector_file']} finds nobody in any of {len(looked_at)} images",
            f"lower --detector-score (now {facts['detector_score_floor']:g}), or check its adapter",
        )
    protocol = {"boxes": "detector", **facts, "detector_images": len(looked_at)}
    return Boxes(images, {**protocol, "detector_images_with_nobody": len(looked_at) - len(images)})
