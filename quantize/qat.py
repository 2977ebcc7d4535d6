"""Quantisation-aware training: from a float checkpoint to weights that survive rounding.

Jacob et al., CVPR 2018, arXiv 1712.05877, on the training engine: the student is the network that
an INT8 file computes (``QuantNet``), with BatchNorm folded and so frozen; the teacher is the float
network. Its scales and zero points are those of the file.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from numpy.typing import NDArray

from mvpose.data.augmentation import Augmentation
from mvpose.errors import InputError
from mvpose.files import check_writable
from mvpose.models.deploy import DeployNet, deploy
from mvpose.quantize.calibration import crops_digest
from mvpose.quantize.observers import find_calibrator
from mvpose.quantize.plan import plan_int8
from mvpose.quantize.qat_module import QatTraining
from mvpose.quantize.qat_recipe import QatRecipe
from mvpose.quantize.recipes import find_recipe
from mvpose.quantize.simulate import QuantNet
from mvpose.runtime.load import load_float
from mvpose.runtime.torch_runtime import TorchRuntime
from mvpose.spec import ModelSpec
from mvpose.training.augment import BatchAugment
from mvpose.training.data import PoseSamples, open_source, open_validation
from mvpose.training.run import (
    Machine,
    announce,
    announce_resuming,
    fit,
    is_first_process,
    kept_about_people,
)
from mvpose.training.start import check_space, claim, epochs_done

UNCHANGED = Augmentation(flip=0, scale=0, rotation_probability=0, half_body=0)
CHUNK = 16


def train_quantised(
    recipe: QatRecipe,
    model: str | None,
    data: Path,
    out: Path,
    validation: tuple[Path, str] | None = None,
    machine: Machine | None = None,
    skip_bad: bool = False,
    threads: int = 1,
) -> Path:
    """Train with rounding; a run that was stopped goes on where it was, with the same result.

    ```
    recipe = read_qat_recipe(None, ("epochs=5",))
    train_quantised(recipe, None, Path("coco"), Path("runs/qat"), (Path("coco"), "val"))
    ```

    Args:
        recipe: what to do.
        model: a trained MobileViTPose: zoo name or checkpoint; None is the shipped one.
        data: the folder that the recipe's sources lie in.
        out: folder for checkpoints and logs.
        validation: folder and split to validate on, by the AP of the simulation.
        machine: what to train on; None takes what is there.
        skip_bad: leave out missing and damaged images of the training data.
        threads: of the CPU.

    Returns:
        The best QAT checkpoint, or the last one without validation. With validation the network as
        calibrated is the first candidate: training never makes it worse there.

    Raises:
        InputError: model, data, labels, recipe or folder are not usable, raised before training
            starts; an activation or the loss is no number.
        KeyboardInterrupt: the user stopped it; the same call goes on from the last epoch.
    """
    machine = machine or Machine()
    floats, network = load_teacher(model, threads)
    spec, digest = floats.spec, str(floats.protocol["sha256"])
    if recipe.checkpoint_sha256 not in ("", digest):
        raise InputError(
            f"the recipe begins with another checkpoint than {floats.protocol['file']}",
            "give the one whose SHA-256 it names, or leave checkpoint_sha256 out of it",
        )
    cut = kept_about_people(recipe.training(spec), spec.preprocess.box_padding)
    sources = [open_source(data, s, spec.skeleton, cut, skip_bad) for s in recipe.sources]
    held_out = open_validation(*validation, spec.skeleton) if validation else None
    samples_per_epoch = recipe.samples_per_epoch or sum(len(s.crops) for s in sources)
    recipe = recipe.of(digest, samples_per_epoch)
    plan = recipe.training(spec)
    check_people(samples_per_epoch, recipe)
    check_writable(out)
    check_space(out, spec)
    lock = claim(out) if is_first_process() else None
    try:
        L.seed_everything(recipe.seed, workers=True, verbose=False)
        resume = out / "last.ckpt"
        done = epochs_done(resume, recipe) if resume.is_file() else 0
        announce(
            replace(plan, model=f"{spec.name} in {recipe.quantisation}"),
            sources,
            held_out and held_out[1],
            out,
        )
        if done:
            announce_resuming(plan, out, done)
        samples = PoseSamples([source.crops for source in sources], plan, machine.workers)
        net, calibration = calibrated(network, spec, recipe, samples)
        facts = {
            "quantisation": recipe.quantisation,
            "model": {"file": floats.protocol["file"], "sha256": digest},
            "calibration": calibration,
        }
        people = held_out[0] if held_out else None
        module = QatTraining(net, floats, recipe, people, out, samples.names, facts)
        fit(module, samples, machine, resume if done else None)
    finally:
        if lock is not None:
            lock.release()
    return out / ("best.safetensors" if validation else "last.safetensors")


def load_teacher(model: str | None, threads: int) -> tuple[TorchRuntime, DeployNet]:
    """The float network, and its deploy form.

    Raises:
        InputError: it can't be loaded, is no MobileViTPose, or was trained with rounding already.
    """
    floats = load_float(model, threads)
    floats.model.requires_grad_(False)
    return floats, deploy(floats.model, floats.spec.preprocess)


def check_people(samples_per_epoch: int, recipe: QatRecipe) -> None:
    """Raise InputError where an epoch has no whole batch."""
    if samples_per_epoch < recipe.batch_size:
        raise InputError(
            f"an epoch has {samples_per_epoch} samples, a batch {recipe.batch_size}",
            "lower batch_size, or set samples_per_epoch: people then come several times",
        )


def calibrated(
    network: DeployNet,
    spec: ModelSpec,
    recipe: QatRecipe,
    samples: PoseSamples,
) -> tuple[QuantNet, dict[str, Any]]:
    """The fake-quantised network with ranges from training samples, and their manifest.

    Raises:
        InputError: an activation is not finite; names the operator.
    """
    crops = plain_crops(samples, spec, recipe.calibration_crops)
    calibrator = find_calibrator(recipe.calibrator)
    quantisation = find_recipe(recipe.quantisation)
    net = plan_int8(network, spec.preprocess, crops, calibrator).simulate(quantisation)
    return net.train(), {
        "source": [f"{source.folder}, {source.split}" for source in recipe.sources],
        "count": len(crops),
        "seed": recipe.seed,
        "crops_sha256": crops_digest(crops),
        "ranges": asdict(calibrator),
    }


def plain_crops(samples: PoseSamples, spec: ModelSpec, count: int) -> NDArray[np.uint8]:
    """(N, height, width, 3) the first samples of the first epoch, without random changes."""
    batch = samples.first(count, 0)
    augment = BatchAugment(UNCHANGED, spec.preprocess, spec.skeleton)
    chunks = []
    for start in range(0, len(batch["person"]), CHUNK):
        images = augment({k: v[start : start + CHUNK] for k, v in batch.items()}).images
        chunks.append(images.round().byte().permute(0, 2, 3, 1).numpy())
    return np.concatenate(chunks)
