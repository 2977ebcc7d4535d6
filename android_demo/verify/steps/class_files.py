"""What class files say, as java/ClassFacts.java prints it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from steps.workshop import asm_tool

PUBLIC, PROTECTED, STATIC, FINAL = 0x1, 0x4, 0x8, 0x10
INTERFACE, ABSTRACT, SYNTHETIC, ENUM = 0x200, 0x400, 0x1000, 0x4000


@dataclass(frozen=True)
class Member:
    """A field or method; `constant` is a field's value, `nullability` of result and parameters."""

    access: int
    name: str
    descriptor: str
    constant: str = "null"
    nullability: str = ""

    @property
    def is_method(self) -> bool:
        return self.descriptor.startswith("(")

    @property
    def visible(self) -> bool:
        """Whether other code can call it: not private, not made by the compiler alone."""
        return bool(self.access & (PUBLIC | PROTECTED)) and not self.access & SYNTHETIC


@dataclass
class ClassFile:
    """A class by its name with slashes."""

    name: str
    access: int
    supertypes: list[str]
    members: list[Member] = field(default_factory=list)


@dataclass(frozen=True)
class Reference:
    """That a method of one class refers to another class or its member."""

    owner: str
    method: str
    kind: str
    target: str
    name: str
    descriptor: str


def descriptor_types(descriptor: str) -> list[str]:
    """The parameters of a method descriptor: `(I[J)V` gives `I`, `[J`."""
    return re.findall(r"\[*(?:[ZBCSIJFD]|L[^;]*;)", descriptor.partition(")")[0])


def dotted(name: str) -> str:
    """A class's name as source code writes it."""
    return name.replace("/", ".").replace("$", ".")


def declarations(*places: Path) -> dict[str, ClassFile]:
    """The classes in folders and jars by name, without what their code refers to."""
    return read(facts("--signatures", *places))[0]


def code(*places: Path) -> tuple[dict[str, ClassFile], list[Reference]]:
    """The classes in folders and jars, and what their code refers to."""
    return read(facts(*places))


def facts(*arguments: str | Path) -> Iterator[list[str]]:
    for line in asm_tool("ClassFacts", *arguments).splitlines():
        yield line.split("\t")


def read(lines: Iterator[list[str]]) -> tuple[dict[str, ClassFile], list[Reference]]:
    classes: dict[str, ClassFile] = {}
    references: list[Reference] = []
    for kind, owner, *words in lines:  # `class` sorts before all else
        if kind == "class":
            access, parent, interfaces = words
            names = [name for name in (parent, *interfaces.split(",")) if name not in ("", "null")]
            classes[owner] = ClassFile(owner, int(access), names)
        elif kind == "field":
            access, name, descriptor, constant = words
            classes[owner].members.append(Member(int(access), name, descriptor, constant))
        elif kind == "method":
            access, name, descriptor, nullability = words
            member = Member(int(access), name, descriptor, nullability=nullability)
            classes[owner].members.append(member)
        elif kind == "refers":
            references.append(Reference(owner, *words))
    return classes, references
