"""mvpose-doctor: what is wrong with an exported file, why, and what mends it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mvpose.cli import Flag, Many, run


def doctor(
    files: Annotated[list[Path], Many],
    *,
    strict: Flag = False,
    json: Path | None = None,
    overwrite: Flag = False,
) -> None:
    """Examine files for devices, of mvpose or any other tool: .tflite, .onnx, .mlpackage.

    Reports float islands, operators that devices don't take, shapes, scales and zero points that
    can't be right, saturated weights, ranges that calibration cut off, how far quantisation moves
    the keypoints, and stale toolchains: each with its likely cause and what mends it. Files that
    compute in integers are run on a few drawn people. Exit code 1 where there are errors.

    ```
    mvpose-doctor out/mobilevitpose-xxs.static_wi8_ai8.tflite
    mvpose-doctor out/*.tflite model.onnx model.mlpackage --strict --json doctor.json
    ```

    Args:
        files: to examine.
        strict: warnings count as errors.
        json: also write the findings, with all names in full, to this file.
        overwrite: replace an existing JSON file.
    """
    from dataclasses import asdict

    from mvpose.cli import note
    from mvpose.errors import InputError
    from mvpose.export.doctor.examine import examine
    from mvpose.export.doctor.report import print_report
    from mvpose.files import check_new, write_json

    if json:
        check_new(json, overwrite)
    rows, sick = [], []
    for path in files:
        try:
            report = examine(path)
        except InputError as error:
            if len(files) == 1:
                raise
            note(f"error: {error.what} - {error.hint}")
            sick.append(path)
            continue
        print_report(report)
        rows.append({"kind": "doctor", **asdict(report)})
        if report.count("error") or (strict and report.count("warning")):
            sick.append(path)
    if json:
        write_json(json, rows)
    if sick:
        named = ", ".join(str(path) for path in sick[:3]) + (", ..." if len(sick) > 3 else "")
        raise InputError(
            f"{len(sick)} of {len(files)} files failed: {named}",
            "each finding says what mends it",
        )


def main() -> None:
    """Entry point."""
    run(doctor)
