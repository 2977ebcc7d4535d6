"""The table of what the demos cost beside the network."""

from __future__ import annotations

from typing import Any

from mvpose.markdown import markdown


def demo_table(kotlin: dict[str, Any], web: dict[str, Any]) -> str:
    """Of ``results/kotlin.json`` and ``results/web.json``."""
    names = {
        "crop": "Kotlin: crop",
        "decode_track_smooth": "Kotlin: decoding, tracking, smoothing",
        "together": "Kotlin: together",
    }
    rows = [
        [text, f"{kotlin[name]['median_ms']:.2f} ms", f"{kotlin[name]['p90_ms']:.2f} ms"]
        for name, text in names.items()
    ]
    slowest = max(web["rounds_s"])
    rows.append(["page: request to first pose", f"{web['median_s']:.2f} s", f"{slowest:.2f} s"])
    note = (
        f"\nMeasured. Kotlin: {kotlin['rounds']} rounds after {kotlin['warm_up']} of warming up, a "
        f"frame of {kotlin['frame']}, input {kotlin['input']}, heatmaps {kotlin['heatmaps']}, "
        f"{kotlin['jvm']}, {kotlin['processor']}; 90th percentile. Page: {len(web['rounds_s'])} "
        f"starts of {web['browser']} with an empty cache, `{web['model']}` loaded and run once, "
        f"{web['machine']['processor']}, {web['machine']['cores']} cores; the slowest.\n"
    )
    return markdown(["step", "median", "90th percentile or slowest"], rows) + note
