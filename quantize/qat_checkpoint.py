"""QAT checkpoints: safetensors with folded float weights on their INT8 grid, scales, zero points.

Tensors: the weights as the deploy form names them; "scale.T" and "zero_point.T" for each tensor T
of ``QuantGraph.tensors`` that is rounded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor
from torch.fx import Node

from mvpose.checkpoint import QAT_HEADER, load_weights, read_safetensors
from mvpose.errors import InputError
from mvpose.files import replacing
from mvpose.models.build import build_network
from mvpose.models.deploy import deploy
from mvpose.quantize.fake_quant import HIGHEST, LOWEST
from mvpose.quantize.network import capture
from mvpose.quantize.plan import Plan
from mvpose.quantize.recipes import Recipe, find_recipe
from mvpose.quantize.simulate import QuantNet
from mvpose.spec import ModelSpec

SCALE, ZERO_POINT = "scale.", "zero_point."
AGAIN = "train it again with mvpose-quantize --qat"


@dataclass(frozen=True)
class Trained:
    """What quantisation-aware training made.

    Attributes:
        plan: the weights, scales and zero points, for converters.
        recipe: which operators are integer.
        spec: what the network means.
        facts: the record of the training.
    """

    plan: Plan
    recipe: Recipe
    spec: ModelSpec
    facts: dict[str, Any]


def save_qat(path: Path, net: QuantNet, spec: ModelSpec, facts: dict[str, Any]) -> None:
    """Write a QAT checkpoint in one step.

    Weights and biases are saved as rounded: whoever rounds them again gets the same integers.

    Args:
        path: ends in ``.safetensors``.
        net: the trained network; it is left as it is.
        spec: of the float network.
        facts: any JSON; "quantisation" names the recipe.
    """
    tensors = rounded_weights(net)
    for name, (scale, zero_point) in net.qparams().items():
        tensors[SCALE + name] = torch.tensor(scale)
        tensors[ZERO_POINT + name] = torch.tensor(zero_point, dtype=torch.int8)
    header = {QAT_HEADER: spec.to_json(), "facts": json.dumps(facts)}
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, header)
        except SafetensorError as error:  # what safetensors makes of a full disk
            raise OSError(str(error)) from error


def load_qat(path: Path) -> tuple[QuantNet, ModelSpec, dict[str, Any]]:
    """Read a QAT checkpoint: the fake-quantised network in eval mode, its spec and its facts.

    Raises:
        InputError: as ``load_trained``.
    """
    trained = load_trained(path)
    return trained.plan.simulate(trained.recipe), trained.spec, trained.facts


def load_trained(path: Path) -> Trained:
    """Read a QAT checkpoint for a converter.

    Raises:
        InputError: the file is missing, truncated, foreign, or damaged; or another version of
            mvpose wrote it, which had other operators.
    """
    header, tensors = read_safetensors(path)
    if QAT_HEADER not in header:
        raise InputError(
            f"{path} is no checkpoint of quantisation-aware training",
            "mvpose-quantize MODEL --qat makes one",
        )
    try:
        spec = ModelSpec.from_json(header[QAT_HEADER])
        facts = json.loads(header["facts"])
        recipe = find_recipe(facts["quantisation"])
    except (InputError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"the header of {path} is damaged: {error}", "copy it again") from error
    network = deploy(build_network(spec.network), spec.preprocess)
    weights = {n: t for n, t in tensors.items() if not n.startswith((SCALE, ZERO_POINT))}
    load_weights(network, weights, path)
    graph = capture(network, spec.preprocess)
    plan = Plan(network, graph, {}, {})
    names = set(QuantNet(graph, plan.float_nodes(recipe)).activations)
    found = {n.removeprefix(SCALE) for n in tensors if n.startswith(SCALE)}
    if wrong := sorted(names ^ found):
        raise InputError(
            f"{path} has scales for other tensors than the network: {len(wrong)} differ, first "
            f"{wrong[0]!r}",
            f"another version of mvpose or PyTorch wrote it: {AGAIN}",
        )
    qparams = {name: _qparams(tensors, name, path) for name in names}
    ranges = {
        name: ((LOWEST - zero) * scale, (HIGHEST - zero) * scale)
        for name, (scale, zero) in qparams.items()
    }
    return Trained(Plan(network, graph, ranges, qparams), recipe, spec, facts)


@torch.no_grad()
def rounded_weights(net: QuantNet) -> dict[str, Tensor]:
    """Parameters and buffers by the deploy form's names, what is integer in a file as rounded.

    A weight so rounded has the same scale again, max|w| / 127 in float32.
    """
    own = net.graph.module.state_dict()
    state = {name: t.detach().clone() for name, t in net.body.state_dict().items() if name in own}
    for node in net.body.graph.nodes:
        if node.name not in net.weights:
            continue
        weight, *bias = (_parameter(rounding) for rounding in node.args[1:3])
        if node.name in net.biases:
            state[bias[0]] = net.biases[node.name](state[bias[0]], state[weight])
        state[weight] = net.weights[node.name](state[weight])
    return {name: tensor.cpu().contiguous() for name, tensor in state.items()}


def _parameter(rounding: Any) -> str:
    """The name of the parameter that a rounding reads."""
    assert isinstance(rounding, Node) and isinstance(rounding.args[0], Node)
    return str(rounding.args[0].target)


def _qparams(tensors: dict[str, Tensor], name: str, path: Path) -> tuple[float, int]:
    scale, zero_point = tensors[SCALE + name], tensors.get(ZERO_POINT + name)
    if zero_point is None or zero_point.dtype is not torch.int8:
        raise InputError(f"{path} has no INT8 zero point of {name}", AGAIN)
    if not (0 < float(scale) < float("inf")):
        raise InputError(f"{path} has a scale of {float(scale):g} for {name}", AGAIN)
    return float(scale), int(zero_point)
