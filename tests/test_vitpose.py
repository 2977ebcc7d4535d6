"""ViTPose: equal to transformers' own model, whatever the weights are called; bad files refused."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mvpose.checkpoint import load_checkpoint, save_checkpoint
from mvpose.commands.evaluate import evaluate
from mvpose.commands.predict import predict
from mvpose.errors import InputError
from mvpose.models.build import build_network
from mvpose.models.deploy import deploy
from mvpose.models.vitpose import VIT, ViTPose, VitSize
from mvpose.runtime.load import load_float, load_runtime, resolve
from mvpose.spec import ForeignNetwork, VitPoseNetwork
from mvpose.zoo import VITPOSE, zoo_spec

transformers = pytest.importorskip("transformers", reason="needs mvpose[vitpose]")

Weights = dict[str, Tensor]
TO_ORIGINAL = (
    (r"^backbone\.embeddings\.patch_embeddings\.projection", "backbone.patch_embed.proj"),
    (r"^backbone\.embeddings\.position_embeddings", "backbone.pos_embed"),
    (r"^backbone\.layernorm\.", "backbone.last_norm."),
    (r"encoder\.layer\.", "blocks."),
    (r"layernorm_before", "norm1"),
    (r"layernorm_after", "norm2"),
    (r"attention\.output\.dense", "attn.proj"),
    (r"^head\.deconv1", "keypoint_head.deconv_layers.0"),
    (r"^head\.batchnorm1", "keypoint_head.deconv_layers.1"),
    (r"^head\.deconv2", "keypoint_head.deconv_layers.3"),
    (r"^head\.batchnorm2", "keypoint_head.deconv_layers.4"),
    (r"^head\.conv", "keypoint_head.final_layer"),
)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """ViTPose-B is two layers of 48 channels."""
    monkeypatch.setitem(VIT, "b", VitSize(width=48, depth=2, heads=4))


def own_model(network: VitPoseNetwork) -> Any:
    """transformers' model of the same size, in eval mode, its weights random without structure."""
    size = VIT[network.backbone]
    backbone = transformers.VitPoseBackboneConfig(
        hidden_size=size.width,
        num_hidden_layers=size.depth,
        num_attention_heads=size.heads,
        out_indices=[size.depth],
    )
    model = transformers.VitPoseForPoseEstimation(
        transformers.VitPoseConfig(
            backbone_config=backbone,
            num_labels=network.keypoints,
            use_simple_decoder=network.decoder == "simple",
        )
    )
    torch.manual_seed(0)
    for name, tensor in model.state_dict().items():
        if re.search(r"running_var$|norm.*weight$", name):
            tensor.uniform_(0.6, 1.4)
        elif tensor.is_floating_point():
            tensor.normal_(0, tensor[0].numel() ** -0.5 if tensor.dim() > 1 else 0.2)
    return model.eval()


def original(weights: Weights) -> Weights:
    """The names of the original repository, query, key and value fused."""
    found: Weights = {}
    for own_name, tensor in weights.items():
        name = own_name
        for pattern, replacement in TO_ORIGINAL:
            name = re.sub(pattern, replacement, name)
        if ".query." in name:
            parts = [weights[own_name.replace("query", p)] for p in ("query", "key", "value")]
            found[name.replace("attention.attention.query", "attn.qkv")] = torch.cat(parts)
        elif "attention.attention" not in name:
            found[name] = tensor
    return found


def crops(count: int = 2) -> Tensor:
    return torch.randn(count, 3, 256, 192, generator=torch.Generator().manual_seed(1))


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", VITPOSE)
@torch.inference_mode()
def test_equals_transformers(name: str) -> None:
    theirs = own_model(VITPOSE[name])
    ours = build_network(VITPOSE[name]).eval()
    ours.load_state_dict(theirs.state_dict())
    found = ours(crops())
    assert found.shape == (2, 17, 64, 48)
    assert found.std() > 0.01
    assert found.equal(theirs(crops()).heatmaps)


@torch.inference_mode()
def test_b_equals_transformers() -> None:
    """The real size, as its configuration in transformers is by default."""
    ours = build_network(VITPOSE["vitpose-b"]).eval()
    with torch.device("meta"):
        config = transformers.VitPoseConfig(num_labels=17, use_simple_decoder=False)
        config.backbone_config = transformers.VitPoseBackboneConfig(out_indices=[12])
        theirs = transformers.VitPoseForPoseEstimation(config).eval()
    theirs.load_state_dict(ours.state_dict(), assign=True)
    assert sum(p.numel() for p in ours.parameters()) == 89_994_513
    assert ours(crops(1)).equal(theirs(crops(1)).heatmaps)


def folder(model: Any, path: Path) -> Path:
    model.save_pretrained(path / "vitpose-base")
    return path / "vitpose-base"


def safetensors(model: Any, path: Path) -> Path:
    return folder(model, path) / "model.safetensors"


def old_folder(model: Any, path: Path) -> Path:
    torch.save(model.state_dict(), path / "pytorch_model.bin")
    return path


def original_bare(model: Any, path: Path) -> Path:
    torch.save(original(model.state_dict()), path / "vitpose.pth")
    return path / "vitpose.pth"


def original_run(model: Any, path: Path) -> Path:
    """As mmcv writes it from several GPUs, with NumPy's numbers in its record."""
    weights = {f"module.{name}": tensor for name, tensor in original(model.state_dict()).items()}
    best = {"best_score": np.float64(0.758), "best_ckpt": "best_AP.pth"}
    meta = {"epoch": 210, "mmcv_version": "1.3.9", "hook_msgs": best}
    torch.save({"meta": meta, "state_dict": weights, "optimizer": {}}, path / "best_AP.pth")
    return path / "best_AP.pth"


def original_several_heads(model: Any, path: Path) -> Path:
    """As trained on several data sets at once, and with the class token of the pretraining."""
    weights = original(model.state_dict())
    weights["backbone.cls_token"] = torch.zeros(1, 1, 48)
    weights["associate_keypoint_heads.0.final_layer.bias"] = torch.zeros(14)
    torch.save({"state_dict": weights}, path / "vitpose.pth")
    return path / "vitpose.pth"


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", VITPOSE)
@pytest.mark.parametrize(
    "write",
    [folder, safetensors, old_folder, original_bare, original_run, original_several_heads],
)
def test_official_files(name: str, write: Callable[[Any, Path], Path], tmp_path: Path) -> None:
    theirs = own_model(VITPOSE[name])
    given = write(theirs, tmp_path)
    runtime = load_float(str(given))
    assert runtime.spec == zoo_spec(name)
    with torch.inference_mode():
        assert runtime.model(crops()).equal(theirs(crops()).heatmaps)
    file = resolve(str(given))
    assert runtime.protocol["file"] == file.name
    assert runtime.protocol["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


def cut_off(weights: Weights, path: Path) -> None:
    torch.save(original(weights), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def code(weights: Weights, path: Path) -> None:
    torch.save({"state_dict": original(weights), "hook": nn.Linear(1, 1)}, path)


def another(weights: Weights, path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, path)


def empty(weights: Weights, path: Path) -> None:
    torch.save([], path)


def changed(**tensors: Tensor | None) -> Callable[[Weights, Path], None]:
    """A file of the original repository with other tensors; None leaves one out."""

    def write(weights: Weights, path: Path) -> None:
        new = {name.replace("__", "."): tensor for name, tensor in tensors.items()}
        kept = {n: t for n, t in {**original(weights), **new}.items() if t is not None}
        torch.save(kept, path)

    return write


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        pytest.param(cut_off, "w.pth", "cannot read", id="truncated"),
        pytest.param(cut_off, "w.safetensors", "cannot read", id="pickle-as-safetensors"),
        pytest.param(code, "w.pth", "cannot read", id="pickled-code"),
        pytest.param(another, "w.pth", "neither an mvpose checkpoint nor", id="another-network"),
        pytest.param(empty, "w.bin", "neither an mvpose checkpoint nor", id="a-list"),
        pytest.param(
            changed(
                keypoint_head__final_layer__weight=torch.zeros(16, 256, 1, 1),
                keypoint_head__final_layer__bias=torch.zeros(16),
            ),
            "w.pth",
            "16 keypoints, the network 17",
            id="other-keypoints",
        ),
        pytest.param(
            changed(backbone__pos_embed=torch.zeros(1, 24 * 18 + 1, 48)),
            "w.pth",
            "1 tensors differ.*position_embeddings",
            id="other-input-size",
        ),
        pytest.param(
            changed(backbone__last_norm__bias=None),
            "w.pth",
            "1 tensors differ.*backbone.layernorm.bias",
            id="incomplete",
        ),
        pytest.param(
            changed(backbone__blocks__0__mlp__experts__0__weight=torch.zeros(12, 192)),
            "w.pth",
            "1 tensors differ.*mlp.experts",
            id="mixture-of-experts",
        ),
        pytest.param(
            changed(backbone__blocks__0__attn__qkv__bias=torch.zeros(7)),
            "w.pth",
            "4 tensors differ",
            id="odd-qkv",
        ),
        pytest.param(
            changed(backbone__last_norm__bias=torch.full((48,), torch.nan)),
            "w.pth",
            "NaN or infinite.*backbone.layernorm.bias",
            id="nan",
        ),
    ],
)
def test_bad_file(
    make: Callable[[Weights, Path], None], name: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    make(own_model(VITPOSE["vitpose-b"]).state_dict(), path)
    with pytest.raises(InputError, match=message) as caught:
        load_runtime(str(path))
    assert str(path) in str(caught.value)


def test_folder_without_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="holds no model"):
        load_runtime(str(tmp_path))


@pytest.mark.usefixtures("tiny")
def test_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file goes into the protocol with the repository and its SHA-256."""
    hub = pytest.importorskip("huggingface_hub", reason="needs mvpose[hub]")
    own_model(VITPOSE["vitpose-b-simple"]).save_pretrained(tmp_path)
    asked = []

    def download(repository: str, name: str) -> str:
        asked.append(repository)
        return str(tmp_path / name)

    monkeypatch.setattr(hub, "hf_hub_download", download)
    runtime = load_runtime("vitpose-b-simple")
    assert set(asked) == {"usyd-community/vitpose-base-simple"}
    file = tmp_path / "model.safetensors"
    facts = {
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "hub": asked[0],
    }
    assert facts.items() <= runtime.protocol.items()


def test_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants", reason="needs mvpose[hub]")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="cannot fetch the weights usyd-community/vitpose-base "):
        load_runtime("vitpose-b")


def test_without_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'mvpose\[vitpose\]'"):
        build_network(VitPoseNetwork())


def test_too_old_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    old = ModuleType("transformers")
    old.__spec__ = ModuleSpec("transformers", None)
    monkeypatch.setitem(sys.modules, "transformers", old)
    with pytest.raises(InputError, match=r"no usable ViTPose.*--upgrade"):
        build_network(VitPoseNetwork())


def small_net(network: VitPoseNetwork) -> ViTPose:
    net = build_network(network).eval()
    assert isinstance(net, ViTPose)
    net.load_state_dict(own_model(network).state_dict(), strict=False)
    return net


@pytest.mark.usefixtures("tiny")
def test_knowledge_token_alone_learns() -> None:
    net = small_net(VitPoseNetwork()).requires_grad_(False)
    with torch.no_grad():
        before = net(crops())
    token = net.add_knowledge_token()
    assert token.shape == (1, 1, 48)
    after = net(crops())
    assert after.shape == before.shape
    assert not after.equal(before)
    after.square().mean().backward()
    assert token.grad is not None and token.grad.abs().min() > 0
    assert [name for name, p in net.named_parameters() if p.grad is not None] == ["knowledge_token"]


@pytest.mark.usefixtures("tiny")
@torch.inference_mode()
def test_knowledge_token_stands_behind_the_patches() -> None:
    """It has no position, and the same value for every crop."""
    net = small_net(VitPoseNetwork(knowledge_token=True))
    assert net.knowledge_token is not None
    net.knowledge_token.normal_(0, 1)
    seen: list[Tensor] = []
    net.backbone.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    net(crops())
    assert seen[0].shape == (2, 16 * 12 + 1, 48)
    assert seen[0][:, :-1].equal(net.backbone.embeddings(crops()))
    assert seen[0][:, -1:].equal(net.knowledge_token.expand(2, 1, 48))


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    "network",
    [
        pytest.param(VitPoseNetwork(), id="classic"),
        pytest.param(VitPoseNetwork(decoder="simple"), id="simple"),
        pytest.param(VitPoseNetwork(knowledge_token=True), id="with-token"),
    ],
)
def test_checkpoint_round_trip(network: VitPoseNetwork, tmp_path: Path) -> None:
    net = small_net(network)
    spec = replace(zoo_spec("vitpose-b"), network=net.network)
    path = tmp_path / "teacher.safetensors"
    save_checkpoint(path, net.state_dict(), spec, {"epochs": 1})
    found, found_spec, record = load_checkpoint(path)
    assert (found_spec, record) == (spec, {"epochs": 1})
    runtime = load_float(str(path))
    with torch.inference_mode():
        expected = net(crops())
        assert found(crops()).equal(expected)
        assert runtime.model(crops()).equal(expected)


@pytest.mark.usefixtures("tiny")
def test_commands(tmp_path: Path) -> None:
    """A file of the original repository is evaluated and predicts like any other model."""
    path = original_bare(own_model(VITPOSE["vitpose-b"]), tmp_path)
    evaluate(str(path), data="synthetic:1", threads=1, json_file=tmp_path / "eval.json")
    result = json.loads((tmp_path / "eval.json").read_text())
    assert 0 <= result["ap"] <= 1
    assert result["protocol"]["model"] == "vitpose-b"
    assert result["protocol"]["file"] == path.name
    picture = Path(__file__).parents[1] / "docs" / "astronaut.jpg"
    predict(str(path), picture, threads=1, out=tmp_path / "out")
    found = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert str(path.name) in json.dumps(found)


def test_foreign_network_is_not_built() -> None:
    with pytest.raises(InputError, match="can't be built"):
        build_network(ForeignNetwork("foreign", 17))


@pytest.mark.usefixtures("tiny")
def test_no_deploy_form() -> None:
    spec = zoo_spec("vitpose-b")
    with pytest.raises(InputError, match="only MobileViTPose has a deploy form"):
        deploy(build_network(spec.network), spec.preprocess)
