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


def web_parity_table(found: dict[str, Any]) -> str:
    """Of ``results/web_parity.json``."""
    protocol, crops = found["protocol"], found["protocol"]["crops"]
    rows = [
        [
            f"`{row['precision']}`",
            f"{row['identical']} of {crops}",
            f"{row['max_difference']:.1e}",
            *(f"{row[f'shift_{part}_px']:.2g}" for part in ("median", "p95", "max")),
        ]
        for row in found["rows"]
    ]
    header = [
        "file",
        "crops the same to the last bit",
        "largest difference, of range",
        "shift px median",
        "p95",
        "max",
    ]
    first = found["rows"][0]
    note = (
        f"\nMeasured: LiteRT.js {protocol['litertjs']} in {protocol['browser']} (WebAssembly) "
        f"against {first['runtime']} {first['version']} (XNNPACK) on {protocol['processor']}; "
        f"{crops} drawn people; {first['keypoints']} keypoints scored above 0.2.\n"
    )
    return markdown(header, rows) + note
