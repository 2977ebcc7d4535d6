"""Latency, memory and keypoints of a ``.tflite`` file on a small computer: copy this file there.

    python device_bench.py model.tflite --golden golden.npz --json result.json

Needs Python 3.8 or newer, NumPy, and ai-edge-litert or tflite-runtime; nothing of mvpose. Golden
vectors are written beforehand, where mvpose is installed: python -m mvpose.benchmark.golden
model.tflite. The JSON is a document that mvpose-benchmark reads.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import json
import os
import platform
import resource
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

WINDOW, SETTLED, MOST_WARM_UP = 5, 0.03, 60


def fail(what: str, hint: str) -> NoReturn:
    """Print one line and exit with 1."""
    sys.exit(f"error: {what} - {hint}")


class Model:
    """A ``.tflite`` file in the interpreter that is installed; ``about`` is its description."""

    def __init__(self, path: Path, threads: int) -> None:
        self.about = read_description(path)
        self.package, interpreter_class = find_interpreter()
        try:
            self.interpreter = interpreter_class(model_path=str(path), num_threads=threads)
            self.interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            fail(f"cannot load {path}: {str(error).splitlines()[0]}", "is it a .tflite file?")
        self.given = self.interpreter.get_input_details()[0]
        self.made = self.interpreter.get_output_details()[0]
        if len(self.given["shape"]) != 4:
            fail(f"{path} does not take pictures", f"its input is {self.given['shape']}")

    def run(self, crop: Any) -> Any:
        """The output, of heatmaps (h, w, K), for a crop (H, W, 3) of uint8."""
        scale, zero_point = self.given["quantization"]
        stored = crop
        if scale:
            limits = np.iinfo(self.given["dtype"])
            stored = (np.round(crop / scale) + zero_point).clip(limits.min, limits.max)
        self.interpreter.set_tensor(self.given["index"], stored[None].astype(self.given["dtype"]))
        self.interpreter.invoke()
        maps = self.interpreter.get_tensor(self.made["index"])[0].astype(np.float32)
        scale, zero_point = self.made["quantization"]
        return (maps - zero_point) * scale if scale else maps


def find_interpreter() -> Any:
    """The name and the interpreter of what is installed."""
    for package in ("ai_edge_litert", "tflite_runtime"):
        try:
            module = importlib.import_module(f"{package}.interpreter")
        except ImportError:
            continue
        return package.replace("_", "-"), module.Interpreter
    fail("no interpreter is installed", "pip install ai-edge-litert, or tflite-runtime")


def read_description(path: Path) -> Any:
    """What mvpose-export wrote into the file; None where there is nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("mvpose.json"))
    except (zipfile.BadZipFile, KeyError, ValueError):
        return None
    except OSError as error:
        fail(f"cannot read {path}: {error.strerror}", "check the path")


def decode(heatmaps: Any, rule: Any) -> Any:
    """Heatmaps (K, h, w) -> (K, 2) x, y in cells: see mvpose.codec.decode."""
    count, rows, columns = heatmaps.shape
    index = heatmaps.reshape(count, -1).argmax(1)
    y, x = np.divmod(index, columns)
    ys = np.clip(y[:, None] + [-1, 0, 1], 0, rows - 1)
    xs = np.clip(x[:, None] + [-1, 0, 1], 0, columns - 1)
    peak = np.stack([x, y], 1).astype(float)
    maps = heatmaps.astype(float)
    if rule["method"] == "dark":
        maps = np.log(np.clip(blurred(maps, rule["sigma_cells"] * rows / 64), 1e-3, 50))
    v = maps[np.arange(count)[:, None, None], ys[:, :, None], xs[:, None, :]]
    slope = np.stack([v[:, 1, 2] - v[:, 1, 0], v[:, 2, 1] - v[:, 0, 1]], 1)
    if rule["method"] == "quarter":
        inner = (peak > 0) & (peak < [columns - 1, rows - 1])
        return peak + np.where(inner, 0.25 * np.sign(slope), 0)
    dx, dy = slope.T / 2
    dxx = v[:, 1, 2] - 2 * v[:, 1, 1] + v[:, 1, 0]
    dyy = v[:, 2, 1] - 2 * v[:, 1, 1] + v[:, 0, 1]
    dxy = (v[:, 2, 2] - v[:, 2, 0] - v[:, 0, 2] + v[:, 0, 0]) / 4
    determinant = dxx * dyy - dxy**2
    top = (determinant > 1e-12) & (dxx < 0)
    step = np.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy] / np.where(top, determinant, 1), 1)
    return peak + np.where(top[:, None], step.clip(-1, 1), 0)


def blurred(maps: Any, sigma: float) -> Any:
    """Maps blurred by a Gaussian of radius 2.5 sigma, zeros beyond the border."""
    radius = round(2.5 * sigma)
    total = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2)).sum()

    def along(length: int) -> Any:
        apart = np.subtract.outer(np.arange(length), np.arange(length))
        return np.exp(-(apart**2) / (2 * sigma**2)) * (abs(apart) <= radius) / total

    return along(maps.shape[1]) @ maps @ along(maps.shape[2])


def keypoints_px(heatmaps: Any, about: Any) -> Any:
    """Keypoints (K, 2) in crop pixels."""
    preprocess, rule = about["model"]["preprocess"], about["model"]["decode"]
    size = np.array([preprocess["input_width_px"], preprocess["input_height_px"]])
    cells = np.array([heatmaps.shape[2], heatmaps.shape[1]])
    ends = 0 if rule.get("grid") == "stride" else 1
    return decode(heatmaps, rule) * (size - ends) / (cells - ends)


def compare(model: Model, path: Path) -> dict[str, Any]:
    """How far the file's results here are from those where the golden vectors were written."""
    if model.about is None:
        fail("the file has no description", "golden vectors need a file of mvpose-export")
    try:
        with np.load(path) as file:
            golden = {key: file[key] for key in ("crops", "heatmaps", "keypoints_px", "sha256")}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        fail(f"{path} holds no golden vectors", "write it: python -m mvpose.benchmark.golden")
    if golden["crops"].shape[1:] != tuple(model.given["shape"])[1:]:
        fail(f"the crops in {path} are not of the file's size", "write it from this file")
    maps = np.stack([model.run(crop).transpose(2, 0, 1) for crop in golden["crops"]])
    if not np.isfinite(maps).all():
        fail("the file's output has NaN or infinity", "its kernels are broken on this computer")
    points = np.stack([keypoints_px(one, model.about) for one in maps])
    apart_px = np.linalg.norm(points - golden["keypoints_px"], axis=-1)
    return {
        "sha256": str(golden["sha256"]),
        "crops": len(maps),
        "identical": int((maps == golden["heatmaps"]).all((1, 2, 3)).sum()),
        "heatmap_max_difference": float(np.abs(maps - golden["heatmaps"]).max()),
        "heatmap_range": float(np.ptp(golden["heatmaps"])),
        "keypoint_max_px": float(apart_px.max()),
        "keypoints_within_half_px": float((apart_px <= 0.5).mean()),
    }


def time_ms(step: Callable[[], Any]) -> float:
    start = time.perf_counter()
    step()
    return (time.perf_counter() - start) * 1e3


def warm_up(step: Callable[[], Any]) -> Any:
    """Repeat until it no longer becomes faster, as mvpose.timing; how often, and if it settled."""
    times: list[float] = []
    while len(times) < MOST_WARM_UP:
        times.append(time_ms(step))
        last, before = times[-WINDOW:], times[-2 * WINDOW : -WINDOW]
        if len(before) == WINDOW and min(last) > (1 - SETTLED) * min(before):
            return len(times), True
    return len(times), False


def read(pattern: str) -> list[str]:
    """The contents of files of the system that match."""
    found = []
    for path in sorted(Path("/").glob(pattern.lstrip("/"))):
        with contextlib.suppress(OSError):
            found.append(path.read_text(errors="replace").strip("\0\n "))
    return found


def temperature_c() -> float | None:
    """Of the warmest sensor."""
    zones = [text for text in read("/sys/class/thermal/thermal_zone*/temp") if text.isdigit()]
    return max(int(text) for text in zones) / 1000 if zones else None


def machine() -> dict[str, Any]:
    """What this computer is: the board's name, where it has one."""
    lines = "\n".join(read("/proc/cpuinfo")).splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    governors = read("/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")
    return {
        "processor": (read("/proc/device-tree/model") + names + [platform.machine()])[0],
        "cores": os.cpu_count() or 0,
        "governor": ", ".join(sorted(set(governors))) or "unknown",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def peak_memory_mb() -> float:
    """Of this process so far; Linux counts in KiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def measure(path: Path, threads: int, rounds: int, golden_path: Path | None) -> dict[str, Any]:
    """The row of the file."""
    memory_mb, before_c, start = peak_memory_mb(), temperature_c(), time.perf_counter()
    model = Model(path, threads)
    init_ms = (time.perf_counter() - start) * 1e3
    about = model.about or {"model": {"name": path.stem}, "recipe": "unknown"}
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    _, height, width, _ = model.given["shape"]
    crop = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    try:
        first_ms = time_ms(lambda: model.run(crop))
    except RuntimeError as error:
        fail(f"{model.package} cannot run {path}: {error}", "install a newer one")
    golden = compare(model, golden_path) if golden_path is not None else None
    runs, settled = warm_up(lambda: model.run(crop))
    samples = [time_ms(lambda: model.run(crop)) for _ in range(rounds)]
    told: dict[str, Any] = {
        "init_ms": init_ms,
        "first_run_ms": first_ms,
        "memory_mb": peak_memory_mb() - memory_mb,
        "peak_memory_mb": peak_memory_mb(),
        "temperature_before_c": before_c,
        "temperature_after_c": temperature_c(),
    }
    marks = [] if settled else ["warming up did not settle"]
    if golden is not None:
        told["golden"] = golden
        if golden.pop("sha256") != sha256:
            marks.append("the golden vectors are those of another file")
    name = machine()["processor"]
    protocol = {"runtime": model.package, "device": name, "threads": threads}
    return {
        "label": f"{path.name} on {name}",
        "model": about["model"]["name"],
        "format": "tflite",
        "precision": about["recipe"],
        "file": path.name,
        "sha256": sha256,
        "size_bytes": path.stat().st_size,
        "random_weights": ".random." in path.name,
        "device": name,
        "marks": marks,
        "samples_ms": samples,
        "device_facts": told,
        "timing": timing(samples, runs, settled, protocol),
    }


def timing(samples: list[float], runs: int, settled: bool, protocol: Any) -> dict[str, Any]:
    """What times in milliseconds say; of one file there is no ratio."""
    third, parts = max(1, len(samples) // 3), {"median": 50, "p90": 90, "p99": 99}
    return {
        **{f"{name}_ms": float(np.percentile(samples, p)) for name, p in parts.items()},
        **dict.fromkeys(("speedup", "speedup_low", "speedup_high"), 1.0),
        "rounds": len(samples),
        "warm_up": runs,
        "settled": settled,
        "drift": float(np.median(samples[-third:]) / np.median(samples[:third]) - 1),
        "protocol": protocol,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a .tflite file on this computer.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--golden", type=Path, help="what the file makes of crops elsewhere")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--json", type=Path, help="write the document here")
    given = parser.parse_args()
    if given.rounds < 1 or given.threads < 1:
        parser.error("--rounds and --threads must be 1 or more")
    row = measure(given.model, given.threads, given.rounds, given.golden)
    document = {
        "created": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
        "version": "device_bench",
        "machine": machine(),
        "reference": row["label"],
        "rows": [row],
        "kind": "mvpose-benchmark",
        "schema": 1,
    }
    print(json.dumps(document, indent=1))
    try:
        if given.json:
            given.json.write_text(json.dumps(document, indent=1) + "\n")
    except OSError as error:
        fail(f"cannot write {given.json}: {error.strerror}", "the result is printed above")


if __name__ == "__main__":
    main()
