"""Tables about quantisation, for the README."""

from __future__ import annotations

from typing import Any

from mvpose.markdown import interval, markdown

Result = dict[str, Any]
FULL, MIXED = "static_wi8_ai8", "static_wi8_ai8_mixed"


def calibration_tables(result: Result) -> str:
    """What calibrators and calibration sets of growing size bring in INT8.

    Args:
        result: of ``benchmark.calibration``.
    """
    return f"{_calibrators(result['rows'])}\n{_sizes(result['rows'])}{_note(result['protocol'])}"


def _calibrators(rows: list[dict[str, Any]]) -> str:
    header = ["calibrated on", "calibrator"]
    for name in ("full", "mixed"):
        header += [f"{name}: SQNR dB", "shift px median / p95", "OKS", "AP - float [95 %]"]
    table = []
    for row in rows:
        if row["kind"] != "calibrator":
            continue
        line = [f"{row['crops']} of {_people(row)}", f"`{row['calibrator']}`"]
        for form in (row["forms"][FULL], row["forms"][MIXED]):
            parity = form["parity"]
            line += [
                f"{parity['sqnr_db']:.1f}",
                f"{parity['shift_median_px']:.2f} / {parity['shift_p95_px']:.1f}",
                f"{parity['oks']:.3f}",
                _interval(form["ap_difference"]),
            ]
        table.append(line)
    return markdown(header, table)


def _sizes(rows: list[dict[str, Any]]) -> str:
    header = [
        "two sets of",
        "calibrator",
        "crops each",
        "ranges apart, median / largest",
        "SQNR dB",
        "shift px, median",
        "AP - float",
        "AP apart [95 %]",
    ]
    table = []
    for row in rows:
        if row["kind"] != "size":
            continue
        ranges = row["ranges"]
        parities = [one["parity"] for one in row["sets"]]
        table.append(
            [
                _people(row),
                f"`{row['calibrator']}`",
                str(row["crops"]),
                f"{100 * ranges['median']:.1f} % / {100 * ranges['largest']:.0f} %",
                ", ".join(f"{parity['sqnr_db']:.1f}" for parity in parities),
                ", ".join(f"{parity['shift_median_px']:.2f}" for parity in parities),
                ", ".join(
                    _points(one["ap_difference"]) for one in row["sets"] if row["ap_between"]
                ),
                _interval(row["ap_between"]),
            ]
        )
    return markdown(header, table)


def _people(row: dict[str, Any]) -> str:
    return str(row["source"].removesuffix(".json"))


def _interval(change: dict[str, Any] | None) -> str:
    return interval(change) if change else ""


def _points(change: dict[str, Any]) -> str:
    return f"{100 * change['difference']:+.1f}"


def _note(protocol: dict[str, Any]) -> str:
    return (
        f"\nMeasured by simulation, without remedies. AP: {protocol['images']} images, "
        f"{protocol['people']} people of {protocol['annotations']}, none of whom calibrates, "
        f"{protocol['boxes']} boxes, {protocol['decode']} decoding; SQNR, shift and OKS: the first "
        f"{protocol['heatmaps_of']} of them, against the float network. The second table is of "
        "full INT8; its two sets share no picture, and the smaller are parts of the larger. Ranges "
        "apart: the share of what two ranges cover together that only one of them covers. "
        "Checkpoint SHA-256 "
        f"`{protocol['sha256'][:12]}`.\n"
    )


def gate_table(rungs: list[dict[str, Any]]) -> str:
    """The forms that the gate tried, and what was measured of their files.

    Args:
        rungs: of ``mvpose-export --int8 --data --json``.
    """
    header = ["form", "AP - float [95 %]", "speed [95 %]", "MB", "SQNR dB", "shift px median / p95"]
    rows = []
    for rung in rungs:
        parity, timing = rung["parity"], rung["timing"]
        rows.append(
            [
                rung["rung"],
                interval(rung["ap_difference"]),
                f"{timing['speedup']:.2f} [{timing['speedup_low']:.2f}, "
                f"{timing['speedup_high']:.2f}]",
                f"{rung['inventory']['size_bytes'] / 1e6:.2f}",
                f"{parity['sqnr_db']:.1f}",
                f"{parity['shift_median_px']:.2f} / {parity['shift_p95_px']:.1f}",
            ]
        )
    facts, protocol = rungs[0]["accuracy"]["protocol"], rungs[0]["timing"]["protocol"]
    return markdown(header, rows) + (
        f"\nMeasured on the files: {protocol['runtime']} {protocol['version']}, "
        f"{protocol['threads']} thread; speed: the faster of the FP32 and FP16 files is 1, "
        f"{rungs[0]['timing']['rounds']} interleaved rounds; AP: {facts['images']} images, "
        f"{facts['people']} people of {facts['annotations']}, {facts['boxes']} boxes; calibrated "
        f"on the training split. Checkpoint SHA-256 `{rungs[0]['weights_sha256'][:12]}`.\n"
    )


def sensitivity_table(found: Result) -> str:
    """What each block costs in INT8, the costliest first, and the channels that stick out.

    Args:
        found: of ``mvpose-quantize --sensitivity``.
    """
    header = [
        "this block alone in INT8",
        "OKS lost",
        "shift px p95",
        "AP - float [95 %]",
        "outlier",
    ]
    blocks = sorted(found["blocks"], key=lambda block: block["alone"]["parity"]["oks"])
    table = []
    for block in blocks:
        cost, widest = block["alone"], next(iter(block["outliers"]), None)
        table.append(
            [
                f"{block['title']} (`{block['name']}`)",
                f"{100 * (1 - cost['parity']['oks']):.2f}",
                f"{cost['parity']['shift_p95_px']:.1f}",
                interval(cost["ap"]),
                f"channel {widest['channel']}: {widest['ratio']:.0f} x the median"
                if widest
                else "",
            ]
        )
    protocol = found["protocol"]
    whole = "; ".join(f"{name} {interval(cost['ap'])}" for name, cost in found["whole"].items())
    agreement = "; ".join(
        f"{row['recipe']}: {100 * row['equal']:.0f} % of the heatmaps' values equal, "
        f"{100 * row['within_2']:.1f} % within 2 steps, keypoints "
        f"{row['parity']['shift_median_px']:.2f} px apart in the median"
        for row in found["agreement"]
    )
    return markdown(header, table) + (
        f"\nMeasured by simulation, calibrated on {protocol['calibration']['source']} "
        f"(`{protocol['calibrator']}`), without remedies; {protocol['images']} images, "
        f"{protocol['people']} people of {protocol['annotations']}; OKS in points of 100 and shift "
        "against the float network; channel: that whose values stick out most. As a whole: "
        f"{whole}. Simulation against the files of "
        f"{found['agreement'][0]['runtime']}: {agreement}. Checkpoint SHA-256 "
        f"`{protocol['sha256'][:12]}`.\n"
    )


def remedies_table(found: Result) -> str:
    """What each remedy brings, alone and together.

    Args:
        found: of ``benchmark.remedies``.
    """
    data = list(found["protocol"]["evaluation"])
    header = ["remedies"]
    for name in ("full", "mixed"):
        header += [f"{name}: SQNR dB", "shift px median / p95", "OKS"]
        header += [f"AP - float, {source} [95 %]" for source in data]
    table = []
    for row in found["rows"]:
        line = [" + ".join(name.replace("_", " ") for name in row["remedies"]) or "none"]
        for form in (row["forms"][FULL], row["forms"][MIXED]):
            parity, costs = form["parity"], form["evaluation"]
            line += [
                f"{parity['sqnr_db']:.1f}",
                f"{parity['shift_median_px']:.2f} / {parity['shift_p95_px']:.1f}",
                f"{parity['oks']:.3f}",
                *(_interval(costs[s]["ap_difference"]) if s in costs else "" for s in data),
            ]
        table.append(line)
    protocol = found["protocol"]
    people = ", ".join(
        f"{name}: {facts['images']} images, {facts['people']} people"
        for name, facts in protocol["evaluation"].items()
    )
    return markdown(header, table) + (
        f"\nMeasured by simulation; {protocol['calibration']['count']} people of "
        f"{protocol['calibration']['source']} calibrate (`{protocol['calibrator']}`); SQNR, shift "
        f"and OKS against the float network on {protocol['unseen']['count']} others of its people; "
        f"AP on {people}. Checkpoint SHA-256 `{protocol['sha256'][:12]}`.\n"
    )
