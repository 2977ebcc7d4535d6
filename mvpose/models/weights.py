"""ImageNet weights for the backbone, from the three projects that publish them.

The channel order of the stem differs. ``mvpose`` feeds RGB in 0..1; weights trained on BGR in 0..1
get their stem's input channels reversed, which gives the same features.

- ml-cvnets: BGR. The data set class that it keeps for MobileViT takes its images from
  ``cv2.imread`` unswapped (github.com/apple/ml-cvnets at 5f5dbc7,
  data/datasets/classification/imagenet_opencv.py and data/datasets/dataset_base.py).
- Hugging Face: BGR. They are ml-cvnets' weights under other names
  (convert_mlcvnets_to_pytorch.py), and the image processor flips the channels of RGB images
  (huggingface.co/docs/transformers/model_doc/mobilevit).
- timm: RGB. Its loader gives RGB in 0..1 (timm/models/mobilevit.py: mean 0, std 1), and with it the
  published weights reach 78.31, 74.64 and 68.93 % on ImageNet for S, XS and XXS
  (results/results-imagenet.csv), the paper's 78.4, 74.8 and 69.0 within 0.2 points. No document of
  timm's states the order: it is inferred from that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from mvpose.errors import InputError, require
from mvpose.models.mobilevit import MOBILEVIT
from mvpose.models.pose import PoseNet
from mvpose.models.state_dict import Renames, read_state_dict, rename


@dataclass(frozen=True)
class Naming:
    """How a project names MobileViT's tensors.

    Attributes:
        name: of the project.
        stem: name of the first convolution; tells the namings apart.
        bgr: the stem expects BGR.
        renames: regular expressions and replacements, applied in order, from its names to ours.
    """

    name: str
    stem: str
    bgr: bool
    renames: Renames


NAMINGS = (
    Naming(
        name="Hugging Face transformers",
        stem="conv_stem.convolution.weight",
        bgr=True,
        renames=(
            (r"^conv_stem\.", "stem."),
            (r"^conv_1x1_exp\.", "final."),
            (r"^encoder\.layer\.0\.layer\.0\.", "stages.0."),
            (r"^encoder\.layer\.1\.layer\.", "stages.1."),
            (r"^encoder\.layer\.(\d)\.downsampling_layer\.", r"stages.\1.0."),
            (r"^encoder\.layer\.(\d)\.", r"stages.\1.1."),
            (r"\.expand_1x1\.", ".expand."),
            (r"\.conv_3x3\.", ".depthwise."),
            (r"\.reduce_1x1\.", ".project."),
            (r"\.conv_kxk\.", ".local."),
            (r"\.conv_1x1\.convolution\.", ".to_tokens."),
            (r"\.conv_projection\.", ".from_tokens."),
            (r"\.fusion\.", ".fuse."),
            (r"\.transformer\.layer\.", ".layers."),
            (r"\.layernorm_before\.", ".norm1."),
            (r"\.attention\.attention\.", ".attn."),
            (r"\.attention\.output\.dense\.", ".attn.proj."),
            (r"\.layernorm_after\.", ".norm2."),
            (r"\.intermediate\.dense\.", ".fc1."),
            (r"\.output\.dense\.", ".fc2."),
            (r"\.layernorm\.", ".norm."),
            (r"\.convolution\.", ".conv."),
            (r"\.normalization\.", ".bn."),
        ),
    ),
    Naming(
        name="timm",
        stem="stem.conv.weight",
        bgr=False,
        renames=(
            (r"^final_conv\.", "final."),
            (r"^stages\.0\.0\.", "stages.0."),
            (r"\.conv1_1x1\.", ".expand."),
            (r"\.conv2_kxk\.", ".depthwise."),
            (r"\.conv3_1x1\.", ".project."),
            (r"\.conv_kxk\.", ".local."),
            (r"\.conv_1x1\.", ".to_tokens."),
            (r"\.conv_proj\.", ".from_tokens."),
            (r"\.conv_fusion\.", ".fuse."),
            (r"\.transformer\.", ".layers."),
            (r"\.mlp\.", "."),
        ),
    ),
    Naming(
        name="ml-cvnets",
        stem="conv_1.block.conv.weight",
        bgr=True,
        renames=(
            (r"\.block\.norm\.", ".bn."),
            (r"\.block\.", "."),
            (r"^conv_1\.", "stem."),
            (r"^conv_1x1_exp\.", "final."),
            (r"^layer_1\.0\.", "stages.0."),
            *((rf"^layer_{stage + 1}\.", f"stages.{stage}.") for stage in range(1, 5)),
            (r"\.exp_1x1\.", ".expand."),
            (r"\.red_1x1\.", ".project."),
            (r"\.local_rep\.conv_3x3\.", ".local."),
            (r"\.local_rep\.conv_1x1\.conv\.", ".to_tokens."),
            (r"\.conv_3x3\.", ".depthwise."),
            (r"\.conv_proj\.", ".from_tokens."),
            (r"\.fusion\.", ".fuse."),
            (r"\.global_rep\.(\d+)\.pre_norm", r".layers.\1.pre_norm"),
            (r"\.global_rep\.\d+\.", ".norm."),
            (r"\.pre_norm_mha\.0\.", ".norm1."),
            (r"\.pre_norm_mha\.1\.qkv_proj\.", ".attn.qkv."),
            (r"\.pre_norm_mha\.1\.out_proj\.", ".attn.proj."),
            (r"\.pre_norm_ffn\.0\.", ".norm2."),
            (r"\.pre_norm_ffn\.1\.", ".fc1."),
            (r"\.pre_norm_ffn\.4\.", ".fc2."),
        ),
    ),
)
PREFIX = re.compile(r"^(module\.|mobilevit\.|encoder\.(?=conv_|layer_))+")
CLASSIFIER = re.compile(r"^(classifier|head)\.")
COUNTER = ".num_batches_tracked"
SEPARATE = ("query", "key", "value")

HUB_REPOSITORIES = {
    "s": "apple/mobilevit-small",
    "xs": "apple/mobilevit-x-small",
    "xxs": "apple/mobilevit-xx-small",
}
HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def load_backbone(model: PoseNet, path: Path) -> list[str]:
    """Copy ImageNet weights into ``model.backbone``; the head keeps its own.

    Args:
        model: its size must be that of the weights.
        path: ``.safetensors``, or a state dict (``.bin``, ``.pt``, ``.pth``) as saved by Hugging
            Face transformers, timm or ml-cvnets, bare or in a training checkpoint.

    Returns:
        The names of the classifier's tensors, which are left out.

    Raises:
        InputError: the file is missing, damaged or no such state dict, is for another size, lacks
            or adds tensors, or holds NaN.
    """
    found = {PREFIX.sub("", name): tensor for name, tensor in read_state_dict(path).items()}
    naming = next((n for n in NAMINGS if n.stem in found), None)
    if naming is None:
        known = ", ".join(n.name for n in NAMINGS)
        raise InputError(f"{path} holds no MobileViT weights", f"known are the names of {known}")
    left_out = [name for name in found if CLASSIFIER.match(name)]
    weights = _fuse_qkv(
        {
            rename(name, naming.renames): tensor
            for name, tensor in found.items()
            if name not in left_out and not name.endswith(COUNTER)
        }
    )
    _check(model, weights, path)
    if naming.bgr:
        weights["stem.conv.weight"] = weights["stem.conv.weight"].flip(1)
    model.backbone.load_state_dict(weights, strict=False)
    return left_out


def fetch_backbone(size: Literal["s", "xs", "xxs"]) -> Path:
    """Download Apple's ImageNet weights from the Hugging Face hub, or take them from its cache.

    They come under Apple's own licence: see the repository's model card.

    Raises:
        InputError: the package is missing, or the hub can't be reached.
    """
    return fetch_weights(HUB_REPOSITORIES[size])


def fetch_weights(repository: str) -> Path:
    """Download a repository's weights from the Hugging Face hub, or take them from its cache.

    Raises:
        InputError: the package is missing, or the hub can't be reached.
    """
    require("huggingface_hub", "hub")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    cause: Exception | None = None
    for name in HUB_FILES:
        try:
            return Path(hf_hub_download(repository, name))
        except LocalEntryNotFoundError as error:
            cause = error
            break
        except EntryNotFoundError as error:
            cause = error
        except OSError as error:
            cause = error
            break
    raise InputError(
        f"cannot fetch the weights {repository} from the Hugging Face hub",
        "check the connection, or download them elsewhere and pass the local file",
    ) from cause


def _fuse_qkv(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Join query, key and value projections, each [C, ...], into qkv [3C, ...], where they fit."""
    fused = dict(weights)
    for name in weights:
        names = [name.replace(".attn.query.", f".attn.{part}.") for part in SEPARATE]
        if ".attn.query." in name and fused.keys() >= set(names):
            parts = [weights[n] for n in names]
            if parts[0].dim() and len({p.shape for p in parts}) == 1:
                fused[name.replace(".query.", ".qkv.")] = torch.cat([fused.pop(n) for n in names])
    return fused


def _check(model: PoseNet, weights: dict[str, Tensor], path: Path) -> None:
    own = {n: t for n, t in model.backbone.state_dict().items() if not n.endswith(COUNTER)}
    wrong = sorted(set(own) ^ set(weights)) or sorted(
        name for name in own if own[name].shape != weights[name].shape
    )
    if wrong:
        size = _size(weights)
        raise InputError(
            f"{path} does not fit the backbone {model.network.backbone!r}: {len(wrong)} tensors "
            f"are missing, unknown or of another shape, first {wrong[0]!r}",
            f"it holds MobileViT {size!r}" if size else "it is another network, or incomplete",
        )
    sick = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    if sick:
        raise InputError(
            f"{path} holds NaN or infinite weights, first in {sick[0]!r}", "get the file anew"
        )


def _size(weights: dict[str, Tensor]) -> str | None:
    """The MobileViT size that the last convolution belongs to."""
    shape = weights.get("final.conv.weight", torch.empty(0)).shape
    return next((s for s, cfg in MOBILEVIT.items() if shape[:1] == cfg.channels[-1:]), None)
