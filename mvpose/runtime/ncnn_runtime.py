"""Running ncnn files (https://github.com/Tencent/ncnn): ``X.ncnn.param`` beside ``X.ncnn.bin``."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.errors import InputError, require
from mvpose.files import sha256
from mvpose.quiet import quiet
from mvpose.spec import COCO17, Decode, ForeignNetwork, ModelSpec, Preprocess

SUFFIX = ".ncnn.param"
MAGIC = "7767517"
WEIGHTS = {0x01306B47: "fp16", 0x000D4B38: "int8", 0: "fp32"}
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)

PP_TINYPOSE = ModelSpec(
    name="pp-tinypose-256x192",
    network=ForeignNetwork(kind="foreign", keypoints=17, heatmap_stride=4),
    skeleton=COCO17,
    preprocess=Preprocess(192, 256, IMAGENET_MEAN, IMAGENET_STD),
    decode=Decode("dark", sigma_cells=1.0, grid="stride"),
)
"""PP-TinyPose of PaddleDetection, whose own DARK blurs by less than the training Gaussians too."""
KNOWN = {"pp_tinypose_256x192": PP_TINYPOSE}
"""What files of other projects mean, by their name without suffix."""


class NcnnRuntime:
    """An ncnn file as a Runtime, on the CPU.

    Args:
        path: the ``.ncnn.param`` file; the weights lie beside it in ``.ncnn.bin``.
        threads: of the CPU kernels.

    Raises:
        InputError: ncnn is not installed, a file is missing or damaged, or its meaning unknown.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        require("ncnn", "ncnn")
        import ncnn

        weights = path.with_suffix(".bin")
        self.path = path
        self.spec = ncnn_spec(path)
        self._input, self._output = end_blobs(path)
        self._net = ncnn.Net()
        self._net.opt.num_threads = threads
        self._net.opt.use_vulkan_compute = False
        self._net.opt.use_fp16_arithmetic = False
        if not weights.is_file():
            raise InputError(f"no weights beside {path}", f"put {weights.name} into its folder")
        with quiet():
            failed = self._net.load_param(str(path)) or self._net.load_model(str(weights))
        if failed:
            raise InputError(
                f"ncnn cannot load {path}",
                "the file or its weights are damaged or cut off; copy both again",
            )
        self.protocol: dict[str, str | int] = {
            "runtime": "ncnn",
            "version": version("ncnn"),
            "device": "cpu",
            "threads": threads,
            "precision": weight_type(weights),
            "file": path.name,
            "sha256": sha256(path),
            "weights_sha256": sha256(weights),
        }

    def heatmaps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As in ``Runtime``.

        Raises:
            InputError: the network gave NaN, infinity or maps of another size than its spec's.
        """
        preprocess = self.spec.preprocess
        mean, std = (np.array(v, np.float32) for v in (preprocess.mean, preprocess.std))
        x = ((images.astype(np.float32) - mean) / std).transpose(0, 3, 1, 2)
        maps = np.stack([self._run(one) for one in x])
        expected = (self.spec.network.keypoints, *self.spec.heatmap_wh[::-1])
        if maps.shape[1:] != expected:
            raise InputError(
                f"{self.path} gives heatmaps {maps.shape[1:]}, its spec says {expected}",
                "the spec belongs to another network",
            )
        if not np.isfinite(maps).all():
            raise InputError(
                f"{self.path} gives NaN or infinite heatmaps", "its weights are damaged"
            )
        return maps

    def _run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        import ncnn

        # Mat borrows the memory of NumPy, the extractor that of Mat: both must outlive extract().
        values = np.ascontiguousarray(image, np.float32)
        mat: Any = ncnn.Mat(values).clone()
        extractor = self._net.create_extractor()
        failed = extractor.input(self._input, mat)
        failed, output = (failed, None) if failed else extractor.extract(self._output)
        if failed:
            raise InputError(
                f"ncnn fails to run {self.path} (code {failed})", "the two files don't match"
            )
        return np.array(output, np.float32, copy=True)


def ncnn_spec(path: Path) -> ModelSpec:
    """What an ncnn file means: from the JSON beside it, else from its name.

    Raises:
        InputError: neither is known, or the JSON is no ModelSpec.
    """
    name = path.name.removesuffix(SUFFIX)
    beside = path.with_name(f"{name}.json")
    if beside.is_file():
        try:
            return ModelSpec.from_json(beside.read_bytes())
        except InputError as error:
            raise InputError(f"{beside}: {error.what}", "it must hold a ModelSpec") from error
    if name in KNOWN:
        return KNOWN[name]
    raise InputError(
        f"nothing says what {path} means",
        f"write its ModelSpec to {beside.name} beside it, such as "
        "mvpose.runtime.ncnn_runtime.PP_TINYPOSE.to_json() with the file's own numbers; known by "
        f"name: {', '.join(KNOWN)}",
    )


def end_blobs(path: Path) -> tuple[str, str]:
    """Names of the one input and the one output of a ``.param`` file.

    Each line after the first two is: type, name, number of inputs, number of outputs, their names.

    Raises:
        InputError: no such file, not ncnn's text format, or another number of inputs or outputs.
    """
    if not path.is_file():
        raise InputError(f"no such file: {path}", "check the path")
    lines = [line.split() for line in path.read_bytes().decode("utf-8", "replace").splitlines()]
    if not lines or lines[0] != [MAGIC]:
        raise InputError(
            f"{path} is not an ncnn .param file in text form", f"its first line must be {MAGIC}"
        )
    inputs: list[str] = []
    made: list[str] = []
    used: set[str] = set()
    try:
        for kind, _, taken, given, *names in (line for line in lines[2:] if line):
            used.update(names[: int(taken)])
            outputs = names[int(taken) : int(taken) + int(given)]
            made += outputs
            inputs += outputs if kind == "Input" else []
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}", "copy the file again") from error
    results = [name for name in made if name not in used]
    if len(inputs) != 1 or len(results) != 1:
        raise InputError(
            f"{path} has {len(inputs)} inputs and {len(results)} outputs, not one of each",
            "a pose network takes a crop and gives heatmaps",
        )
    return inputs[0], results[0]


def weight_type(weights: Path) -> str:
    """How the first layer's weights are stored: "fp16", "int8", "fp32" or "table" (ncnn's own)."""
    with weights.open("rb") as file:
        return WEIGHTS.get(int.from_bytes(file.read(4), "little"), "table")
