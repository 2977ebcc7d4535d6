"""The float and the INT8 network side by side over the same crops, operator by operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.fx import Interpreter, Node

from mvpose.quantize.network import WEIGHTED
from mvpose.quantize.ranges import to_batch
from mvpose.quantize.simulate import QuantNet

Change = Callable[[Node, Tensor], None]
"""Changes the parameters of a weighted operator of the INT8 network before it runs, given the
operator and the rounded input that it is going to read."""

Correct = Callable[[Node, Tensor, Tensor], Tensor]
"""Of a weighted operator of the INT8 network: its output and the float network's -> its output as
corrected."""


@torch.inference_mode()
def run_in_step(
    net: QuantNet,
    crops: NDArray[np.uint8],
    *,
    change: Change | None = None,
    correct: Correct | None = None,
) -> None:
    """Visit the weighted INT8 operators in order; later ones see what was done to earlier ones.

    Args:
        net: in eval mode.
        crops: (N, height, width, 3), 0..255; a few, their tensors are held at once.
        change: is called before an operator's parameters are read.
        correct: is called after it has run.
    """
    _Pair(net, change, correct).run_on(to_batch(crops))


class _Pair(Interpreter):
    def __init__(self, net: QuantNet, change: Change | None, correct: Correct | None) -> None:
        super().__init__(net.body)
        self.change, self.correct = change, correct
        self.integer = net.weights
        self.exact = Interpreter(net.graph.module)
        self.counterpart = {node.name: node for node in net.graph.module.graph.nodes}

    def run_on(self, crops: Tensor) -> None:
        self.exact.args_iter = iter([crops])
        self.run(crops)

    def run_node(self, n: Node) -> Any:
        if (node := self.counterpart.get(n.name)) is not None:
            self.exact.env[node] = exact = self.exact.run_node(node)
            for last in self.exact.user_to_last_uses.get(node, ()):
                del self.exact.env[last]
        if n.target not in WEIGHTED or n.name not in self.integer:
            return super().run_node(n)
        if self.change is not None:
            source, *roundings = n.all_input_nodes
            self.change(n, self.env[source])
            for rounding in roundings:  # they have read the parameters as they were
                for parameter in rounding.all_input_nodes:
                    self.env[parameter] = super().run_node(parameter)
                self.env[rounding] = super().run_node(rounding)
        result = super().run_node(n)
        return result if self.correct is None else self.correct(n, result, exact)


def parameter_name(node: Node, place: int) -> str | None:
    """The name of an operator's weight (place 1) or bias (2) in the deploy form; None without."""
    if len(node.all_input_nodes) <= place:
        return None
    return str(node.all_input_nodes[place].all_input_nodes[0].target)
