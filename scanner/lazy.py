"""Regular expressions compiled, and names imported, at their first use, so that a command starts quickly.

A command that identifies one greeting needs a tenth of the regular expressions in its modules, and none of the engine.
So a module writes `lazy.pattern(...)` instead of `re.compile(...)`, and a large package lists its public names with
`lazy.names` (PEP 562) instead of importing them.

After their first use both cost nothing: a pattern's methods are then the compiled pattern's own bound methods, and a
name is set in its package. The price is that a wrong expression fails only at its first use; a test compiles them all.
"""

import re
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, AnyStr, Final, cast

#: The attributes of a compiled pattern, without its text, which is known before.
_ATTRIBUTES: Final = (
    *("match", "fullmatch", "search", "finditer", "findall", "split", "sub", "subn", "scanner"),
    *("flags", "groups", "groupindex"),
)


class _Compiled:
    """Holds the attributes of a compiled pattern in slots, where Python finds them without a call."""

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
        # A class with `__getattr__` is slower, even for attributes that it has.
        self.__class__ = _Compiled  # type: ignore[assignment]
        return getattr(compiled, name)

    def __repr__(self) -> str:
        return f"<{self.pattern!r}, compiled at its first use>"


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return a pattern like `re.compile(text, flags)` that is compiled at its first use.

    Only its methods and attributes work: functions of `re` do not take it, and `match.re` is another object.
    """
    return cast("re.Pattern[AnyStr]", _Pattern(text, flags))


def names(package: str, homes: Mapping[str, tuple[str, ...]]) -> Callable[[str], object]:
    """Return a package's `__getattr__`; `homes` lists its public names by the module that they come from."""
    home_of = {name: f"{package}.{module}" for module, found in homes.items() for name in found}

    def maybe_import(name: str) -> object:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(import_module(home_of[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return maybe_import
