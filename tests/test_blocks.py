"""What each block costs: nothing lost, nothing counted twice, and hand counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from mvpose.benchmark.blocks import ATTENTION, block_costs, cost_rows
from mvpose.benchmark.complexity import complexity, sizes
from mvpose.models.build import build_network
from mvpose.spec import ModelSpec
from mvpose.zoo import zoo_spec

MODELS = ("mobilevitpose-s", "mobilevitpose-xxs-bilinear", "vitpose-b", "vitpose-b-simple")
SPECS = {f"{spec.name} {spec.preprocess.size_wh}": spec for name in MODELS for spec in sizes(name)}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_blocks_sum_to_the_network(spec: ModelSpec) -> None:
    whole, costs = complexity(spec), block_costs(spec)
    products = sum(cost.macs for cost in costs if cost.block.endswith(ATTENTION))
    assert sum(cost.params for cost in costs) == round(whole.params_m * 1e6)
    assert sum(cost.macs for cost in costs) == round(whole.gflops * 1e9)
    assert products == round(whole.attention_gflops * 1e9)
    assert sum(cost.share for cost in costs) == pytest.approx(1)
    assert len({cost.block for cost in costs}) == len(costs)


@pytest.mark.parametrize("name", ["mobilevitpose-xxs-bilinear", "vitpose-b-simple"])
def test_no_work_between_blocks(name: str) -> None:
    """Only the vision transformer's feature map is laid out anew between the blocks."""
    between = [cost for cost in block_costs(zoo_spec(name)) if cost.block == "between blocks"]
    assert [(cost.params, cost.macs) for cost in between] == [(0, 0)] * len(between)
    assert sum(cost.written_bytes for cost in between) == (
        16 * 12 * 768 * 4 if name.startswith("vitpose") else 0
    )


@pytest.mark.parametrize(
    ("block", "params", "macs"),
    [
        pytest.param("stem", 27 * 16 + 32, 27 * 16 * 128**2, id="stem"),
        pytest.param(
            "stage 3: local convolution",
            9 * 48**2 + 2 * 48 + 48 * 64,
            (9 * 48**2 + 48 * 64) * 32**2,
            id="local convolution",
        ),
        pytest.param(
            "stage 3: projections",
            2 * (4 * 64**2 + 4 * 64),
            2 * 4 * 64**2 * 32**2,
            id="projections of two layers",
        ),
        pytest.param(
            "stage 3: attention products", 0, 2 * 2 * 4 * 256**2 * 64, id="attention products"
        ),
        pytest.param(
            "stage 3: MLP", 2 * (2 * 2 * 64**2 + 3 * 64), 2 * 4 * 64**2 * 32**2, id="perceptrons"
        ),
        pytest.param(
            "stage 3: fusion",
            64 * 48 + 9 * 96 * 48 + 4 * 48,
            (64 * 48 + 9 * 96 * 48) * 32**2,
            id="fusion",
        ),
        pytest.param("deconvolution 2", 16 * 256**2 + 512, 16 * 256**2 * 16**2, id="deconvolution"),
        pytest.param("last convolution", 257 * 17, 256 * 17 * 64**2, id="last convolution"),
    ],
)
def test_by_hand(block: str, params: int, macs: int) -> None:
    (cost,) = (c for c in block_costs(zoo_spec("mobilevitpose-xxs")) if c.block == block)
    assert (cost.params, cost.macs) == (params, macs)


def test_written_bytes_by_hand() -> None:
    """The stem writes a convolution's output, its BatchNorm's and its SiLU's."""
    stem, *_ = block_costs(zoo_spec("mobilevitpose-xxs"))
    assert stem.written_bytes == 3 * 16 * 128**2 * 4


def test_written_bytes_are_those_of_real_tensors() -> None:
    """A deconvolution's three modules write what hooks see of a network with weights."""
    spec = zoo_spec("mobilevitpose-xxs")
    small = replace(
        spec, preprocess=replace(spec.preprocess, input_width_px=64, input_height_px=64)
    )
    model, sizes_seen = build_network(small.network).eval(), []
    up = model.get_submodule("head.ups.1")

    def note(module: nn.Module, args: object, made: torch.Tensor) -> None:
        sizes_seen.append(made.nbytes)

    for module in up.children():
        module.register_forward_hook(note)
    with torch.no_grad():
        model(torch.zeros(1, 3, 64, 64))
    (cost,) = (c for c in block_costs(small) if c.block == "deconvolution 2")
    assert cost.written_bytes == sum(sizes_seen)


def test_rows_end_with_the_sum() -> None:
    *_, last = cost_rows(block_costs(zoo_spec("vitpose-b")))
    assert last[:4] == ["all", "89,994.5", "18,522.8", "100.0 %"]
