"""Quantisation-aware training as a Lightning module: the engine's own, with another network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mvpose.data.coco import KeypointData
from mvpose.quantize.fake_quant import HIGHEST, LEVELS, LOWEST
from mvpose.quantize.qat_checkpoint import save_qat
from mvpose.quantize.qat_recipe import QatRecipe
from mvpose.quantize.simulate import QuantNet, SimulatedRuntime
from mvpose.runtime.base import Runtime
from mvpose.runtime.torch_runtime import TorchRuntime
from mvpose.spec import ModelSpec
from mvpose.training.module import PoseTraining
from mvpose.training.teachers import Teachers

aten = torch.ops.aten
LEAST = 1e-12
EPSILON = 1e-14
"""Of Adam; gradients of the logarithms of scales are small."""
FIXED_KINDS = ("PlainNorm",)
"""Modules whose parameters are constants: 1 / C and epsilon."""


class QatTraining(PoseTraining):
    """Trains weights, scales and zero points of a fake-quantised network towards the float one.

    Args:
        net: with calibrated ranges.
        floats: the float network, whose heatmaps are learnt.
        recipe: how, with ``samples_per_epoch`` set.
        validation: None trains without validation.
        out: folder for ``last.safetensors`` and, with validation, ``best.safetensors``.
        name_people: names the images of people given by their numbers in a batch.
        facts: for the checkpoints.
    """

    def __init__(
        self,
        net: QuantNet,
        floats: TorchRuntime,
        recipe: QatRecipe,
        validation: KeypointData | None,
        out: Path,
        name_people: Callable[[Sequence[int]], str],
        facts: dict[str, Any],
    ) -> None:
        teachers = Teachers(((floats, 1.0),), recipe.peak_floor)
        plan = recipe.training(floats.spec)
        super().__init__(net, floats.spec, plan, validation, out, teachers, name_people)
        self.qat = recipe
        self.facts = facts
        self._floats = (floats,)
        guard_rsqrt(net)
        for parameter in trainable_weights(net):
            parameter.requires_grad_(True)
        if not recipe.learn_zero_points:
            for quantizer in net.activations.values():
                quantizer.zero_point.requires_grad_(False)

    def heatmaps(self, images: Tensor, spec: ModelSpec) -> Tensor:
        return self._network(images).float()

    def runtime(self) -> Runtime:
        return SimulatedRuntime(self.model, self.spec, self.qat.quantisation)

    def on_train_start(self) -> None:
        """Measure what is to be reached, and what calibration alone gives, which is saved."""
        if self.current_epoch or self.validation is None:
            return
        (floats,) = self._floats
        goal = self.accuracy(floats, self.validation).ap
        self.model.eval()
        begun = self.accuracy(self.runtime(), self.validation).ap
        self.model.train()
        if self.trainer.is_global_zero:
            print(f"AP {goal:.3f} in float, {begun:.3f} as calibrated", flush=True)
        self.facts |= {"float_ap": goal, "calibrated_ap": begun}
        self._save(begun, epochs=0)

    def write(self, path: Path, record: dict[str, Any]) -> None:
        assert isinstance(self.model, QuantNet)
        training = {**record, "recipe": asdict(self.qat)}
        save_qat(path, self.model, self.spec, {**self.facts, "training": training})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["recipe"] = self.qat.to_json()
        checkpoint["facts"] = self.facts

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self.facts = checkpoint["facts"]

    def optimizer(self) -> torch.optim.Optimizer:
        assert isinstance(self.model, QuantNet)
        weights = trainable_weights(self.model)
        ranges = [q for q in self.model.activations.values() if not q.fixed]
        scales = [q.scale for q in ranges]
        zero_points = [q.zero_point for q in ranges if q.zero_point.requires_grad]
        rate = self.qat.range_rate
        groups = [{"params": [w], "lr": self.qat.learning_rate * typical_size(w)} for w in weights]
        groups.append({"params": scales, "lr": rate, "range": "scale"})
        if zero_points:
            group = {"params": zero_points, "lr": rate * LEVELS, "range": "zero_point"}
            groups.append(group)
        return RangeAdam(groups)


class RangeAdam(torch.optim.Adam):
    """Adam that moves scales by ratios and keeps zero points among the levels.

    The scales are learned by their logarithms, so that they stay positive and one rate fits those
    of the smallest and of the largest tensor (Jain et al., "Trained Quantization Thresholds", MLSys
    2020, arXiv 1903.08066, section 3.3). Groups say ``range``: None, "scale" or "zero_point".
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__([{"range": None, **group} for group in groups], eps=EPSILON)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        scales = []
        for scale in self._of("scale"):
            if scale.grad is not None:
                scale.grad.mul_(scale)
                scales.append(scale.log_())
        super().step()
        for scale in scales:
            scale.exp_()
        for zero_point in self._of("zero_point"):
            zero_point.clamp_(LOWEST, HIGHEST)
        return loss

    def _of(self, kind: str) -> list[Tensor]:
        return [p for g in self.param_groups if g["range"] == kind for p in g["params"]]


def guard_rsqrt(net: QuantNet) -> None:
    """Keep the gradient finite where a variance rounds to 0, whose inverse root clips anyway."""
    graph = net.body.graph
    for node in list(graph.nodes):
        if node.target is aten.rsqrt.default:
            with graph.inserting_before(node):
                guarded = graph.call_function(aten.clamp_min.default, (node.args[0], LEAST))
            node.replace_input_with(node.args[0], guarded)
    net.body.recompile()


def typical_size(weights: Tensor) -> float:
    """Root mean square."""
    return float(weights.detach().square().mean().sqrt())


def trainable_weights(net: QuantNet) -> list[nn.Parameter]:
    """The parameters of the float network, but for constants."""
    constant = {net.graph.path[n] for n, kind in net.graph.kind.items() if kind in FIXED_KINDS}
    return [
        net.body.get_parameter(name)
        for name, _ in net.graph.module.named_parameters()
        if name.rpartition(".")[0] not in constant
    ]
