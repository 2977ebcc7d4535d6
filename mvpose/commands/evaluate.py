"""mvpose-eval: COCO accuracy of a checkpoint or an exported file."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from mvpose.cli import Flag, console, progress, run

if TYPE_CHECKING:
    from mvpose.data.coco import KeypointData
    from mvpose.evaluation import Accuracy


def evaluate(
    model: str | None = None,
    /,
    *,
    data: str,
    split: str = "val",
    boxes: str = "gt",
    flip: Flag = False,
    limit: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    threads: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
    overwrite: Flag = False,
) -> None:
    """Measure COCO keypoint AP, and say how it was measured.

    ```
    mvpose-eval --data synthetic:20
    mvpose-eval model.tflite --data coco --flip --json eval.json
    mvpose-eval mobilevitpose-xxs --data coco --boxes person_detections_val2017.json
    ```

    Args:
        model: a zoo name, a checkpoint or an exported file; left out, the checkpoint that ships
            with the package.
        data: a folder in COCO layout, or synthetic:N for N drawn pictures.
        split: which annotations.
        boxes: gt for the annotated boxes, or a file of COCO detection results.
        flip: average with mirrored crops.
        limit: only the first so many images.
        threads: CPU threads; 0 takes all cores.
        json_file: file for the figures; the AP is under "ap", from 0 to 1.
        overwrite: replace an existing file.
    """
    import os
    import tempfile

    from mvpose.data.coco import load_keypoints
    from mvpose.data.synthetic import PREFIX, resolve_data
    from mvpose.evaluation import evaluate as measure
    from mvpose.files import check_new, write_text
    from mvpose.runtime.load import load_runtime

    if json_file:
        check_new(json_file, overwrite)
    runtime = load_runtime(model, threads or os.cpu_count() or 1)
    folder = resolve_data(data, split, partial(progress, label="drawing"))
    with tempfile.TemporaryDirectory(prefix="mvpose-") as work:
        people = load_keypoints(folder, split, runtime.spec.skeleton)
        if limit:
            people = first_images(people, limit, Path(work))
        accuracy, _ = measure(
            runtime,
            people,
            boxes=None if boxes == "gt" else Path(boxes),
            flip=flip,
            track=partial(progress, label="evaluating"),
        )
    facts: dict[str, str | int | bool] = {"data": data if data.startswith(PREFIX) else folder.name}
    if limit:
        facts["limit"] = limit
    accuracy = replace(accuracy, protocol={**accuracy.protocol, **facts})
    print_accuracy(accuracy)
    if json_file:
        write_text(json_file, accuracy.to_json(indent=2) + "\n")


def main() -> None:
    run(evaluate, "eval")


def first_images(data: KeypointData, count: int, folder: Path) -> KeypointData:
    """The people of the first ``count`` images, with annotations of these alone in ``folder``."""
    import json

    from mvpose.data.coco import read_document

    chosen = list(dict.fromkeys(person.image_id for person in data.people))[:count]
    document = read_document(data.annotations)
    document["images"] = [row for row in document["images"] if row["id"] in chosen]
    document["annotations"] = [r for r in document["annotations"] if r["image_id"] in chosen]
    path = folder / data.annotations.name
    path.write_text(json.dumps(document), encoding="utf-8")
    return replace(data, annotations=path, people=[p for p in data.people if p.image_id in chosen])


def print_accuracy(accuracy: Accuracy) -> None:
    """Print the figures in percent, AP's interval, the AP of each keypoint, then the protocol."""
    from rich.table import Table

    screen = console()
    figures = {
        "AP": accuracy.ap,
        "AP50": accuracy.ap50,
        "AP75": accuracy.ap75,
        "APM": accuracy.ap_medium,
        "APL": accuracy.ap_large,
        "AR": accuracy.ar,
    }
    screen.print(f"{accuracy.protocol['model']}: COCO keypoint accuracy in percent")
    table = Table()
    for name in figures:
        table.add_column(name, justify="right")
    table.add_row(*(_percent(value) for value in figures.values()))
    screen.print(table)
    if accuracy.ap_interval:
        low, high = (_percent(value) for value in accuracy.ap_interval)
        screen.print(
            f"95 % interval of AP: {low} to {high} "
            f"(bootstrap over images, {accuracy.resamples} resamples)",
            highlight=False,
        )
    if accuracy.ap_by_keypoint:
        joints = Table("keypoint alone")
        joints.add_column("AP", justify="right")
        for name, value in accuracy.ap_by_keypoint.items():
            joints.add_row(name, _percent(value))
        screen.print(joints)
    for key, fact in accuracy.protocol.items():
        screen.print(f"{key}: {fact}", highlight=False, soft_wrap=True, markup=False)


def _percent(value: float) -> str:
    return "-" if value < 0 else f"{100 * value:.1f}"
