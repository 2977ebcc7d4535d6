"""Shapes that devices don't take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mvpose.export.doctor.findings import Finding, plural

HIGHEST_RANK = 4

Shapes = Mapping[str, tuple[int, ...]]


def shape_findings(inputs: Shapes, tensors: Shapes) -> Iterator[Finding]:
    """Findings on open dimensions, batch sizes and ranks.

    Args:
        inputs: of the network, by name; -1 for a dimension that is open until run time.
        tensors: all that operators read or write.
    """
    opened = [name for name, shape in inputs.items() if -1 in shape]
    if opened:
        shapes = ", ".join(_written(inputs[name]) for name in opened)
        yield Finding(
            "warning",
            "dynamic-shape",
            f"{plural(len(opened), 'input')} of open size ({shapes}): many delegates refuse the "
            "file, others plan their memory anew for each picture",
            "the network was exported with dynamic axes",
            "export with a fixed size and batch 1, as mvpose-export does",
            tuple(opened),
        )
    batched = [name for name, shape in inputs.items() if len(shape) > 1 and shape[0] not in (-1, 1)]
    if batched:
        yield Finding(
            "warning",
            "batch",
            f"batch {inputs[batched[0]][0]} instead of 1: phones crop one person at a time, and "
            "every delegate is tuned for 1",
            "the network was exported with the batch of its training or calibration",
            "export with batch 1, as mvpose-export does",
            tuple(batched),
        )
    deep = [name for name, shape in tensors.items() if len(shape) > HIGHEST_RANK]
    if deep:
        rank = max(len(tensors[name]) for name in deep)
        yield Finding(
            "warning",
            "rank",
            f"{plural(len(deep), 'tensor')} above rank {HIGHEST_RANK} (up to {rank}), which GPU "
            "and NPU delegates refuse",
            "patches or attention heads are unfolded by 5-D reshapes",
            "unfold by 4-D reshapes and transposes, as model.deploy() does",
            tuple(deep),
        )


def _written(shape: tuple[int, ...]) -> str:
    return "x".join("?" if size < 0 else str(size) for size in shape)
