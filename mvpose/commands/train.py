"""mvpose-train: a recipe and data in, checkpoints out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from mvpose.cli import Flag, run
from mvpose.errors import InputError, require

if TYPE_CHECKING:
    from mvpose.training.recipe import TrainRecipe


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
    set_: Annotated[list[str] | None, Parameter(name="--set", negative=())] = None,
    skip_bad: Flag = False,
    workers: Annotated[int, Parameter(validator=Number(gte=0))] = 2,
    devices: str = "auto",
    nodes: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    accelerator: Literal["auto", "cpu", "gpu"] = "auto",
    threads: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
) -> None:
    """Train a network; the same command again goes on where a run was stopped.

    ```
    mvpose-train mobilevitpose-xxs-research --data data --val data/coco_mini
    mvpose-train mobilevitpose-s-coco --data coco --set pretrained=false
    mvpose-train my.yaml --data mine --init mobilevitpose-s.safetensors
    mvpose-train my.yaml --data synthetic:500 --no-val
    torchrun --nproc-per-node 8 -m mvpose.commands.train mobilevitpose-s-plus --data coco
    ```

    Args:
        recipe: a YAML file, or the name of a recipe that ships with the package.
        data: the folder that the recipe's sources lie in, in COCO layout or packed by mvpose-data,
            or synthetic:N for N drawn pictures.
        out: folder for checkpoints and logs [default: runs/ and the recipe's name].
        val: data to validate on [default: that of --data].
        no_val: train without validation.
        val_split: annotations to validate on.
        init: checkpoint of the same network to start from; its last layer is replaced where the
            keypoints differ.
        backbone: ImageNet weights of the backbone: a file of Hugging Face, timm or ml-cvnets, or
            hub to download Apple's [default: hub for a recipe that says pretrained].
        set_: field=value to change in the recipe; repeat it for several.
        skip_bad: leave out missing and damaged images instead of refusing them.
        workers: processes that load data, for each GPU.
        devices: "auto", a number of GPUs, or their indices as in 0,2.
        nodes: machines.
        accelerator: what to train on.
        threads: CPU threads; 0 takes all cores.
    """
    require("lightning", "train")
    require("yaml", "train")
    if init and backbone:
        raise InputError("--init and --backbone exclude each other", "leave one out")
    from mvpose.commands.training_data import training_folders
    from mvpose.training.recipe import find_recipe, read_recipe

    path = find_recipe(recipe)
    plan = read_recipe(path, tuple(set_ or ()))
    folder, validation = training_folders(data, val, no_val, val_split)
    target = out or Path("runs") / path.stem
    begun = init is not None or (target / "last.ckpt").is_file()
    weights = _backbone(backbone or ("hub" if plan.pretrained and not begun else None), plan)

    import torch

    from mvpose.training.run import Machine
    from mvpose.training.run import train as run_training

    if threads:
        torch.set_num_threads(threads)
    machine = Machine(workers, devices, nodes, accelerator)
    best = run_training(plan, folder, target, validation, init, weights, machine, skip_bad)
    print(f"trained: {best}")


def main() -> None:
    run(train)


def _backbone(text: str | None, plan: TrainRecipe) -> Path | None:
    if text != "hub":
        return Path(text) if text else None
    from mvpose.models.weights import fetch_backbone
    from mvpose.spec import Network
    from mvpose.zoo import zoo_spec

    network = zoo_spec(plan.model).network
    if not isinstance(network, Network):
        raise InputError(
            f"no backbone weights are known for {plan.model}", "start from a checkpoint with --init"
        )
    return fetch_backbone(network.backbone)


if __name__ == "__main__":
    main()
