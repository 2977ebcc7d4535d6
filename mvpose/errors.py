"""The one kind of error that a user sees: what happened, the likely cause, what to do next."""

from __future__ import annotations


class InputError(Exception):
    """Bad input, or a gate that was not met. Commands print it as one line and exit with 1.

    Args:
        what: what happened, naming the file or value.
        hint: the likely cause or what to type next.
    """

    def __init__(self, what: str, hint: str = "") -> None:
        self.what = what
        self.hint = hint
        super().__init__(f"{what} ({hint})" if hint else what)


def first_line(error: BaseException) -> str:
    """What an error of a library says first, or its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def require(module: str, extra: str) -> None:
    """Raise InputError naming the install line when an optional ``module`` is absent."""
    from importlib.util import find_spec

    if find_spec(module.partition(".")[0]) is None:
        raise InputError(
            f"this needs the package {module!r}, which is not installed",
            f"pip install 'mvpose[{extra}]'",
        )
