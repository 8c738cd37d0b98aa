"""The options in a sink's URL (`?batch=100&format=ecs`) as typed objects, one frozen dataclass for each kind of sink.

A kind declares its options as fields of a subclass of `CommonOptions`. Each field is made by `option`, which says what
the option is for, its default as a user would write it, and what turns its text into a value:

    @dataclass(frozen=True, kw_only=True)
    class LinesOptions(CommonOptions):
        timeout: float = option("seconds for one batch", "10", seconds(0.1, 600))

`option` is annotated to return what its reader returns, so mypy compares the field's type with the reader's. `SinkUrl`
reads the text of a URL into such an object; the list that `smtpsweep sinks` prints comes from the same fields.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, TypeVar, overload

_T = TypeVar("_T")
#: A word, narrowed to a `Literal` by the field's type.
_W = TypeVar("_W", bound=str)
#: The key of a field's metadata under which `option` keeps what it was given.
_DECLARED = "option"


class UrlOption(NamedTuple):
    """One option of a kind of sink: `read` turns its text into a value, or raises ValueError with what it must be."""

    name: str
    help: str
    default: str | None
    read: Callable[[str], Any]


@overload
def option(help_text: str) -> str | None: ...
@overload
def option(help_text: str, default: str) -> str: ...
@overload
def option(help_text: str, default: str, read: Callable[[str], _T]) -> _T: ...
@overload
def option(help_text: str, default: None, read: Callable[[str], _T]) -> _T | None: ...
def option(help_text: str, default: str | None = None, read: Callable[[str], Any] = str) -> Any:
    """Declare an option as a field of a dataclass.

    Args:
        help_text: what it is for, as `smtpsweep sinks` shows it.
        default: its value when the URL does not have it, as a user would write it; None: no value.
        read: turns the text into a value, or raises ValueError with what it must be.
    """
    value = None if default is None else read(default)
    return field(default=value, metadata={_DECLARED: (help_text, default, read)})


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers between two."""

    def read(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return read


def seconds(low: float, high: float) -> Callable[[str], float]:
    """Return a reader of seconds."""

    def read(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not low <= float(text) <= high:
            raise ValueError(f"seconds from {low:g} to {high:g}")
        return float(text)

    return read


def choice(*values: _W) -> Callable[[str], _W]:
    """Return a reader of one of several words."""

    def read(text: str) -> _W:
        for value in values:
            if value == text:
                return value
        raise ValueError(f"one of {', '.join(values)}")

    return read


def yes_no(text: str) -> bool:
    """Read yes or no."""
    if text not in ("yes", "no"):
        raise ValueError("yes or no")
    return text == "yes"


#: The names that a sink may have: they become part of file names.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


def is_sink_name(text: str) -> bool:
    """Return whether a sink may have this name."""
    return _NAME.fullmatch(text) is not None


def _sink_name(text: str) -> str:
    if not is_sink_name(text):
        raise ValueError("1 to 40 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit")
    return text


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """Options of every kind, handled by the relay. In a URL that was read, `format` is always one of the kind's."""

    name: str | None = option("what cursor and dead letters are called (default: scheme and number)", None, _sink_name)
    format: str = option("the format of records (default: the kind's)", "")
    policy: str = option(
        "when it does not keep up: required, spool or best_effort",
        "spool",
        choice("required", "spool", "best_effort"),
    )
    max_lag: int = option("records it may be behind (required, best_effort)", "100000", whole(1, 10**12))


def url_options(options: type[CommonOptions]) -> tuple[UrlOption, ...]:
    """Return what a class declares: the common options, then its own, then those it shares with other kinds."""
    inherited = {one.name for base in options.__mro__[1:-1] for one in fields(base)}
    declared = [UrlOption(one.name, *one.metadata[_DECLARED]) for one in fields(options)]
    common = {one.name for one in fields(CommonOptions)}
    return tuple(sorted(declared, key=lambda one: 0 if one.name in common else 1 if one.name not in inherited else 2))


#: What every URL may have.
COMMON = url_options(CommonOptions)
