"""Tables of the benchmark's own results, for README and docs."""

from __future__ import annotations

from typing import Any

from mvpose.markdown import interval, markdown, percent

Row = dict[str, Any]
RANDOM = "random weights"


def matrix_table(document: dict[str, Any]) -> str:
    """Every model and file of a run.

    Args:
        document: as ``mvpose-benchmark --json`` writes it.
    """
    header = ["model", "runtime", "MB", "ms", f"times {document['reference']} [95 %]", "of peak"]
    header += ["AP", "AP50", "APM", "APL", "AR", "AP - float [95 %]"]
    rows = [[_name(row), *_speed(row), *_accuracy(row)] for row in document["rows"]]
    return markdown(header, rows) + _note(document)


def short_table(document: dict[str, Any], labels: list[str]) -> str:
    """Some of the models, in the order asked for."""
    by_label = {row["label"]: row for row in document["rows"]}
    header = ["model", "runtime", "M params", "GFLOPs", "MB"]
    header += [f"times {document['reference']} [95 %]", "AP here"]
    table = []
    for row in (by_label[label] for label in labels):
        size, (runtime, megabytes, _, ratio, _) = row["complexity"], _speed(row)
        table.append(
            [
                _name(row),
                runtime,
                f"{size['params_m']:.2f}" if size else "",
                f"{size['gflops']:.2f}" if size else "",
                megabytes,
                ratio,
                _accuracy(row)[0],
            ]
        )
    return markdown(header, table) + _note(document)


def self_check_table(result: dict[str, Any]) -> str:
    """What came of timing a model against itself."""
    runs = result["runs"]
    apart = sum(not run["speedup_low"] <= 1 <= run["speedup_high"] for run in runs)
    widths = sorted(run["speedup_high"] / run["speedup_low"] - 1 for run in runs)
    worst = max(abs(run["speedup"] - 1) for run in runs)
    return (
        f"Measured: {apart} of {len(runs)} runs told `{runs[0]['protocol']['file']}` from itself "
        f"({runs[0]['rounds']} rounds each). The intervals were "
        f"{100 * widths[len(widths) // 2]:.1f} % wide in the median; the worst ratio was "
        f"{100 * worst:.1f} % off.{_disturbed(result['marks'])}\n"
    )


def profile_table(result: dict[str, Any]) -> str:
    """Where the time of a file goes, the longest part first."""
    peak = result["peaks_gmacs"]["int8"]
    parts = sorted(result["parts"], key=lambda part: -part["ms"])
    rows = [
        [
            part["part"],
            f"{100 * part['share']:.1f}",
            f"{100 * part['macs_share']:.1f}",
            f"{part['gmacs']:.0f}",
            f"{100 * part['gmacs'] / peak:.0f}",
        ]
        for part in parts
    ]
    protocol = result["protocol"]
    note = (
        f"\nMeasured: `{protocol['file']}`, {protocol['runtime']}, {protocol['threads']} thread, "
        f"{protocol['rounds']} rounds, {protocol['processor']}; INT8 peak {peak:.0f} GMAC/s. The "
        f"parts together take {result['parts_ms'] / result['whole_ms']:.2f} times the whole.\n"
    )
    return markdown(["part", "% of time", "% of MACs", "GMAC/s", "% of INT8 peak"], rows) + note


def _name(row: Row) -> str:
    return f"`{row['label']}`" + (f" ({RANDOM})" if row["random_weights"] else "")


def _speed(row: Row) -> list[str]:
    """Runtime, MB, ms, ratio, share of the peak."""
    timing, megabytes = row["timing"], f"{row['size_bytes'] / 1e6:.1f}"
    if timing is None:
        return ["", megabytes, "", "not measured", ""]
    achieved = row["complexity"] and row["complexity"]["gflops"] / timing["median_ms"] * 1e3
    share = f"{100 * achieved / row['peak_gmacs']:.0f} %" if row["peak_gmacs"] else ""
    run = timing["protocol"]
    return [
        f"{run['runtime']} {str(run['version']).partition('-')[0]}",
        megabytes,
        f"{timing['median_ms']:.1f}",
        f"{timing['speedup']:.2f} [{timing['speedup_low']:.2f}, {timing['speedup_high']:.2f}]",
        share,
    ]


def _accuracy(row: Row) -> list[str]:
    found, change = row["accuracy"], row["against_float"]
    if found is None:
        return [""] * 6
    keys = ("ap", "ap50", "ap_medium", "ap_large", "ar")
    return [*(percent(found[key]) for key in keys), interval(change["ap"]) if change else ""]


def _note(document: dict[str, Any]) -> str:
    rows, machine = document["rows"], document["machine"]
    timed = next(row["timing"] for row in rows if row["timing"])
    judged = next((row["accuracy"]["protocol"] for row in rows if row["accuracy"]), None)
    doubtful = sum(bool(row["marks"]) for row in rows)
    text = (
        f"\nMeasured: {timed['rounds']} interleaved rounds, batch 1, "
        f"{timed['protocol']['threads']} thread, {machine['processor']}, {machine['cores']} cores."
    )
    if judged:
        text += (
            f" AP: {judged['images']} images, {judged['people']} people of {judged['data']}, "
            f"{judged['boxes']} boxes, flip test {'on' if judged['flip_test'] else 'off'}."
        )
    if doubtful:
        text += f" {doubtful} rows are marked as doubtful."
    return text + _disturbed(document["marks"]) + "\n"


def _disturbed(marks: list[str]) -> str:
    return f" Disturbed: {'; '.join(marks)}." if marks else ""
