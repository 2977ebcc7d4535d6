"""The official weights of ViTPose, as transformers and the original repository name them.

The names of the original (github.com/ViTAE-Transformer/ViTPose, mmpose/models/backbones/vit.py and
heads/topdown_heatmap_simple_head.py) become those of transformers as in its own conversion
(src/transformers/models/vitpose/convert_vitpose_to_hf.py): the fused query, key and value are
split; the position embedding keeps its first place, the class token's of the pretraining, which
both add to every patch; heads for further data sets and the class token itself are left out.

LayerNorm's epsilon is transformers' 1e-12 for both; the original has 1e-6, which the variances of
trained features don't feel.
"""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor, nn

from mvpose.checkpoint import load_weights
from mvpose.errors import InputError
from mvpose.models.build import build_network
from mvpose.models.state_dict import Renames, read_state_dict, rename
from mvpose.spec import ModelSpec
from mvpose.zoo import zoo_spec

PREFIX = re.compile(r"^module\.")
LEFT_OUT = re.compile(r"^(associate_keypoint_heads\.|backbone\.cls_token$)")
FUSED = re.compile(r"\.attn\.qkv\.")
FROM_ORIGINAL: Renames = (
    (r"^backbone\.patch_embed\.proj\.", "backbone.embeddings.patch_embeddings.projection."),
    (r"^backbone\.pos_embed$", "backbone.embeddings.position_embeddings"),
    (r"^backbone\.last_norm\.", "backbone.layernorm."),
    (r"^backbone\.blocks\.", "backbone.encoder.layer."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.attn\.", ".attention.attention."),
    (r"^keypoint_head\.deconv_layers\.0\.", "head.deconv1."),
    (r"^keypoint_head\.deconv_layers\.1\.", "head.batchnorm1."),
    (r"^keypoint_head\.deconv_layers\.3\.", "head.deconv2."),
    (r"^keypoint_head\.deconv_layers\.4\.", "head.batchnorm2."),
    (r"^keypoint_head\.final_layer\.", "head.conv."),
)
EMBEDDING = "backbone.embeddings.patch_embeddings.projection.weight"
CLASSIC_ONLY = "head.deconv1.weight"


def load_vitpose(path: Path) -> tuple[nn.Module, ModelSpec]:
    """Read official weights of ViTPose-B: the network in eval mode and its spec.

    Args:
        path: ``model.safetensors`` or ``pytorch_model.bin`` of transformers, or ``.pth`` of the
            original repository.

    Raises:
        InputError: the file is damaged, holds another network, another number of keypoints or NaN,
            or transformers is missing.
    """
    weights = convert(read_state_dict(path))
    if EMBEDDING not in weights:
        raise InputError(
            f"{path} holds neither an mvpose checkpoint nor weights of ViTPose",
            "known are the names of Hugging Face transformers and of the original repository",
        )
    spec = zoo_spec("vitpose-b" if CLASSIC_ONLY in weights else "vitpose-b-simple")
    network = build_network(spec.network)
    load_weights(network, weights, path)
    return network.eval(), spec


def convert(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under transformers' names, whichever names they have."""
    weights = {}
    for raw, tensor in found.items():
        name = PREFIX.sub("", raw)
        if LEFT_OUT.match(name):
            continue
        if FUSED.search(name) and tensor.dim() and len(tensor) % 3 == 0:
            for part, third in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                split = FUSED.sub(f".attn.{part}.", name)
                weights[rename(split, FROM_ORIGINAL)] = third
        else:
            weights[rename(name, FROM_ORIGINAL)] = tensor
    return weights
