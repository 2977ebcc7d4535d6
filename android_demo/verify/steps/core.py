"""Step `core`: the plain Kotlin module compiles, and its JUnit tests pass.

It is compiled against the API of minSdk alone, without the JDK, so that no `java.*` member that an
old phone lacks can be called. The tests run on the JDK with the golden vectors that Python wrote.
"""

from __future__ import annotations

import re
from pathlib import Path

from steps.framework import oldest
from steps.parts import debian
from steps.workshop import (
    CORE,
    GOLDEN,
    JAVA,
    KOTLIN,
    CheckError,
    NotVerifiedError,
    classpath,
    empty_folder,
    kotlinc,
    once,
    run,
    sources,
)


def stdlib() -> Path:
    return KOTLIN / "kotlin-stdlib.jar"


def json_library() -> Path:
    """Android's own org.json, built for the JVM."""
    return debian("org.json") / "usr/share/java/com.android.json.jar"


@once
def classes() -> Path:
    """core's compiled classes."""
    files = sources(CORE / "src/main/kotlin", ".kt")
    into = empty_folder("core")
    kotlinc(files, into, [stdlib(), oldest()], "-no-jdk", "-Werror", what="core")
    return into


@once
def test() -> str:
    """Run every class that is named *Test; `CheckError` with JUnit's own words."""
    main = classes()
    files = sources(CORE / "src/test/kotlin", ".kt")
    if not GOLDEN.is_dir():
        raise NotVerifiedError(f"there are no golden vectors in {GOLDEN}")
    junit = debian("junit") / "usr/share/java"
    libraries = [
        *(main, stdlib(), json_library()),
        *(junit / "junit4.jar", junit / "hamcrest.jar"),
        *(KOTLIN / "kotlin-test.jar", KOTLIN / "kotlin-test-junit.jar"),
    ]
    into = empty_folder("core-test")
    options = ("-Werror", f"-Xfriend-paths={main}")
    kotlinc(files, into, libraries, *options, what="core's tests")
    names = test_classes(into)
    resources = CORE / "src/test/resources"
    said = run(
        [
            *JAVA,
            *("-cp", classpath([into, resources, *libraries])),
            "org.junit.runner.JUnitCore",
            *names,
        ],
        environment={"MVPOSE_GOLDEN": str(GOLDEN)},
        on_failure="core's tests do not pass",
    )
    count = re.search(r"OK \((\d+) tests?\)", said)
    if count is None or int(count[1]) == 0:
        raise CheckError("JUnit ran no test")
    return f"{count[1]} tests in {len(names)} classes"


def test_classes(folder: Path) -> list[str]:
    """The names of the compiled classes *Test, nested ones left out."""
    found = (path.relative_to(folder) for path in sorted(folder.rglob("*Test.class")))
    return [".".join(path.with_suffix("").parts) for path in found if "$" not in path.name]
