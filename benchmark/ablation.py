"""What each ingredient of training brings, in one small setting.

python -m mvpose.benchmark.ablation --data DIR --pseudo DIR2 --teacher MODEL --val DIR3
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mvpose.cli import Flag, Out, run

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pycocotools.cocoeval import COCOeval

    from mvpose.training.recipe import TrainRecipe


@dataclass(frozen=True)
class Arm:
    """One training.

    Attributes:
        name: what it adds.
        against: the arm that it is compared with; empty for the first.
        recipe: how it is trained.
        data: what it is trained on.
        init: the arm whose weights it begins with; empty for random ones.
    """

    name: str
    against: str
    recipe: TrainRecipe
    data: Path
    init: str = ""


def ablation(
    *,
    data: Path,
    val: Path,
    pseudo: Path,
    teacher: str,
    recipe: str = "mobilevitpose-xxs-ablation",
    drawn: int = 3000,
    workers: int = 1,
    threads: int = 0,
    out: Out = Path("runs/ablation"),
    json: Path | None = None,
    overwrite: Flag = False,
) -> None:
    """Train a small network several times, each time with one ingredient more, and compare.

    ```
    python -m mvpose.benchmark.ablation --data data --val data/coco --pseudo labelled \
        --teacher vitpose-b --json ablation.json
    ```

    Args:
        data: the folder that the recipe's sources lie in, with their own labels.
        val: data to compare on.
        pseudo: the same sources as mvpose-data pseudo-label wrote them.
        teacher: MODEL whose heatmaps are distilled.
        recipe: the setting.
        drawn: pictures of drawn people to pretrain on.
        workers: processes that load data.
        threads: CPU threads; 0 takes all cores.
        out: folder for the runs; those that are done are not repeated.
        json: write the result rows to this file.
        overwrite: replace an existing file.
    """
    import torch

    from mvpose.benchmark.machine import machine
    from mvpose.data.coco import load_keypoints
    from mvpose.data.synthetic import resolve_data
    from mvpose.evaluation import evaluate
    from mvpose.files import check_new, sha256, write_json
    from mvpose.runtime.load import load_float
    from mvpose.training.recipe import find_recipe, read_recipe
    from mvpose.training.run import Machine, train

    if json:
        check_new(json, overwrite)
    if threads:
        torch.set_num_threads(threads)
    setting = read_recipe(find_recipe(recipe))
    pictures = resolve_data(f"synthetic:{drawn}", "train")
    people = load_keypoints(val, "val")
    finished: dict[str, COCOeval] = {}
    rows: list[dict[str, Any]] = []
    for arm in plan(setting, data, pseudo, pictures, teacher):
        folder = out / arm.name.replace(" ", "-")
        init = out / arm.init.replace(" ", "-") / "last.safetensors" if arm.init else None
        train(arm.recipe, arm.data, folder, (val, "val"), init, machine=Machine(workers))
        checkpoint = folder / "last.safetensors"
        runtime = load_float(str(checkpoint), torch.get_num_threads())
        accuracy, matches = evaluate(runtime, people, by_keypoint=False)
        finished[arm.name] = matches
        row: dict[str, Any] = {
            "kind": "ablation",
            "arm": arm.name,
            "against": arm.against,
            "samples": arm.recipe.epochs * (arm.recipe.samples_per_epoch or 0),
            "begins_with": arm.init,
            "accuracy": asdict(accuracy),
            "mean_oks": float(best_oks(matches).mean()),
            "sha256": sha256(checkpoint),
            "recipe": _portable(arm.recipe),
            "machine": machine(),
        }
        if arm.against:
            low, high = oks_difference(finished[arm.against], matches)
            row["mean_oks_difference"] = row["mean_oks"] - next(
                r["mean_oks"] for r in rows if r["arm"] == arm.against
            )
            row["mean_oks_interval"] = [low, high]
        rows.append(row)
        print(f"{arm.name}: AP {100 * accuracy.ap:.2f}, mean OKS {row['mean_oks']:.4f}", flush=True)
        if json:
            write_json(json, rows)


def _portable(recipe: TrainRecipe) -> dict[str, Any]:
    """As JSON, with teachers by their file names alone."""
    if recipe.distillation is None:
        return asdict(recipe)
    teachers = tuple(replace(t, model=Path(t.model).name) for t in recipe.distillation.teachers)
    return asdict(replace(recipe, distillation=replace(recipe.distillation, teachers=teachers)))


def plan(setting: TrainRecipe, data: Path, pseudo: Path, drawn: Path, teacher: str) -> list[Arm]:
    """The trainings, in an order in which each finds what it begins with."""
    from mvpose.training.recipe import Distillation, Source, TeacherSource

    pretraining = replace(setting, sources=(Source(),), decay_from_epoch=setting.epochs)
    distilled = replace(setting, distillation=Distillation((TeacherSource(teacher),)))
    twice = replace(
        setting,
        epochs=2 * setting.epochs,
        decay_from_epoch=setting.epochs + setting.decay_from_epoch,
    )
    return [
        Arm("labels", "", setting, data),
        Arm("pseudo-labels", "labels", setting, pseudo),
        Arm("drawn people", "", pretraining, drawn),
        Arm("pretraining on drawn people", "pseudo-labels", setting, pseudo, "drawn people"),
        Arm("twice as long instead", "pseudo-labels", twice, pseudo),
        Arm("distillation", "pseudo-labels", distilled, pseudo),
    ]


def best_oks(matches: COCOeval) -> NDArray[np.float64]:
    """(P,) for each labelled person the OKS of the pose most like it; 0 where there is none."""
    found = []
    for image in matches.params.imgIds:
        people = matches._gts[image, 1]
        oks = np.asarray(matches.ious[image, 1]).reshape(-1, len(people))
        best = oks.max(0) if len(oks) else np.zeros(len(people))
        found += [value for value, person in zip(best, people, strict=True) if not person["ignore"]]
    return np.array(found)


def oks_difference(
    reference: COCOeval, candidate: COCOeval, resamples: int = 2000
) -> tuple[float, float]:
    """95 % interval of the mean difference in OKS, by paired bootstrap over people."""
    difference = best_oks(candidate) - best_oks(reference)
    rng = np.random.default_rng(0)
    draws = rng.integers(len(difference), size=(resamples, len(difference)))
    low, high = np.percentile(difference[draws].mean(1), [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    run(ablation)
