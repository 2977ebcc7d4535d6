"""Writes the README's tables from the committed results; run it with ``python -m``.

    python -m mvpose.benchmark.readme README.md benchmark

Measured figures come from ``results/*.json``, published ones from ``published.csv``; they never
share a table.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

from mvpose.files import write_text


def tables(folder: Path) -> dict[str, str]:
    """The tables by the name of their marker.

    Args:
        folder: holds ``results/export.json``, ``results/benchmark.json``, ``results/float.json``
            and ``published.csv``.
    """
    results = folder / "results"
    exports, timings, checkpoint = (
        json.loads((results / f"{name}.json").read_text("utf-8"))
        for name in ("export", "benchmark", "float")
    )
    return {
        "files": _files(exports, timings, checkpoint),
        "keypoints": _keypoints(checkpoint, exports),
        "published": _published(folder / "published.csv"),
    }


def fill(text: str, contents: dict[str, str]) -> str:
    """Replace what stands between ``<!-- table NAME -->`` and ``<!-- end -->``."""
    for name, table in contents.items():
        pattern = rf"(?<=<!-- table {name} -->\n).*?(?=<!-- end -->)"
        text = re.sub(pattern, table.replace("\\", r"\\"), text, flags=re.DOTALL)
    return text


def _files(
    exports: list[dict[str, Any]], timings: list[dict[str, Any]], checkpoint: dict[str, Any]
) -> str:
    by_file = {row["file"]: row for row in timings}
    size = f"{timings[0]['size_bytes'] / 1e6:.1f}"
    ap = f"{100 * checkpoint['ap']:.1f}"
    rows = [["PyTorch, float (checkpoint in half precision)", size, "1.00", "", "", ap, ""]]
    for row in exports:
        timing, parity = by_file[row["file"]]["timing"], row["parity"]
        change = row["ap_difference"]
        rows.append(
            [
                f"`{row['recipe']}`",
                f"{row['inventory']['size_bytes'] / 1e6:.1f}",
                f"{timing['speedup']:.2f}",
                f"{parity['sqnr_db']:.1f}",
                f"{parity['shift_median_px']:.2f} / {parity['shift_p95_px']:.2f}",
                f"{100 * row['accuracy']['ap']:.1f}",
                f"{100 * change['difference']:+.1f} "
                f"[{100 * change['low']:+.1f}, {100 * change['high']:+.1f}]",
            ]
        )
    header = ["file", "MB", "speed", "SQNR dB", "shift px median / p95", "AP", "AP - float [95 %]"]
    accuracy, machine = checkpoint["protocol"], timings[0]["machine"]
    timed = timings[0]["timing"]
    note = (
        f"\nMeasured. AP: {accuracy['images']} images, {accuracy['people']} people, "
        f"{accuracy['boxes']} boxes, flip test {'on' if accuracy['flip_test'] else 'off'}, "
        f"{accuracy['decode']} decoding; checkpoint SHA-256 `{accuracy['sha256'][:12]}`. "
        f"Shift and SQNR: {exports[0]['parity']['crops']} of these people. Speed: relative to "
        f"PyTorch eager (= 1), {timed['rounds']} interleaved rounds, "
        f"{timed['protocol']['threads']} thread, {machine['processor']}, "
        f"PyTorch {timed['protocol']['version']}, "
        f"ai-edge-litert {timings[1]['timing']['protocol']['version']}.\n"
    )
    return _markdown(header, rows) + note


def _keypoints(checkpoint: dict[str, Any], exports: list[dict[str, Any]]) -> str:
    columns = {"float": checkpoint} | {row["recipe"]: row["accuracy"] for row in exports}
    shown = {k: v for k, v in columns.items() if k in ("float", "static_wi8_ai8_mixed")}
    rows = [
        [name, *(f"{100 * a['ap_by_keypoint'][name]:.1f}" for a in shown.values())]
        for name in checkpoint["ap_by_keypoint"]
    ]
    return _markdown(["AP of the keypoint alone, measured", *shown], rows)


def _published(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    header = ["model", "input", "M params", "GFLOPs", "AP", "source"]
    return _markdown(header, [list(row.values()) for row in rows])


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    readme, folder = (Path(argument) for argument in sys.argv[1:])
    write_text(readme, fill(readme.read_text("utf-8"), tables(folder)))
