"""How much the ranges of a network depend on who happens to calibrate it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pydantic.dataclasses import dataclass

from mvpose.errors import InputError
from mvpose.quantize.calibration import CalibrationSet, crops_digest
from mvpose.quantize.disjoint import Fingerprints
from mvpose.quantize.network import QuantGraph, Role
from mvpose.quantize.observers import Calibrator
from mvpose.quantize.ranges import Ranges, measure_ranges
from mvpose.spec import FROZEN, Record


@dataclass(frozen=True, config=FROZEN)
class RangeDifference(Record):
    """How far two sets of ranges are apart.

    The difference of two ranges is the share, 0..1, of what they cover together that only one of
    them covers: of two that begin at 0, by how much the narrower falls short of the wider.

    Attributes:
        tensors: compared: those whose range is measured.
        median, largest: difference.
        tensor: the node with the largest, and ``path``: its module in the deploy form.
    """

    tensors: int
    median: float
    largest: float
    tensor: str
    path: str


def compare_ranges(graph: QuantGraph, a: Ranges, b: Ranges) -> RangeDifference:
    """Compare two measurements of one network's ranges; fixed ranges are left out."""
    measured = [
        tensor
        for tensor in graph.tensors
        if graph.roles[tensor] is Role.OWN and graph.kind[tensor] != "input"
    ]
    differences = np.array([_difference(a[tensor], b[tensor]) for tensor in measured])
    worst = measured[int(differences.argmax())]
    return RangeDifference(
        tensors=len(measured),
        median=float(np.median(differences)),
        largest=float(differences.max()),
        tensor=worst,
        path=graph.path[worst],
    )


def stability(
    graph: QuantGraph, one: CalibrationSet, other: CalibrationSet, calibrator: Calibrator
) -> RangeDifference:
    """How far the ranges from two sets that share nothing are apart.

    Raises:
        InputError: they share a picture or are the same set of drawn people, or an activation is
            not finite.
    """
    check_apart(one, other)
    a, b = (measure_ranges(graph, found.crops, calibrator) for found in (one, other))
    return compare_ranges(graph, a, b)


def check_apart(one: CalibrationSet, other: CalibrationSet) -> None:
    """Raise InputError where two sets have a picture in common."""
    a, b = (
        set(found.pictures.sha256) if found.pictures else {found.manifest.crops_sha256}
        for found in (one, other)
    )
    if a & b:
        raise InputError(
            "two calibration sets that share pictures tell nothing about stability",
            "halve one set, or choose the second without the first",
        )


def halve(calibration: CalibrationSet) -> tuple[CalibrationSet, CalibrationSet]:
    """Two sets of about the same size that share no picture.

    Raises:
        InputError: all of its crops are of one picture.
    """
    owners: Sequence[object] = range(len(calibration.crops))
    if calibration.pictures:
        owners = calibration.pictures.sha256
    crops: dict[object, list[int]] = {}
    for number, owner in enumerate(owners):
        crops.setdefault(owner, []).append(number)
    halves: tuple[list[int], list[int]] = ([], [])
    for numbers in crops.values():
        min(halves, key=len).extend(numbers)
    if len(crops) < 2:
        raise InputError("a calibration set of one picture can't be halved", "take more people")
    one, other = (subset(calibration, sorted(numbers)) for numbers in halves)
    return one, other


def subset(calibration: CalibrationSet, numbers: Sequence[int]) -> CalibrationSet:
    """Some of the crops of a set, by number."""
    manifest, pictures = calibration.manifest, calibration.pictures
    crops = calibration.crops[list(numbers)]
    if pictures:
        pictures = Fingerprints(
            tuple(pictures.names[i] for i in numbers),
            tuple(pictures.sha256[i] for i in numbers),
            pictures.looks[list(numbers)],
        )
    ids = tuple(manifest.sample_ids[i] for i in numbers) if manifest.sample_ids else ()
    part = replace(
        manifest,
        count=len(crops),
        sample_ids=ids,
        crops_sha256=crops_digest(crops),
        strata=(),
        apart_from=None,
    )
    return CalibrationSet(crops, part, pictures)


def describe_stability(
    graph: QuantGraph, calibration: CalibrationSet, calibrator: Calibrator
) -> str | None:
    """One line about a set that is too small, with how far the ranges of its halves are apart.

    Returns:
        None where it is large enough.

    Raises:
        InputError: an activation is not finite.
    """
    if calibration.warning is None:
        return None
    try:
        halves = halve(calibration)
    except InputError:
        return calibration.warning
    found = stability(graph, *halves, calibrator)
    return (
        f"{calibration.warning}; the ranges of two halves of these differ by "
        f"{100 * found.median:.0f} % (median) and up to {100 * found.largest:.0f} % ({found.path})"
    )


def _difference(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Of two ranges that hold 0."""
    together = max(a[1], b[1]) - min(a[0], b[0])
    both = min(a[1], b[1]) - max(a[0], b[0])
    return 1 - both / together if together else 0.0
