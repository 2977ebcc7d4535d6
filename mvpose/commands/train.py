"""mvpose-train: a recipe and data in, checkpoints out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from mvpose.cli import Flag, progress, run
from mvpose.errors import InputError, require

if TYPE_CHECKING:
    from mvpose.training.recipe import TrainRecipe

RECIPES = Path(__file__).parent.parent / "training" / "recipes"


def train(
    recipe: str,
    /,
    *,
    data: str,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    val: str | None = None,
    no_val: Flag = False,
    val_split: str = "val",
    init: Path | None = None,
    backbone: str | None = None,
    workers: Annotated[int, Parameter(validator=Number(gte=0))] = 2,
    devices: str = "auto",
    threads: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
) -> None:
    """Train a network; the same command again goes on where a run was stopped.

    ```
    mvpose-train mobilevitpose-xxs-research --data data --val data/coco_mini
    mvpose-train my.yaml --data coco -o runs/mine --backbone hub
    mvpose-train my.yaml --data synthetic:500 --no-val
    ```

    Args:
        recipe: a YAML file, or the name of a recipe that ships with the package.
        data: the folder that the recipe's sources lie in, or synthetic:N for N drawn pictures.
        out: folder for checkpoints and logs [default: runs/ and the recipe's name].
        val: data to validate on [default: that of --data].
        no_val: train without validation.
        val_split: annotations to validate on.
        init: checkpoint of the same network to start from.
        backbone: ImageNet weights of the backbone: a file of Hugging Face, timm or ml-cvnets, or
            hub to download Apple's.
        workers: processes that load data.
        devices: "auto", a number of GPUs, or their indices as in 0,2.
        threads: CPU threads; 0 takes all cores.
    """
    require("lightning", "train")
    require("yaml", "train")
    if val and no_val:
        raise InputError("--val and --no-val exclude each other", "leave one out")
    if init and backbone:
        raise InputError("--init and --backbone exclude each other", "leave one out")
    from mvpose.data.synthetic import resolve_data
    from mvpose.training.recipe import read_recipe

    path = find_recipe(recipe)
    plan = read_recipe(path)
    track = partial(progress, label="drawing")
    folder = resolve_data(data, "train", track)
    validation = None if no_val else (resolve_data(val or data, val_split, track), val_split)
    weights = _backbone(backbone, plan)

    import torch

    from mvpose.training.run import train as run_training

    if threads:
        torch.set_num_threads(threads)
    target = out or Path("runs") / path.stem
    best = run_training(plan, folder, target, validation, init, workers, devices, weights)
    print(f"trained: {best}")


def main() -> None:
    run(train)


def find_recipe(text: str) -> Path:
    """The file of a recipe given by path or by the name of one that ships.

    Raises:
        InputError: there is none.
    """
    path = Path(text)
    shipped = RECIPES / f"{text}.yaml"
    if path.is_file():
        return path
    if path.name == text and shipped.is_file():
        return shipped
    known = ", ".join(sorted(file.stem for file in RECIPES.glob("*.yaml")))
    raise InputError(f"no recipe {text!r}", f"give a YAML file or one of: {known}")


def _backbone(text: str | None, plan: TrainRecipe) -> Path | None:
    if text != "hub":
        return Path(text) if text else None
    from mvpose.models.weights import fetch_backbone
    from mvpose.zoo import zoo_spec

    size: Literal["s", "xs", "xxs"] = zoo_spec(plan.model).network.backbone
    return fetch_backbone(size)
