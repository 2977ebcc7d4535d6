"""From a typed function to a command: help, errors, exit codes, progress.

Exit codes: 0 done, 1 bad input or a failed gate, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

from cyclopts import App, CycloptsError, Parameter

from mvpose.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")

Out = Annotated[Path, Parameter(name=["--out", "-o"])]
Flag = Annotated[bool, Parameter(negative=())]
Many = Parameter(consume_multiple=1, negative=())


Command = Callable[..., Any]


def make_app(command: Command | Mapping[str, Command], name: str, about: str = "") -> App:
    """The command line of a typed function, or of several under one name.

    Args:
        command: its signature and docstring are the command line and its help; or subcommands by
            name.
        name: what the user types.
        about: help, in Markdown; left out, that of the function.
    """
    app = App(
        name=name,
        help=about or None,
        version=lambda: version("mvpose"),
        help_format="markdown",
        exit_on_error=False,
        suppress_keyboard_interrupt=False,
    )
    if not isinstance(command, Mapping):
        app.default(command)
        return app
    for verb, function in command.items():
        app.command(function, name=verb)
    return app


def run(command: Command | Mapping[str, Command], name: str = "", about: str = "") -> NoReturn:
    """Run a typed function, or the chosen one of several, as the command of this process and exit.

    Args:
        command, about: as for ``make_app``.
        name: without "mvpose-"; left out, the function's name.
    """
    start(make_app(command, f"mvpose-{name or getattr(command, '__name__', '')}", about))


def start(app: App) -> NoReturn:
    """Run a command line as this process and exit."""
    try:
        app(sys.argv[1:], result_action="return_value")
    except CycloptsError:
        sys.exit(2)
    except InputError as error:
        fail(error)
    except KeyboardInterrupt:
        print("\nInterrupted; nothing half-written was left behind.", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)


def fail(error: InputError) -> NoReturn:
    """Print one line and exit with 1."""
    hint = f" - {error.hint}" if error.hint else ""
    print(f"error: {error.what}{hint}", file=sys.stderr)
    sys.exit(1)


def console() -> Console:
    """Where tables go: as wide as the terminal, or wide enough for every table elsewhere."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=150)


def note(text: str) -> None:
    """Say what goes on, apart from the results on standard output."""
    print(text, file=sys.stderr)


def progress(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Show a bar on a terminal and plain lines elsewhere."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    if console.is_terminal:
        yield from track(items, label, total, console=console, transient=True)
        return
    count = 0
    for count, item in enumerate(items, start=1):
        yield item
        if total and count % max(1, total // 4) == 0:
            print(f"{label}: {count}/{total}", file=sys.stderr)
