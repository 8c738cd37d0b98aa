"""What is made at its first use, so that the start of a command pays only for what this command does.

A command that identifies one greeting needs a tenth of the regular expressions that its modules have, and none of the
engine. So a module writes `lazy.pattern(...)` in place of `re.compile(...)`, and a package whose modules are not small
lists its public names with `lazy.names` (PEP 562) instead of importing them.

Once made, both cost what they would have cost before: a pattern's methods are attributes that hold the compiled
pattern's own bound methods, and a name that was asked for stands in its package. The price is that an expression with a
mistake fails when it is first used; a test compiles all of them.
"""

import re
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, AnyStr, Final, cast

#: What a compiled pattern can do and has, but for its text, which we know before.
_ATTRIBUTES: Final = (
    *("match", "fullmatch", "search", "finditer", "findall", "split", "sub", "subn", "scanner"),
    *("flags", "groups", "groupindex"),
)


class _Compiled:
    """Has the attributes of a compiled pattern as its own, where Python finds them without a call."""

    __slots__ = ("_flags", "pattern", *_ATTRIBUTES)


class _Pattern(_Compiled):
    """Stands for a pattern until its first use."""

    __slots__ = ()

    def __init__(self, pattern: str | bytes, flags: int) -> None:
        self.pattern = pattern
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        if name not in _ATTRIBUTES:
            raise AttributeError(name)
        compiled = re.compile(self.pattern, self._flags)
        for each in _ATTRIBUTES:
            setattr(self, each, getattr(compiled, each))
        # A class with `__getattr__` is asked more slowly, also for what it has.
        self.__class__ = _Compiled  # type: ignore[assignment]
        return getattr(compiled, name)

    def __repr__(self) -> str:
        return f"<{self.pattern!r}, compiled at its first use>"


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return what can be used like `re.compile(text, flags)`, and is compiled when it is first used.

    Only its own methods and attributes: functions of `re` do not take it, and it is not `match.re` of its matches.
    """
    return cast("re.Pattern[AnyStr]", _Pattern(text, flags))


def names(package: str, homes: Mapping[str, tuple[str, ...]]) -> Callable[[str], object]:
    """Return a package's `__getattr__`: `homes` has its public names by the module that each is imported from."""
    home_of = {name: f"{package}.{module}" for module, found in homes.items() for name in found}

    def maybe_import(name: str) -> object:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(import_module(home_of[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return maybe_import
