"""Forms of a network between float and whole INT8."""

from __future__ import annotations

from mvpose.quantize.network import WEIGHTED, QuantGraph, aten, inputs
from mvpose.quantize.plan import Plan
from mvpose.quantize.recipes import Recipe
from mvpose.quantize.simulate import QuantNet

MULTIPLIED = (*WEIGHTED, aten.bmm.default)


def float_form(graph: QuantGraph) -> QuantNet:
    """The network without any rounding."""
    return QuantNet(graph, graph.roles).eval()


def weights_form(graph: QuantGraph) -> QuantNet:
    """INT8 weights; activations and biases are float."""
    net = QuantNet(graph).eval()
    net.enable(weights=net.weights)
    for bias in net.biases.values():
        bias.enabled = False
    return net


def operands_form(plan: Plan, recipe: Recipe) -> QuantNet:
    """INT8 where numbers are multiplied: in what integer convolutions, linear layers and products
    read. Everything between them is float, which desktop runtimes fuse into their neighbours."""
    net = plan.simulate(recipe)
    floats = plan.float_nodes(recipe)
    read = {
        plan.graph.tensor[source.name]
        for node in plan.graph.module.graph.nodes
        if node.target in MULTIPLIED and node.name not in floats
        for source in inputs(node)
    }
    net.enable(activations=read, weights=net.weights)
    return net
