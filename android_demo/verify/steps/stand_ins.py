"""Step `stand-ins`: every public member of the stand-ins is one that its library documents.

The stand-ins in stand-ins/ are what the app is compiled against in place of LiteRT, CameraX and
AndroidX, which are not on npm or in Debian. They hold signatures and no code. What the libraries
document is listed beside them in documented-api.txt, and a stand-in that says otherwise fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from steps.class_files import (
    ABSTRACT,
    ENUM,
    FINAL,
    INTERFACE,
    PUBLIC,
    STATIC,
    ClassFile,
    Member,
    declarations,
    descriptor_types,
    dotted,
)
from steps.core import stdlib
from steps.framework import everything
from steps.listing import type_names
from steps.workshop import (
    KOTLIN,
    VERIFY,
    CheckError,
    asm_tool,
    empty_folder,
    fail,
    javac,
    kotlinc,
    once,
    sources,
)

FOLDER = VERIFY / "stand-ins"
DOCUMENTED = FOLDER / "documented-api.txt"
PRIMITIVES = {
    "V": "void",
    "Z": "boolean",
    "B": "byte",
    "C": "char",
    "S": "short",
    "I": "int",
    "J": "long",
    "F": "float",
    "D": "double",
}
HEADING = re.compile(
    r"(?P<kind>(?:\w+ )*?(?:@?interface|class|enum|object|file)) (?P<name>[\w.]+)"
    r"(?: (?:extends|implements|:) (?P<supertypes>.*))?"
)
MADE_FOR_ENUMS = frozenset(("values", "valueOf", "getEntries"))


@dataclass
class Documented:
    """A class as documented-api.txt has it."""

    is_kotlin: bool
    kind: str
    supertypes: set[str]
    members: set[str] = field(default_factory=set)


@once
def classes() -> Path:
    """The stand-ins' compiled classes."""
    kotlin, java = sources(FOLDER, ".kt"), sources(FOLDER, ".java")
    libraries = [stdlib(), KOTLIN / "annotations-13.0.jar", everything()]
    into = empty_folder("stand-ins")
    options = ("-no-jdk", "-java-parameters", "-nowarn")
    kotlinc([*kotlin, *java], into, libraries, *options, what="the stand-ins")
    javac(java, into, [into, *libraries], what="the stand-ins")
    return into


@once
def check() -> str:
    documented = read_documented()
    compiled = declarations(classes())
    as_kotlin = kotlin_declarations(classes())
    wrong: list[str] = []
    count = 0
    for name, found in sorted(compiled.items()):
        shown = dotted(name)
        if shown.endswith((".Companion", ".DefaultImpls")) or not found.access & PUBLIC:
            continue
        known = documented.get(shown)
        if known is None:
            wrong.append(f"{shown} is not documented")
            continue
        if known.is_kotlin:
            said = set(as_kotlin.get(shown, ()))
            if not said:
                wrong.append(f"{shown} is Kotlin in its library and Java here")
                continue
        else:
            said = set(java_declarations(found, compiled))
        heading, members = split_heading(said)
        wrong += [f"{shown}: {problem}" for problem in untrue_heading(heading, known)]
        allowed = set(map(plain, known.members | inherited(known, documented)))
        count += len(members)
        for member in sorted(members):
            if plain(member) not in allowed:
                wrong.append(f"{shown} has no documented '{member}'")
    if wrong:
        fail(f"stand-ins that are not what {DOCUMENTED.name} has", wrong)
    return f"{count} members of {len(compiled)} classes"


def read_documented() -> dict[str, Documented]:
    """documented-api.txt, by the classes' names with dots."""
    found: dict[str, Documented] = {}
    language = package = ""
    current: Documented | None = None
    for number, line in enumerate(DOCUMENTED.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(("java ", "kotlin ")):
            language, package = line.split()
        elif line.startswith("  ") and current is not None:
            current.members.add(line.strip())
        elif heading := HEADING.fullmatch(line):
            supertypes = set(type_names(heading["supertypes"] or ""))
            current = Documented(language == "kotlin", heading["kind"], supertypes)
            found[f"{package}.{heading['name']}"] = current
        else:
            raise CheckError(f"{DOCUMENTED.name}:{number}: not a class and not a member: {line}")
    return found


def kotlin_declarations(folder: Path) -> dict[str, list[str]]:
    """What java/KotlinFacts.java says of each class."""
    found: dict[str, list[str]] = {}
    for line in asm_tool("KotlinFacts", folder).splitlines():
        owner, _, declaration = line.partition("\t")
        found.setdefault(owner, []).append(declaration)
    return found


def split_heading(said: set[str]) -> tuple[str, set[str]]:
    """A class's own line (`abstract class : JniHandle`), and its members."""
    pattern = re.compile(r"(\w+ )*(@?interface|class|enum|object|file)( :.*)?")
    heading = next(line for line in said if pattern.fullmatch(line))
    return heading, said - {heading}


def untrue_heading(heading: str, known: Documented) -> Iterator[str]:
    kind, _, supertypes = heading.partition(" :")
    if kind != known.kind:
        yield f"is documented as {known.kind}, not {kind}"
    for name in type_names(supertypes):
        if name not in known.supertypes:
            yield f"does not extend {name}"


def inherited(known: Documented, documented: dict[str, Documented]) -> set[str]:
    """The members of what a class extends: overriding one adds nothing to the API."""
    members: set[str] = set()
    for name, other in documented.items():
        if any(name.endswith(f".{supertype}") for supertype in known.supertypes):
            members |= other.members | inherited(other, documented)
    return members


def plain(member: str) -> str:
    """Without the words that overriding a member may change."""
    return re.sub(r"^(protected |abstract |open )+", "", member)


def java_declarations(found: ClassFile, compiled: dict[str, ClassFile]) -> Iterator[str]:
    """A class as documented-api.txt writes Java: its heading, then its members."""
    yield java_heading(found)
    is_enum = bool(found.access & ENUM)
    for member in found.members:
        if not member.visible or member.name in ("<clinit>", "Companion", "INSTANCE"):
            continue
        if is_enum and member.access & ENUM:
            yield f"entry {member.name}"
        elif not (is_enum and member.name in (*MADE_FOR_ENUMS, "<init>")):
            yield java_member(member)
    companion = compiled.get(f"{found.name}$Companion")
    for member in companion.members if companion else ():
        if member.visible and member.name != "<init>":
            yield "static " + java_member(member)


def java_heading(found: ClassFile) -> str:
    if found.access & ENUM:
        return "enum"
    kind = "class"
    if found.access & INTERFACE:
        kind = "interface"
    elif found.access & (ABSTRACT | FINAL):
        kind = "abstract class" if found.access & ABSTRACT else "final class"
    names = [short(name) for name in found.supertypes if name != "java/lang/Object"]
    return kind + (f" : {', '.join(names)}" if names else "")


def java_member(member: Member) -> str:
    static = "static " if member.access & STATIC else ""
    if not member.is_method:
        value = "" if member.constant == "null" else f" = {member.constant}"
        return f"{static}field {java_type(member.descriptor)} {member.name}{value}"
    types = descriptor_types(member.descriptor)
    marks = member.nullability[1:].ljust(len(types), ".")
    words = ", ".join(
        java_type(each) + nullable(mark) for each, mark in zip(types, marks, strict=True)
    )
    if member.name == "<init>":
        return f"new({words})"
    returned = java_type(member.descriptor.partition(")")[2]) + nullable(member.nullability[:1])
    return f"{static}method {returned} {member.name}({words})"


def nullable(mark: str) -> str:
    return "?" if mark == "?" else ""


def java_type(descriptor: str) -> str:
    """`[Landroidx/camera/core/ImageProxy$PlaneProxy;` as `ImageProxy.PlaneProxy[]`."""
    if descriptor.startswith("["):
        return java_type(descriptor[1:]) + "[]"
    return PRIMITIVES.get(descriptor) or short(descriptor[1:-1])


def short(name: str) -> str:
    return name.rpartition("/")[2].replace("$", ".")
