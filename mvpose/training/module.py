"""The training step and the data, as Lightning modules."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, WeightedRandomSampler

from mvpose.checkpoint import save_checkpoint
from mvpose.codec.affine import input_to_cells
from mvpose.codec.heatmaps import encode
from mvpose.data.coco import KeypointData
from mvpose.data.samples import CropSamples
from mvpose.evaluation import evaluate
from mvpose.models.pose import PoseNet
from mvpose.runtime.torch_runtime import TorchRuntime, normalise
from mvpose.spec import ModelSpec
from mvpose.training.losses import heatmap_mse, softmax_mse, spatial_cross_entropy
from mvpose.training.recipe import TrainRecipe


class PoseTraining(L.LightningModule):
    """Trains a ``PoseNet`` by a recipe; validates by COCO AP on ground-truth boxes.

    Args:
        model: the network.
        spec: what it means.
        recipe: how to train it.
        validation: None trains without validation.
        out: folder for ``last.safetensors`` and, with validation, ``best.safetensors``.
    """

    def __init__(
        self,
        model: PoseNet,
        spec: ModelSpec,
        recipe: TrainRecipe,
        validation: KeypointData | None,
        out: Path,
    ) -> None:
        super().__init__()
        self.model = model
        self.spec = spec
        self.recipe = recipe
        self.validation = validation
        self.out = out
        self.best_ap = -1.0

    def training_step(self, batch: list[Tensor], _index: int) -> Tensor:
        images, points_px, weights = batch
        x = normalise(images, self.spec).contiguous(memory_format=torch.channels_last)
        heatmaps = self.model(x).float()
        height, width = heatmaps.shape[2:]
        cells_per_px = input_to_cells(np.ones(2), (width, height), (x.shape[3], x.shape[2]))
        cells = points_px * torch.tensor(cells_per_px, dtype=torch.float32, device=x.device)
        stage = self.recipe.stage(self.current_epoch)
        targets = encode(cells, (width, height), stage.sigma_cells * height / 64)
        loss = self._loss(stage.loss, heatmaps, targets, weights)
        self.log("loss", loss, prog_bar=True)
        return loss

    def _loss(self, kind: str, heatmaps: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        temperature = self.recipe.temperature
        if kind == "softmax":
            return spatial_cross_entropy(heatmaps, targets, weights, temperature)
        if kind == "softmax_mse":
            return softmax_mse(heatmaps, targets, weights, temperature, self.recipe.mse_weight)
        return heatmap_mse(heatmaps, targets, weights)

    def validation_step(self, _batch: Any, _index: int) -> None:
        """One step stands for the whole validation, since COCO AP has no mean over batches.

        It runs on the averaged weights where the recipe averages; they are what is saved.
        """
        ap = -1.0
        if self.validation is not None:
            runtime = TorchRuntime(self.model, spec_for(self.spec, self.recipe, self.current_epoch))
            accuracy, _ = evaluate(runtime, self.validation, by_keypoint=False)
            ap = accuracy.ap
            self.log_dict({"ap": ap, "ap50": accuracy.ap50}, prog_bar=True)
        record = {
            "recipe": asdict(self.recipe),
            "epochs": self.current_epoch + 1,
            "samples": (self.current_epoch + 1) * self.recipe.samples_per_epoch,
            "validation_ap": ap,
        }
        save_checkpoint(self.out / "last.safetensors", self.model.state_dict(), self.spec, record)
        if ap > self.best_ap:
            self.best_ap = ap
            save_checkpoint(
                self.out / "best.safetensors", self.model.state_dict(), self.spec, record
            )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["best_ap"] = self.best_ap

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.best_ap = checkpoint["best_ap"]

    def configure_optimizers(self) -> Any:
        decayed = [p for p in self.model.parameters() if p.ndim > 1]
        free = [p for p in self.model.parameters() if p.ndim <= 1]
        optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": self.recipe.weight_decay},
                {"params": free, "weight_decay": 0.0},
            ],
            lr=self.recipe.learning_rate,
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate_schedule(self.recipe))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


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


class PoseSamples(L.LightningDataModule):
    """The recipe's mixture of data sets; the crops' size follows the recipe's stages.

    Args:
        sources: the data of each of the recipe's sources, in order.
        spec: what the network means.
        recipe: mixture, sizes and augmentation.
        workers: loader processes.
    """

    def __init__(
        self, sources: list[KeypointData], spec: ModelSpec, recipe: TrainRecipe, workers: int
    ) -> None:
        super().__init__()
        self.sources = sources
        self.spec = spec
        self.recipe = recipe
        self.workers = workers

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor, Tensor]]:
        epoch = self.trainer.current_epoch if self.trainer else 0
        recipe = self.recipe
        preprocess = spec_for(self.spec, recipe, epoch).preprocess
        sets = [
            CropSamples(source.people, self.spec.skeleton, preprocess, recipe.augmentation)
            for source in self.sources
        ]
        weights = [
            source.weight / len(samples)
            for source, samples in zip(recipe.sources, sets, strict=True)
            for _ in range(len(samples))
        ]
        generator = torch.Generator().manual_seed(recipe.seed + epoch)
        sampler = WeightedRandomSampler(weights, recipe.samples_per_epoch, generator=generator)
        return DataLoader(
            ConcatDataset(sets),
            recipe.stage(epoch).batch_size,
            sampler=sampler,
            num_workers=self.workers,
            multiprocessing_context="forkserver" if self.workers else None,
            drop_last=True,
            generator=generator,
        )

    def val_dataloader(self) -> DataLoader[int]:
        """A single empty step, in which ``PoseTraining`` evaluates everything."""
        return DataLoader([0])  # type: ignore[arg-type]


def spec_for(spec: ModelSpec, recipe: TrainRecipe, epoch: int) -> ModelSpec:
    """The spec with the input size of an epoch of the recipe."""
    stage = recipe.stage(epoch)
    preprocess = replace(
        spec.preprocess,
        input_width_px=stage.input_width_px,
        input_height_px=stage.input_height_px,
    )
    return replace(spec, preprocess=preprocess)
