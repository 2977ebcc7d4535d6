"""Running a ``.tflite`` or ``.onnx`` of another maker: pictures in, real numbers out."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.errors import InputError
from mvpose.files import sha256
from mvpose.peers.adapter import NetworkInput, Tensor

Floats = NDArray[np.float32]


class ForeignFile:
    """A file of any maker with one picture as input.

    Args:
        path: ``.tflite`` or ``.onnx``.
        given: what it takes.
        wanted: the outputs that ``run`` gives.
        threads: of the CPU kernels.

    Attributes:
        protocol: what runs it, as in ``Runtime``.

    Raises:
        InputError: it can't be loaded, takes another input, or lacks an output.
    """

    def __init__(
        self, path: Path, given: NetworkInput, wanted: tuple[Tensor, ...], threads: int = 1
    ) -> None:
        if path.suffix not in OPENERS:
            raise InputError(
                f"{path} can't be run with an adapter", f"known are {' and '.join(OPENERS)}"
            )
        self.path = path
        self._given = given
        self._network = OPENERS[path.suffix](path, threads)
        self._check_input()
        self._wanted = [self._place(tensor) for tensor in wanted]
        self._mean, self._std = (np.array(v, np.float32) for v in (given.mean, given.std))
        self.protocol: dict[str, str | int] = {
            **self._network.protocol,
            "threads": threads,
            "file": path.name,
            "sha256": sha256(path),
        }

    def run(self, images: NDArray[np.uint8]) -> list[Floats]:
        """The outputs wanted, each (N, ...), of pictures (N, height, width, 3), RGB, 0..255.

        Raises:
            InputError: the network fails.
        """
        channels = images if self._given.color == "rgb" else images[..., ::-1]
        x = (channels.astype(np.float32) - self._mean) / self._std
        if self._given.layout == "NCHW":
            x = x.transpose(0, 3, 1, 2)
        fixed = self._network.shape[0] is not None
        batches = [x[i : i + 1] for i in range(len(x))] if fixed else [x]
        try:
            made = [self._network.run(np.ascontiguousarray(batch)) for batch in batches]
        except Exception as error:  # the runtimes' own kinds have no common one
            raise InputError(
                f"{self.path} fails to run: {str(error).strip().splitlines()[0]}",
                "the adapter may belong to another file",
            ) from error
        return [np.concatenate([outputs[i] for outputs in made]) for i in self._wanted]

    def _check_input(self) -> None:
        taken, said = self._network.shape, self._given.shape
        if len(taken) != 4 or any(t not in (None, s) for t, s in zip(taken[1:], said, strict=True)):
            shape = " x ".join(str(side or "any") for side in taken)
            raise InputError(
                f"{self.path} takes {shape}, its adapter says {' x '.join(map(str, said))} "
                f"({self._given.layout})",
                "the adapter belongs to another file, or its layout is wrong",
            )

    def _place(self, tensor: Tensor) -> int:
        names = self._network.outputs
        place = names.index(tensor) if tensor in names else tensor
        if isinstance(place, int) and place < len(names):
            return place
        raise InputError(
            f"{self.path} has no output {tensor!r}",
            f"it has {', '.join(f'{i}: {name}' for i, name in enumerate(names))}",
        )


class _Litert:
    def __init__(self, path: Path, threads: int) -> None:
        from mvpose.runtime.litert import PACKAGES, open_interpreter, tensor_info

        module, self._interpreter = open_interpreter(path, threads)
        given, made = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self._input, self._given = _only(given, path)["index"], tensor_info(given[0])
        self._made = [(details["index"], tensor_info(details)) for details in made]
        self.shape: tuple[int | None, ...] = self._given.shape
        self.outputs = [details["name"] for details in made]
        self.protocol: dict[str, str | int] = {
            "runtime": PACKAGES[module],
            "version": version(PACKAGES[module]),
            "device": "cpu",
            "precision": _precision(self._interpreter.get_tensor_details()),
        }

    def run(self, x: Floats) -> list[Floats]:
        from mvpose.runtime.litert import restore, store

        stored: Any = x
        self._interpreter.set_tensor(self._input, store(stored, self._given))
        self._interpreter.invoke()
        return [restore(self._interpreter.get_tensor(i), info) for i, info in self._made]


class _Onnx:
    def __init__(self, path: Path, threads: int) -> None:
        from mvpose.runtime.onnx_runtime import CPU, open_session

        self._session = open_session(path, threads)
        self._session.set_providers([CPU])
        self._input = _only(self._session.get_inputs(), path)
        self._dtype = ONNX_TYPES.get(self._input.type, np.float32)
        self.shape = tuple(side if isinstance(side, int) else None for side in self._input.shape)
        self.outputs = [output.name for output in self._session.get_outputs()]
        self.protocol: dict[str, str | int] = {
            "runtime": "onnxruntime",
            "version": version("onnxruntime"),
            "device": "cpu",
            "precision": "not known",
        }

    def run(self, x: Floats) -> list[Floats]:
        given = {self._input.name: x.astype(self._dtype)}
        return [np.asarray(made, np.float32) for made in self._session.run(None, given)]


ONNX_TYPES = {
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}
PRECISIONS = {"int8": "int8", "float16": "fp16", "float32": "fp32"}
OPENERS: dict[str, type[_Litert] | type[_Onnx]] = {".tflite": _Litert, ".onnx": _Onnx}


def _precision(tensors: list[dict[str, Any]]) -> str:
    """The narrowest kind of number among a ``.tflite``'s tensors."""
    kinds = {np.dtype(t["dtype"]).name for t in tensors if len(t["shape"])}
    return next((name for kind, name in PRECISIONS.items() if kind in kinds), "not known")


def _only(inputs: Any, path: Path) -> Any:
    if len(inputs) != 1:
        raise InputError(
            f"{path} has {len(inputs)} inputs, not one", "an adapter describes one picture"
        )
    return inputs[0]
