"""Android's API by level: the listing of API 21 to 37 in npm's @nativescript/types-android.

It names every public member with the level that brought it (`@since`; none: 21 or older). Its types
are TypeScript's, in which every number is `number`, so that it can tell whether a member is there
and since when, and not whether it is used well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from steps.class_files import descriptor_types, dotted
from steps.parts import fetch_npm
from steps.workshop import PARTS, CheckError, once

OLDEST = 21
FOLDER = PARTS / "npm/node_modules/@nativescript/types-android/lib/android"
FILE = FOLDER / "android-platform-21-37-merged.d.ts"

OPENING = re.compile(
    r"(?:declare|export) (?P<kind>module|(?:abstract )?class) (?P<name>\w+)[^{]*\{\s*$"
)
SUPERTYPES = re.compile(r"(?:extends|implements) (?P<names>.*?)(?= implements |\s*\{)")
SINCE = re.compile(r"@since (\d+)")
METHOD = re.compile(
    r"public (?:static )?(?:abstract )?(?P<name>[\w$]+)(?:<[^(]*>)?\((?P<parameters>.*)\)"
)
FIELD = re.compile(r"public (?:static )?(?P<name>[\w$]+): (?P<type>.*);")
NUMBERS = frozenset("BSIJFD")


@dataclass
class Listed:
    """A class: the level that brought it, what it extends, its members with their levels."""

    since: int
    supertypes: list[str]
    methods: dict[str, list[tuple[list[str], int]]] = field(default_factory=dict)
    fields: dict[str, tuple[str, int]] = field(default_factory=dict)


@once
def listing() -> dict[str, Listed]:
    """Every class by its name with dots (`android.os.PowerManager.WakeLock`)."""
    fetch_npm()
    classes: dict[str, Listed] = {}
    scopes: list[tuple[str, Listed | None]] = []
    pending, comment, skip = OLDEST, False, False
    for raw in FILE.read_text().splitlines():
        line = raw.strip()
        if line.startswith("/**") or comment:
            comment = "*/" not in line
            if since := SINCE.search(line):
                pending = int(since[1])
            continue
        if skip:
            skip = not line.startswith("})")
            continue
        if opening := OPENING.match(line):
            name = ".".join([scope for scope, _ in scopes[-1:]] + [opening["name"]])
            made = None
            if opening["kind"] != "module":
                outer = classes.get(name.rpartition(".")[0])
                since_outer = outer.since if outer else OLDEST
                made = Listed(max(pending, since_outer), supertypes(line))
                classes[name] = made
            scopes.append((name, made))
        elif line == "}":
            scopes.pop()
        elif line.startswith("public constructor(implementation: {"):
            skip = True
        elif scopes and (owner := scopes[-1][1]) is not None:
            add(owner, line, pending)
        pending = OLDEST
    if len(classes) < 4000:
        raise CheckError(f"the listing of Android's API could not be read: {len(classes)} classes")
    return classes


def add(owner: Listed, line: str, since: int) -> None:
    """A member's line, added to its class."""
    since = max(since, owner.since)
    if method := METHOD.match(line):
        types = parameter_types(method["parameters"])
        owner.methods.setdefault(method["name"], []).append((types, since))
    elif named := FIELD.match(line):
        owner.fields[named["name"]] = (named["type"], since)


def supertypes(line: str) -> list[str]:
    """The names that a class extends and implements, without their type arguments."""
    found = (type_names(match["names"]) for match in SUPERTYPES.finditer(erased(line)))
    return [name for names in found for name in names]


def type_names(text: str) -> list[str]:
    """The types of a list, without their type arguments."""
    return [name.strip() for name in erased(text).split(",") if name.strip()]


def erased(text: str) -> str:
    """Without type arguments: `Map<K, List<V>>` is `Map`."""
    while (shorter := re.sub(r"<[^<>]*>", "", text)) != text:
        text = shorter
    return text


def parameter_types(text: str) -> list[str]:
    """`a: number, b: java.util.Map<K,V> | null` as ["number", "java.util.Map"]."""
    plain = text.replace("androidNative.Array<", "Array(")
    while "Array(" in plain:
        plain = re.sub(r"Array\(([^()]*?)>", r"array of \1", plain, count=1)
    parts = [part.partition(":")[2] for part in erased(plain).split(",") if ":" in part]
    return [part.replace("| null", "").strip() for part in parts]


def fits(jvm: str, listed: str) -> bool:
    """Whether a parameter of a descriptor can be the one that the listing writes as `listed`."""
    if jvm in NUMBERS:
        return listed == "number"
    if jvm in "ZC":
        return listed == {"Z": "boolean", "C": "string"}[jvm]
    if jvm.startswith("["):
        return listed.startswith("array of") or "." not in listed
    if listed == "string":
        return jvm in ("Ljava/lang/String;", "Ljava/lang/CharSequence;")
    return "." not in listed or listed == dotted(jvm[1:-1])


def class_level(name: str) -> int | None:
    """The level that brought a class (`android/os/Build$VERSION`), None where it is not listed."""
    found = listing().get(dotted(name))
    return found.since if found else None


def member_level(owner: str, name: str, descriptor: str) -> int | None:
    """The level that brought a member of a class itself, inherited ones left out."""
    found = listing().get(dotted(owner))
    if found is None:
        return None
    if not descriptor.startswith("("):
        return found.fields[name][1] if name in found.fields else None
    wanted = descriptor_types(descriptor)
    overloads = found.methods.get("constructor" if name == "<init>" else name, [])
    return min((since for types, since in overloads if same(wanted, types)), default=None)


def same(wanted: list[str], listed: list[str]) -> bool:
    return len(wanted) == len(listed) and all(map(fits, wanted, listed))


def constant(owner: str, name: str) -> str | None:
    """What the listing gives as a constant's type: its value, where it is one."""
    found = listing().get(dotted(owner))
    return found.fields[name][0] if found and name in found.fields else None
