"""What quantisation-aware training made of a network, for its exporter."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mvpose.errors import InputError
from mvpose.quantize.qat_checkpoint import Trained, load_trained
from mvpose.runtime.torch_runtime import TorchRuntime


def trained_from(reference: TorchRuntime, paths: Iterable[Path]) -> dict[str, Trained]:
    """Checkpoints of ``mvpose-quantize --qat`` by their recipes.

    Args:
        reference: the float network that they are compared with.
        paths: the checkpoints.

    Raises:
        InputError: one can't be read, was trained from another network, or has the recipe of
            another.
    """
    trained: dict[str, Trained] = {}
    for path in paths:
        found = load_trained(path)
        origin = found.facts["model"]["sha256"]
        if origin != reference.protocol["sha256"]:
            raise InputError(
                f"{path} was trained from another checkpoint (SHA-256 {origin[:12]}) than the "
                f"model given ({str(reference.protocol['sha256'])[:12]})",
                "name the checkpoint that it was trained from as MODEL",
            )
        if found.recipe.name in trained:
            raise InputError(f"two --qat files are for {found.recipe.name}", "give one of them")
        trained[found.recipe.name] = found
    return trained
