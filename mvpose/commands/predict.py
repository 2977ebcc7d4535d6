"""mvpose-predict: keypoints of pictures and videos, as JSON and drawn."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from mvpose.cli import Flag, Out, progress, run
from mvpose.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mvpose.commands.boxes import BoxSource
    from mvpose.detection.detector import Detector
    from mvpose.runtime.base import Runtime

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")


def predict(
    model: str,
    /,
    *images: Path,
    box: Annotated[list[str] | None, Parameter(negative=())] = None,
    boxes: Path | None = None,
    detector: str | None = None,
    detector_score: Annotated[float | None, Parameter(validator=Number(gte=0, lte=1))] = None,
    flip: Flag = False,
    threads: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    out: Out = Path("out/predictions"),
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
    overwrite: Flag = False,
) -> None:
    """Find keypoints in pictures and videos; writes drawings and JSON.

    Without boxes one person is found in each picture: the search starts with the whole picture
    and closes in on the keypoints. For several people give their boxes, or a detector.

    ```
    mvpose-predict photo.jpg
    mvpose-predict photo.jpg --detector rtmdet:rtmdet_nano_person.onnx
    mvpose-predict mobilevitpose-xxs photos/ video.mp4 -o out/mine
    mvpose-predict model.tflite photo.jpg --box 20,10,180,400 --box 220,30,150,380 --flip
    ```

    Args:
        model: a zoo name, a checkpoint, an exported file, or ADAPTER:FILE for a file of another
            maker; left out, the checkpoint that ships with the package.
        images: pictures, folders of pictures, videos.
        box: x,y,w,h of a person in pixels; repeat it for several people.
        boxes: boxes by picture: a JSON list of {file_name, bbox, score} or COCO detection results,
            whose image_id is looked for in the file names. Scores below 0.3 are left out.
        detector: ADAPTER:FILE of a detector of people, for pictures.
        detector_score: leave out boxes with a lower score than this, instead of the adapter's.
        flip: average with the mirrored picture; slower, more accurate.
        threads: CPU threads; 0 takes all cores.
        out: folder for the drawings.
        json_file: file for the keypoints [default: predictions.json in the output folder].
        overwrite: replace existing files.
    """
    name, inputs = _split(model, images)
    sources = _expand(inputs)
    if sum(map(bool, (box, boxes, detector))) > 1:
        raise InputError("--box, --boxes and --detector exclude each other", "give one of them")
    if detector_score is not None and not detector:
        raise InputError("--detector-score needs a detector", "add --detector ADAPTER:FILE")
    from mvpose.commands.boxes import BoxSource
    from mvpose.files import check_new, check_writable, write_text

    given = BoxSource.read(box, boxes, _detector(detector, threads, detector_score))
    document = json_file or out / "predictions.json"
    targets = _targets(sources, out)
    for path in (*targets.values(), document):
        check_new(path, overwrite)
    check_writable(out)
    runtime = _load(name, threads)
    rows, failures = [], []
    for source, target in progress(targets.items(), "predicting", len(targets)):
        try:
            work = _video if source.suffix.lower() in VIDEOS else _picture
            rows.append(work(runtime, source, target, given, flip))
        except InputError as error:
            failures.append(error)
            if len(targets) > 1:
                print(f"skipped {source}: {error.what}")
    if not rows:
        raise failures[0]
    from mvpose.prediction import document_json

    result = document_json(runtime, rows, given.origin, flip)
    write_text(document, json.dumps(result, indent=1) + "\n")
    print(f"keypoints: {document}")
    if failures:
        raise InputError(
            f"{len(failures)} of {len(targets)} files could not be used", "they are named above"
        )


def main() -> None:
    run(predict)


def _split(model: str, images: tuple[Path, ...]) -> tuple[str | None, list[Path]]:
    """The model, None where the first argument is already a picture, and the inputs."""
    first = Path(model)
    is_model = bool(first.suffix) or (first / "config.json").is_file()
    is_input = first.suffix.lower() in PICTURES + VIDEOS or (first.is_dir() and not is_model)
    inputs = [first, *images] if is_input else list(images)
    if not inputs:
        raise InputError("no picture given", "mvpose-predict [MODEL] photo.jpg")
    return None if is_input else model, inputs


def _expand(inputs: list[Path]) -> list[Path]:
    """Folders become the pictures and videos in them, by name."""
    sources: list[Path] = []
    for path in inputs:
        if not path.exists():
            raise InputError(f"no such file or folder: {path}", "check the path")
        if not path.is_dir():
            sources.append(path)
            continue
        inside = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES + VIDEOS)
        if not inside:
            raise InputError(f"no picture or video in {path}", f"known are {' '.join(PICTURES)}")
        sources += inside
    return list(dict.fromkeys(sources))


def _targets(sources: list[Path], out: Path) -> dict[Path, Path]:
    """Where each drawing goes; equal names get a number.

    Raises:
        InputError: a drawing would replace a picture that it is made from.
    """
    taken: set[Path] = set()
    targets: dict[Path, Path] = {}
    originals = {path.resolve() for path in sources}
    for source in sources:
        suffix = ".mp4" if source.suffix.lower() in VIDEOS else ".jpg"
        target, number = out / (source.stem + suffix), 1
        while target in taken:
            number += 1
            target = out / f"{source.stem}-{number}{suffix}"
        if target.resolve() in originals:
            raise InputError(
                f"the drawing would replace the picture {target}",
                "choose another folder with --out",
            )
        taken.add(target)
        targets[source] = target
    return targets


def _load(name: str | None, threads: int) -> Runtime:
    import os

    from mvpose.runtime.load import load_runtime

    return load_runtime(name, threads or os.cpu_count() or 1)


def _detector(name: str | None, threads: int, score_floor: float | None) -> Detector | None:
    if not name:
        return None
    import os

    from mvpose.detection.detector import load_detector

    return load_detector(name, threads or os.cpu_count() or 1, score_floor)


def _picture(
    runtime: Runtime, source: Path, target: Path, given: BoxSource, flip: bool
) -> dict[str, Any]:
    from mvpose.data.images import read_image
    from mvpose.drawing import draw_poses
    from mvpose.prediction import image_json, no_poses, predict_image

    image = read_image(source)
    boxes = given.of(source, image)
    names = runtime.spec.skeleton.keypoints
    if boxes is not None and not len(boxes):
        poses = no_poses(len(names))
    else:
        poses = predict_image(runtime, image, boxes, flip)
    _write_jpeg(target, draw_poses(image, poses, runtime.spec.skeleton))
    scores = ", ".join(f"{score:.2f}" for score in poses.pose_scores)
    print(f"{target}: {f'scores {scores}' if scores else 'nobody'}")
    return image_json(source, image, poses, names)


def _video(
    runtime: Runtime, source: Path, target: Path, given: BoxSource, flip: bool
) -> dict[str, Any]:
    from mvpose.files import replacing
    from mvpose.video import frame_count, predict_video

    if given.detector is not None:
        raise InputError(
            f"{source}: a detector finds people in pictures alone",
            "leave --detector out: a video follows one person",
        )
    boxes = given.of(source)
    if boxes is not None and len(boxes) != 1:
        raise InputError(
            f"{source}: a video takes one box, of the person in its first frame", "give one --box"
        )
    start = None if boxes is None else boxes[0]
    track = partial(progress, label=source.name, total=frame_count(source))
    with replacing(target) as temporary:
        row = predict_video(runtime, source, temporary, start, flip, track)
    print(f"{target}: {len(row['frames'])} frames")
    return row


def _write_jpeg(path: Path, image: NDArray[np.uint8]) -> None:
    from PIL import Image

    from mvpose.files import replacing

    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, quality=92)
