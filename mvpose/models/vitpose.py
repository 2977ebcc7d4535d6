"""ViTPose: a plain vision transformer under a light decoder.

Xu et al., "ViTPose: Simple Vision Transformer Baselines for Human Pose Estimation", NeurIPS 2022,
https://arxiv.org/abs/2204.12484. Blocks and decoders are those of Hugging Face transformers, and so
are the names of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from mvpose.errors import InputError, require
from mvpose.quiet import quiet
from mvpose.spec import VitPoseNetwork

INPUT_HW = (256, 192)
PATCH = 16


@dataclass(frozen=True)
class VitSize:
    """A size of the vision transformer.

    Attributes:
        width: channels of a token.
        depth: transformer layers.
        heads: of attention.
    """

    width: int
    depth: int
    heads: int


VIT = {"b": VitSize(width=768, depth=12, heads=12)}


class ViTPose(nn.Module):
    """Normalised crops [B, 3, 256, 192] -> heatmaps [B, K, 64, 48], peaks about 1.

    ``knowledge_token`` [1, 1, C], or None, is the token of the paper's distillation (its section
    "Transferability"): it stands beside the patches in every layer and is dropped before the
    decoder. It has no position.

    Raises:
        InputError: transformers is missing or too old.
    """

    def __init__(self, network: VitPoseNetwork) -> None:
        super().__init__()
        size = VIT[network.backbone]
        config_class, backbone_class, model_class = _transformers()
        backbone = backbone_class(
            image_size=INPUT_HW,
            patch_size=(PATCH, PATCH),
            hidden_size=size.width,
            num_hidden_layers=size.depth,
            num_attention_heads=size.heads,
        )
        model = model_class(
            config_class(
                backbone_config=backbone,
                num_labels=network.keypoints,
                use_simple_decoder=network.decoder == "simple",
            )
        )
        self.network = network
        self.backbone = model.backbone
        self.head = model.head
        self.knowledge_token: nn.Parameter | None
        self.register_parameter("knowledge_token", None)
        if network.knowledge_token:
            self.add_knowledge_token()

    def add_knowledge_token(self) -> nn.Parameter:
        """Begin with a random knowledge token; ``network`` says so from then on."""
        positions = self.backbone.embeddings.position_embeddings
        token = nn.Parameter(torch.empty_like(positions[:, :1]))
        nn.init.trunc_normal_(token, std=0.02)
        self.knowledge_token = token
        self.network = replace(self.network, knowledge_token=True)
        return token

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.backbone.embeddings(x)
        patches = tokens.shape[1]
        if self.knowledge_token is not None:
            tokens = torch.cat((tokens, self.knowledge_token.expand(len(x), -1, -1)), 1)
        tokens = self.backbone.encoder(tokens).last_hidden_state[:, :patches]
        tokens = self.backbone.layernorm(tokens).transpose(1, 2)
        # [B, C, N] -> [B, C, H / 16, W / 16]
        features = tokens.reshape(*tokens.shape[:2], *(side // PATCH for side in x.shape[-2:]))
        return self.head(features.contiguous())


def _transformers() -> tuple[type, type, type]:
    """transformers' classes: ViTPose's configuration, its backbone's, and the model."""
    require("transformers", "vitpose")
    try:
        with quiet():
            from transformers import (
                VitPoseBackboneConfig,
                VitPoseConfig,
                VitPoseForPoseEstimation,
            )
    except ImportError as error:
        raise InputError(
            f"the installed transformers has no usable ViTPose: {str(error).splitlines()[0]}",
            "pip install --upgrade 'mvpose[vitpose]'",
        ) from error
    return VitPoseConfig, VitPoseBackboneConfig, VitPoseForPoseEstimation
