"""A network as a Core ML package (ML Program), from float32 to INT8 weights and activations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from mvpose.artefact import ENTRY, Artefact
from mvpose.errors import InputError, require
from mvpose.export.coreml_operators import INPUT, CoreMLWriter
from mvpose.quantize.recipes import Recipe
from mvpose.quantize.simulate import QuantNet
from mvpose.quiet import quiet
from mvpose.runtime.coreml_package import read_package, write_package
from mvpose.spec import ModelSpec

SUPPORTED = ("fp32", "fp16", "wi8_afp32", "wi8_afp16", "wp6_afp16", "wp4_afp16",
             "static_wi8_ai8_mixed", "static_wi8_ai8")  # fmt: skip
"""Recipes that have a Core ML form."""
PASSES = (
    "common::const_deduplication",
    "common::noop_elimination",
    "common::merge_consecutive_transposes",
    "common::remove_redundant_ops",
    "common::fuse_transpose_matmul",
    "common::cast_optimization",
    "common::const_elimination",
    "common::dead_code_elimination",
)
"""Of coremltools' passes over the program. Others put other scales and zero points in their place
(nullify_redundant_quantization_zero_point, distributive_quantized_binary_op_scale_normalization),
or look in a minute for what this program does not have."""
CONVERSION_DATE = "com.github.apple.coremltools.conversion_date"


def write_coreml(
    net: QuantNet, spec: ModelSpec, path: Path, recipe: Recipe, half: bool | None = None
) -> None:
    """Write the package: an RGB image (H x W) -> heatmaps (1, K, h, w) in float32.

    For iOS 16 and newer; INT8 activations for iOS 17. Weights of the recipe's kind are INT8 behind
    constexpr_affine_dequantize, or indices behind constexpr_lut_to_dense, with one table for a
    weight, as iOS 16 has it; biases are float. Each tensor ``t`` of ``net.qparams()`` goes through
    quantize and dequantize. The same network gives the same bytes.

    Args:
        net: with scales and zero points for a static recipe, ``weights_form`` for INT8 weights
            alone, all in float for others; nothing is calibrated here.
        spec: for the sizes.
        path: a name that ends in ``.mlpackage``; the caller provides a temporary one.
        recipe: one of ``SUPPORTED``, or a static one with other islands of float.
        half: what is not integer is float16, as the neural engine needs it, scales rounded to it as
            well; else float32, scales exactly those of ``net``. By default as the recipe says;
            static ones are float16.

    Raises:
        InputError: coremltools is not installed, or there is no such form.
    """
    if recipe.kind == "dynamic" or recipe.activation_bits != 8:
        raise InputError(
            f"there is no Core ML form of {recipe.name}", f"there are: {', '.join(SUPPORTED)}"
        )
    require("coremltools", "coreml")
    static = recipe.kind == "static"
    if half is None:
        half = static or recipe.kind == "float16" or recipe.float_bits == 16
    with quiet():
        import coremltools as ct
        from coremltools.converters.mil import Builder

        target = ct.target.iOS17 if static else ct.target.iOS16
        shape = (1, 3, *spec.preprocess.size_wh[::-1])

        @Builder.program(  # type: ignore[untyped-decorator]
            input_specs=[Builder.TensorSpec(shape)], opset_version=target
        )
        def program(image: Any) -> Any:
            with torch.no_grad():
                return CoreMLWriter(net, recipe, half).write(image)

        model = ct.convert(
            program,
            convert_to="mlprogram",
            inputs=[ct.ImageType(name=INPUT, shape=shape, color_layout=ct.colorlayout.RGB)],
            pass_pipeline=ct.PassPipeline(list(PASSES), "mvpose"),
            minimum_deployment_target=target,
            compute_precision=ct.precision.FLOAT32,
            skip_model_load=True,
        )
        model.save(str(path))
    package = read_package(path)
    package.description.metadata.userDefined.pop(CONVERSION_DATE)
    write_package(path, package)


def describe_coreml(path: Path, artefact: Artefact) -> None:
    """Put the description into a package, in place.

    Raises:
        InputError: it is not a Core ML package.
    """
    package = read_package(path)
    about = package.description.metadata
    about.shortDescription = (
        f"{artefact.model.name}: keypoint heatmaps of one person, {artefact.recipe}"
    )
    about.author = "mvpose"
    about.versionString = artefact.weights_sha256[:12]
    about.userDefined[ENTRY] = artefact.to_json()
    for given, what in zip(
        (*package.description.input, *package.description.output),
        ("RGB crop around one person", "one map per keypoint"),
        strict=True,
    ):
        given.shortDescription = what
    write_package(path, package)
