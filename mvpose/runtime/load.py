"""From a zoo name, checkpoint or exported file to a Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mvpose.errors import InputError
from mvpose.runtime.base import Runtime
from mvpose.zoo import SHIPPED, names

if TYPE_CHECKING:
    from mvpose.runtime.torch_runtime import TorchRuntime


def resolve(model: str | None) -> Path:
    """The file that a MODEL argument means; None is the checkpoint that ships with the package.

    Raises:
        InputError: there is no such file, or no weights ship for that zoo name.
    """
    if model is None or model == SHIPPED.stem:
        return SHIPPED
    if model in names():
        raise InputError(
            f"no weights ship for {model!r}",
            f"train them with mvpose-train; weights ship for {SHIPPED.stem}",
        )
    path = Path(model)
    if not path.exists():
        known = ", ".join(names())
        raise InputError(f"no file or model {model!r}", f"zoo models: {known}")
    return path


def load_runtime(model: str | None = None, threads: int = 1) -> Runtime:
    """Load any model.

    Args:
        model: zoo name, checkpoint (``.safetensors``) or exported file (``.tflite``); None is the
            shipped checkpoint.
        threads: of the CPU kernels.

    Raises:
        InputError: nothing loadable by that name.
    """
    path = resolve(model)
    if path.suffix == ".tflite":
        from mvpose.runtime.litert import LiteRTRuntime

        return LiteRTRuntime(path, threads)
    return load_float(model, threads)


def load_float(model: str | None = None, threads: int = 1) -> TorchRuntime:
    """Load a checkpoint as the float network.

    Raises:
        InputError: there is no such checkpoint, or it is damaged.
    """
    path = resolve(model)
    if path.suffix != ".safetensors":
        raise InputError(
            f"{path} is not a checkpoint",
            "checkpoints end in .safetensors, exported files in .tflite",
        )
    import torch

    from mvpose.checkpoint import load_checkpoint
    from mvpose.files import sha256
    from mvpose.runtime.torch_runtime import TorchRuntime

    torch.set_num_threads(threads)
    network, spec, _ = load_checkpoint(path)
    return TorchRuntime(network, spec, {"file": path.name, "sha256": sha256(path)})
