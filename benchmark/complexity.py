"""Parameters and multiply-accumulates of a model, by definition rather than by stopwatch.

python -m mvpose.benchmark.complexity
python -m mvpose.benchmark.complexity vitpose-b --json complexity.json
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic.dataclasses import dataclass

from mvpose.cli import Flag, Many, run
from mvpose.spec import FROZEN, ModelSpec, Network, Record

if TYPE_CHECKING:
    from torch import Tensor, nn

MEGA = 1e6
GIGA = 1e9
FLOPS_PER_MAC = 2
OTHER_SIZES_WH = ((192, 256),)
"""Inputs of networks without a position embedding, besides the zoo's."""


@dataclass(frozen=True, config=FROZEN)
class Complexity(Record):
    """The size of a model.

    Attributes:
        params_m: learned parameters in millions; BatchNorm's running statistics are not counted.
        gflops: 10^9 multiply-accumulates for one crop, the unit that papers call GFLOPs:
            convolutions, linear layers and matrix products; not norms, activations, resizing.
        attention_gflops: the part of it in attention's two products, q k^T and weights v, which
            many counters, among them those of the MobileViT papers, leave out.
    """

    params_m: float
    gflops: float
    attention_gflops: float


def complexity(spec: ModelSpec) -> Complexity:
    """Count a model at its spec's input size, on shapes alone: no weights, no time."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    model, crop = on_shapes(spec)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(crop)
    products = counter.get_flop_counts()["Global"].get(torch.ops.aten.bmm, 0)
    return Complexity(
        params_m=sum(p.numel() for p in model.parameters()) / MEGA,
        gflops=counter.get_total_flops() / FLOPS_PER_MAC / GIGA,
        attention_gflops=products / FLOPS_PER_MAC / GIGA,
    )


def on_shapes(spec: ModelSpec) -> tuple[nn.Module, Tensor]:
    """A model in eval mode and a crop for it, both without values."""
    import torch

    from mvpose.models.build import build_network

    with torch.device("meta"):
        model = build_network(spec.network).eval()
        crop = torch.empty(1, 3, spec.preprocess.input_height_px, spec.preprocess.input_width_px)
    return model, crop


def sizes(name: str) -> list[ModelSpec]:
    """A zoo model at each input size that it is counted at; its own first.

    Raises:
        InputError: no such model.
    """
    from mvpose.zoo import zoo_spec

    spec = zoo_spec(name)
    if not isinstance(spec.network, Network):
        return [spec]
    return [
        spec,
        *(
            replace(
                spec,
                preprocess=replace(spec.preprocess, input_width_px=width, input_height_px=height),
            )
            for width, height in OTHER_SIZES_WH
        ),
    ]


def count(
    models: Annotated[list[str] | None, Many] = None,
    *,
    json: Path | None = None,
    overwrite: Flag = False,
) -> None:
    """Count parameters and multiply-accumulates, in all and block by block.

    ```
    python -m mvpose.benchmark.complexity
    python -m mvpose.benchmark.complexity vitpose-b --json complexity.json
    ```

    Args:
        models: zoo names; left out, all of them.
        json: write the result rows to this file.
        overwrite: replace an existing file.
    """
    from dataclasses import asdict

    from mvpose.benchmark.blocks import block_costs, print_costs
    from mvpose.files import check_new, write_json
    from mvpose.zoo import names

    if json:
        check_new(json, overwrite)
    rows = []
    for spec in [spec for name in models or names() for spec in sizes(name)]:
        costs = block_costs(spec)
        width, height = spec.preprocess.size_wh
        print_costs(f"{spec.name}, {height} x {width}", costs)
        rows.append(
            {
                "kind": "complexity",
                "model": spec.name,
                "input": f"{height}x{width}",
                **asdict(complexity(spec)),
                "blocks": [asdict(cost) for cost in costs],
            }
        )
    if json:
        write_json(json, rows)


if __name__ == "__main__":
    run(count, name="complexity")
