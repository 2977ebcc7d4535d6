"""Tables about exported files of several formats, from the rows of mvpose-export."""

from __future__ import annotations

from typing import Any

from mvpose.markdown import interval, markdown, percent

Row = dict[str, Any]
MODEL = "mobilevitpose-xxs."


def formats_table(rows: list[Row]) -> str:
    """What each file of a run costs and brings.

    Args:
        rows: of ``mvpose-export --json``, all of one run.
    """
    header = ["file", "MB", "speed", "SQNR dB", "shift px median / p95", "AP - float [95 %]"]
    return markdown(header, [_cells(row) for row in rows]) + _note(rows)


def roads_table(roads: dict[str, list[Row]]) -> str:
    """What two converters make of the same network.

    Args:
        roads: rows of ``mvpose-export --json`` by the converter's name.
    """
    header = [
        "recipe",
        "converter",
        "MB",
        "speed",
        "SQNR dB",
        "shift px median / p95",
        "operators",
        "outside XNNPACK",
    ]
    lines = []
    for same in zip(*roads.values(), strict=True):
        for name, row in zip(roads, same, strict=True):
            _, *figures, _ = _cells(row)
            kinds, left = row["inventory"]["operators"], row["inventory"]["undelegated"]
            outside = ", ".join(f"{count} {kind}" for kind, count in left.items())
            lines.append([f"`{row['recipe']}`", name, *figures, str(sum(kinds.values())), outside])
    return markdown(header, lines) + _note([row for rows in roads.values() for row in rows])


def _cells(row: Row) -> list[str]:
    parity, timing, change = row["parity"], row["timing"], row["ap_difference"]
    return [
        f"`{row['file'].removeprefix(MODEL)}`",
        f"{row['inventory']['size_bytes'] / 1e6:.1f}",
        f"{timing['speedup']:.2f}" if timing else "",
        f"{parity['sqnr_db']:.1f}",
        f"{parity['shift_median_px']:.2f} / {parity['shift_p95_px']:.2f}",
        interval(change) if change else "",
    ]


def _note(rows: list[Row]) -> str:
    parity = rows[0]["parity"]
    timings = [row["timing"] for row in rows if row["timing"]]
    ran = {f"{t['protocol']['runtime']} {t['protocol']['version']}" for t in timings}
    text = (
        f"\nMeasured. SQNR and shift: {parity['crops']} crops ({parity['crops_source']}). Speed: "
        f"relative to PyTorch eager (= 1), {timings[0]['rounds']} interleaved rounds, "
        f"{timings[0]['protocol']['threads']} thread; {', '.join(sorted(ran))}; empty where the "
        "format's runtime does not exist on Linux. "
    )
    if accuracy := rows[0]["accuracy"]:
        facts = accuracy["protocol"]
        text += (
            f"AP: {facts['images']} images, {facts['people']} people of {facts['annotations']}, "
            f"{facts['boxes']} boxes, {facts['decode']} decoding; the float network has "
            f"{percent(accuracy['ap'] - rows[0]['ap_difference']['difference'])}. "
        )
    return text + f"Checkpoint SHA-256 `{rows[0]['weights_sha256'][:12]}`.\n"
