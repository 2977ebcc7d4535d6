"""Android to compile against: android.jar of API 23, and framework-additions.txt on top of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from steps import listing
from steps.parts import debian, fetch_npm
from steps.workshop import APP, BUILD, VERIFY, CheckError, asm_tool, fail, once, table

ADDITIONS = VERIFY / "framework-additions.txt"
NEWEST = 37


@dataclass(frozen=True)
class Addition:
    """A line of framework-additions.txt; names and descriptors as class files write them."""

    line: int
    level: int
    kind: str
    owner: str
    name: str
    descriptor: str
    value: str


def android_jar() -> Path:
    """android.jar of API 23, as Debian built it."""
    return debian("android.jar of API 23") / "usr/lib/android-sdk/platforms/android-23/android.jar"


@once
def everything() -> Path:
    """android.jar with every addition: what the app is compiled against."""
    return patched(NEWEST)


@once
def oldest() -> Path:
    """android.jar with the additions up to minSdk: what core is compiled against."""
    return patched(min_sdk())


def patched(level: int) -> Path:
    check_additions()
    source = android_jar()
    BUILD.mkdir(parents=True, exist_ok=True)
    into = BUILD / f"android-{level}.jar"
    asm_tool("PatchFramework", source, into, ADDITIONS, str(level))
    return into


def min_sdk() -> int:
    return int(setting("minSdk"))


def setting(name: str) -> str:
    """A whole number or a text of app/build.gradle.kts."""
    script = APP / "build.gradle.kts"
    pattern = rf'^\s*{name}\s*=\s*(?:(\d+)|"([^"]*)")\s*$'
    found = re.search(pattern, script.read_text(), re.MULTILINE)
    if found is None:
        raise CheckError(f"{script} sets no {name}")
    return found[1] or found[2]


def additions() -> Iterator[Addition]:
    for number, words in table(ADDITIONS):
        if len(words) < 5 or not words[0].isdigit():
            raise CheckError(f"{ADDITIONS.name}:{number}: not LEVEL KIND CLASS NAME DESCRIPTOR")
        level, kind, owner, name, descriptor, value = (*words, "")[:6]
        yield Addition(number, int(level), kind, owner, name, descriptor, value)


@once
def check_additions() -> None:
    """`CheckError` names each addition that the listing does not bear out."""
    fetch_npm()
    wrong = [
        f"{ADDITIONS.name}:{each.line}: {problem}"
        for each in additions()
        if (problem := untrue(each))
    ]
    if wrong:
        fail(f"{ADDITIONS.name} is not what Android's API is", wrong)


def untrue(addition: Addition) -> str | None:
    """What an addition says wrongly, None where the listing bears it out."""
    level = listing.member_level(addition.owner, addition.name, addition.descriptor)
    what = f"{addition.owner}.{addition.name}{addition.descriptor}"
    if level is None:
        return f"Android has no {what}"
    if level != addition.level:
        return f"{what} came with API {level}, not {addition.level}"
    value = listing.constant(addition.owner, addition.name)
    if addition.kind == "constant" and value not in (None, addition.value):
        return f"{what} is {value}, not {addition.value}"
    return None
