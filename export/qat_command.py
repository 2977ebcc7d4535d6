"""mvpose-quantize --qat: quantisation-aware training of a trained checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from mvpose.cli import Flag


def train_with_rounding(
    model: str | None = None,
    /,
    *,
    qat: Annotated[Flag, Parameter(show_default=False)] = True,
    data: str,
    recipe: str = "qat-coco",
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("runs/qat"),
    val: str | None = None,
    no_val: Flag = False,
    val_split: str = "val",
    set_: Annotated[list[str] | None, Parameter(name="--set", negative=())] = None,
    skip_bad: Flag = False,
    workers: Annotated[int, Parameter(validator=Number(gte=0))] = 2,
    devices: str = "auto",
    nodes: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    accelerator: Literal["auto", "cpu", "gpu"] = "auto",
    threads: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
) -> None:
    """Train a checkpoint with INT8 rounding; the float network is the teacher.

    The same command again goes on where a run was stopped. mvpose-export --qat makes files of what
    it writes, with the scales that were learned.

    ```
    mvpose-quantize --qat --data coco
    mvpose-quantize s.safetensors --qat --data coco --set quantisation=static_wi8_ai8_mixed
    mvpose-quantize --qat --data data --recipe qat-research --val data/coco_mini -o runs/qat-xxs
    ```

    Args:
        model: a zoo name or a float checkpoint; left out, the checkpoint that ships with the
            package.
        qat: this mode of mvpose-quantize.
        data: the folder that the recipe's sources lie in, in COCO layout or packed by mvpose-data,
            or synthetic:N for N drawn pictures.
        recipe: a YAML file, or the name of a QAT recipe that ships: qat-coco, qat-research.
        out: folder for checkpoints and logs.
        val: data to validate on; left out, that of --data.
        no_val: train without validation.
        val_split: annotations to validate on.
        set_: field=value to change in the recipe; repeat it for several.
        skip_bad: leave out missing and damaged images instead of refusing them.
        workers: processes that load data, for each GPU.
        devices: "auto", a number of GPUs, or their indices as in 0,2.
        nodes: machines.
        accelerator: what to train on.
        threads: CPU threads; 0 takes all cores.
    """
    import os

    from mvpose.errors import require

    require("lightning", "train")
    require("yaml", "train")
    from mvpose.commands.training_data import training_folders
    from mvpose.quantize.qat_recipe import read_qat_recipe

    plan = read_qat_recipe(recipe, tuple(set_ or ()))
    folder, validation = training_folders(data, val, no_val, val_split)

    from mvpose.quantize.qat import train_quantised
    from mvpose.training.run import Machine

    machine = Machine(workers, devices, nodes, accelerator)
    cores = threads or os.cpu_count() or 1
    best = train_quantised(plan, model, folder, out, validation, machine, skip_bad, cores)
    print(f"trained: {best}")
