"""Tensors of converted files have short names that say where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvpose.export.graph import read_graph
from mvpose.export.names import module_of

WRAPPED = "litert_torch.ChannelLastIOWrapper/mvpose.models.deploy.DeployNet_wrapped"
STEM = f"{WRAPPED}/torch.nn.modules.container.Sequential_stem/torch.nn.modules.conv.Conv2d_0"


@pytest.mark.parametrize(
    ("name", "module"),
    [
        pytest.param(f"{STEM};", "stem.0", id="module"),
        pytest.param(f"{STEM};2;;{WRAPPED}/a.B_c;1", "stem.0", id="fused with another"),
        pytest.param(f"{WRAPPED}/a.Up_head/a.PlainNorm_from_tokens;", "head.from_tokens", id="_"),
        pytest.param("arith.constant24", "", id="constant"),
    ],
)
def test_module(name: str, module: str) -> None:
    assert module_of(name) == module


def test_names_of_a_file(float_file: Path) -> None:
    graph = read_graph(float_file)
    names = [tensor.name for tensor in graph.tensors]
    assert len(set(names)) == len(names)
    assert [names[i] for i in (*graph.inputs, *graph.outputs)] == ["image", "heatmaps"]
    assert sum(map(len, names)) < 40 * len(names)
    assert {name.split(":")[0] for name in names} > {"stem.0", "stages.2.1.layers.1.attn.proj"}
