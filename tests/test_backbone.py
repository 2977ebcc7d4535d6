"""ImageNet weights under their three namings give the features that their own projects give."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mvpose.errors import InputError
from mvpose.models.mobilevit import MOBILEVIT
from mvpose.models.pose import PoseNet
from mvpose.models.weights import HUB_FILES, fetch_backbone, load_backbone
from mvpose.spec import Network

SIZES = ("s", "xs", "xxs")
INPUTS = {"256x256": (256, 256), "256x192": (256, 192), "384x288": (384, 288), "96x160": (96, 160)}

TO_TIMM = (
    (r"^final\.", "final_conv."),
    (r"^stages\.0\.", "stages.0.0."),
    (r"\.expand\.", ".conv1_1x1."),
    (r"\.depthwise\.", ".conv2_kxk."),
    (r"\.project\.", ".conv3_1x1."),
    (r"\.local\.", ".conv_kxk."),
    (r"\.to_tokens\.", ".conv_1x1."),
    (r"\.layers\.", ".transformer."),
    (r"\.(fc[12])\.", r".mlp.\1."),
    (r"\.from_tokens\.", ".conv_proj."),
    (r"\.fuse\.", ".conv_fusion."),
)
TO_CVNETS = (
    (r"^stem\.", "conv_1.block."),
    (r"^final\.", "conv_1x1_exp.block."),
    (r"^stages\.0\.", "layer_1.0."),
    (r"^stages\.1\.", "layer_2."),
    (r"^stages\.2\.", "layer_3."),
    (r"^stages\.3\.", "layer_4."),
    (r"^stages\.4\.", "layer_5."),
    (r"\.expand\.", ".block.exp_1x1.block."),
    (r"\.depthwise\.", ".block.conv_3x3.block."),
    (r"\.project\.", ".block.red_1x1.block."),
    (r"\.local\.", ".local_rep.conv_3x3.block."),
    (r"\.to_tokens\.", ".local_rep.conv_1x1.block.conv."),
    (r"^(layer_3\.1)\.norm\.", r"\1.global_rep.2."),
    (r"^(layer_4\.1)\.norm\.", r"\1.global_rep.4."),
    (r"^(layer_5\.1)\.norm\.", r"\1.global_rep.3."),
    (r"\.layers\.", ".global_rep."),
    (r"\.norm1\.", ".pre_norm_mha.0."),
    (r"\.attn\.qkv\.", ".pre_norm_mha.1.qkv_proj."),
    (r"\.attn\.proj\.", ".pre_norm_mha.1.out_proj."),
    (r"\.norm2\.", ".pre_norm_ffn.0."),
    (r"\.fc1\.", ".pre_norm_ffn.1."),
    (r"\.fc2\.", ".pre_norm_ffn.4."),
    (r"\.from_tokens\.", ".conv_proj.block."),
    (r"\.fuse\.", ".fusion.block."),
    (r"\.bn\.", ".norm."),
)
TIMM_KEYS = [
    "stem.conv.weight", "stem.bn.running_var", "stages.0.0.conv1_1x1.conv.weight",
    "stages.1.2.conv2_kxk.bn.num_batches_tracked", "stages.2.0.conv3_1x1.bn.weight",
    "stages.2.1.conv_kxk.conv.weight", "stages.2.1.conv_1x1.weight",
    "stages.3.1.transformer.3.norm1.weight", "stages.3.1.transformer.3.attn.qkv.bias",
    "stages.3.1.transformer.3.attn.proj.weight", "stages.4.1.transformer.2.norm2.bias",
    "stages.4.1.transformer.2.mlp.fc1.weight", "stages.4.1.transformer.2.mlp.fc2.bias",
    "stages.4.1.norm.weight", "stages.4.1.conv_proj.bn.bias", "stages.4.1.conv_fusion.conv.weight",
    "final_conv.bn.running_mean",
]  # fmt: skip
CVNETS_KEYS = [
    "conv_1.block.conv.weight", "conv_1.block.norm.running_var",
    "layer_1.0.block.exp_1x1.block.conv.weight",
    "layer_2.2.block.conv_3x3.block.norm.num_batches_tracked",
    "layer_3.0.block.red_1x1.block.norm.weight", "layer_3.1.local_rep.conv_3x3.block.conv.weight",
    "layer_3.1.local_rep.conv_1x1.block.conv.weight", "layer_3.1.global_rep.2.weight",
    "layer_4.1.global_rep.3.pre_norm_mha.0.weight",
    "layer_4.1.global_rep.3.pre_norm_mha.1.qkv_proj.bias",
    "layer_4.1.global_rep.3.pre_norm_mha.1.out_proj.weight", "layer_4.1.global_rep.4.bias",
    "layer_5.1.global_rep.2.pre_norm_ffn.0.bias", "layer_5.1.global_rep.2.pre_norm_ffn.1.weight",
    "layer_5.1.global_rep.2.pre_norm_ffn.4.bias", "layer_5.1.conv_proj.block.norm.bias",
    "layer_5.1.fusion.block.conv.weight", "conv_1x1_exp.block.norm.running_mean",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@torch.no_grad()
def randomise(model: nn.Module) -> None:
    """Weights that keep activations near 1, and norms that no mix-up of tensors leaves alone."""
    for name, tensor in model.state_dict().items():
        if "running_mean" in name or name.endswith("bias"):
            tensor.normal_(0, 0.1)
        elif tensor.dim() > 1:
            tensor.normal_(0, tensor[0].numel() ** -0.5)
        elif tensor.is_floating_point():
            tensor.uniform_(0.8, 1.2)


def random_net(size: str) -> PoseNet:
    net = PoseNet(Network(backbone=size, deconvs=1))  # type: ignore[arg-type]
    randomise(net)
    return net.eval()


def renamed(weights: dict[str, Tensor], table: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    out = {}
    for name, tensor in weights.items():
        for pattern, replacement in table:
            name = re.sub(pattern, replacement, name)
        out[name] = tensor.clone()
    return out


def hugging_face(size: str) -> nn.Module:
    transformers = pytest.importorskip("transformers", reason="compares with Hugging Face's model")
    cfg = MOBILEVIT[size]
    model: nn.Module = transformers.MobileViTModel(
        transformers.MobileViTConfig(
            hidden_sizes=list(cfg.transformer_dims),
            neck_hidden_sizes=list(cfg.channels),
            expand_ratio=cfg.expand_ratio,
        )
    )
    randomise(model)
    return model.eval()


@pytest.mark.parametrize("shape", INPUTS.values(), ids=INPUTS.keys())
@pytest.mark.parametrize("size", SIZES)
def test_hugging_face_features(size: str, shape: tuple[int, int], tmp_path: Path) -> None:
    theirs = hugging_face(size)
    path = tmp_path / "model.safetensors"
    save_file(theirs.state_dict(), path)
    ours = random_net(size)
    assert load_backbone(ours, path) == []
    rgb = torch.rand(1, 3, *shape)
    with torch.no_grad():
        expected = theirs(rgb.flip(1)).last_hidden_state
        found = ours.backbone(rgb)
    assert (
        found.shape == expected.shape == (1, ours.backbone.out_channels, *(s // 32 for s in shape))
    )
    assert expected.std() > 0.1
    assert (found - expected).abs().max() < 1e-5


@pytest.mark.parametrize("size", SIZES)
def test_timm_features(size: str, tmp_path: Path) -> None:
    timm = pytest.importorskip("timm", reason="compares with timm's model, which is not installed")
    theirs = timm.create_model(f"mobilevit_{size}").eval()
    randomise(theirs)
    path = tmp_path / "model.pth"
    torch.save(theirs.state_dict(), path)
    ours = random_net(size)
    assert load_backbone(ours, path) == ["head.fc.weight", "head.fc.bias"]
    rgb = torch.rand(1, 3, 96, 160)
    with torch.no_grad():
        expected = theirs.forward_features(rgb)
        assert expected.std() > 0.1
        assert (ours.backbone(rgb) - expected).abs().max() < 1e-5


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("table", "literal", "classifier", "bgr"),
    [
        pytest.param(TO_TIMM, TIMM_KEYS, "head.fc.weight", False, id="timm"),
        pytest.param(TO_CVNETS, CVNETS_KEYS, "classifier.fc.weight", True, id="ml-cvnets"),
    ],
)
def test_naming(
    table: tuple[tuple[str, str], ...],
    literal: list[str],
    classifier: str,
    bgr: bool,
    size: str,
    tmp_path: Path,
) -> None:
    source = random_net(size).backbone.state_dict()
    theirs = renamed(source, table)
    assert set(literal) <= set(theirs)
    path = tmp_path / "model.pt"
    torch.save({**theirs, classifier: torch.zeros(1000, 8)}, path)
    ours = random_net(size)
    assert load_backbone(ours, path) == [classifier]
    source["stem.conv.weight"] = source["stem.conv.weight"].flip(1 if bgr else ())
    for name, tensor in ours.backbone.state_dict().items():
        assert name.endswith("num_batches_tracked") or tensor.equal(source[name]), name


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda w: w, id="bare"),
        pytest.param(lambda w: {"state_dict": w, "epoch": 3}, id="state_dict"),
        pytest.param(lambda w: {"model": w}, id="model"),
        pytest.param(lambda w: {"model": {}, "model_ema": w}, id="model_ema"),
        pytest.param(lambda w: {f"module.{n}": t for n, t in w.items()}, id="data-parallel"),
        pytest.param(lambda w: {n: t.half() for n, t in w.items()}, id="half"),
    ],
)
def test_wrapped(wrap: Callable[[dict[str, Tensor]], object], tmp_path: Path) -> None:
    source = random_net("xxs").backbone.state_dict()
    torch.save(wrap(renamed(source, TO_TIMM)), tmp_path / "model.pth")
    ours = random_net("xxs")
    load_backbone(ours, tmp_path / "model.pth")
    last = ours.backbone.state_dict()["final.conv.weight"]
    torch.testing.assert_close(last, source["final.conv.weight"], rtol=1e-3, atol=1e-3)
    assert last.dtype == torch.float32


def test_head_and_classifier_stay_apart(tmp_path: Path) -> None:
    theirs = {f"mobilevit.{n}": t for n, t in hugging_face("xxs").state_dict().items()}
    path = tmp_path / "model.safetensors"
    save_file({**theirs, "classifier.weight": torch.ones(1000, 320)}, path)
    ours = random_net("xxs")
    before = {n: t.clone() for n, t in ours.head.state_dict().items()}
    assert load_backbone(ours, path) == ["classifier.weight"]
    assert all(before[n].equal(t) for n, t in ours.head.state_dict().items())


def timm_xxs() -> dict[str, Tensor]:
    return renamed(random_net("xxs").backbone.state_dict(), TO_TIMM)


def missing(path: Path) -> None:
    pass


def cut_off(path: Path) -> None:
    write = save_file if path.suffix == ".safetensors" else torch.save
    write(timm_xxs(), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def noise(path: Path) -> None:
    path.write_bytes(b"not weights at all")


def code(path: Path) -> None:
    torch.save({"model": nn.Linear(1, 1)}, path)


def number(path: Path) -> None:
    torch.save(3, path)


def foreign(path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7), 7: torch.zeros(1)}, path)


def other_size(path: Path) -> None:
    torch.save(renamed(random_net("s").backbone.state_dict(), TO_TIMM), path)


def incomplete(path: Path) -> None:
    weights = timm_xxs()
    del weights["stages.2.1.norm.bias"]
    torch.save(weights, path)


def unknown_tensor(path: Path) -> None:
    torch.save({**timm_xxs(), "stages.1.0.attn.fc1.weight": torch.zeros(4)}, path)


def odd_shape(path: Path) -> None:
    torch.save({**timm_xxs(), "stages.2.1.norm.bias": torch.zeros(4)}, path)


def odd_query(path: Path) -> None:
    weights = hugging_face("xxs").state_dict()
    query = "encoder.layer.2.transformer.layer.0.attention.attention.query.weight"
    torch.save({**weights, query: torch.zeros(64)}, path)


def scalars(path: Path) -> None:
    torch.save({name: torch.tensor(1.0) for name in hugging_face("xxs").state_dict()}, path)


def not_a_number(path: Path) -> None:
    torch.save({**timm_xxs(), "stages.2.1.norm.bias": torch.full((64,), torch.nan)}, path)


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        pytest.param(missing, "w.pth", "no such", id="missing"),
        pytest.param(cut_off, "w.safetensors", "cannot read", id="truncated-safetensors"),
        pytest.param(cut_off, "w.pth", "cannot read", id="truncated-pth"),
        pytest.param(noise, "w.bin", "cannot read", id="noise-bin"),
        pytest.param(noise, "w.safetensors", "cannot read", id="noise-safetensors"),
        pytest.param(code, "w.pt", "cannot read", id="pickled-code"),
        pytest.param(number, "w.pt", "no MobileViT weights", id="a-number"),
        pytest.param(foreign, "w.pth", "no MobileViT weights", id="foreign"),
        pytest.param(other_size, "w.pth", "it holds MobileViT 's'", id="other-size"),
        pytest.param(incomplete, "w.pth", "1 tensors.*stages.2.1.norm.bias", id="incomplete"),
        pytest.param(unknown_tensor, "w.pth", "1 tensors.*attn.fc1", id="unknown-tensor"),
        pytest.param(odd_shape, "w.pth", "1 tensors.*stages.2.1.norm.bias", id="odd-shape"),
        pytest.param(odd_query, "w.bin", "4 tensors.*layers.0.attn.key", id="odd-query"),
        pytest.param(scalars, "w.bin", "it is another network", id="scalars"),
        pytest.param(not_a_number, "w.pth", "NaN", id="nan"),
    ],
)
def test_bad_file(make: Callable[[Path], None], name: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    make(path)
    net = random_net("xxs")
    before = {n: t.clone() for n, t in net.state_dict().items()}
    with pytest.raises(InputError, match=message) as caught:
        load_backbone(net, path)
    assert str(path) in str(caught.value)
    assert all(before[n].equal(t) for n, t in net.state_dict().items())


def test_fetch_falls_back_to_the_older_file(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="needs mvpose[hub]")

    class NotThere(hub.errors.EntryNotFoundError):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            pass

    def download(repository: str, name: str) -> str:
        if name == HUB_FILES[0]:
            raise NotThere
        return f"/cache/{repository}/{name}"

    monkeypatch.setattr(hub, "hf_hub_download", download)
    assert fetch_backbone("xs") == Path("/cache/apple/mobilevit-x-small/pytorch_model.bin")


def test_fetch_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="needs mvpose[hub]")
    tried = []

    def download(repository: str, name: str) -> str:
        tried.append(name)
        raise hub.errors.LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(hub, "hf_hub_download", download)
    with pytest.raises(InputError, match="pass the local file"):
        fetch_backbone("xxs")
    assert tried == [HUB_FILES[0]]
