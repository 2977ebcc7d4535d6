"""A fake-quantised network, operator by operator, in the terms of another format."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch._ops import OpOverload
from torch.fx import Graph, Interpreter, Node

from mvpose.quantize.fake_quant import HIGHEST, BiasQuantizer, weight_scale
from mvpose.quantize.simulate import QuantNet
from mvpose.quiet import quiet

aten = torch.ops.aten

BATCH = 1
EVERYTHING = 0, 2**63 - 1
"""Bounds of a slice that cuts nothing."""
INT32_MAX = 2**31 - 1
CONV2D: tuple[Any, ...] = (None, (1, 1), (0, 0), (1, 1), 1)
"""Bias, strides, padding, dilations and groups, where they are left out."""


@dataclass(frozen=True)
class Integers:
    """A rounded parameter.

    Attributes:
        values: integers, int8 of a weight, int32 of a bias.
        scale: (C,) float32, real numbers for one step of each output channel (axis 0).
    """

    values: NDArray[Any]
    scale: NDArray[np.float32]


class Translator(Interpreter):
    """Walks through a network for one crop; a subclass writes each operator.

    What passes from operator to operator is the other format's handle of a tensor. Parameters are
    torch tensors or, where the network rounds them, ``Integers``. A subclass has a method of the
    name of each of aten's operators, with its arguments but for the changes below; ``conv2d`` takes
    (x, weight, bias, strides, [top, bottom, left, right], dilations, groups).

    Args:
        net: on the CPU.

    Attributes:
        node: the operator that is being written.
    """

    node: Node

    def __init__(self, net: QuantNet) -> None:
        with quiet():
            graph = copy.deepcopy(net.body.graph)
        absorb_padding(graph)
        super().__init__(net.body, graph=graph)
        self.net = net

    def run_node(self, n: Node) -> Any:
        self.node = n
        return super().run_node(n)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target is aten.sym_size.int:
            return BATCH
        if not isinstance(target, OpOverload):  # arithmetic of sizes
            return target(*args, **kwargs)
        return getattr(self, target._opname)(*args, **kwargs)

    def get_attr(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        return super().get_attr(target, args, kwargs).detach()

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        table, _, name = target.partition(".")
        quantizer = getattr(self.net, table)[name]
        if not quantizer.enabled:
            return args[0]
        if table == "activations":
            return self.rounded(args[0], name)
        if table == "constants":
            return quantizer(*args)
        return integer_weight(*args) if table == "weights" else integer_bias(quantizer, *args)

    def rounded(self, x: Any, tensor: str) -> Any:
        """Rounding of ``x`` to INT8 and back, with the scale and zero point of that name."""
        raise NotImplementedError

    def permute(self, x: Any, order: list[int]) -> Any:
        raise NotImplementedError

    def cut(self, x: Any, axis: int, start: int, end: int) -> Any:
        """``x[start:end]`` along an axis."""
        raise NotImplementedError

    def transpose(self, x: Any, first: int, second: int) -> Any:
        """Written as ``permute(x, order)``."""
        order = list(range(len(shape(self.node))))
        order[first], order[second] = order[second], order[first]
        return self.permute(x, order)

    def slice(self, x: Any, axis: int, start: int, end: int) -> Any:
        """Written as ``cut(x, axis, start, end)``, where it cuts anything."""
        return x if (start, end) == EVERYTHING else self.cut(x, axis, *bounds(self.node))


def absorb_padding(graph: Graph) -> None:
    """Let convolutions pad their input themselves where it was padded and cut; in place.

    Runtimes have integer kernels for that; OpenVINO pads and cuts in float.
    """
    for node in graph.nodes:
        if node.target is aten.conv2d.default:
            args: list[Any] = [*node.args, *CONV2D[len(node.args) - 2 :]]
            source, weight, bias, strides, (rows, columns), dilations, groups = args
            source, (top, bottom, left, right) = unpadded(source)
            padding = [top + rows, bottom + rows, left + columns, right + columns]
            node.args = (source, weight, bias, strides, padding, dilations, groups)
    graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output"))


def unpadded(node: Node) -> tuple[Node, list[int]]:
    """What was padded with zeros and then cut to give this tensor, and the rows and columns of
    zeros that are left: top, bottom, left, right."""
    cuts, source = [], node
    while source.target is aten.slice.Tensor:
        cuts.append(source)
        (source,) = source.all_input_nodes
    unchanged = node, [0] * 4
    if source.target is not aten.pad.default:
        return unchanged
    args: Any = source.args
    picture, amounts = args
    left, right, top, bottom = (*amounts, 0, 0)[:4]
    margins = {2: (top, bottom), 3: (left, right)}
    for cut in cuts:
        args = cut.args
        _, axis, *ends = args
        if tuple(ends) == EVERYTHING:
            continue
        if axis not in margins:
            return unchanged
        start, end = bounds(cut)
        before, after = margins[axis]
        margins[axis] = before - start, after - (shape(cut.all_input_nodes[0])[axis] - end)
    kept = [*margins[2], *margins[3]]
    return (picture, kept) if len(amounts) <= 4 and min(kept) >= 0 else unchanged


def bounds(cut: Node) -> tuple[int, int]:
    """Start and end of a slice, both counted from the front."""
    args: Any = cut.args
    source, axis, start, end = args
    first, last, _ = slice(start, end).indices(shape(source)[axis])
    return first, last


def shape(node: Node) -> torch.Size:
    """Of what a node writes; rounding leaves it as it is."""
    while node.op == "call_module":
        (node, *_) = node.all_input_nodes
    return node.meta["val"].shape


def output_shape(net: QuantNet) -> tuple[int, ...]:
    """Of the heatmaps of one crop."""
    (output,) = (node for node in net.body.graph.nodes if node.op == "output")
    return BATCH, *shape(output.all_input_nodes[0])[1:]


def is_mean(weight: Integers | Tensor) -> bool:
    """Whether a linear layer takes the mean over the last axis, up to rounding, as the deploy
    form's normalisation does; only devices without reductions profit from multiplying."""
    if isinstance(weight, Integers):
        values = weight.values * weight.scale[:, None]
    else:
        values = weight.numpy()
    return len(values) == 1 and np.allclose(values, 1 / values.shape[1], rtol=1e-5)


def integer_weight(weight: Tensor) -> Integers:
    """The levels that ``WeightQuantizer`` rounds a weight to."""
    scale = weight_scale(weight)
    steps = weight.double() / scale.double().reshape(-1, *[1] * (weight.ndim - 1))
    values = steps.round().clamp(-HIGHEST, HIGHEST).to(torch.int8)
    return Integers(values.numpy(), scale.float().numpy())


def integer_bias(quantizer: BiasQuantizer, bias: Tensor, weight: Tensor) -> Integers | Tensor:
    """The levels that a bias is rounded to; real numbers where they don't fit into INT32.

    That is so in channels whose weights are all but zero, and with them their step.
    """
    step = quantizer.step(weight.double())
    values = (bias.double() / step).round()
    if values.abs().max() > INT32_MAX:
        return (values * step).float()
    return Integers(values.to(torch.int32).numpy(), step.float().numpy())
