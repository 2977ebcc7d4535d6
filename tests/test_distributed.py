"""Two processes compute what one does with twice their batch: gradients, and the same AP."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("lightning")

from mvpose.data.synthetic import write_synthetic

RECIPE = """
model: mobilevitpose-xxs
sources: [{folder: .}]
epochs: 1
samples_per_epoch: 8
warmup_steps: 0
gradient_clip: 0
stages: [{input_width_px: 64, input_height_px: 64, batch_size: 8, loss: softmax}]
"""
SCRIPT = Path(__file__).with_name("distributed_training.py")


def train(processes: int, recipe: Path, data: Path, out: Path) -> None:
    out.mkdir()
    launcher = [
        sys.executable,
        *("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"),
    ]
    command = [*launcher, str(SCRIPT), str(recipe), str(data), str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


def test_two_processes_equal_one(tmp_path: Path) -> None:
    data, recipe = tmp_path / "data", tmp_path / "recipe.yaml"
    write_synthetic(data, 5, seed=0, split="train")
    write_synthetic(data, 3, seed=1, split="val")
    recipe.write_text(RECIPE)
    for processes in (1, 2):
        train(processes, recipe, data, tmp_path / str(processes))
    alone, together = (
        torch.load(tmp_path / str(n) / "gradients.pt", weights_only=True) for n in (1, 2)
    )
    assert alone.keys() == together.keys()
    assert len(alone) > 100
    for name, gradient in alone.items():
        scale = gradient.abs().max()
        torch.testing.assert_close(together[name], gradient, rtol=0, atol=float(1e-4 * scale))
    figures = {
        (tmp_path / folder / f"ap-{rank}.txt").read_text().split()[0]
        for folder, rank in (("1", 0), ("2", 0), ("2", 1))
    }
    assert len(figures) == 1
    assert (tmp_path / "2" / "ap-1.txt").read_text().endswith(" 2")
