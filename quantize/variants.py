"""Many variants of one network over the same crops: what they begin alike is computed once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import GraphModule, Interpreter, Node

from mvpose.quantize.ranges import BATCH, to_batch

Name = TypeVar("Name")


def variant_heatmaps(
    base: GraphModule, variants: Mapping[Name, GraphModule], crops: NDArray[np.uint8]
) -> Iterator[tuple[Name, NDArray[np.float32]]]:
    """Run variants of a network, those that differ from it late first to last.

    About 1 MB is held for each crop of 256 x 256.

    Args:
        base: crops (B, 3, H, W) in 0..255 -> heatmaps (B, K, h, w).
        variants: the same network but for some nodes; nodes of the same names, in the same order,
            that read the same are taken to compute the same.
        crops: (N, height, width, 3).

    Yields:
        Each variant's name and heatmaps (N, K, h, w).
    """
    starts = {name: common_nodes(base, body) for name, body in variants.items()}
    batches = [to_batch(crops[i : i + BATCH]) for i in range(0, len(crops), BATCH)]
    last_reads = _last_reads(base)
    walks = [_Walk(base, batch, last_reads) for batch in batches]
    for name in sorted(variants, key=lambda name: starts[name]):
        with torch.inference_mode():
            for walk in walks:
                walk.advance(starts[name])
            maps = [walk.finish(variants[name]).numpy() for walk in walks]
        yield name, np.concatenate(maps)


def common_nodes(a: GraphModule, b: GraphModule) -> int:
    """With how many nodes two graphs begin alike."""
    count = 0
    for x, y in zip(a.graph.nodes, b.graph.nodes, strict=False):
        if _signature(x) != _signature(y):
            break
        count += 1
    return count


def share_parameters(body: GraphModule, source: GraphModule) -> None:
    """Let a copy of a network use the original's parameters."""
    for name, parameter in source.named_parameters():
        parent, _, leaf = name.rpartition(".")
        setattr(body.get_submodule(parent), leaf, parameter)


def _signature(node: Node) -> tuple[str, str, str, str, str]:
    return node.name, node.op, str(node.target), str(node.args), str(node.kwargs)


class _Walk(Interpreter):
    """One batch on its way through a network; keeps what may be read later.

    Attributes:
        place: of the next node.
    """

    def __init__(self, base: GraphModule, batch: torch.Tensor, last_reads: list[int]) -> None:
        super().__init__(base, garbage_collect_values=False)
        self.batch = batch
        self.last_reads = last_reads
        self.place = 0
        self.args_iter = iter((batch,))

    def advance(self, place: int) -> None:
        """Run up to a node."""
        nodes = list(self.graph.nodes)
        for node in nodes[self.place : place]:
            self.env[node] = self.run_node(node)
        self.place = place
        for node, last in zip(nodes[:place], self.last_reads, strict=False):
            if last < place:
                self.env.pop(node, None)

    def finish(self, body: GraphModule) -> torch.Tensor:
        """Heatmaps of a network that is the same up to here."""
        values = {node.name: value for node, value in self.env.items()}
        nodes = list(body.graph.nodes)[: self.place]
        known = {node: values.get(node.name) for node in nodes}
        heatmaps: torch.Tensor = Interpreter(body).run(self.batch, initial_env=known)
        return heatmaps


def _last_reads(base: GraphModule) -> list[int]:
    """Where each node is read last, by itself or rounded."""
    place = {node: i for i, node in enumerate(base.graph.nodes)}

    def last(node: Node) -> int:
        readers = node.users
        return max((last(n) if n.op == "call_module" else place[n] for n in readers), default=-1)

    return [last(node) for node in base.graph.nodes]
