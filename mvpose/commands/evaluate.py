"""mvpose-eval: COCO accuracy of a checkpoint or an exported file."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from mvpose.cli import Flag, console, progress, run

if TYPE_CHECKING:
    from mvpose.bootstrap import Comparison
    from mvpose.evaluation import Accuracy


def evaluate(
    model: str | None = None,
    /,
    *,
    data: str,
    split: str = "val",
    boxes: str = "gt",
    detector: str | None = None,
    detector_score: Annotated[float | None, Parameter(validator=Number(gte=0, lte=1))] = None,
    flip: Flag = False,
    decode: Literal["dark", "quarter", "argmax"] | None = None,
    input_size: str | None = None,
    single_person: Flag = False,
    limit: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    against: str | None = None,
    resolve: Annotated[float, Parameter(validator=Number(gt=0, lte=100))] = 0.3,
    threads: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
    overwrite: Flag = False,
) -> None:
    """Measure COCO keypoint AP, and say how it was measured.

    ```
    mvpose-eval --data synthetic:20
    mvpose-eval model.tflite --data coco --flip --json eval.json
    mvpose-eval mobilevitpose-xxs --data coco --boxes person_detections_val2017.json
    mvpose-eval movenet:lightning.tflite --data coco --detector rtmdet:rtmdet_nano.onnx
    mvpose-eval mobilevitpose-xxs --data coco --input-size 256x192 --decode quarter --single-person
    mvpose-eval model.tflite --against mobilevitpose-xxs --data coco --resolve 0.5
    ```

    Args:
        model: a zoo name, a checkpoint, an exported file, or ADAPTER:FILE for a file of another
            maker; left out, the checkpoint that ships with the package.
        data: a folder in COCO layout, or synthetic:N for N drawn pictures.
        split: which annotations.
        boxes: gt for the annotated boxes, or a file of COCO detection results.
        detector: ADAPTER:FILE of a detector of people, whose boxes are taken in all images.
        detector_score: leave out boxes with a lower score than this [default: 0.1].
        flip: average with mirrored crops.
        decode: read heatmaps by this rule instead of the model's own; argmax is the highest cell.
        input_size: HEIGHTxWIDTH of the crops in pixels, such as 256x192, for checkpoints of
            MobileViTPose.
        single_person: only images annotated with exactly one person, who has labelled keypoints.
        limit: only the first so many images.
        against: a second model: also measure how much better or worse the first is on the same
            images, with 95 % intervals, in all and by size and keypoint.
        resolve: a difference in points of AP; with --against, say how many images would tell it
            from none.
        threads: CPU threads; 0 takes all cores.
        json_file: file for the figures; the AP is under "ap", from 0 to 1, the comparison under
            "difference".
        overwrite: replace an existing file.
    """
    import os
    import tempfile

    from mvpose.bootstrap import compare
    from mvpose.data.coco import load_keypoints
    from mvpose.data.synthetic import PREFIX, resolve_data
    from mvpose.evaluation import check_labels
    from mvpose.evaluation import evaluate as measure
    from mvpose.files import check_new, write_json
    from mvpose.protocol import Protocol
    from mvpose.runtime.load import load_runtime

    if json_file:
        check_new(json_file, overwrite)
    names = [model] if against is None else [model, against]
    threads = threads or os.cpu_count() or 1
    protocol = Protocol(
        boxes, detector, detector_score, flip, decode, input_size, single_person, limit
    )
    protocol.check()
    runtimes = [protocol.runtime(load_runtime(name, threads)) for name in names]
    spec = runtimes[0].spec
    folder = resolve_data(data, split, partial(progress, label="drawing"))
    with tempfile.TemporaryDirectory(prefix="mvpose-") as work:
        people = load_keypoints(folder, split, spec.skeleton)
        for runtime in runtimes:
            check_labels(people, runtime.spec)
        people = protocol.data(people, Path(work))
        found_boxes = protocol.find_boxes(people, threads, partial(progress, label="detecting"))
        measured = [
            measure(
                runtime,
                people,
                boxes=found_boxes,
                flip=flip,
                track=partial(progress, label="evaluating"),
            )
            for runtime in runtimes
        ]
    facts = {"data": data if data.startswith(PREFIX) else folder.name, **protocol.facts}
    accuracies = [replace(found, protocol={**found.protocol, **facts}) for found, _ in measured]
    for accuracy in accuracies:
        print_accuracy(accuracy, by_keypoint=against is None)
    row: dict[str, Any] = asdict(accuracies[0])
    if against is not None:
        accuracy, reference = accuracies
        candidate_matches, reference_matches = (matches for _, matches in measured)
        comparison = compare(reference_matches, candidate_matches, spec.skeleton)
        print_comparison(comparison, accuracy, reference, resolve)
        row["difference"] = difference_row(comparison, accuracy, reference, resolve)
    if json_file:
        write_json(json_file, row)


def main() -> None:
    run(evaluate, "eval")


def print_accuracy(accuracy: Accuracy, by_keypoint: bool) -> None:
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
    if by_keypoint:
        joints = Table("keypoint alone")
        joints.add_column("AP", justify="right")
        for name, value in accuracy.ap_by_keypoint.items():
            joints.add_row(name, _percent(value))
        screen.print(joints)
    for key, fact in accuracy.protocol.items():
        screen.print(f"{key}: {fact}", highlight=False, soft_wrap=True, markup=False)


def print_comparison(
    comparison: Comparison, accuracy: Accuracy, reference: Accuracy, resolve: float
) -> None:
    """Print AP by size and keypoint of two models in percent, and the differences.

    Args:
        resolve: the difference asked about, in points of AP.
    """
    from rich.table import Table

    from mvpose.bootstrap import describe, describe_resolution, points

    screen = console()
    name, other = accuracy.protocol["file"], reference.protocol["file"]
    screen.print(f"{name} against {other}: {describe(comparison.ap)}", highlight=False)
    table = Table("AP in percent")
    for title in (str(other), str(name), "difference [95 %]"):
        table.add_column(title, justify="right")
    rows = {
        "all": (reference.ap, accuracy.ap, comparison.ap),
        "medium": (reference.ap_medium, accuracy.ap_medium, comparison.by_size.get("medium")),
        "large": (reference.ap_large, accuracy.ap_large, comparison.by_size.get("large")),
    }
    for joint, ap in accuracy.ap_by_keypoint.items():
        rows[joint] = reference.ap_by_keypoint[joint], ap, comparison.by_keypoint.get(joint)
    for label, (before, after, change) in rows.items():
        table.add_row(label, _percent(before), _percent(after), points(change) if change else "-")
    screen.print(table)
    screen.print(
        f"paired bootstrap over images, {comparison.ap.resamples} resamples; each interval is for "
        "itself: of twenty, one misses on average",
        highlight=False,
    )
    screen.print(describe_resolution(comparison.ap, resolve / 100), highlight=False)


def difference_row(
    comparison: Comparison, accuracy: Accuracy, reference: Accuracy, resolve: float
) -> dict[str, Any]:
    """The comparison as JSON holds it, with both protocols.

    Args:
        resolve: the difference asked about, in points of AP.
    """
    from mvpose.bootstrap import images_to_resolve

    asked = resolve / 100
    return {
        **asdict(comparison),
        "protocol": accuracy.protocol,
        "against": asdict(reference),
        "resolve": {
            "ap": asked,
            "images": images_to_resolve(comparison.ap, asked),
            "images_for_80_percent_power": images_to_resolve(comparison.ap, asked, power=0.8),
        },
    }


def _percent(value: float) -> str:
    return "-" if value < 0 else f"{100 * value:.1f}"
