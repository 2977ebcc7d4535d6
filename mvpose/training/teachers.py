"""Distillation: networks whose heatmaps, or knowledge token, a student learns from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from mvpose.codec.affine import px_per_cell
from mvpose.codec.heatmaps import encode_points
from mvpose.data.merge import map_keypoints
from mvpose.data.samples import Batch
from mvpose.errors import InputError
from mvpose.runtime.base import Runtime
from mvpose.runtime.torch_runtime import TorchRuntime, normalise
from mvpose.spec import ModelSpec, Skeleton
from mvpose.training.augment import BatchAugment, precise, warp
from mvpose.training.losses import heatmap_mse
from mvpose.training.recipe import Distillation

if TYPE_CHECKING:
    from mvpose.models.vitpose import ViTPose


@dataclass(frozen=True)
class Teachers:
    """Networks whose heatmaps are a student's targets.

    Each sees the same augmented crop as the student, mirrored and turned with it but in clean
    colours and in its own size. So a mirrored crop needs no exchange of left and right: the
    teacher's channels mean the mirrored person, as the student's labels do.

    Attributes:
        runtimes: the teachers and their weights.
        peak_floor: a keypoint whose target stays lower, anywhere in the crop, weighs nothing.
    """

    runtimes: tuple[tuple[Runtime, float], ...]
    peak_floor: float = 0.2

    def __deepcopy__(self, _memo: dict[int, object]) -> Teachers:
        """Shared, not copied, by the copy of a training module that averages its weights."""
        return self

    @classmethod
    def load(cls, distillation: Distillation) -> Teachers:
        """Load a recipe's teachers; on a CPU they have as many threads as PyTorch.

        Raises:
            InputError: a teacher can't be loaded, or gives coordinates instead of heatmaps.
        """
        from mvpose.runtime.load import load_runtime

        sources, threads = distillation.teachers, torch.get_num_threads()
        runtimes = tuple((load_runtime(s.model, threads), s.weight) for s in sources)
        for source, (runtime, _) in zip(sources, runtimes, strict=True):
            if runtime.spec.decode.method == "coordinates":
                raise InputError(
                    f"the teacher {source.model} gives coordinates, no heatmaps to learn from",
                    "write its keypoints into the data with mvpose-data pseudo-label",
                )
        return cls(runtimes, distillation.peak_floor)

    @torch.no_grad()
    def targets(
        self, batch: Batch, augment: BatchAugment, student: ModelSpec
    ) -> tuple[Tensor, Tensor]:
        """What the student should see.

        Args:
            batch: as from ``mvpose.data.samples.collate``.
            augment: cuts the student's crops out of it.
            student: what the student's heatmaps mean.

        Returns:
            (B, K, h, w) heatmaps on the student's cells, the teachers' weighted mean, zeros beyond
            their crops; and (B, K) weights: 1, or 0 where no teacher knows or finds the keypoint.

        Raises:
            InputError: a teacher has no keypoint in common with the student.
        """
        device, width_height = batch["images"].device, student.heatmap_wh
        to_student = cells_from_canvas(augment.matrices(batch, student.preprocess), student)
        shape = (len(to_student), student.network.keypoints, *width_height[::-1])
        total = torch.zeros(shape, device=device)
        weights = torch.zeros((shape[1], 1, 1), device=device)
        for runtime, weight in self.runtimes:
            to_teacher = augment.matrices(batch, runtime.spec.preprocess)
            crops = warp(batch["images"], to_teacher, runtime.spec.preprocess.size_wh)
            to_canvas, _ = torch.linalg.inv_ex(cells_from_canvas(to_teacher, runtime.spec))
            maps = warp(infer(runtime, crops), (to_student @ to_canvas)[:, :2], width_height)
            source = _source(runtime.spec.skeleton, student.skeleton, device)
            known = weight * (source >= 0).float()[:, None, None]
            total += known * maps[:, source.clamp(min=0)]
            weights += known
        mean = total / weights.clamp(min=1e-6)
        return mean, (mean.amax((2, 3)) >= self.peak_floor).float() * (weights[:, 0, 0] > 0)


def cells_from_canvas(crop_from_canvas: Tensor, spec: ModelSpec) -> Tensor:
    """Matrices (B, 2, 3) from a canvas to a network's crop as (B, 3, 3) to its heatmap cells."""
    px = px_per_cell(spec.heatmap_wh, spec.preprocess.size_wh, spec.decode.grid)
    matrices = torch.eye(3).to(crop_from_canvas).repeat(len(crop_from_canvas), 1, 1)
    matrices[:, :2] = crop_from_canvas / torch.tensor(px).to(crop_from_canvas)[:, None]
    return precise(matrices)


@cache
def _source(theirs: Skeleton, ours: Skeleton, device: torch.device) -> Tensor:
    """(K,) the teacher's index of each of the student's keypoints; -1 where it has none."""
    found = map_keypoints(theirs.keypoints, ours.keypoints).source
    return torch.from_numpy(found).to(device)


@torch.no_grad()
def infer(runtime: Runtime, crops: Tensor) -> Tensor:
    """Heatmaps (B, K, h, w) of crops (B, 3, H, W) in 0..255, on the crops' device.

    Networks in PyTorch run there, all others on the CPU.
    """
    if isinstance(runtime, TorchRuntime):
        runtime.model.to(crops.device)
        return runtime.model(normalise(crops, runtime.spec)).float()
    images = crops.round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous()
    return torch.from_numpy(np.asarray(runtime.heatmaps(images.cpu().numpy()))).to(crops.device)


def hand_over_token(
    teacher: Runtime, student: nn.Module, batches: Iterable[Batch], augment: BatchAugment
) -> None:
    """Let a teacher learn a knowledge token on labelled batches, and give it to a student.

    Args:
        teacher: runs a trained ViTPose.
        student: an untrained one.
        batches: as from ``mvpose.data.samples.collate``.
        augment: how to vary them.

    Raises:
        InputError: one of them is no ViTPose, or their tokens have other widths.
    """
    from mvpose.models.vitpose import ViTPose

    if not (isinstance(teacher, TorchRuntime) and isinstance(teacher.model, ViTPose)):
        raise InputError(
            f"the teacher {teacher.spec.name} has no knowledge token; only a ViTPose has",
            "leave out token_steps, and distil by heatmaps",
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    teacher.model.to(device)
    spec = teacher.spec
    own = replace(augment, preprocess=spec.preprocess)

    def labelled() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for batch in batches:
            images, points_px, weights = own({k: v.to(device) for k, v in batch.items()})
            yield normalise(images, spec), encode_points(points_px, spec, 2.0), weights

    give_token(student, learn_token(teacher.model, labelled()).cpu())


def learn_token(
    teacher: ViTPose,
    batches: Iterable[tuple[Tensor, Tensor, Tensor]],
    learning_rate: float = 1e-3,
) -> nn.Parameter:
    """Learn ViTPose's knowledge token: what a trained teacher wants to be told about its task.

    t* = argmin over t of MSE(T({t; X}), K): the token stands beside the patches while everything
    else in the teacher is frozen (Xu et al., NeurIPS 2022, arXiv 2204.12484, "Transferability").

    Args:
        teacher: trained; it is left in eval mode, frozen, with the token.
        batches: normalised crops (B, 3, H, W), target heatmaps (B, K, h, w), weights (B, K).
        learning_rate: of AdamW.

    Returns:
        The token (1, 1, C).
    """
    token = teacher.knowledge_token
    if token is None:
        token = teacher.add_knowledge_token()
    teacher.eval().requires_grad_(False)
    token.requires_grad_(True)
    optimizer = torch.optim.AdamW([token], learning_rate, weight_decay=0.0)
    for images, targets, weights in batches:
        optimizer.zero_grad()
        loss = heatmap_mse(teacher(images).float(), targets, weights)
        torch.autograd.backward(loss)
        optimizer.step()
    token.requires_grad_(False)
    return token


def give_token(student: nn.Module, token: Tensor) -> None:
    """Put a teacher's knowledge token, frozen, into a student, which is then trained as usual.

    Raises:
        InputError: the student is no ViTPose, or its tokens have another width.
    """
    from mvpose.models.vitpose import VIT, ViTPose

    if not isinstance(student, ViTPose):
        raise InputError("only a ViTPose can take a knowledge token", "distil by heatmaps instead")
    width = VIT[student.network.backbone].width
    if token.shape[-1] != width:
        raise InputError(
            f"the knowledge token has {token.shape[-1]} channels, the student {width}",
            "teacher and student must be of one width",
        )
    own = student.add_knowledge_token()
    own.data.copy_(token)
    own.requires_grad_(False)
