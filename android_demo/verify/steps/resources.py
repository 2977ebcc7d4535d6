"""Step `resources`: the manifest and everything in res/ compile and link, as Gradle links them.

Linked against Android's own resources (Debian's android-framework-res; else those of API 23): a
missing string, a wrong attribute, an attribute's wrong value fail. The R class that comes of it is
what the app's Kotlin is compiled with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from steps.framework import android_jar, setting
from steps.parts import debian, native
from steps.workshop import APP, NotVerifiedError, empty_folder, fail, once, sources

MAIN = APP / "src/main"
ANDROID = "{http://schemas.android.com/apk/res/android}"
COMPONENTS = ("application", "activity", "service", "receiver", "provider")
# Elements of a manifest that came with API 31 and later, which Debian's aapt2 does not know.
NEWER_ELEMENTS = ("uses-native-library",)
REMOVED = re.compile(r'<[^<>]*\stools:node="remove"[^<>]*/>')


@once
def link() -> tuple[Path, Path]:
    """The APK of manifest and resources alone, and the folder with the source of R."""
    work = empty_folder("resources")
    compiled, package, generated = work / "compiled.zip", work / "resources.apk", work / "java"
    problem = "the resources do not compile"
    native("aapt", "aapt2", "compile", "--dir", MAIN / "res", "-o", compiled, on_failure=problem)
    said = native(
        "aapt",
        "aapt2",
        "link",
        *("-o", package, "-I", framework_resources(), "--manifest", manifest(work)),
        *("--min-sdk-version", setting("minSdk")),
        *("--target-sdk-version", setting("targetSdk")),
        *("--version-code", setting("versionCode")),
        *("--version-name", setting("versionName")),
        *("-A", MAIN / "assets", "-0", "tflite"),
        *("--java", generated, "--warn-manifest-validation"),
        compiled,
        on_failure="the manifest and the resources do not link",
    )
    warnings = [line for line in said.splitlines() if " warn: " in line]
    unknown = [line for line in warnings if not any(f"<{name}>" in line for name in NEWER_ELEMENTS)]
    if unknown:
        fail("the manifest holds what Android does not know", unknown)
    return package, generated


@once
def check() -> str:
    package, _ = link()
    files = len(sources(MAIN / "res", ".xml", ".png", ".webp"))
    return f"{files} files against {framework_resources().name}, {package.stat().st_size} bytes"


@once
def framework_resources() -> Path:
    try:
        root = debian("resources of a newer Android")
    except NotVerifiedError:
        return android_jar()
    return root / "usr/share/android-framework-res/framework-res.apk"


def named_classes() -> Iterator[tuple[Path, str]]:
    """The classes that the manifest and the layouts name, and where."""
    package = setting("namespace")
    path = MAIN / "AndroidManifest.xml"
    for element in ElementTree.parse(path).iter():
        name = element.get(f"{ANDROID}name", "")
        if element.tag in COMPONENTS and name:
            yield path, package + name if name.startswith(".") else name
    for layout in sorted((MAIN / "res").glob("layout*/*.xml")):
        for element in ElementTree.parse(layout).iter():
            if "." in element.tag:
                yield layout, element.tag


def manifest(work: Path) -> Path:
    """The manifest as Gradle hands it on.

    The package is named, the placeholders are filled in, and what is there only to remove a
    library's element is gone.
    """
    text = REMOVED.sub("", (MAIN / "AndroidManifest.xml").read_text())
    package = setting("namespace")
    text = text.replace("${applicationId}", setting("applicationId"))
    text = re.sub(r"<manifest\b", f'<manifest package="{package}"', text, count=1)
    path = work / "AndroidManifest.xml"
    path.write_text(text)
    return path
