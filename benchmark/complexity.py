"""Parameters and multiply-accumulates of a model, by definition rather than by stopwatch."""

from __future__ import annotations

import torch
from pydantic.dataclasses import dataclass
from torch.utils.flop_counter import FlopCounterMode

from mvpose.models.build import build_network
from mvpose.spec import FROZEN, ModelSpec, Record

GIGA = 1e9
FLOPS_PER_MAC = 2


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
    with torch.device("meta"):
        model = build_network(spec.network).eval()
        crop = torch.empty(1, 3, spec.preprocess.input_height_px, spec.preprocess.input_width_px)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(crop)
    products = counter.get_flop_counts()["Global"].get(torch.ops.aten.bmm, 0)
    return Complexity(
        params_m=sum(p.numel() for p in model.parameters()) / 1e6,
        gflops=counter.get_total_flops() / FLOPS_PER_MAC / GIGA,
        attention_gflops=products / FLOPS_PER_MAC / GIGA,
    )
