"""Benchmarks as they might be written, made up from seeded random numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mvpose.benchmark.complexity import Complexity
from mvpose.benchmark.document import Document, Row, Spread
from mvpose.bootstrap import APDifference, Comparison
from mvpose.evaluation import Accuracy
from mvpose.spec import COCO17
from mvpose.timing import Timing

ROUNDS = 200
XXS = Complexity(4.365, 1.851, 0.078)
S = Complexity(9.66, 3.53, 0.18)
VITPOSE = Complexity(89.99, 17.85, 0.68)
LABELS = "person_keypoints_val.json"
HOSTILE = '"><img src=x onerror=alert(1)><script>alert("$x$")</script>\x1b.tflite'


def made_up_document(seed: int = 0) -> Document:
    """Models and files on a CPU and on a phone; some failed, one has random weights.

    The made-up numbers stand in the order of those measured on a CPU core.
    """
    rng = np.random.default_rng(seed)
    reference = rng.lognormal(np.log(59.7), 0.03, ROUNDS)
    rows = [
        cpu_row(rng, reference, "XXS torch fp32", 1.0, 0.430, XXS, "fp32", 8_777_170),
        cpu_row(rng, reference, "XXS fp32.tflite", 1.56, 0.430, XXS, "fp32", 17_529_920),
        cpu_row(rng, reference, "XXS fp16.tflite", 1.55, 0.430, XXS, "fp16", 8_841_000),
        cpu_row(rng, reference, "XXS dynamic.tflite", 2.1, 0.427, XXS, "dynamic_wi8", 4_790_000),
        cpu_row(
            rng, reference, "XXS mixed.tflite", 3.9, 0.424, XXS, "static_wi8_ai8_mixed", 4_860_000
        ),
        cpu_row(rng, reference, "XXS int8.tflite", 1.7, 0.371, XXS, "static_wi8_ai8", 4_820_000),
        cpu_row(rng, reference, "MoveNet int8.tflite", 5.2, 0.512, None, "int8", 2_895_000),
        cpu_row(rng, reference, "ViTPose-B fp32.onnx", 0.11, 0.0, VITPOSE, "fp32", 359_900_000),
        cpu_row(rng, reference, "S mixed.tflite", 1.9, 0.0, S, "static_wi8_ai8_mixed", 10_500_000),
        *phone_rows(rng),
        untimed("XXS fp32.xml", "openvino", "the runtime refuses the file: unsupported opset"),
        untimed("XXS fp16.mlpackage", "coreml", None),
    ]
    rows[5] = replace(rows[5], marks=("another process took 31 % of the core",))
    rows[7] = replace(
        rows[7], random_weights=True, accuracy=None, against_float=None, against_baseline=None
    )
    rows[8] = replace(
        rows[8], random_weights=True, accuracy=None, against_float=None, against_baseline=None
    )
    return Document(
        created="2026-11-21T12:00:00Z",
        version="0.1.0",
        machine={
            "processor": "Intel(R) Xeon(R) Processor",
            "cores": 2,
            "system": "Linux x86_64",
            "python": "3.11.7",
            "governor": "performance",
        },
        reference=rows[0].label,
        baseline=rows[0].label,
        rows=tuple(rows),
        marks=("load average 1.4 when the run began: other programs were running",),
    )


def cpu_row(
    rng: np.random.Generator,
    reference_ms: NDArray[np.float64],
    label: str,
    speed: float,
    ap: float,
    work: Complexity | None,
    precision: str,
    size_bytes: int,
) -> Row:
    """A row on one core whose times have a tail.

    Args:
        speed: how many times as fast as the reference.
        ap: 0..1.
    """
    times = reference_ms / speed * rng.lognormal(0, 0.015, len(reference_ms))
    times[rng.random(len(times)) < 0.03] *= 1.25
    suffix = label.rpartition(".")[2]
    model = {"XXS": "mobilevitpose-xxs", "S": "mobilevitpose-s"}.get(
        label.split()[0], label.split()[0].lower()
    )
    lossy = precision not in ("fp32", "fp16")
    inference = float(np.median(times))
    return Row(
        label=label,
        model=model,
        format=suffix if suffix in ("tflite", "onnx") else "torch",
        precision=precision,
        file=f"{label.replace(' ', '-')}",
        sha256=f"{size_bytes:064x}",
        size_bytes=size_bytes,
        complexity=work,
        operators={"CONV_2D": 64, "ADD": 21, "BATCH_MATMUL": 18},
        timing=timing(times, reference_ms),
        stages={
            "crop": spread(0.9),
            "inference": spread(inference),
            "decode": spread(1.4),
            "together": spread(inference + 2.4),
        },
        samples_ms=tuple(times.round(4).tolist()),
        peak_gmacs=420.0 if "ai8" in precision else 105.0,
        accuracy=accuracy(rng, ap),
        against_float=comparison(rng, ap - 0.430) if lossy and model.endswith("xxs") else None,
        against_baseline=comparison(rng, ap - 0.430),
    )


def untimed(label: str, kind: str, error: str | None) -> Row:
    """A row of which nothing was measured."""
    return Row(
        label=label,
        model="mobilevitpose-xxs",
        format=kind,
        precision="fp32",
        file=label,
        sha256="0" * 64,
        size_bytes=17_400_000,
        error=error,
    )


def phone_rows(rng: np.random.Generator) -> list[Row]:
    """Two rows of a phone that becomes warm."""
    rows = []
    for label, median in (("XXS mixed.tflite, phone", 6.1), ("XXS fp16.tflite, phone GPU", 9.4)):
        times = rng.lognormal(np.log(median), 0.05, 80)
        minutes = [
            {
                "minute": minute,
                "median_ms": median * (1 + 0.05 * max(0, minute - 4)),
                "p90_ms": median * (1.12 + 0.06 * max(0, minute - 4)),
                "temperature_c": 31 + 9 * (1 - 0.8**minute),
            }
            for minute in range(1, 11)
        ]
        row = Row(
            label=label,
            model="mobilevitpose-xxs",
            format="tflite",
            precision="fp16" if "fp16" in label else "static_wi8_ai8_mixed",
            file=label.partition(",")[0],
            sha256="2" * 64,
            size_bytes=4_860_000,
            device="Pixel 8",
            complexity=XXS,
            timing=timing(times, times),
            samples_ms=tuple(times.tolist()),
            device_facts={
                "android": "15", "soc": "Tensor G3", "delegated_nodes": 214,
                "thermal": {"start_c": 29.5, "end_c": 39.8}, "sustained": minutes,
            },
        )  # fmt: skip
        rows.append(row)
    return rows


def timing(times_ms: NDArray[np.float64], reference_ms: NDArray[np.float64]) -> Timing:
    """Summary of times, with a ratio to those of the reference."""
    ratio = float(np.median(reference_ms) / np.median(times_ms))
    width = 0.0 if times_ms is reference_ms else 0.01
    return Timing(
        median_ms=float(np.median(times_ms)),
        p90_ms=float(np.percentile(times_ms, 90)),
        p99_ms=float(np.percentile(times_ms, 99)),
        speedup=ratio,
        speedup_low=ratio * (1 - width),
        speedup_high=ratio * (1 + width),
        rounds=len(times_ms),
        protocol={
            "runtime": "ai-edge-litert", "version": "2.3.0", "device": "cpu", "threads": 1,
            "precision": "fp32",
        },
        warm_up=12,
    )  # fmt: skip


def accuracy(rng: np.random.Generator, ap: float) -> Accuracy:
    """COCO figures about an AP."""
    return Accuracy(
        ap=ap,
        ap50=min(1.0, ap + 0.28),
        ap75=ap - 0.02,
        ap_medium=ap - 0.06,
        ap_large=ap + 0.07,
        ar=ap + 0.08,
        ap_by_keypoint={name: float(ap + rng.normal(0, 0.05)) for name in COCO17.keypoints},
        protocol={
            "annotations": LABELS, "boxes": "ground truth", "flip_test": False, "decode": "dark",
            "images": 120, "people": 267,
        },
        ap_interval=(ap - 0.035, ap + 0.035),
        resamples=1000,
    )  # fmt: skip


def comparison(rng: np.random.Generator, difference: float) -> Comparison:
    """A difference in AP, overall and by keypoint."""
    return Comparison(
        ap=ap_change(difference, 0.004),
        by_size={"medium": ap_change(difference, 0.006), "large": ap_change(difference, 0.006)},
        by_keypoint={
            name: ap_change(float(difference + rng.normal(0, 0.006)), 0.011)
            for name in COCO17.keypoints
        },
    )


def ap_change(difference: float, half_width: float) -> APDifference:
    """A difference with a symmetric interval."""
    low, high = difference - half_width, difference + half_width
    return APDifference(difference, low, high, 500, 120, half_width / 1.96)


def spread(median_ms: float) -> Spread:
    """Times with a short tail."""
    return Spread(median_ms, 1.06 * median_ms, 1.2 * median_ms)
