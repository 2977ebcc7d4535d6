"""From a path to the report on it."""

from __future__ import annotations

from pathlib import Path

from mvpose.errors import InputError
from mvpose.export.doctor.findings import Report


def examine(path: Path) -> Report:
    """Examine a ``.tflite``, ``.onnx`` or ``.mlpackage`` (or ``.mlmodel``) file.

    Raises:
        InputError: there is no such file, or it is none of these.
    """
    if not path.exists():
        raise InputError(f"no such file: {path}", "check the path")
    if path.suffix in (".mlpackage", ".mlmodel"):
        from mvpose.export.doctor.coreml import examine_coreml

        return examine_coreml(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a model", "name the files in it")
    if path.suffix == ".onnx":
        from mvpose.export.doctor.onnx import examine_onnx

        return examine_onnx(path)
    if path.suffix in (".tflite", ".lite"):
        from mvpose.export.doctor.tflite import examine_tflite

        return examine_tflite(path)
    raise InputError(
        f"{path} is not a file that mvpose-doctor reads", "it reads .tflite, .onnx and .mlpackage"
    )
