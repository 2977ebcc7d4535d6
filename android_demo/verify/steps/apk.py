"""Step `apk`: what can be compiled here as a signed APK, and what is said about it.

The libraries themselves are not in it (they are not to be had here), so that it installs and does
not run: it shows that the classes become dex code, that the package is whole, and what it asks for.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

from steps import alignment, app, core, resources
from steps.framework import min_sdk, setting
from steps.parts import debian, native
from steps.workshop import BUILD, JAVA, CheckError, classpath, empty_folder, fail, once, run

NETWORK = re.compile(r"\.(INTERNET|\w*NETWORK\w*|\w*WIFI\w*|\w*BLUETOOTH\w*|NFC)$")
PASSWORD = "throw-away"
# The level whose dex code has lambdas: Gradle's D8 rewrites them for older phones, dx cannot.
LAMBDAS = 26


@once
def check() -> str:
    work = empty_folder("apk")
    package = signed(packed(dex(work), work), work)
    said = described(package)
    found = list(alignment.problems(package))
    if found:
        fail("native libraries that a phone with 16 KB pages cannot map", found)
    count = len(alignment.libraries(package))
    return (
        f"{package.relative_to(BUILD)}, {package.stat().st_size} bytes, {said}, {count} libraries"
    )


def dex(work: Path) -> Path:
    """The app, core and Kotlin's library as classes.dex."""
    library = debian("dx") / "usr/share/java/com.android.dx.jar"
    stdlib = work / "kotlin-stdlib.jar"
    with zipfile.ZipFile(core.stdlib()) as whole, zipfile.ZipFile(stdlib, "w") as classes:
        for name in whole.namelist():
            if name.endswith(".class") and not name.startswith("META-INF/"):
                classes.writestr(name, whole.read(name))
    into = work / "classes.dex"
    run(
        [
            *JAVA,
            *("-cp", library, "com.android.dx.command.Main", "--dex"),
            *(f"--min-sdk-version={max(min_sdk(), LAMBDAS)}", f"--output={into}"),
            *(app.classes(), core.classes(), stdlib),
        ],
        on_failure="the classes do not become dex code",
    )
    return into


def packed(classes: Path, work: Path) -> Path:
    """The linked resources with classes.dex beside them, aligned."""
    whole, aligned = work / "whole.apk", work / "aligned.apk"
    shutil.copy(resources.link()[0], whole)
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.write(classes, "classes.dex")
    problem = "the APK cannot be aligned"
    native("zipalign", "zipalign", "-f", "-p", "4", whole, aligned, on_failure=problem)
    native("zipalign", "zipalign", "-c", "-p", "4", aligned, on_failure="the APK is not aligned")
    return aligned


def signed(package: Path, work: Path) -> Path:
    """Signed with a key that lives as long as the build folder, and verified."""
    keys, into = work / "keys.jks", work / "does-not-run.apk"
    run(
        [
            *("keytool", "-genkeypair", "-keystore", keys, "-storepass", PASSWORD),
            *("-alias", "check", "-keyalg", "EC", "-validity", "1", "-dname", "CN=check"),
        ],
        on_failure="no key can be made",
    )
    words = ("--ks", keys, "--ks-pass", f"pass:{PASSWORD}", "--out", into, package)
    apksigner("sign", *words, on_failure="the APK cannot be signed")
    said = apksigner("verify", "--verbose", into, on_failure="the APK's signature does not verify")
    if "v2 scheme (APK Signature Scheme v2): true" not in said:
        raise CheckError("the APK has no signature of scheme 2")
    return into


def apksigner(*arguments: str | Path, on_failure: str) -> str:
    folder = debian("apksigner") / "usr/share/java"
    libraries = classpath([folder / "apksigner.jar", folder / "apksig.jar"])
    command = [*JAVA, "-cp", libraries, "com.android.apksigner.ApkSignerTool", *arguments]
    return run(command, on_failure=on_failure)


def described(package: Path) -> str:
    """What the package says of itself: its levels, and that it asks for no network."""
    said = native("aapt", "aapt", "dump", "badging", package, on_failure="the APK cannot be read")
    levels = {"sdkVersion": min_sdk(), "targetSdkVersion": setting("targetSdk")}
    for name, level in levels.items():
        if f"{name}:'{level}'" not in said:
            raise CheckError(f"the APK does not have {name} {level}")
    permissions = re.findall(r"uses-permission[\w-]*: name='([^']+)'", said)
    network = [name for name in permissions if NETWORK.search(name)]
    if network:
        raise CheckError(f"the APK asks for the network: {', '.join(network)}")
    if "launchable-activity" not in said:
        raise CheckError("the APK has no activity that a launcher can start")
    return f"API {min_sdk()} to {setting('targetSdk')}, permissions: {', '.join(permissions)}"
