"""Float ONNX file -> ``.tflite``, by onnx2tf and TensorFlow's own converter and quantiser.

The second road to TFLite, beside ``mvpose.export.tflite``: another translation of the operators
and other calibrated ranges, so that each checks the other. onnx2tf turns NCHW into NHWC:
https://github.com/PINTO0309/onnx2tf
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvpose.errors import InputError, require
from mvpose.export.apart import run_apart
from mvpose.quantize.recipes import Recipe

EXTRA = "onnx2tf"
SUPPORTED = ("fp32", "fp16", "dynamic_wi8", "static_wi8_ai8")
IOS = ("float32", "int8")
OWN_ENVIRONMENT = (
    "make one of its own: python -m venv tf && tf/bin/pip install 'mvpose[tflite,onnx,onnx2tf]'"
)
SAMPLES = "calibration_image_sample_data_20x128x128x3_float32.npy"
"""onnx2tf runs the network on these, and downloads them where the working directory has none."""


def convert_by_onnx2tf(
    onnx_file: Path,
    recipe: Recipe,
    path: Path,
    crops: NDArray[np.uint8] | None = None,
    io: str = "float32",
) -> None:
    """Write the file: (1, H, W, 3) RGB in 0..255 -> (1, h, w, K).

    TensorFlow gets a process of its own, with its memory and its crashes.

    Args:
        onnx_file: a float network, as ``write_onnx`` writes it.
        recipe: one of ``SUPPORTED``.
        path: where to; the caller provides a temporary name.
        crops: (N, H, W, 3) RGB, which a static recipe is calibrated on.
        io: element type of input and output of a static recipe: "float32" or "int8".

    Raises:
        InputError: an unsupported recipe or io, no crops to calibrate on, a package is not
            installed, packages that do not fit each other, or the conversion fails.
    """
    if recipe.name not in SUPPORTED:
        raise InputError(
            f"onnx2tf does not write {recipe.name}", f"it writes {', '.join(SUPPORTED)}"
        )
    if io not in IOS or (io != "float32" and not recipe.needs_calibration):
        raise InputError(
            f"onnx2tf does not write {recipe.name} with {io} input and output",
            "float32, or int8 with static_wi8_ai8",
        )
    if recipe.needs_calibration and (crops is None or not len(crops)):
        raise InputError(f"{recipe.name} needs crops to be calibrated on", "give some")
    for module in ("onnx2tf", "tensorflow", "tf_keras", "onnx_graphsurgeon", "sng4onnx"):
        require(module, EXTRA)
    if not onnx_file.is_file():
        raise InputError(f"no such file: {onnx_file}", "check the path")
    run_apart(
        _convert,
        onnx_file.resolve(),
        recipe,
        path.resolve(),
        crops if recipe.needs_calibration else None,
        io,
        what="the conversion by onnx2tf",
    )


def _convert(
    onnx_file: Path, recipe: Recipe, path: Path, crops: NDArray[np.uint8] | None, io: str
) -> None:
    model = _keras_model(onnx_file)
    import tensorflow as tf

    (image,) = model.inputs
    function = tf.function(
        lambda image: {"heatmaps": model(image)},
        input_signature=[tf.TensorSpec(image.shape, tf.float32, "image")],
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], model
    )
    # without SELECT_TF_OPS: an operator that plain runtimes lack is an error, not a Flex operator
    operators = tf.lite.OpsSet.TFLITE_BUILTINS
    if recipe.kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if recipe.kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if recipe.kind == "static":
        assert crops is not None
        operators = tf.lite.OpsSet.TFLITE_BUILTINS_INT8
        converter.representative_dataset = lambda: _samples(crops)
        converter.inference_input_type = converter.inference_output_type = tf.as_dtype(io)
    converter.target_spec.supported_ops = [operators]
    path.write_bytes(converter.convert())


def _samples(crops: NDArray[np.uint8]) -> Iterator[list[NDArray[np.float32]]]:
    for crop in crops:
        yield [crop[None].astype(np.float32)]


def _keras_model(onnx_file: Path) -> Any:
    try:
        import onnx
        import onnx2tf
    except Exception as error:  # a clash of binary interfaces raises anything
        raise InputError(
            f"onnx2tf or TensorFlow does not load in this environment: {str(error).strip()}",
            OWN_ENVIRONMENT,
        ) from error
    with TemporaryDirectory(prefix="mvpose-") as folder, chdir(folder):
        np.save(SAMPLES, np.random.default_rng(0).uniform(0, 255, (20, 128, 128, 3)).astype("f4"))
        return onnx2tf.convert(
            onnx_graph=_prepared(onnx.load(onnx_file)),
            output_folder_path=folder,
            not_use_onnxsim=True,
            not_use_opname_auto_generate=True,
            disable_model_save=True,
            disable_strict_mode=True,  # no search for axes: the shapes tell them, in half the time
            verbosity="error",
        )


def _prepared(model: Any) -> Any:
    """The ONNX network with what onnx2tf relies on: all shapes, by which it tells NCHW from NHWC.

    Products with 1 / sqrt(y) become quotients by sqrt(y), which TensorFlow makes RSQRT of, as the
    other road has it.
    """
    import onnx

    nodes = list(model.graph.node)
    roots = {n.output[0]: n.input[0] for n in nodes if n.op_type == "Reciprocal"}
    for node in nodes:
        factors = list(node.input)
        if node.op_type == "Mul" and len(factors) == 2 and factors[1] in roots:
            node.op_type = "Div"
            node.input[1] = roots[factors[1]]
    used = {name for node in nodes for name in node.input}
    for node in nodes:
        if node.op_type == "Reciprocal" and node.output[0] not in used:
            model.graph.node.remove(node)
    return onnx.shape_inference.infer_shapes(model)
