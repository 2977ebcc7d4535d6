"""A deploy form as a graph of the operators that devices run, each with its role in INT8."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from torch import nn
from torch.export import Dim, export
from torch.fx import GraphModule, Node

from mvpose.errors import InputError
from mvpose.quantize.recipes import FloatGroup
from mvpose.quiet import quiet
from mvpose.spec import Preprocess

aten = torch.ops.aten


class Role(Enum):
    """What quantisation does with the tensor that an operator writes.

    ``OWN``: it has a range of its own. ``UNIT``: its range is 0..1 by definition, the scale 1/256.
    ``SAME``: its values are some of its input's, and so is its range. ``JOINED``: it and all its
    inputs share one range. ``FUSED``: the next operator is part of this one.
    """

    OWN = "own"
    UNIT = "unit"
    SAME = "same"
    JOINED = "joined"
    FUSED = "fused"


ELEMENTWISE = (aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor)
ROLES = {
    Role.OWN: (
        aten.conv2d.default,
        aten.linear.default,
        *ELEMENTWISE,
        aten.mean.dim,
        aten.rsqrt.default,
        aten.bmm.default,
        aten.relu.default,
    ),
    Role.UNIT: (aten.sigmoid.default, aten.softmax.int),
    Role.SAME: (
        aten.reshape.default,
        aten.transpose.int,
        aten.permute.default,
        aten.slice.Tensor,
        aten.pad.default,
        aten.upsample_bilinear2d.vec,
    ),
    Role.JOINED: (aten.cat.default,),
}
ROLE_OF = {target: role for role, targets in ROLES.items() for target in targets}
WEIGHTED = (aten.conv2d.default, aten.linear.default)
GROUPS: dict[FloatGroup, str] = {
    "normalisation": "PlainNorm",
    "softmax": "softmax",
    "attention_products": "bmm",
}


@dataclass(frozen=True)
class QuantGraph:
    """A deploy form as a graph module of any batch size, with a role for each operator.

    Attributes:
        module: crops (B, 3, H, W) in 0..255 -> heatmaps (B, K, h, w); parameters as the deploy
            form names them.
        roles: by the names of the nodes of ``module.graph``.
        tensor: by node: the node whose range its tensor has.
        path: by node: the module of the deploy form that it belongs to, as "stages.2.1.local.0".
        kind: by node: that module's class.
        symmetric: tensors whose zero point has to be 0: the second operands of products, which
            XNNPACK multiplies in INT8 only so.
    """

    module: GraphModule
    roles: dict[str, Role]
    tensor: dict[str, str]
    path: dict[str, str]
    kind: dict[str, str]
    symmetric: frozenset[str]

    @property
    def tensors(self) -> list[str]:
        """The tensors that have a range of their own, in order of computation, the input first."""
        return list(dict.fromkeys(self.tensor.values()))

    @property
    def output(self) -> str:
        """The tensor of the heatmaps."""
        (result,) = self.module.graph.output_node().all_input_nodes
        return self.tensor[result.name]

    def group(self, group: FloatGroup) -> frozenset[str]:
        """The nodes of a group of operators that a recipe may leave in float."""
        if group == "normalisation":
            return frozenset(n for n in self.roles if self.kind[n] == GROUPS[group])
        nodes = self.module.graph.nodes
        return frozenset(
            n.name for n in nodes if n.name in self.roles and GROUPS[group] in str(n.target)
        )


def capture(network: nn.Module, preprocess: Preprocess) -> QuantGraph:
    """Trace a deploy form into the operators that the converters make of it.

    Args:
        network: from ``deploy``.
        preprocess: for the input size.

    Raises:
        InputError: it has an operator that has no known quantisation.
    """
    width, height = preprocess.size_wh
    example = torch.zeros(2, 3, height, width)
    with quiet():
        program = export(network, (example,), dynamic_shapes=({0: Dim("batch")},))
        module = program.module(check_guards=False)
    assert isinstance(module, GraphModule)
    expand_silu(module)
    roles: dict[str, Role] = {}
    path: dict[str, str] = {}
    kind: dict[str, str] = {}
    for node in module.graph.nodes:
        if not is_activation(node):
            continue
        target = node.target
        if node.op == "placeholder":
            roles[node.name], path[node.name], kind[node.name] = Role.OWN, "", "input"
            continue
        if target not in ROLE_OF:
            raise InputError(
                f"{node.name} ({target}) has no known INT8 form",
                "keep the network to the operators of mvpose.models, or export it in FP16",
            )
        role = ROLE_OF[target]
        if target in WEIGHTED and [u.target for u in node.users] == [aten.relu.default]:
            role = Role.FUSED
        stack = list((node.meta.get("nn_module_stack") or {"": ("", "")}).values())
        name, of_class = stack[-1]
        roles[node.name] = role
        path[node.name] = name
        kind[node.name] = str(of_class).rsplit(".", 1)[-1].strip("'>")
    tensor = _shared(module, roles)
    products = [node for node in module.graph.nodes if node.target is aten.bmm.default]
    symmetric = frozenset(tensor[node.args[1].name] for node in products)
    return QuantGraph(module, roles, tensor, path, kind, symmetric)


def is_activation(node: Node) -> bool:
    """Whether a node makes a tensor out of the crops (not a parameter, a size or the output)."""
    if node.op == "placeholder":
        return True
    return node.op == "call_function" and isinstance(node.meta.get("val"), torch.Tensor)


def inputs(node: Node) -> list[Node]:
    """The nodes whose activations a node reads."""
    return [n for n in node.all_input_nodes if is_activation(n)]


def expand_silu(module: GraphModule) -> None:
    """x * sigmoid(x) in place of SiLU, which is what devices run."""
    for node in list(module.graph.nodes):
        if node.target != aten.silu.default:
            continue
        with module.graph.inserting_before(node):
            sigmoid = module.graph.call_function(aten.sigmoid.default, node.args)
            product = module.graph.call_function(aten.mul.Tensor, (node.args[0], sigmoid))
        sigmoid.meta, product.meta = dict(node.meta), dict(node.meta)
        node.replace_all_uses_with(product)
        module.graph.erase_node(node)
    module.recompile()


def _shared(module: GraphModule, roles: dict[str, Role]) -> dict[str, str]:
    """By node, the first node of those that share its range."""
    owner = {name: name for name in roles}

    def find(name: str) -> str:
        while owner[name] != name:
            name = owner[name]
        return name

    for node in module.graph.nodes:
        if roles.get(node.name) in (Role.SAME, Role.JOINED) or _adds_constant(node):
            first, *rest = (find(n.name) for n in inputs(node))
            for name in (node.name, *rest):
                owner[find(name)] = first
    return {name: find(name) for name in roles if roles[name] is not Role.FUSED}


def _adds_constant(node: Node) -> bool:
    """Whether it is LayerNorm's epsilon, too small to ask for a range of its own."""
    return node.target is aten.add.Tensor and not isinstance(node.args[1], Node)
