"""What every step stands on: the folders, a program run to its end, the compilers."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NoReturn, TypeVar, cast

VERIFY = Path(__file__).resolve().parents[1]
DEMO = VERIFY.parent
TOOLS = VERIFY / "java"
CORE = DEMO / "core"
APP = DEMO / "app"
PARTS = Path(os.environ.get("MVPOSE_ANDROID_PARTS", VERIFY / ".parts")).resolve()
BUILD = Path(os.environ.get("MVPOSE_ANDROID_BUILD", VERIFY / ".build")).resolve()
GOLDEN = Path(os.environ.get("MVPOSE_GOLDEN", DEMO.parent / "tests" / "golden")).resolve()
KOTLIN = PARTS / "npm/node_modules/kotlin-compiler/lib"

# Short runs: the quick compiler of the JVM, one collector thread.
JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx1g")

ASM_LIBRARIES = ("kotlin-compiler", "kotlin-metadata-jvm", "kotlin-stdlib")

MOST_LINES = 60

Made = TypeVar("Made")


class CheckError(Exception):
    """What was checked does not hold; the first line says what."""


class NotVerifiedError(Exception):
    """A step cannot be done here, because something outside this project is not to be had."""


def once(make: Callable[[], Made]) -> Callable[[], Made]:
    """`make`, done at its first call; a step that needs it again gets what that call gave."""
    outcome: list[tuple[Made | None, Exception | None]] = []

    @functools.wraps(make)
    def made() -> Made:
        if not outcome:
            try:
                outcome.append((make(), None))
            except (CheckError, NotVerifiedError) as problem:
                outcome.append((None, problem))
                raise
        value, earlier = outcome[0]
        if earlier is not None:
            raise type(earlier)(f"needs what failed above: {first_line(str(earlier))}")
        return cast("Made", value)

    return made


def first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def run(
    command: Iterable[str | Path],
    *,
    on_failure: str,
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
) -> str:
    """A program's output, both streams; `CheckError` with `on_failure` and what it said."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
        )
    except FileNotFoundError:
        raise NotVerifiedError(f"the program {words[0]} is not installed") from None
    if done.returncode:
        fail(on_failure, done.stdout.splitlines())
    return done.stdout


def fail(what: str, lines: Iterable[str]) -> NoReturn:
    """`CheckError`: what happened, and below it the first lines that say where."""
    kept = [line for line in lines if line.strip()]
    more = [f"... and {len(kept) - MOST_LINES} lines more"] if len(kept) > MOST_LINES else []
    raise CheckError("\n    ".join([what, *kept[:MOST_LINES], *more]))


def classpath(parts: Iterable[Path]) -> str:
    return os.pathsep.join(str(part) for part in parts)


def empty_folder(name: str) -> Path:
    folder = BUILD / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def sources(folder: Path, *suffixes: str) -> list[Path]:
    """The files below a folder with one of the suffixes, in order; none where it is missing."""
    return sorted(path for path in folder.rglob("*") if path.suffix in suffixes)


def table(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The words of a file's lines, and each line's number; # begins a comment."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if words := line.partition("#")[0].split():
            yield number, words


def kotlinc(files: list[Path], into: Path, libraries: list[Path], *options: str, what: str) -> None:
    """Compile Kotlin for Java 8 class files (what dx takes, and what Android 6 runs)."""
    if not files:
        raise CheckError(f"{what}: there is no Kotlin")
    run(
        [
            *JAVA,
            *("-cp", KOTLIN / "kotlin-compiler.jar"),
            "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
            *("-kotlin-home", KOTLIN.parent),
            *("-jvm-target", "1.8", "-no-stdlib"),
            *("-cp", classpath(libraries)),
            *("-d", into),
            *options,
            *files,
        ],
        on_failure=f"{what} does not compile",
    )


def javac(files: list[Path], into: Path, libraries: list[Path], *, what: str) -> None:
    """Compile Java against a boot class path of `libraries` alone, Java 8 class files."""
    run(
        [
            *("javac", "-nowarn", "-Xlint:-options", "-proc:none"),
            *("-source", "8", "-target", "8", "-bootclasspath", classpath(libraries)),
            *("-d", into),
            *files,
        ],
        on_failure=f"{what} does not compile",
    )


@once
def asm_tools() -> list[Path]:
    """The class path of java/, compiled."""
    libraries = [KOTLIN / f"{part}.jar" for part in ASM_LIBRARIES]
    into = empty_folder("tools")
    run(
        ["javac", "-nowarn", "-cp", classpath(libraries), "-d", into, *sources(TOOLS, ".java")],
        on_failure="the readers of class files do not compile",
    )
    return [into, *libraries]


def asm_tool(name: str, *arguments: str | Path) -> str:
    """Run java/NAME.java, which reads class files with the ASM that the Kotlin compiler carries."""
    command = [*JAVA, "-cp", classpath(asm_tools()), name, *arguments]
    return run(command, on_failure=f"{name} stopped")
