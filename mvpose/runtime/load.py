"""From a zoo name, checkpoint or exported file to a Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mvpose.errors import InputError
from mvpose.peers.adapter import shipped, split_adapter
from mvpose.runtime.base import Runtime
from mvpose.zoo import HUB_REPOSITORIES, SHIPPED, names

if TYPE_CHECKING:
    from mvpose.runtime.torch_runtime import TorchRuntime

PICKLED = (".pth", ".pt", ".bin")


def resolve(model: str | None) -> Path:
    """The file that a MODEL argument means; None is the checkpoint that ships with the package.

    ViTPose's official weights are downloaded, or taken from the Hugging Face hub's cache.

    Raises:
        InputError: there is no such file, no weights ship for that zoo name, or the hub can't be
            reached.
    """
    if model is None or model == SHIPPED.stem:
        return SHIPPED
    if model in HUB_REPOSITORIES:
        from mvpose.models.weights import fetch_weights

        return fetch_weights(HUB_REPOSITORIES[model])
    if model in names():
        raise InputError(
            f"no weights ship for {model!r}",
            f"train them with mvpose-train; weights ship for {SHIPPED.stem}",
        )
    _, path = split_adapter(model)
    if not path.exists():
        peers = ", ".join(f"{name}:FILE" for name in shipped("pose"))
        raise InputError(
            f"no file or model {model!r}",
            f"zoo models: {', '.join(names())}; files of other makers: {peers}, ADAPTER.json:FILE",
        )
    return saved_in(path) if path.is_dir() and path.suffix != ".mlpackage" else path


def saved_in(folder: Path) -> Path:
    """The weights in a folder that transformers' ``save_pretrained`` wrote.

    Raises:
        InputError: there are none.
    """
    from mvpose.models.weights import HUB_FILES

    found = [folder / name for name in HUB_FILES if (folder / name).is_file()]
    if not found:
        raise InputError(
            f"the folder {folder} holds no model", f"there is no {' or '.join(HUB_FILES)} in it"
        )
    return found[0]


def load_runtime(model: str | None = None, threads: int = 1) -> Runtime:
    """Load any model.

    Args:
        model: zoo name, checkpoint (``.safetensors``), exported file (``.tflite``, ``.onnx``,
            OpenVINO's ``.xml``, ``.mlpackage``), PP-TinyPose's ``.ncnn.param``, weights of
            ViTPose, or ADAPTER:FILE for a ``.tflite`` or ``.onnx`` of another maker; None is the
            shipped checkpoint.
        threads: of the CPU kernels.

    Raises:
        InputError: nothing loadable by that name.
    """
    path = resolve(model)
    adapter = split_adapter(model)[0] if model else None
    if adapter is not None:
        from mvpose.peers.runtime import load_peer

        return load_peer(adapter, path, threads)
    if path.suffix == ".tflite":
        from mvpose.runtime.litert import LiteRTRuntime

        return LiteRTRuntime(path, threads)
    if path.suffix == ".onnx":
        from mvpose.runtime.onnx_runtime import OnnxRuntime

        return OnnxRuntime(path, threads)
    if path.suffix == ".xml":
        from mvpose.runtime.openvino_runtime import OpenVINORuntime

        return OpenVINORuntime(path, threads)
    if path.suffix == ".mlpackage":
        from mvpose.runtime.coreml_runtime import CoreMLRuntime

        return CoreMLRuntime(path, threads)
    if path.name.endswith(".ncnn.param"):
        from mvpose.runtime.ncnn_runtime import NcnnRuntime

        return NcnnRuntime(path, threads)
    return load_float(model, threads)


def load_float(model: str | None = None, threads: int = 1) -> TorchRuntime:
    """Load a checkpoint, or weights of ViTPose, as the float network.

    Args:
        model: zoo name, checkpoint (``.safetensors``), or weights of ViTPose as transformers or
            the original repository write them (``.safetensors``, ``.bin``, ``.pth``, a folder).
        threads: of the CPU kernels.

    Raises:
        InputError: there is no such file, it is damaged, or another network's.
    """
    path = resolve(model)
    if path.suffix not in (".safetensors", *PICKLED):
        raise InputError(
            f"{path} is not a checkpoint",
            "checkpoints end in .safetensors; exported files are run, not exported again",
        )
    import torch

    from mvpose.checkpoint import is_checkpoint, load_checkpoint
    from mvpose.files import sha256
    from mvpose.runtime.torch_runtime import TorchRuntime

    torch.set_num_threads(threads)
    if path.suffix not in PICKLED and is_checkpoint(path):
        network, spec, _ = load_checkpoint(path)
    else:
        from mvpose.models.vitpose_weights import load_vitpose

        network, spec = load_vitpose(path)
    facts: dict[str, str | int] = {"file": path.name, "sha256": sha256(path)}
    if model in HUB_REPOSITORIES:
        facts["hub"] = HUB_REPOSITORIES[model]
    return TorchRuntime(network, spec, facts)
