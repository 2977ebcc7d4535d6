"""Step `api-levels`: what the app calls of Android is there on every phone that it installs on.

Each class, field and method that its code refers to is looked up in the listing of API 21 to 37.
What came after minSdk must stand in a method that guarded.txt names and that asks for the phone's
level (Build.VERSION.SDK_INT).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from steps import app, core, listing, stand_ins
from steps.class_files import ClassFile, Reference, code, declarations
from steps.framework import everything, min_sdk
from steps.workshop import VERIFY, CheckError, fail, once, table

GUARDED = VERIFY / "guarded.txt"
FRAMEWORK = re.compile(r"(android|java|javax|org/json|org/xml|org/w3c|dalvik)/")


@once
def check() -> str:
    oldest = min_sdk()
    own, references = code(app.classes(), core.classes())
    known = declarations(everything(), stand_ins.classes()) | own
    guards = read_guards()
    asking = {site(each) for each in references if each.name == "SDK_INT"}
    used: set[tuple[str, str]] = set()
    wrong: set[str] = set()
    looked_up = 0
    for reference in references:
        owners = framework_owners(reference, known)
        if not owners:
            continue
        looked_up += 1
        level = oldest_level(reference, owners)
        here = site(reference)
        words = (reference.target.replace("/", "."), reference.name)
        what = ".".join(word for word in words if word != "-")
        if level is None:
            wrong.add(f"{shown(here)} refers to {what}, which Android does not have")
        elif level <= oldest:
            continue
        elif guards.get(here, 0) >= level and here in asking:
            used.add(here)
        else:
            wrong.add(f"{shown(here)} refers to {what}, of API {level}; minSdk is {oldest}")
    wrong |= {f"{GUARDED.name}: {shown(each)} is not such a place" for each in guards.keys() - used}
    if wrong:
        fail("newer than the phones that the app installs on", sorted(wrong))
    return f"{looked_up} references, {len(guards)} guarded places, minSdk {oldest}"


def site(reference: Reference) -> tuple[str, str]:
    """Where a reference stands: its class and its method."""
    return reference.owner, reference.method.partition("(")[0]


def shown(where: tuple[str, str]) -> str:
    return f"{where[0].replace('/', '.')}.{where[1]}"


def framework_owners(reference: Reference, known: dict[str, ClassFile]) -> list[str]:
    """Android's classes in which a reference may end: its target, and what that inherits from.

    None where the member is one of the demo or of a stand-in.
    """
    owners: list[str] = []
    waiting = [reference.target]
    while waiting:
        name = waiting.pop(0)
        if FRAMEWORK.match(name):
            owners.append(name)
        elif reference.kind == "class" or declares(known.get(name), reference):
            return []
        if reference.kind != "class" and name in known:
            waiting += known[name].supertypes
    return owners


def declares(found: ClassFile | None, reference: Reference) -> bool:
    return found is None or any(
        (member.name, member.descriptor) == (reference.name, reference.descriptor)
        for member in found.members
    )


def oldest_level(reference: Reference, owners: Iterable[str]) -> int | None:
    """The first level at which a reference holds; None: it never does."""
    return min(levels(reference, owners), default=None)


def levels(reference: Reference, owners: Iterable[str]) -> Iterator[int]:
    for owner in owners:
        if reference.kind == "class":
            level = listing.class_level(owner)
        else:
            level = listing.member_level(owner, reference.name, reference.descriptor)
        if level is not None:
            yield level


def read_guards() -> dict[tuple[str, str], int]:
    """guarded.txt: the level behind which a method of a class calls."""
    guards = {}
    for number, words in table(GUARDED):
        if len(words) != 3 or not words[2].isdigit():
            raise CheckError(f"{GUARDED.name}:{number}: not CLASS METHOD LEVEL")
        guards[(words[0].replace(".", "/"), words[1])] = int(words[2])
    return guards
