"""The blocks of a network: the parts whose cost in INT8 is asked about, and islands of float."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from torch.fx import Node

from mvpose.quantize.network import QuantGraph, Role, inputs, is_activation

BLOCK = r"(?P<at>stages\.(?P<stage>\d+)\.\d+)"
LAYER = rf"{BLOCK}\.layers\.\d+"
RULES = tuple(
    (re.compile(pattern), name, title)
    for pattern, name, title in (
        (r" .*|(?:normalise|stem).*", "stem", "stem"),
        (r"final.*", "final", "final 1x1 convolution"),
        (r"head\.(?P<part>\d+|final) conv2d", "head.{part}", "last convolution"),
        (r"head\.(?P<part>\d+).*", "head.{part}", "deconvolution {part}"),
        (r"head.*", "head.up", "upsampling"),
        (rf"{BLOCK}\.(?:local|to_tokens).*", "{at}.bridge_in", "stage {stage}: bridge in"),
        (
            rf"{BLOCK}(?:\.(?:from_tokens|fuse).*| cat)",
            "{at}.bridge_out",
            "stage {stage}: bridge out",
        ),
        (rf"{BLOCK}\..*norm\d? .*", "{at}.normalisation", "stage {stage}: normalisation"),
        (rf"{LAYER}\.attn .*", "{at}.attention", "stage {stage}: attention"),
        (rf"{LAYER}\.attn\..*", "{at}.projections", "stage {stage}: projections"),
        (rf"{LAYER} add", "{at}.residual", "stage {stage}: residual sums"),
        (rf"{LAYER}.*", "{at}.mlp", "stage {stage}: perceptrons"),
        (
            r"(?P<at>stages\.(?P<stage>1)\.(?P<part>\d+)).*",
            "{at}",
            "stage {stage}: inverted residual {part}",
        ),
        (
            r"(?P<at>stages\.(?P<stage>\d+)(?:\.\d+)?).*",
            "{at}",
            "stage {stage}: inverted residual",
        ),
        (r"(?P<at>\S+) .*", "{at}", "{at}"),
    )
)
"""What an operator's module path and kind say of its block; stages and parts are counted from 1."""


@dataclass(frozen=True)
class Block:
    """A part of a network.

    Attributes:
        name: where it is in the deploy form, as "stages.2.1.attention".
        title: for people, as "stage 3: attention".
        nodes: its operators, by the names of the graph's nodes.
        weights: how many numbers its weights and biases hold.
    """

    name: str
    title: str
    nodes: frozenset[str]
    weights: int


def blocks(graph: QuantGraph) -> list[Block]:
    """Part a network, in order of computation; each operator is in exactly one block.

    The stem; each inverted residual block; of each MobileViT block, all its layers together: the
    way in (local and 1x1 convolution), normalisation, projections, attention (its products and
    softmax), residual sums, perceptrons and the way out (1x1 convolution, concatenation, fusion);
    the final 1x1 convolution; each upsampling; the last convolution. Operators that only move
    values belong to the block that wrote them.
    """
    titles: dict[str, str] = {}
    block_of: dict[str, str] = {}
    weights: defaultdict[str, int] = defaultdict(int)
    for node in graph.module.graph.nodes:
        if node.name not in graph.roles:
            continue
        if graph.roles[node.name] is Role.SAME:
            block_of[node.name] = block_of[inputs(node)[0].name]
            continue
        name, title = place(f"{graph.path[node.name]} {_kind(node)}")
        titles.setdefault(name, title)
        block_of[node.name] = name
        parameters = [n for n in node.all_input_nodes if not is_activation(n)]
        weights[name] += sum(n.meta["val"].numel() for n in parameters)
    nodes = defaultdict(set)
    for node_name, name in block_of.items():
        nodes[name].add(node_name)
    return [
        Block(name, title, frozenset(nodes[name]), weights[name]) for name, title in titles.items()
    ]


def nodes_of(chosen: Iterable[Block]) -> frozenset[str]:
    """The operators of several blocks."""
    return frozenset().union(*(block.nodes for block in chosen))


def place(where: str) -> tuple[str, str]:
    """Name and title of the block of an operator, from its module path and kind."""
    for pattern, name, title in RULES:
        if found := pattern.fullmatch(where):
            words = found.groupdict()
            counted = {k: str(int(v) + 1) if v.isdigit() else v for k, v in words.items()}
            return name.format(**words), title.format(**counted)
    raise AssertionError(where)  # the last rule takes all


def _kind(node: Node) -> str:
    """As "conv2d", "add", "cat"; none of the input."""
    return str(node.target).split(".")[1] if node.op == "call_function" else "input"
