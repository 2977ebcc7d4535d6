"""Which calibrator, and how many people: python -m mvpose.benchmark.calibration --data DIR."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvpose.cli import Flag, run

if TYPE_CHECKING:
    from mvpose.benchmark.judge import Judge
    from mvpose.data.coco import KeypointData
    from mvpose.quantize.calibration import CalibrationSet
    from mvpose.quantize.plan import Plan
    from mvpose.quantize.ranges import Ranges
    from mvpose.spec import ModelSpec

TRIED = ("average", "minmax", "mse", "percentile:99.99", "percentile:99.9", "entropy")
WITH_AP = ("average", "minmax", "mse")
CURVES = ("average", "mse")
SIZES = (8, 16, 32, 64, 128, 256)
SIZES_WITH_AP = (8, 32, 128)
FULL, MIXED = "static_wi8_ai8", "static_wi8_ai8_mixed"
EVERYBODY = 1_000_000

Row = dict[str, Any]
Halves = tuple["CalibrationSet", "CalibrationSet"]


def calibration(
    model: str | None = None,
    *,
    data: str,
    split: str = "val",
    calib: Path | None = None,
    calib_split: str = "train",
    calib_count: int = 128,
    threads: int = 1,
    json: Path | None = None,
    overwrite: Flag = False,
) -> None:
    """Compare calibrators and sizes of the calibration set in simulated INT8, without remedies.

    Each calibrator makes ranges of a usual set, in full and in mixed INT8; two of them make ranges
    of two sets of 8 to 256 people that share no picture, in full INT8. What comes out is compared
    with the float network on people that did not calibrate: heatmaps of some of them, and for the
    calibrators and sizes that matter most the AP of all.

    ```
    python -m mvpose.benchmark.calibration --data coco --calib coco --json calibration.json
    ```

    Args:
        model: zoo name or checkpoint; left out, the checkpoint that ships with the package.
        data: folder in COCO layout, or synthetic:N, to compare on.
        split: of the data.
        calib: folder in COCO layout whose people calibrate; drawn people do, too. Sets of growing
            size are of the former, where there are any.
        calib_split: split of the calibration folder; its pictures must not be among those of data.
        calib_count: people of a usual set.
        threads: CPU threads.
        json: write the result rows to this file.
        overwrite: replace an existing file.
    """
    from mvpose.benchmark.judge import Judge
    from mvpose.benchmark.machine import machine
    from mvpose.data.coco import load_keypoints
    from mvpose.data.synthetic import resolve_data
    from mvpose.files import check_new, write_json
    from mvpose.models.deploy import deploy
    from mvpose.runtime.load import load_float

    if json:
        check_new(json, overwrite)
    reference = load_float(model, threads)
    spec = reference.spec
    people = load_keypoints(resolve_data(data, split), split, spec.skeleton)
    judge = Judge(deploy(reference.model, spec.preprocess), spec, people)
    protocol = {
        **judge.protocol,
        "float_ap": float(judge.float_matches.stats[0]),
        "sha256": reference.protocol.get("sha256", ""),
        **machine(),
    }
    rows: list[Row] = []
    for row in measure(judge, sources(spec, people, calib, calib_split, calib_count)):
        rows.append(row)
        print(_line(row), flush=True)
        if json:
            write_json(json, {"protocol": protocol, "rows": rows})


@dataclass(frozen=True)
class Source:
    """People to calibrate on.

    Attributes:
        name: as in the manifests.
        usual: a set as commands choose it.
        halves: two sets that share no picture, as large as there are people for, in random order.
    """

    name: str
    usual: CalibrationSet
    halves: Callable[[], Halves]


def sources(
    spec: ModelSpec, evaluated: KeypointData, calib: Path | None, split: str, count: int
) -> Iterator[Source]:
    """The people of a data set, where there is one, and drawn people; sets of ``count``.

    Raises:
        InputError: as ``data_calibration``.
    """
    from mvpose.quantize.calibration import data_calibration, drawn_calibration
    from mvpose.quantize.stability import halve

    if calib:
        usual = data_calibration(calib, split, spec, count, apart_from=evaluated)

        def halves() -> Halves:
            return halve(data_calibration(calib, split, spec, EVERYBODY, apart_from=evaluated))

        yield Source(usual.manifest.source, usual, halves)

    def drawn() -> Halves:
        one, other = (drawn_calibration(spec, SIZES[-1], seed) for seed in (0, 1))
        return one, other

    usual = drawn_calibration(spec, count)
    yield Source(usual.manifest.source, usual, drawn)


def measure(judge: Judge, found: Iterator[Source]) -> Iterator[Row]:
    """The rows of calibrators for each source, and of sizes for the first."""
    for number, source in enumerate(found):
        yield from calibrator_rows(judge, source)
        if number == 0:
            halves = source.halves()
            for name in CURVES:
                yield from size_rows(judge, source.name, halves, name)


def calibrator_rows(judge: Judge, source: Source) -> Iterator[Row]:
    """Each calibrator on the usual set, in full and in mixed INT8."""
    from mvpose.quantize.observers import find_calibrator
    from mvpose.quantize.ranges import measure_ranges
    from mvpose.quantize.recipes import RECIPES

    for name in TRIED:
        ranges = measure_ranges(judge.graph, source.usual.crops, find_calibrator(name))
        plan, everybody = _plan(judge, ranges), name in WITH_AP
        yield {
            "kind": "calibrator",
            "source": source.name,
            "calibrator": name,
            "crops": len(source.usual.crops),
            "forms": {
                recipe: judge.cost(plan, RECIPES[recipe], everybody)[0] for recipe in (FULL, MIXED)
            },
        }


def size_rows(judge: Judge, source: str, halves: Halves, calibrator: str) -> Iterator[Row]:
    """One calibrator on ever larger parts of two sets that share no picture, in full INT8."""
    from mvpose.bootstrap import ap_difference
    from mvpose.quantize.observers import find_calibrator
    from mvpose.quantize.ranges import measure_ranges
    from mvpose.quantize.recipes import RECIPES
    from mvpose.quantize.stability import compare_ranges

    how = find_calibrator(calibrator)
    for size in SIZES:
        if size > min(len(half.crops) for half in halves):
            return
        everybody = size in SIZES_WITH_AP
        ranges = [measure_ranges(judge.graph, half.crops[:size], how) for half in halves]
        plans = [_plan(judge, found) for found in ranges]
        costs = [judge.cost(plan, RECIPES[FULL], everybody) for plan in plans]
        one, other = (matches for _, matches in costs)
        yield {
            "kind": "size",
            "source": source,
            "calibrator": calibrator,
            "crops": size,
            "ranges": asdict(compare_ranges(judge.graph, *ranges)),
            "sets": [row for row, _ in costs],
            "ap_between": asdict(ap_difference(one, other)) if one and other else None,
        }


def _plan(judge: Judge, ranges: Ranges) -> Plan:
    """INT8 by calibration alone."""
    from mvpose.quantize.plan import Plan
    from mvpose.quantize.simulate import qparams_of

    return Plan(judge.network, judge.graph, ranges, qparams_of(judge.graph, ranges))


def _line(row: Row) -> str:
    forms = row["forms"] if row["kind"] == "calibrator" else dict(enumerate(row["sets"], 1))
    figures = ", ".join(
        f"{name}: {form['parity']['sqnr_db']:.1f} dB, {form['parity']['shift_median_px']:.2f} px"
        + (f", {100 * change['difference']:+.2f} AP" if (change := form["ap_difference"]) else "")
        for name, form in forms.items()
    )
    apart = f"; ranges {100 * row['ranges']['median']:.1f} % apart" if "ranges" in row else ""
    return f"{row['crops']} of {row['source']}, {row['calibrator']}: {figures}{apart}"


if __name__ == "__main__":
    run(calibration)
