"""The fake-quantised network: what an INT8 file computes, in torch, for training and for maps."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from mvpose.quantize.fake_quant import (
    LOWEST,
    ActivationQuantizer,
    BiasQuantizer,
    ConstantQuantizer,
    WeightQuantizer,
    affine,
    symmetric,
)
from mvpose.quantize.network import ELEMENTWISE, WEIGHTED, QuantGraph, Role
from mvpose.quantize.ranges import BATCH, Ranges, to_batch
from mvpose.quiet import quiet
from mvpose.spec import ModelSpec

QParams = dict[str, tuple[float, int]]
"""Scale and zero point by tensor."""

UNIT_SCALE = 1 / 256


def qparams_of(graph: QuantGraph, ranges: Ranges) -> QParams:
    """INT8 scales and zero points for ranges, as far as the operators leave a choice."""

    def choose(tensor: str) -> tuple[float, int]:
        if graph.roles[tensor] is Role.UNIT:
            return UNIT_SCALE, LOWEST
        fit = symmetric if tensor in graph.symmetric else affine
        return fit(*ranges[tensor])

    return {tensor: choose(tensor) for tensor in graph.tensors}


class QuantNet(nn.Module):
    """A network with INT8 rounding at the places where a file rounds.

    Args:
        graph: the float network; it is left as it is.
        float_nodes: operators that stay in float.

    Attributes:
        activations: by tensor of the graph, its rounding.
        weights, biases, constants: by the node that uses it.
    """

    def __init__(self, graph: QuantGraph, float_nodes: Iterable[str] = ()) -> None:
        super().__init__()
        self.graph = graph
        self.float_nodes = frozenset(float_nodes)
        with quiet():
            self.body: GraphModule = copy.deepcopy(graph.module)
        self.activations: dict[str, ActivationQuantizer] = {}
        self.weights: dict[str, WeightQuantizer] = {}
        self.biases: dict[str, BiasQuantizer] = {}
        self.constants: dict[str, ConstantQuantizer] = {}
        self._insert()

    def forward(self, image: Tensor) -> Tensor:
        """Crops (B, 3, H, W) in 0..255 -> heatmaps (B, K, h, w)."""
        heatmaps: Tensor = self.body(image)
        return heatmaps

    def set_ranges(self, ranges: Ranges) -> None:
        """Fix scales and zero points by the ranges of the tensors."""
        self.set_qparams(qparams_of(self.graph, ranges))

    def set_qparams(self, qparams: QParams) -> None:
        """Take over scales and zero points."""
        for name, quantizer in self.activations.items():
            quantizer.set(*qparams[name])

    def qparams(self) -> QParams:
        """Scale and zero point of each quantised tensor."""
        return {name: quantizer.qparams() for name, quantizer in self.activations.items()}

    def enable(self, *, activations: Iterable[str] = (), weights: Iterable[str] = ()) -> None:
        """Round these tensors, the constants added to them and these operators' weights alone."""
        rounded = {*activations}
        for name, activation in self.activations.items():
            activation.enabled = name in rounded
        for name, constant in self.constants.items():
            constant.enabled = self.graph.tensor[name] in rounded
        rounded = {*weights}
        for name, weight in self.weights.items():
            weight.enabled = name in rounded
        for name, bias in self.biases.items():
            bias.enabled = name in rounded

    def _insert(self) -> None:
        graph = self.body.graph
        roles, tensor = self.graph.roles, self.graph.tensor
        for node in list(graph.nodes):
            role = roles.get(node.name)
            if role is None:
                continue
            if node.target in WEIGHTED and node.name not in self.float_nodes:
                self._round_parameters(node)
            if node.target in ELEMENTWISE and node.name not in self.float_nodes:
                self._round_constant(node)
            if role is Role.FUSED:
                continue
            readers = self._integer_readers(node)
            if not readers:
                continue
            owner = tensor[node.name]
            if owner not in self.activations:
                self.activations[owner] = self._quantizer(owner)
            with graph.inserting_after(node):
                rounded = self._call("activations", owner, self.activations[owner], node)
            for reader in readers:
                reader.replace_input_with(node, rounded)
        self.body.recompile()

    def _round_parameters(self, node: Node) -> None:
        graph, (source, weight, *rest) = self.body.graph, node.args
        assert isinstance(source, Node) and isinstance(weight, Node)
        self.weights[node.name] = WeightQuantizer()
        with graph.inserting_before(node):
            rounded = self._call("weights", node.name, self.weights[node.name], weight)
        if rest and isinstance(rest[0], Node):
            owner = self.graph.tensor[self._activation(source).name]
            self.biases[node.name] = BiasQuantizer(self.activations[owner])
            with graph.inserting_before(node):
                bias = self._call("biases", node.name, self.biases[node.name], rest[0], weight)
            node.replace_input_with(rest[0], bias)
        node.replace_input_with(weight, rounded)

    def _round_constant(self, node: Node) -> None:
        for constant in (n for n in node.all_input_nodes if n.op == "get_attr"):
            quantizer = ConstantQuantizer(self.body.get_buffer(str(constant.target)))
            self.constants[node.name] = quantizer
            with self.body.graph.inserting_before(node):
                rounded = self._call("constants", node.name, quantizer, constant)
            node.replace_input_with(constant, rounded)

    def _call(self, table: str, name: str, module: nn.Module, *args: Node) -> Node:
        self.body.add_submodule(f"{table}.{name}", module)
        return self.body.graph.call_module(f"{table}.{name}", args)

    def _integer_readers(self, node: Node) -> list[Node]:
        """Who must see the rounded tensor: everybody where an integer operator writes it, else the
        integer operators alone; nobody where the writer only moves rounded values."""
        role = self.graph.roles[node.name]
        if node.name in self.float_nodes:
            return [u for u in node.users if u.name in self.graph.roles and self._is_integer(u)]
        if role in (Role.SAME, Role.JOINED):
            return []
        return list(node.users)

    @staticmethod
    def _activation(node: Node) -> Node:
        """The operator behind a rounding."""
        source = node.args[0] if node.op == "call_module" else node
        assert isinstance(source, Node)
        return source

    def _is_integer(self, node: Node) -> bool:
        return node.name not in self.float_nodes

    def _quantizer(self, owner: str) -> ActivationQuantizer:
        if self.graph.kind[owner] == "input":
            return ActivationQuantizer(1.0, fixed=True)
        if self.graph.roles[owner] is Role.UNIT:
            return ActivationQuantizer(UNIT_SCALE, fixed=True)
        quantizer = ActivationQuantizer()
        quantizer.zero_point.requires_grad_(owner not in self.graph.symmetric)
        return quantizer


class SimulatedRuntime:
    """A network that takes crops in 0..255 (float or fake-quantised) as a Runtime.

    Args:
        network: in eval mode.
        spec: what it means.
        precision: for the protocol.
    """

    def __init__(self, network: nn.Module, spec: ModelSpec, precision: str) -> None:
        self.network = network
        self.spec = spec
        self.device = next(network.parameters()).device
        self.protocol: dict[str, str | int] = {
            "runtime": "torch, fake-quantised",
            "version": torch.__version__,
            "device": str(self.device),
            "threads": torch.get_num_threads(),
            "precision": precision,
        }

    @torch.inference_mode()
    def heatmaps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.concatenate(
            [
                self.network(to_batch(images[i : i + BATCH]).to(self.device)).cpu().numpy()
                for i in range(0, len(images), BATCH)
            ]
        )
