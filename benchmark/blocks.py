"""What each block of a network costs: parameters, multiply-accumulates, bytes written.

These are the blocks of the network as it is trained; ``quantize/blocks.py`` parts the deploy form,
which computes some things otherwise.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from pydantic.dataclasses import dataclass

from mvpose.benchmark.complexity import FLOPS_PER_MAC, MEGA, on_shapes
from mvpose.spec import FROZEN, ModelSpec, Record

if TYPE_CHECKING:
    from torch.utils.flop_counter import FlopCounterMode

ATTENTION = "attention products"
"""How the blocks end that hold nothing but attention's two products and its softmax."""
STAGE = r"backbone\.stages\.(?P<stage>\d+)"
MIXED = r"backbone\.stages\.(?P<stage>[234])\.1"
LAYER = rf"(?:{MIXED}\.layers\.\d+|backbone\.encoder(?:\.layer\.\d+)?)"
RULES = tuple(
    (re.compile(pattern), title)
    for pattern, title in (
        (r"backbone\.stem.*", "stem"),
        (r"backbone\.embeddings.*", "patch embedding"),
        (r"backbone\.final.*", "final 1x1 convolution"),
        (r"head\.(?:final|conv).*", "last convolution"),
        (r"head\.ups\.(?P<part>\d+).*", "deconvolution {part}"),
        (r"head\.(?:deconv|batchnorm|relu)(?P<count>\d).*", "deconvolution {count}"),
        (r"head.*", "upsampling"),
        (rf"{LAYER}\.att(?:n|ention\.attention)", "{at}" + ATTENTION),
        (rf"{LAYER}\.att(?:n|ention)\..*", "{at}projections"),
        (rf"(?:{LAYER}|backbone)\.(?:layer)?norm.*", "{at}normalisation"),
        (rf"{LAYER}.*", "{at}MLP"),
        (rf"{MIXED}\.norm.*", "{at}normalisation"),
        (rf"{MIXED}\.(?:local|to_tokens).*", "{at}local convolution"),
        (rf"{MIXED}(?:\.from_tokens.*|\.fuse.*)?", "{at}fusion"),
        (rf"{STAGE}.*", "{at}inverted residuals"),
        (r".*", "between blocks"),
    )
)
"""What the path of a module says of its block; stages and parts are counted from 1."""


@dataclass(frozen=True, config=FROZEN)
class BlockCost(Record):
    """A part of a network.

    Attributes:
        block: as "stage 3: MLP".
        params: learned parameters.
        macs: multiply-accumulates for one crop.
        written_bytes: of all tensors that its operators write for one crop in float32, one after
            another: what no runtime needs at once, and what a runtime writes that fuses nothing.
        share: of the network's multiply-accumulates, 0..1.
    """

    block: str
    params: int
    macs: int
    written_bytes: int
    share: float


def block_costs(spec: ModelSpec) -> list[BlockCost]:
    """Part a model at its spec's input size, in order of computation, on shapes alone.

    The stem; each stage, of MobileViT's its inverted residual, local convolution, attention
    products, projections, normalisation, MLP and fusion, each over all its layers; the head. Of a
    vision transformer the same parts over all layers. Each multiply-accumulate and parameter is in
    exactly one block.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from torch.utils.module_tracker import ModuleTracker

    model, crop = on_shapes(spec)
    writes: Counter[str] = Counter()
    tracker: Any = ModuleTracker()
    counting = FlopCounterMode(display=False)
    with torch.no_grad(), counting as counter, tracker, _writes(tracker, writes):
        model(crop)
    root = type(model).__name__
    macs: Counter[str] = Counter()
    for name, flops in _own_flops(counter).items():
        macs[_block(name, root)] += flops // FLOPS_PER_MAC
    written: Counter[str] = Counter()
    for name, size in writes.items():
        written[_block(name, root)] += size
    params: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        params[_block(f"{root}.{name.rpartition('.')[0]}", root)] += parameter.numel()
    total = macs.total()
    return [
        BlockCost(title, params[title], macs[title], written[title], macs[title] / total)
        for title in dict.fromkeys([*written, *macs, *params])
        if params[title] or macs[title] or written[title]
    ]


def print_costs(title: str, costs: list[BlockCost]) -> None:
    """The table on the terminal."""
    from rich.table import Table

    from mvpose.cli import console

    table = Table("block", title=title)
    for heading in ("k params", "M MACs", "share", "MB written"):
        table.add_column(heading, justify="right")
    for line in cost_rows(costs):
        table.add_row(*line)
    console().print(table)


def cost_rows(costs: list[BlockCost]) -> list[list[str]]:
    """The table's cells, with a last row for all blocks together."""
    everything = BlockCost(
        "all",
        sum(cost.params for cost in costs),
        sum(cost.macs for cost in costs),
        sum(cost.written_bytes for cost in costs),
        1.0,
    )
    return [
        [
            cost.block,
            f"{cost.params / 1e3:,.1f}",
            f"{cost.macs / MEGA:,.1f}",
            f"{100 * cost.share:.1f} %",
            f"{cost.written_bytes / MEGA:.2f}",
        ]
        for cost in (*costs, everything)
    ]


def _block(name: str, root: str) -> str:
    path = name.removeprefix(root).removeprefix(".")
    for pattern, title in RULES:
        if found := pattern.fullmatch(path):
            words = {k: v for k, v in found.groupdict().items() if v is not None}
            at = f"stage {int(words['stage']) + 1}: " if "stage" in words else ""
            part = int(words["part"]) + 1 if "part" in words else words.get("count")
            return title.format(at=at, part=part, count=part)
    raise AssertionError(name)  # the last rule takes all


def _own_flops(counter: FlopCounterMode) -> Counter[str]:
    """What each module computes outside the modules in it."""
    counts = {name: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    own = Counter(counts)
    for name, flops in counts.items():
        holder = name.rpartition(".")[0]
        while holder and holder not in counts:
            holder = holder.rpartition(".")[0]
        if name != "Global":
            own[holder or "Global"] -= flops
    return own


def _writes(tracker: Any, written: Counter[str]) -> Any:
    """A mode that sums the bytes that operators write, by the module that calls them.

    Views of other tensors write nothing.
    """
    from torch import Tensor
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Writes(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            made = func(*args, **(kwargs or {}))
            if not any(result.alias_info for result in func._schema.returns):
                # norms return their statistics besides
                first = next((t for t in tree_leaves(made) if isinstance(t, Tensor)), None)
                if first is not None:
                    written[max(tracker.parents, key=len)] += first.nbytes
            return made

    mode: Any = Writes
    return mode()
