"""ViTPose-B as files of the formats and precisions that suit it, to be measured beside ours.

python -m mvpose.benchmark.vitpose_files -o vitpose
python -m mvpose.benchmark.vitpose_files --random -o vitpose
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mvpose.cli import Flag, Out, run

if TYPE_CHECKING:
    from mvpose.runtime.torch_runtime import TorchRuntime

NAME = "vitpose-b"


def vitpose_files(
    *,
    weights: Path | None = None,
    random: Flag = False,
    out: Out = Path("out"),
    overwrite: Flag = False,
) -> None:
    """Write ViTPose-B as ONNX, OpenVINO IR and TFLite, in float and in INT8.

    They are for comparisons: what the runtimes' own tools make of ViTPose, with a description in
    them. INT8 leaves everything but convolutions and linear layers in float.

    ```
    python -m mvpose.benchmark.vitpose_files -o vitpose
    python -m mvpose.benchmark.vitpose_files --random -o vitpose
    ```

    Args:
        weights: official weights; left out, they come from the hub.
        random: random weights, good for latency alone; the files' names say so.
        out: folder for the files.
        overwrite: replace existing files.
    """
    from mvpose.benchmark.vitpose_writer import RECIPES, VitPoseWriter, random_vitpose
    from mvpose.cli import progress
    from mvpose.files import check_new, check_writable

    reference = random_vitpose() if random else _official(weights)
    check_writable(out)
    paths = {
        out / f"{reference.spec.name}.{recipe}{suffix}": recipe
        for suffix, recipes in RECIPES.items()
        for recipe in recipes
    }
    for path in paths:
        check_new(path, overwrite)
    writer = VitPoseWriter(reference)
    for path, recipe in progress(paths.items(), "writing", len(paths)):
        parity = writer.write(path, recipe)
        print(f"{path}: {parity.sqnr_db:.1f} dB from the float network")


def _official(weights: Path | None) -> TorchRuntime:
    from mvpose.errors import InputError
    from mvpose.runtime.load import load_float

    try:
        runtime = load_float(str(weights or NAME))
    except InputError as error:
        hint = f"{error.hint}; or add --random" if error.hint else "or add --random"
        raise InputError(error.what, hint) from error
    if runtime.spec.name != NAME:
        raise InputError(f"{weights} holds {runtime.spec.name}, not {NAME}", "give other weights")
    return runtime


if __name__ == "__main__":
    run(vitpose_files)
