"""Step `app`: the app's Kotlin compiles against Android, core, its resources and the stand-ins.

The classes that the manifest and the layouts name are there, too: Android looks them up by name.
"""

from __future__ import annotations

from pathlib import Path

from steps import core, resources, stand_ins
from steps.framework import everything
from steps.workshop import APP, empty_folder, fail, javac, kotlinc, once, sources


@once
def classes() -> Path:
    """The app's compiled classes, R among them."""
    files = sources(APP / "src/main/kotlin", ".kt")
    _, generated = resources.link()
    into = empty_folder("app")
    libraries = [core.stdlib(), everything(), core.classes(), stand_ins.classes(), into]
    javac(sources(generated, ".java"), into, [everything()], what="R")
    kotlinc(files, into, libraries, "-no-jdk", "-Werror", what="the app")
    return into


@once
def check() -> str:
    own, libraries = classes(), stand_ins.classes()
    missing = [
        f"{file.name} names {name}"
        for file, name in resources.named_classes()
        if not any(
            (place / f"{name.replace('.', '/')}.class").is_file() for place in (own, libraries)
        )
    ]
    if missing:
        fail("classes that do not exist", missing)
    return f"{len(list(own.rglob('*.class')))} classes"
