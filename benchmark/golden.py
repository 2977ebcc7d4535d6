"""Golden vectors of a file: crops, and what it makes of them here, to be compared on a device.

python -m mvpose.benchmark.golden model.tflite -o golden.npz
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from mvpose.cli import Flag, run
from mvpose.errors import InputError
from mvpose.files import check_new, replacing

if TYPE_CHECKING:
    from mvpose.runtime.base import Runtime


def write_golden(runtime: Runtime, crops: NDArray[np.uint8], path: Path) -> None:
    """Write what a model makes of crops.

    Args:
        runtime: the model.
        crops: (N, height, width, 3), RGB.
        path: ``.npz`` with crops (N, H, W, 3) uint8, heatmaps (N, K, h, w) float32, keypoints_px
            (N, K, 2) float64 in the crop, and the file's sha256.

    Raises:
        InputError: it can't be written.
    """
    from mvpose.codec.affine import cells_to_input
    from mvpose.codec.decode import decode

    heatmaps = np.concatenate([runtime.heatmaps(crop[None]) for crop in crops])
    spec = runtime.spec
    cells, _ = decode(heatmaps, spec.decode)
    keypoints = cells_to_input(cells, spec.heatmap_wh, spec.preprocess.size_wh, spec.decode.grid)
    with replacing(path) as temporary:
        np.savez_compressed(
            temporary,
            crops=crops,
            heatmaps=heatmaps,
            keypoints_px=keypoints,
            sha256=np.array(runtime.protocol["sha256"]),
        )


def golden(
    model: str,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("golden.npz"),
    crops: int = 8,
    seed: int = 0,
    overwrite: Flag = False,
) -> None:
    """Write golden vectors of an exported file, of drawn people.

    ```
    python -m mvpose.benchmark.golden out/mobilevitpose-xxs.fp32.tflite -o golden.npz
    ```

    Args:
        model: exported file.
        out: file to write.
        crops: how many.
        seed: of the drawing.
        overwrite: replace an existing file.
    """
    from mvpose.quantize.calibration import drawn_crops
    from mvpose.runtime.load import load_runtime

    if crops < 1:
        raise InputError(f"{crops} crops are too few", "take 1 or more")
    if out.suffix != ".npz":
        raise InputError(f"{out} does not end in .npz", "-o golden.npz")
    check_new(out, overwrite)
    runtime = load_runtime(model)
    write_golden(runtime, drawn_crops(runtime.spec, crops, seed), out)


if __name__ == "__main__":
    run(golden)
