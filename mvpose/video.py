"""Poses of one person through a video, each frame's box from the last frame's pose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mvpose.drawing import draw_poses
from mvpose.errors import InputError
from mvpose.prediction import follow, image_size, people_json, pose_box, whole_image
from mvpose.runtime.base import Runtime

Frame = NDArray[np.uint8]


def predict_video(
    runtime: Runtime,
    path: Path,
    drawn: Path,
    start: NDArray[np.float64] | None = None,
    flip: bool = False,
    track: Callable[[Iterable[Frame]], Iterable[Frame]] = iter,
) -> dict[str, Any]:
    """Find one person in each frame and write the video with the poses drawn in.

    Args:
        runtime: any loaded model.
        path: the video.
        drawn: the ``.mp4`` to write.
        start: box (4,) of the person in the first frame; None begins with the whole frame.
        flip: average with mirrored crops.
        track: wraps the frames, to show progress.

    Returns:
        The JSON object of the video: size, frame rate and the people of each frame.

    Raises:
        InputError: the video can't be read or has no frame, or no MP4 can be written.
    """
    capture = _open(path)
    rate = capture.get(cv2.CAP_PROP_FPS) or 25.0
    names = runtime.spec.skeleton.keypoints
    frames: list[dict[str, Any]] = []
    writer: cv2.VideoWriter | None = None
    box, size_wh = start, (0, 0)
    try:
        for number, frame in enumerate(track(_frames(capture))):
            if writer is None:
                size_wh = image_size(frame)
                writer = _writer(drawn, rate, size_wh)
            poses = follow(runtime, frame, whole_image(size_wh) if box is None else box, flip)
            box = pose_box(poses, size_wh)
            frames.append({"frame": number, "people": people_json(poses, names)})
            writer.write(_bgr(draw_poses(frame, poses, runtime.spec.skeleton)))
    finally:
        capture.release()
        if writer is not None:
            writer.release()
    if not frames:
        raise _unreadable(path)
    return {
        "video": str(path),
        "width_px": size_wh[0],
        "height_px": size_wh[1],
        "frames_per_second": rate,
        "frames": frames,
    }


def frame_count(path: Path) -> int | None:
    """The number of frames that a video's header tells; None where it tells none.

    Raises:
        InputError: the video can't be read.
    """
    capture = _open(path)
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    return count if count > 0 else None


def _open(path: Path) -> cv2.VideoCapture:
    if not path.is_file():
        raise InputError(f"no such video: {path}", "check the path")
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise _unreadable(path)
    return capture


def _unreadable(path: Path) -> InputError:
    return InputError(f"cannot read {path} as a video", "it is damaged or of an unknown format")


def _frames(capture: cv2.VideoCapture) -> Iterator[Frame]:
    while True:
        there, frame = capture.read()
        if not there:
            return
        yield np.ascontiguousarray(frame[..., ::-1], np.uint8)


def _bgr(image: Frame) -> Frame:
    return np.ascontiguousarray(image[..., ::-1])


def _writer(path: Path, rate: float, size_wh: tuple[int, int]) -> cv2.VideoWriter:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, size_wh)
    if not writer.isOpened():
        raise InputError(f"cannot write {path}", "this OpenCV build has no MP4 encoder")
    return writer
