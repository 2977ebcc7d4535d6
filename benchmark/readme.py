"""Writes the tables of README, docs and model card from the committed results.

    python -m mvpose.benchmark.readme README.md benchmark
    python -m mvpose.benchmark.readme docs/int8.md benchmark
    python -m mvpose.benchmark.readme docs/formats.md benchmark
    python -m mvpose.benchmark.readme docs/benchmark.md benchmark
    python -m mvpose.benchmark.readme docs/devices.md benchmark
    python -m mvpose.benchmark.readme docs/demos.md benchmark
    python -m mvpose.benchmark.readme mvpose/assets/MODEL_CARD.md benchmark

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

from mvpose.benchmark.arm.table import arm_table
from mvpose.benchmark.complexity_tables import blocks_table, complexity_table, published_table
from mvpose.benchmark.demo_table import demo_table, web_parity_table
from mvpose.benchmark.document_tables import (
    matrix_table,
    profile_table,
    self_check_table,
    short_table,
)
from mvpose.benchmark.format_tables import formats_table, roads_table
from mvpose.benchmark.quantisation_tables import (
    calibration_tables,
    gate_table,
    remedies_table,
    sensitivity_table,
)
from mvpose.benchmark.training_tables import (
    ablation_table,
    checkpoint_table,
    decoding_table,
    loader_table,
)
from mvpose.files import write_text
from mvpose.markdown import interval, markdown, percent

AGAINST_VITPOSE = [
    "vitpose-b.random.fp32.xml",
    "vitpose-b.random.static_wi8_ai8_mixed_bf16.xml",
    "mobilevitpose-s.random.fp32.tflite",
    "mobilevitpose-s.random.static_wi8_ai8_mixed.tflite",
    "mobilevitpose-xxs.fp32.tflite",
    "mobilevitpose-xxs.static_wi8_ai8_mixed.tflite",
    "mobilevitpose-xxs.static_wi8_ai8.tflite",
    "movenet_lightning_int8.tflite",
    "blazepose_lite_fp16.tflite",
    "pp_tinypose_256x192.ncnn.param",
]


def tables(folder: Path) -> dict[str, str]:
    """The tables by the name of their marker.

    Args:
        folder: holds ``results/*.json`` and ``published.csv``.
    """
    found = {
        path.stem: json.loads(path.read_text("utf-8"))
        for path in (folder / "results").glob("*.json")
    }
    exports = [row for row in found["formats"] if row["format"] == "tflite"]
    checkpoint, published = found["float"], folder / "published.csv"
    return {
        "files": _files(exports, found["benchmark"], checkpoint),
        "checkpoint": checkpoint_table(checkpoint, found["float_flip"], exports),
        "decoding": decoding_table(found["decoding"]),
        "ablation": ablation_table(found["ablation"]),
        "loader": loader_table(found["loader"]),
        "keypoints": _keypoints(checkpoint, exports),
        "published": _published(published),
        "matrix": matrix_table(found["benchmark"]),
        "vitpose": short_table(found["benchmark"], AGAINST_VITPOSE),
        "self_check": self_check_table(found["self_check"]),
        "profile": profile_table(found["profile"]),
        "complexity": complexity_table(found["complexity"]),
        "counted": published_table(found["complexity"], published),
        "blocks": blocks_table(found["complexity"], "mobilevitpose-s", "256x256"),
        "calibration": calibration_tables(found["calibration"]),
        "sensitivity": sensitivity_table(found["sensitivity"]),
        "remedies": remedies_table(found["remedies"]),
        "formats": formats_table(found["formats"]),
        "gate": gate_table(found["gate"]),
        "qat": formats_table(found["qat"]),
        "roads": roads_table(found["roads"]),
        "arm": arm_table(found["arm"]),
        "demos": demo_table(found["kotlin"], found["web"]),
        "web_parity": web_parity_table(found["web_parity"]),
    }


def fill(text: str, contents: dict[str, str]) -> str:
    """Replace what stands between ``<!-- table NAME -->`` and ``<!-- end -->``."""
    for name, table in contents.items():
        pattern = rf"(?<=<!-- table {name} -->\n).*?(?=<!-- end -->)"
        text = re.sub(pattern, table.replace("\\", r"\\"), text, count=1, flags=re.DOTALL)
    return text


def _files(
    exports: list[dict[str, Any]], document: dict[str, Any], checkpoint: dict[str, Any]
) -> str:
    by_file = {row["file"]: row for row in document["rows"]}
    torch = by_file[checkpoint["protocol"]["file"]]
    size = f"{torch['size_bytes'] / 1e6:.1f}"
    ap = percent(checkpoint["ap"])
    rows = [["PyTorch, float (checkpoint in half precision)", size, "1.00", "", "", ap, ""]]
    for row in exports:
        timing, parity = by_file[row["file"]]["timing"], row["parity"]
        rows.append(
            [
                f"`{row['recipe']}`",
                f"{row['inventory']['size_bytes'] / 1e6:.1f}",
                f"{torch['timing']['median_ms'] / timing['median_ms']:.2f}",
                f"{parity['sqnr_db']:.1f}",
                f"{parity['shift_median_px']:.2f} / {parity['shift_p95_px']:.2f}",
                percent(row["accuracy"]["ap"]),
                interval(row["ap_difference"]),
            ]
        )
    header = ["file", "MB", "speed", "SQNR dB", "shift px median / p95", "AP", "AP - float [95 %]"]
    accuracy, machine = checkpoint["protocol"], document["machine"]
    timed = torch["timing"]
    note = (
        f"\nMeasured. AP: {accuracy['images']} images, {accuracy['people']} people, "
        f"{accuracy['boxes']} boxes, flip test {'on' if accuracy['flip_test'] else 'off'}, "
        f"{accuracy['decode']} decoding; checkpoint SHA-256 `{accuracy['sha256'][:12]}`. "
        f"Shift and SQNR: {exports[0]['parity']['crops']} of these people. Speed: relative to "
        f"PyTorch eager (= 1), {timed['rounds']} interleaved rounds, "
        f"{timed['protocol']['threads']} thread, {machine['processor']}, "
        f"PyTorch {timed['protocol']['version']}, "
        f"ai-edge-litert {by_file[exports[0]['file']]['timing']['protocol']['version']}.\n"
    )
    return markdown(header, rows) + note


def _keypoints(checkpoint: dict[str, Any], exports: list[dict[str, Any]]) -> str:
    columns = {"float": checkpoint} | {row["recipe"]: row["accuracy"] for row in exports}
    shown = {k: v for k, v in columns.items() if k in ("float", "static_wi8_ai8_mixed")}
    rows = [
        [name, *(f"{100 * a['ap_by_keypoint'][name]:.1f}" for a in shown.values())]
        for name in checkpoint["ap_by_keypoint"]
    ]
    return markdown(["AP of the keypoint alone, measured", *shown], rows)


def _published(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    header = [
        "model",
        "input",
        "M params",
        "GFLOPs",
        "MB",
        "AP",
        "measured on",
        "protocol",
        "source",
    ]
    return markdown(header, [list(row.values()) for row in rows])


if __name__ == "__main__":
    readme, folder = (Path(argument) for argument in sys.argv[1:])
    write_text(readme, fill(readme.read_text("utf-8"), tables(folder)))
