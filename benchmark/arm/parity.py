"""Whether an ARM processor computes what this one does: python -m mvpose.benchmark.arm.parity."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from mvpose.benchmark.arm.verdict import ArmParity, summarise
from mvpose.cli import Flag, Many, run
from mvpose.errors import InputError

CPUS = ("cortex-a53", "cortex-a76", "cortex-a710")
"""In order and without dot product, with dot product, with i8mm."""


def emulate(parts: Path, cpu: str, folder: Path) -> dict[str, Any]:
    """What the guest finds in a folder of pieces.

    Args:
        parts: holds ``qemu/usr/bin/qemu-aarch64``, the root ``debian`` with Python, and its
            packages in ``packages``.
        cpu: as the emulator names it.
        folder: that ``write_pieces`` filled.

    Raises:
        InputError: a part is missing, or the emulated program fails.
    """
    root = parts / "debian"
    pythons = sorted((root / "usr/bin").glob("python3.[0-9]*"))
    if not pythons:
        raise InputError(f"{parts} holds no emulated Python", "run benchmark/arm_parity.sh")
    emulator = [str(parts / "qemu/usr/bin/qemu-aarch64"), "-cpu", cpu, "-L", str(root)]
    packages = ["-E", f"PYTHONPATH={parts / 'packages'}"]
    here = Path(__file__).parent
    for script in (here / "guest.py", here.parent / "device_bench.py"):
        shutil.copy(script, folder)
    words = [*emulator, *packages, str(pythons[0]), str(folder / "guest.py"), str(folder)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        raise InputError(
            f"cannot start {words[0]}: {error.strerror}", "run benchmark/arm_parity.sh"
        ) from error
    if done.returncode:
        said = (done.stderr.strip() or f"exit {done.returncode}").splitlines()[-1]
        raise InputError(
            f"the emulated {cpu} failed: {said}", "is the emulator older than QEMU 10?"
        )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def parity(
    files: Annotated[list[Path], Parameter(negative=())],
    /,
    *,
    parts: Path,
    cpu: Annotated[list[str] | None, Many] = None,
    crops: int = 2,
    json: Path | None = None,
    overwrite: Flag = False,
) -> None:
    """Compare what exported files give on emulated ARM processors and here, in XNNPACK's kernels.

    Each file is cut where integers and floats meet; every piece gets the same inputs on both
    processors. Fails where an INT8 piece is not the same to the last bit, a float one differs by
    more than 1e-5 of its range, or one that ends floats in INT8 by more than a level.

    ```
    benchmark/arm_parity.sh out/mobilevitpose-xxs.static_wi8_ai8_mixed.tflite
    ```

    Args:
        files: exported .tflite files.
        parts: folder with emulator and emulated Python, as benchmark/arm_parity.sh makes it.
        cpu: processors [default: cortex-a53 cortex-a76 cortex-a710].
        crops: drawn people to run the whole files on.
        json: write the result rows to this file.
        overwrite: replace an existing file.
    """
    from importlib.metadata import version

    from rich.table import Table

    from mvpose.artefact import read_artefact
    from mvpose.benchmark.arm.pieces import write_pieces
    from mvpose.benchmark.machine import machine
    from mvpose.cli import console
    from mvpose.files import check_new, sha256, write_json
    from mvpose.quantize.calibration import drawn_crops

    if json:
        check_new(json, overwrite)
    table = Table("file", "processor", "kind", title="emulated ARM against this processor")
    for heading in ("identical outputs", "values that differ", "largest"):
        table.add_column(heading, justify="right")
    rows = []
    for file in files:
        artefact = read_artefact(file)
        with tempfile.TemporaryDirectory(prefix="mvpose-") as name:
            folder = Path(name)
            write_pieces(file, drawn_crops(artefact.model, crops, 0), folder)
            for model in cpu or CPUS:
                found = emulate(parts.resolve(), model, folder)
                row = ArmParity(
                    file.name,
                    sha256(file),
                    artefact.recipe,
                    model,
                    summarise(found["pieces"]),
                    found["whole"],
                )
                rows.append(row)
                for cells in _cells(row):
                    table.add_row(*cells)
    console().print(table)
    if json:
        protocol = {
            "runtime": f"ai-edge-litert {version('ai-edge-litert')}",
            "kernels": "XNNPACK",
            "threads": 1,
            "crops": crops,
            **machine(),
        }
        write_json(json, {"kind": "arm", "protocol": protocol, "rows": [asdict(r) for r in rows]})
    failed = [row for row in rows if not row.holds]
    if failed:
        raise InputError(
            f"{failed[0].file} computes something else on {failed[0].cpu}",
            "the table shows where; are both runtimes of the same version?",
        )


def _cells(row: ArmParity) -> Iterable[tuple[str, ...]]:
    for kind in row.kinds:
        share = f"{100 * kind.different:.4f} %"
        yield row.file, row.cpu, kind.kind, f"{kind.identical}/{kind.outputs}", share, kind.extent
    shift = f"{row.whole['keypoint_max_px']:.2g} px"
    yield row.file, row.cpu, "whole", f"{row.whole_relative:.1e} of range", "", shift


if __name__ == "__main__":
    run(parity)
