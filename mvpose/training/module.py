"""The training step, the optimiser and the validation, as a Lightning module."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning as L
import torch
from torch import Tensor, nn

from mvpose.checkpoint import save_checkpoint
from mvpose.codec.heatmaps import encode_points
from mvpose.data.coco import KeypointData
from mvpose.data.samples import Batch
from mvpose.errors import InputError
from mvpose.evaluation import Accuracy, evaluate
from mvpose.runtime.base import Runtime
from mvpose.runtime.torch_runtime import TorchRuntime, normalise
from mvpose.spec import ModelSpec
from mvpose.training.augment import BatchAugment
from mvpose.training.losses import heatmap_mse, softmax_mse, spatial_cross_entropy
from mvpose.training.recipe import TrainRecipe

if TYPE_CHECKING:
    from mvpose.training.teachers import Teachers


class PoseTraining(L.LightningModule):
    """Trains a network by a recipe; validates by COCO AP on ground-truth boxes.

    Args:
        model: the network.
        spec: what it means.
        recipe: how to train it, with ``samples_per_epoch`` set.
        validation: None trains without validation.
        out: folder for ``last.safetensors`` and, with validation, ``best.safetensors``.
        teachers: whose heatmaps the recipe's distillation learns from.
        name_people: names the images of people given by their numbers in a batch.
    """

    def __init__(
        self,
        model: nn.Module,
        spec: ModelSpec,
        recipe: TrainRecipe,
        validation: KeypointData | None,
        out: Path,
        teachers: Teachers | None = None,
        name_people: Callable[[Sequence[int]], str] = str,
    ) -> None:
        super().__init__()
        self.model = model
        self.spec = spec
        self.recipe = recipe
        self.validation = validation
        self.out = out
        self.best_ap = -1.0
        self.name_people = name_people
        self._teachers = (teachers,)  # hidden from nn.Module: neither trained nor averaged
        self._network: Callable[[Tensor], Tensor] = model
        self._last: tuple[Tensor, Tensor, int] | None = None

    def setup(self, stage: str) -> None:
        if self.recipe.compile and self.device.type == "cuda":
            self._network = torch.compile(self.model)

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        self._check_last_loss()
        loss = self.loss(batch, self.current_epoch)
        self._last = (loss.detach(), batch["person"], self.global_step)
        self.log("loss", loss, prog_bar=True, batch_size=len(batch["images"]))
        return loss

    def loss(self, batch: Batch, epoch: int) -> Tensor:
        """The loss of a batch under the recipe's stage of an epoch."""
        recipe, stage = self.recipe, self.recipe.stage(epoch)
        spec = spec_for(self.spec, recipe, epoch)
        augment = BatchAugment(
            stage.augmentation or recipe.augmentation, spec.preprocess, spec.skeleton
        )
        with torch.autocast(self.device.type, enabled=False):
            images, points_px, weights = augment(batch)
        heatmaps = self.heatmaps(images, spec)
        targets = encode_points(points_px, spec, stage.sigma_cells)
        loss = self._compare(stage.loss, heatmaps, targets, weights)
        (teachers,) = self._teachers
        if teachers is None or recipe.distillation is None:
            return loss
        targets, weights = teachers.targets(batch, augment, spec)
        share = recipe.distillation.share
        return (1 - share) * loss + share * self._compare(stage.loss, heatmaps, targets, weights)

    def heatmaps(self, images: Tensor, spec: ModelSpec) -> Tensor:
        """Heatmaps (B, K, h, w) of crops (B, 3, H, W) in 0..255."""
        x = normalise(images, spec).contiguous(memory_format=torch.channels_last)
        return self._network(x).float()

    def _compare(self, kind: str, heatmaps: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """The loss, whose mean over the processes is that of their joint batch."""
        count = weights.sum()
        if self._trainer is not None and self.trainer.world_size > 1:
            count = self.trainer.strategy.reduce(count, reduce_op="mean")
        temperature = self.recipe.temperature
        if kind == "softmax":
            return spatial_cross_entropy(heatmaps, targets, weights, temperature, count)
        if kind == "softmax_mse":
            mse_weight = self.recipe.mse_weight
            return softmax_mse(heatmaps, targets, weights, temperature, mse_weight, count)
        return heatmap_mse(heatmaps, targets, weights, count)

    def _check_last_loss(self) -> None:
        """Stop where the previous step's loss was not finite; it is known by now without waiting.

        Raises:
            InputError: it names the step and the images.
        """
        if self._last is None or bool(self._last[0].isfinite()):
            return
        loss, people, step = self._last
        raise InputError(
            f"the loss became {float(loss)} in step {step} of epoch {self.current_epoch + 1}, on "
            f"{self.name_people(people.tolist())}",
            "lower learning_rate or gradient_clip, or mend these labels; the last whole epoch is "
            f"in {self.out}",
        )

    def on_validation_start(self) -> None:
        self._check_last_loss()

    def validation_step(self, _batch: Any, _index: int) -> None:
        """One step stands for the whole validation, since COCO AP has no mean over batches.

        It runs on the averaged weights where the recipe averages; they are what is saved. Every
        process takes its share of the images.
        """
        ap = -1.0
        if self.validation is not None:
            accuracy = self.accuracy(self.runtime(), self.validation)
            ap = accuracy.ap
            self.log_dict({"ap": ap, "ap50": accuracy.ap50}, prog_bar=True)
        self._save(ap, self.current_epoch + 1)

    def runtime(self) -> Runtime:
        """The network as it is now."""
        return TorchRuntime(self.model, spec_for(self.spec, self.recipe, self.current_epoch))

    def accuracy(self, runtime: Runtime, people: KeypointData) -> Accuracy:
        """Of a network on people that the processes share among them."""
        shard = (self.trainer.global_rank, self.trainer.world_size)
        return evaluate(runtime, people, by_keypoint=False, shard=shard, resamples=0)[0]

    def _save(self, ap: float, epochs: int) -> None:
        """Write ``last.safetensors`` and, where the AP is the highest, ``best.safetensors``."""
        better = ap > self.best_ap
        self.best_ap = max(ap, self.best_ap)
        if not self.trainer.is_global_zero:
            return
        record = {
            "recipe": asdict(self.recipe),
            "epochs": epochs,
            "samples": epochs * (self.recipe.samples_per_epoch or 0),
            "validation_ap": ap,
        }
        for name in ("last", *(["best"] if better else [])):
            self.write(self.out / f"{name}.safetensors", record)

    def write(self, path: Path, record: dict[str, Any]) -> None:
        """Write the network as it is now, with the record of its training."""
        spec = spec_for(self.spec, self.recipe, self.recipe.epochs - 1)
        save_checkpoint(path, self.model.state_dict(), spec, record)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["best_ap"] = self.best_ap
        checkpoint["recipe"] = self.recipe.to_json()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.best_ap = checkpoint["best_ap"]

    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer()
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate_schedule(self.recipe))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def optimizer(self) -> torch.optim.Optimizer:
        """AdamW at the peak rate."""
        recipe = self.recipe
        groups = parameter_groups(self.model, recipe.weight_decay, recipe.decay_norms)
        return torch.optim.AdamW(groups, lr=recipe.learning_rate)


def parameter_groups(
    model: nn.Module, weight_decay: float, decay_norms: bool
) -> list[dict[str, Any]]:
    """The parameters of convolutions and linear layers, and the vectors: biases and norms."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {
            "params": [p for p in trained if p.ndim <= 1],
            "weight_decay": weight_decay if decay_norms else 0.0,
        },
    ]


def rate_schedule(recipe: TrainRecipe) -> Callable[[int], float]:
    """The learning rate at a step, relative to the recipe's peak."""
    milestones = [recipe.steps_before(epoch) for epoch in recipe.milestones]
    decay_from = recipe.steps_before(recipe.decay_from_epoch)
    end = recipe.steps_before(recipe.epochs)

    def rate(step: int) -> float:
        warm = min(1.0, (step + 1) / max(1, recipe.warmup_steps))
        if recipe.schedule == "steps":
            return warm * float(0.1 ** sum(step >= m for m in milestones))
        share = (step - decay_from) / max(1, end - decay_from)
        return warm * (0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, max(0.0, share)))) / 2)

    return rate


def spec_for(spec: ModelSpec, recipe: TrainRecipe, epoch: int) -> ModelSpec:
    """The spec with the input size of an epoch of the recipe."""
    return replace(spec, preprocess=recipe.preprocess(epoch, spec.preprocess))
