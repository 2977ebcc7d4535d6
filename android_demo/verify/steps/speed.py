"""Step `speed`: how long crop and decoding of one person take on this computer's JVM."""

from __future__ import annotations

import json

from steps.core import classes, json_library, stdlib
from steps.workshop import BUILD, CORE, classpath, empty_folder, kotlinc, once, run, sources

MAIN = "dev.mvpose.core.benchmark.MainKt"


@once
def measure() -> str:
    """The medians; the whole result lies in `speed.json` among the built files."""
    main = classes()
    libraries = [main, stdlib(), json_library()]
    into = empty_folder("core-benchmark")
    kotlinc(
        sources(CORE / "src/benchmark/kotlin", ".kt"),
        into,
        libraries,
        *("-Werror", f"-Xfriend-paths={main}"),
        what="core's benchmark",
    )
    said = run(["java", "-cp", classpath([into, *libraries]), MAIN], on_failure="it stopped")
    found = json.loads(said)
    result = BUILD / "speed.json"
    result.write_text(json.dumps({"kind": "kotlin", **found}, indent=1) + "\n")
    names = ("crop", "decode_track_smooth", "together")
    parts = (f"{name.replace('_', ' + ')} {found[name]['median_ms']:.2f} ms" for name in names)
    return f"{', '.join(parts)} (medians of {found['rounds']} rounds; {result})"
