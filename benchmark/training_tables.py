"""Tables about training, for the README and the model card."""

from __future__ import annotations

from typing import Any

from mvpose.markdown import interval, markdown, percent

Rows = list[dict[str, Any]]


def loader_table(result: dict[str, Any]) -> str:
    """People per second and core of each way to load."""
    rows = [
        [
            row["loader"],
            f"`{row['recipe']}`",
            f"{row['people_per_second']:.0f}",
            f"{row['ratio']:.2f} [{row['ratio_low']:.2f}, {row['ratio_high']:.2f}]",
            f"{row['cores_for_gpu']:.0f}",
        ]
        for row in result["rows"]
    ]
    protocol = result["protocol"]
    header = ["loader", "augmentation of", "people/s, core", "ratio [95 %]", "cores for a GPU"]
    note = (
        f"\nMeasured: {protocol['time']}; {protocol['rounds']} interleaved rounds of "
        f"{protocol['batch']} people of {protocol['data']}, {protocol['processor']}. Cores for a "
        f"GPU that trains S at {protocol['gpu_images_per_second']:.0f} images a second: that rate "
        "is an estimate.\n"
    )
    return markdown(header, rows) + note


def checkpoint_table(float_: dict[str, Any], flipped: dict[str, Any], exports: Rows) -> str:
    """AP of the checkpoint and of its INT8 files."""
    files = {row["recipe"]: row["accuracy"] for row in exports}
    named = {
        "float": float_,
        "float, flip test": flipped,
        "`--int8` file": files["static_wi8_ai8_mixed"],
        "`--full-int8` file": files["static_wi8_ai8"],
    }
    rows = [
        [name, percent(a["ap"]), _range(a), *(percent(a[k]) for k in ("ap50", "ap75", "ar"))]
        for name, a in named.items()
    ]
    protocol = float_["protocol"]
    note = (
        f"\nMeasured: {protocol['images']} images, {protocol['people']} people, "
        f"{protocol['boxes']} boxes, {protocol['decode']} decoding.\n"
    )
    return markdown(["", "AP", "95 %", "AP50", "AP75", "AR"], rows) + note


def decoding_table(rows: Rows) -> str:
    """What the decode rule and the flip test bring."""
    table = []
    for row in rows:
        protocol = row["accuracy"]["protocol"]
        name = protocol["decode"] + (", flip test" if protocol["flip_test"] else "")
        table.append([name, percent(row["accuracy"]["ap"]), interval(row["ap_difference"])])
    return markdown(["decoding", "AP", f"against {rows[0]['against']} [95 %]"], table)


def ablation_table(rows: Rows) -> str:
    """What each ingredient of training brings in one small setting."""
    table = []
    for row in rows:
        low, high = row.get("mean_oks_interval", (0, 0))
        change = row.get("mean_oks_difference", 0)
        table.append(
            [
                row["arm"],
                f"{row['samples']:,}",
                row["begins_with"] or "random weights",
                percent(row["accuracy"]["ap50"]),
                f"{100 * row['mean_oks']:.1f}",
                f"{100 * change:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}] to {row['against']}"
                if row["against"]
                else "",
            ]
        )
    first = rows[0]
    stage, protocol = first["recipe"]["stages"][0], first["accuracy"]["protocol"]
    note = (
        f"\nMeasured: {stage['input_width_px']} x {stage['input_height_px']} crops, "
        f"{protocol['people']} people; 95 % intervals by paired bootstrap over people.\n"
    )
    header = ["training", "samples", "begins with", "AP50", "mean OKS", "difference [95 %]"]
    return markdown(header, table) + note


def _range(accuracy: dict[str, Any]) -> str:
    found = accuracy.get("ap_interval")
    return f"{percent(found[0])} to {percent(found[1])}" if found else ""
