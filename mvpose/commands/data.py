"""mvpose-data: prepare data sets for training."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from mvpose.cli import Flag, Out, note, progress, run
from mvpose.commands.pseudo_label import label
from mvpose.errors import InputError

ABOUT = """Prepare data sets for training.

```
mvpose-data pack coco -o coco-packed
mvpose-data check coco-packed
mvpose-data draw 200 -o drawn
mvpose-data pseudo-label coco --teacher vitpose-b -o coco-filled
```
"""


def pack(
    folder: Path,
    /,
    *,
    out: Out,
    split: str = "train",
    side: Annotated[int, Parameter(validator=Number(gte=32, lte=4096))] = 384,
    margin: Annotated[float, Parameter(validator=Number(gte=1, lte=10))] = 1.875,
    quality: Annotated[int, Parameter(validator=Number(gte=1, lte=100))] = 92,
    shard_size: Annotated[int, Parameter(validator=Number(gte=1))] = 2000,
    workers: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    skip_bad: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Write the people of a data set as crops into tar files, which load several times faster.

    The shards are tar files in WebDataset's convention, ANNOTATION.jpg beside ANNOTATION.json.
    Train with --data and the folder. A pack that was interrupted goes on with the same command.

    ```
    mvpose-data pack coco -o coco-packed
    mvpose-data pack coco -o coco-packed --split val --side 512
    ```

    Args:
        folder: a data set in COCO layout.
        out: folder for the shards and their index.
        split: which annotations.
        side: longer crops are scaled down to this, in pixels; shorter ones are left as they are.
        margin: side of the kept square over the longer side of the person's box.
        quality: of the JPEG files, 1 to 100.
        shard_size: people per tar file.
        workers: processes; 0 takes all cores.
        skip_bad: leave out missing and damaged images, and list them.
        overwrite: pack anew, whatever the folder holds of this split.
    """
    from mvpose.data import pack as packing
    from mvpose.data.coco import load_keypoints
    from mvpose.data.crops import Cut

    data = load_keypoints(folder, split, skip_bad=skip_bad)
    settings = packing.pack_settings(data, split, Cut(side, margin), quality, shard_size)
    try:
        index = packing.pack(
            data,
            out,
            settings,
            workers or os.cpu_count() or 1,
            skip_bad,
            overwrite,
            lambda people, total: progress(people, "packing", total),
        )
    except KeyboardInterrupt:
        done = packing.people_packed(out, split)
        note(f"\n{done} people are packed; the same command goes on from there.")
        raise
    for line in index.skipped:
        note(f"left out: {line}")
    size_mb = sum(shard.size_bytes for shard in index.shards) / 1e6
    print(f"{out}: {index.people} people in {len(index.shards)} shards, {size_mb:.1f} MB")


def check(folder: Path, /, *, split: str = "train") -> None:
    """Read every byte of a packed data set, or every image of one in COCO layout.

    ```
    mvpose-data check coco-packed
    mvpose-data check coco --split val
    ```

    Args:
        folder: what "mvpose-data pack" wrote, or a data set in COCO layout.
        split: which annotations.
    """
    from mvpose.data.check import check_images
    from mvpose.data.coco import load_keypoints
    from mvpose.data.shard_index import check_shards, is_packed

    if is_packed(folder, split):
        index, problems = check_shards(folder, split, partial(progress, label="checking"))
        count, hint = index.people, f"mvpose-data pack DIR -o {folder} --overwrite"
    else:
        people = load_keypoints(folder, split).people
        bad = check_images(people, full=True, track=partial(progress, label="checking"))
        problems = [f"{image.image}: {image.problem}" for image in bad]
        count, hint = len(people), "fetch or mend them, or go on without them: --skip-bad"
    for line in problems:
        print(line)
    if problems:
        raise InputError(f"{len(problems)} files of {folder} are bad", hint)
    print(f"{folder}: {count} people, everything is whole")


def draw(
    count: Annotated[int, Parameter(validator=Number(gte=1))],
    /,
    *,
    out: Out,
    split: str = "train",
    seed: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    overwrite: Flag = False,
) -> None:
    """Draw pictures of people and write them as a data set in COCO layout.

    ```
    mvpose-data draw 200 -o drawn
    mvpose-data draw 50 -o drawn --split val --seed 1
    ```

    Args:
        count: pictures, of one to three people each.
        out: folder of the data set.
        split: name of the annotations and of the image folder.
        seed: the same seed draws the same pictures.
        overwrite: replace pictures of this split.
    """
    from mvpose.data.synthetic import write_synthetic
    from mvpose.files import check_new, check_writable, unwritable

    annotations = out / "annotations" / f"person_keypoints_{split}.json"
    check_new(annotations, overwrite)
    check_writable(out)
    annotations.unlink(missing_ok=True)
    try:
        write_synthetic(out, count, seed, split, partial(progress, label="drawing"))
    except OSError as error:
        raise unwritable(out, error) from error
    print(f"{out}: {count} pictures in {split}")


COMMANDS: dict[str, Callable[..., None]] = {
    "pack": pack,
    "check": check,
    "draw": draw,
    "pseudo-label": label,
}


def main() -> None:
    run(COMMANDS, "data", ABOUT)
