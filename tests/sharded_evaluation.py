"""Run in each process of test_results.py's job: evaluates a share, writes what it was told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from mvpose.data.coco import KeypointData, load_keypoints
from mvpose.errors import InputError
from mvpose.evaluation import evaluate
from mvpose.results import ground_truth_boxes, predict_dataset, predict_together
from mvpose.runtime.base import Runtime
from mvpose.runtime.load import load_float

PROCESSES = 2
BATCH_SIZES = (None, 5)


def evaluate_shard(rank: int, checkpoint: Path, data: Path, out: Path) -> None:
    """Write accuracy, results and, for a set with a missing image, the error."""
    torch.set_num_threads(1)
    store = f"file://{out / 'store'}"
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=PROCESSES)
    runtime = load_float(str(checkpoint))
    people = load_keypoints(data, "val", runtime.spec.skeleton)
    shard = (rank, PROCESSES)
    images = ground_truth_boxes(people)
    found = {
        "evaluated": {str(size): evaluated(runtime, people, size, shard) for size in BATCH_SIZES},
        "own": len(predict_dataset(runtime, images, shard=shard)),
    }
    images[0] = replace(images[0], path=data / "gone.jpg")
    try:
        predict_together(runtime, images, shard=shard)
    except InputError as error:
        found["error"] = error.what
    (out / f"{rank}.json").write_text(json.dumps(found))
    distributed.destroy_process_group()


def evaluated(
    runtime: Runtime,
    people: KeypointData,
    batch_size: int | None,
    shard: tuple[int, int] = (0, 1),
) -> dict[str, Any]:
    """Accuracy and results, as JSON holds them."""
    accuracy, matches = evaluate(
        runtime, people, by_keypoint=False, batch_size=batch_size, shard=shard, resamples=20
    )
    rows = matches.cocoDt.dataset["annotations"]
    return {
        "accuracy": json.loads(accuracy.to_json()),
        "results": [[row["image_id"], row["keypoints"], row["score"]] for row in rows],
    }
