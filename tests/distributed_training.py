"""Run by torchrun in test_distributed.py: one epoch of a tiny run, its gradients and AP saved."""

import sys
from pathlib import Path

import lightning as L
import torch
from torch import nn

from mvpose.training import run
from mvpose.training.module import PoseTraining
from mvpose.training.recipe import read_recipe


class KeepGradients(L.Callback):
    """Freezes BatchNorm's statistics, which see one process alone, and saves the gradients."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_start(self, _trainer: L.Trainer, module: L.LightningModule) -> None:
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()

    def on_before_optimizer_step(
        self, trainer: L.Trainer, module: L.LightningModule, _optimizer: torch.optim.Optimizer
    ) -> None:
        if trainer.is_global_zero and trainer.global_step == 0:
            gradients = {n: p.grad for n, p in module.named_parameters() if p.grad is not None}
            torch.save(gradients, self.path / "gradients.pt")

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, PoseTraining)
        ap = float(trainer.callback_metrics["ap"])
        (self.path / f"ap-{trainer.global_rank}.txt").write_text(f"{ap!r} {trainer.world_size}")


def main(recipe: Path, data: Path, out: Path) -> None:
    torch.set_num_threads(1)
    make = run.make_trainer

    def watched(*options: object) -> L.Trainer:
        trainer = make(*options)
        trainer.callbacks.append(KeepGradients(out))
        return trainer

    run.make_trainer = watched
    machine = run.Machine(workers=0, devices="1", accelerator="cpu")
    run.train(read_recipe(recipe), data, out, validation=(data, "val"), machine=machine)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
