"""Checkpoints: what goes in comes out, and what is wrong is refused by name."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from mvpose.checkpoint import load_checkpoint, load_weights, save_checkpoint
from mvpose.errors import InputError
from mvpose.models.pose import PoseNet
from mvpose.spec import COCO17, ModelSpec, Network, Preprocess

SPEC = ModelSpec("small", Network(head="bilinear"), COCO17, Preprocess(192, 256))
RECORD = {"epochs": 3, "loss": [0.5, 0.25], "note": "größer"}


@pytest.fixture
def net() -> PoseNet:
    torch.manual_seed(0)
    net = PoseNet(SPEC.network)
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5)
    return net


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "net.safetensors"


def test_round_trip(net: PoseNet, path: Path) -> None:
    save_checkpoint(path, net.state_dict(), SPEC, RECORD)
    found, spec, record = load_checkpoint(path)
    assert (spec, record) == (SPEC, RECORD)
    assert not found.training
    assert found.state_dict().keys() == net.state_dict().keys()
    assert all(t.equal(net.state_dict()[n]) for n, t in found.state_dict().items())
    assert list(path.parent.iterdir()) == [path]


def test_half(net: PoseNet, path: Path) -> None:
    full = path.with_name("full.safetensors")
    save_checkpoint(full, net.state_dict(), SPEC)
    save_checkpoint(path, net.state_dict(), SPEC, half=True)
    assert path.stat().st_size < 0.55 * full.stat().st_size
    found, _, record = load_checkpoint(path)
    assert record == {}
    for name, tensor in found.state_dict().items():
        own = net.state_dict()[name]
        assert tensor.dtype == own.dtype
        assert tensor.equal(own.half().to(own.dtype)), name


def test_replaces(net: PoseNet, path: Path) -> None:
    save_checkpoint(path, net.state_dict(), SPEC, {"epochs": 1})
    save_checkpoint(path, net.state_dict(), SPEC, {"epochs": 2})
    assert load_checkpoint(path)[2] == {"epochs": 2}


Weights = dict[str, Tensor]


def good(path: Path, weights: Weights) -> None:
    save_checkpoint(path, weights, SPEC)


def missing(path: Path, weights: Weights) -> None:
    pass


def folder(path: Path, weights: Weights) -> None:
    path.mkdir()


def empty(path: Path, weights: Weights) -> None:
    path.write_bytes(b"")


def noise(path: Path, weights: Weights) -> None:
    path.write_bytes(b"\x10\0\0\0\0\0\0\0 this is no JSON")


def truncated(path: Path, weights: Weights) -> None:
    good(path, weights)
    path.write_bytes(path.read_bytes()[:-100])


def foreign(path: Path, weights: Weights) -> None:
    save_file(weights, path, {"format": "pt"})


def no_spec(path: Path, weights: Weights) -> None:
    save_file(weights, path, {"mvpose": "{}"})


def other_keypoints(path: Path, weights: Weights) -> None:
    weights["head.final.weight"] = torch.zeros(21, 320, 3, 3)
    weights["head.final.bias"] = torch.zeros(21)
    good(path, weights)


def other_backbone(path: Path, weights: Weights) -> None:
    save_checkpoint(path, PoseNet(Network(backbone="xs", head="bilinear")).state_dict(), SPEC)


def other_head(path: Path, weights: Weights) -> None:
    save_checkpoint(path, weights, dataclasses.replace(SPEC, network=Network()))


def incomplete(path: Path, weights: Weights) -> None:
    del weights["backbone.stem.bn.bias"]
    good(path, weights)


def nan(path: Path, weights: Weights) -> None:
    weights["backbone.stem.bn.bias"] = torch.full((16,), torch.nan)
    good(path, weights)


def overflow(path: Path, weights: Weights) -> None:
    weights["backbone.stem.bn.bias"] = torch.full((16,), 1e6)
    save_checkpoint(path, weights, SPEC, half=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(missing, "no such checkpoint", id="missing"),
        pytest.param(folder, "no such checkpoint", id="folder"),
        pytest.param(empty, "cannot read", id="empty"),
        pytest.param(noise, "cannot read", id="noise"),
        pytest.param(truncated, "cannot read", id="truncated"),
        pytest.param(foreign, "not an mvpose checkpoint", id="foreign"),
        pytest.param(
            no_spec,
            "not a valid ModelSpec",
            id="header-without-fields",
        ),
        pytest.param(other_keypoints, "21 keypoints, the network 17", id="other-keypoint-count"),
        pytest.param(other_backbone, "does not fit", id="other-backbone"),
        pytest.param(other_head, "does not fit", id="other-head"),
        pytest.param(incomplete, "1 tensors differ.*stem.bn.bias", id="incomplete"),
        pytest.param(nan, "NaN or infinite.*stem.bn.bias", id="nan"),
        pytest.param(overflow, "NaN or infinite.*stem.bn.bias", id="half-overflow"),
    ],
)
def test_bad_checkpoint(
    make: Callable[[Path, Weights], None], message: str, net: PoseNet, tmp_path: Path
) -> None:
    path = tmp_path / "net.safetensors"
    make(path, dict(net.state_dict()))
    with pytest.raises(InputError, match=message) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)


def test_bad_weights_change_nothing(net: PoseNet, tmp_path: Path) -> None:
    before = {n: t.clone() for n, t in net.state_dict().items()}
    weights = {n: torch.full_like(t, 2) for n, t in before.items()}
    weights["head.final.bias"] = torch.full((17,), torch.inf)
    with pytest.raises(InputError, match="infinite"):
        load_weights(net, weights, tmp_path / "net.safetensors")
    assert all(before[n].equal(t) for n, t in net.state_dict().items())


def stopped(error: BaseException) -> Callable[[Weights, Path, dict[str, str]], None]:
    def write_half(_weights: Weights, path: Path, _header: dict[str, str]) -> None:
        path.write_bytes(b"half a file")
        raise error

    return write_half


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        pytest.param(KeyboardInterrupt(), KeyboardInterrupt, id="interrupted"),
        pytest.param(OSError(28, "No space left on device"), InputError, id="disk-full"),
        pytest.param(
            SafetensorError("I/O error: No space left on device (os error 28)"),
            InputError,
            id="disk-full-in-safetensors",
        ),
    ],
)
@pytest.mark.parametrize("had_one", [False, True], ids=["new", "over-an-old-one"])
def test_interrupted_write(
    error: BaseException,
    seen: type[BaseException],
    had_one: bool,
    net: PoseNet,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if had_one:
        good(path, net.state_dict())
    old = path.read_bytes() if had_one else None
    monkeypatch.setattr("mvpose.checkpoint.save_file", stopped(error))
    with pytest.raises(seen) as caught:
        good(path, net.state_dict())
    assert list(path.parent.iterdir()) == ([path] if had_one else [])
    assert old is None or path.read_bytes() == old
    assert not isinstance(caught.value, InputError) or str(path) in str(caught.value)


def test_header_is_readable(net: PoseNet, path: Path) -> None:
    """Any safetensors reader finds the spec: eight bytes of length, then JSON."""
    save_checkpoint(path, net.state_dict(), SPEC, RECORD)
    raw = path.read_bytes()
    header: dict[str, Any] = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert ModelSpec.from_json(header["__metadata__"]["mvpose"]) == SPEC
    assert json.loads(header["__metadata__"]["record"]) == RECORD
