"""What each remedy against INT8's loss brings: python -m mvpose.benchmark.remedies --data DIR."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from mvpose.cli import Flag, run

if TYPE_CHECKING:
    from mvpose.benchmark.judge import Judge
    from mvpose.models.deploy import DeployNet
    from mvpose.quantize.calibration import CalibrationSet
    from mvpose.quantize.plan import Plan
    from mvpose.spec import ModelSpec

FORMS = ("static_wi8_ai8", "static_wi8_ai8_mixed")
TRIED = (
    (),
    ("equalisation", "output_ranges", "rounding"),
    ("equalisation", "output_ranges"),
    ("splitting",),
    ("equalisation",),
    ("output_ranges",),
    ("rounding",),
    ("bias_correction",),
    ("equalisation", "output_ranges", "bias_correction", "rounding"),
)
UNSEEN = 64

Row = dict[str, Any]


def remedies(
    model: str | None = None,
    *,
    data: str,
    split: str = "val",
    calib_split: str = "train",
    drawn: Annotated[int, Parameter(validator=Number(gte=0))] = 600,
    calibrator: str = "average",
    threads: int = 1,
    json: Path | None = None,
    overwrite: Flag = False,
) -> None:
    """Measure INT8 with each remedy alone and with one after the other, in simulation.

    ```
    python -m mvpose.benchmark.remedies --data coco --json remedies.json
    ```

    Args:
        model: zoo name or checkpoint; left out, the checkpoint that ships with the package.
        data: folder in COCO layout, whose people calibrate and evaluate.
        split: whose people evaluate.
        calib_split: whose people calibrate; others of its people tell what happened to heatmaps.
        drawn: AP is measured on as many drawn pictures too, for narrower intervals; 0: not.
        calibrator: of the ranges that no remedy chooses.
        threads: CPU threads.
        json: write the result rows to this file.
        overwrite: replace an existing file.
    """
    from mvpose.benchmark.judge import Judge
    from mvpose.benchmark.machine import machine
    from mvpose.data.coco import load_keypoints
    from mvpose.data.synthetic import PREFIX, resolve_data
    from mvpose.files import check_new, write_json
    from mvpose.models.deploy import deploy
    from mvpose.quantize.calibration import data_calibration
    from mvpose.runtime.load import load_float

    if json:
        check_new(json, overwrite)
    reference = load_float(model, threads)
    spec = reference.spec
    network = deploy(reference.model, spec.preprocess)
    folders = {"photographs": resolve_data(data, split)}
    if drawn:
        folders["drawn"] = resolve_data(f"{PREFIX}{drawn}", "val")
    splits = {"photographs": split, "drawn": "val"}
    judges = {
        name: Judge(network, spec, load_keypoints(folder, splits[name], spec.skeleton))
        for name, folder in folders.items()
    }
    folder = folders["photographs"]
    people = data_calibration(
        folder, calib_split, spec, apart_from=load_keypoints(folder, split, spec.skeleton)
    )
    unseen = data_calibration(folder, calib_split, spec, UNSEEN, without=[people.manifest])
    protocol = {
        "calibration": asdict(people.manifest),
        "unseen": asdict(unseen.manifest),
        "evaluation": {name: judge.protocol for name, judge in judges.items()},
        "float_ap": {name: float(judge.float_matches.stats[0]) for name, judge in judges.items()},
        "calibrator": calibrator,
        "sha256": reference.protocol.get("sha256", ""),
        **machine(),
    }
    rows: list[Row] = []
    for row in measure(network, spec, (people, unseen), judges, calibrator):
        rows.append(row)
        print(_line(row), flush=True)
        if json:
            write_json(json, {"kind": "remedies", "protocol": protocol, "rows": rows})


def measure(
    network: DeployNet,
    spec: ModelSpec,
    people: tuple[CalibrationSet, CalibrationSet],
    judges: dict[str, Judge],
    calibrator: str,
) -> Iterator[Row]:
    """A row for each choice of remedies.

    Args:
        people: who calibrate, and others of the same data.
    """
    from mvpose.parity import compare_heatmaps
    from mvpose.quantize.observers import find_calibrator
    from mvpose.quantize.recipes import RECIPES
    from mvpose.quantize.remedies.plan import apply_remedies
    from mvpose.quantize.simulate import SimulatedRuntime

    calibrating, unseen = people
    how, source = find_calibrator(calibrator), f"{unseen.manifest.source}, not calibrating"
    expected = SimulatedRuntime(network, spec, "fp32").heatmaps(unseen.crops)

    def form(plan: Plan, name: str) -> Row:
        runtime = SimulatedRuntime(plan.simulate(RECIPES[name]), spec, name)
        parity = compare_heatmaps(expected, runtime.heatmaps(unseen.crops), spec, source)
        costs = {data: judge.cost(plan, RECIPES[name])[0] for data, judge in judges.items()}
        return {"parity": asdict(parity), "evaluation": costs}

    for names in TRIED:
        start = time.perf_counter()
        plan = apply_remedies(network, spec, calibrating.crops, how, names, held_out=0)
        taken = time.perf_counter() - start
        yield {
            "remedies": names,
            "seconds": round(taken, 1),
            "forms": {name: form(plan, name) for name in FORMS},
        }


def _line(row: Row) -> str:
    parts = []
    for name, form in row["forms"].items():
        parity = form["parity"]
        aps = ", ".join(
            f"{100 * cost['ap_difference']['difference']:+.2f} "
            f"[{100 * cost['ap_difference']['low']:+.2f}, "
            f"{100 * cost['ap_difference']['high']:+.2f}] AP {data}"
            for data, cost in form["evaluation"].items()
        )
        parts.append(
            f"  {name}: {parity['sqnr_db']:.1f} dB, {parity['shift_median_px']:.2f} and "
            f"{parity['shift_p95_px']:.1f} px, OKS {parity['oks']:.4f}{', ' * bool(aps)}{aps}"
        )
    title = " + ".join(row["remedies"]) or "calibration alone"
    return "\n".join([f"{title} ({row['seconds']} s)", *parts])


if __name__ == "__main__":
    run(remedies)
