"""Refuse a command line on which two names lead to one file, before anything is opened.

A summary over the records, a conversion over its own input, a report over the policy: each would destroy what the user
needs, and exit with 0. Different names do not mean different files: there are links, hard links, `./`, file systems
that ignore case, and the parts of a rotated output. So files that exist are compared by device and inode. A file that
does not exist yet is compared by its folder's identity and its name; case and composed letters do not count, as on some
file systems.

Left out: devices, FIFOs and sockets, which lose nothing if they are named twice.
"""

import os
import stat
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from scanner.errors import InputError
from scanner.files.whole import FileId

#: A folder: which one it is, or its path when it is not there.
_Where = FileId | str


class _Name(NamedTuple):
    """A file that is not there yet."""

    folder: _Where
    name: str


_Key = FileId | _Name


@dataclass(frozen=True, slots=True)
class Named:
    """A file as the user named it.

    Attributes:
        option: what messages call it, such as "--summary" or "FILE".
        path: where it is, or an open descriptor.
        is_folder: whether everything below it belongs to it.
        is_part: for an output in parts: whether a name in the same folder is that of one of its parts.
    """

    option: str
    path: Path | int
    is_folder: bool = False
    is_part: Callable[[str], bool] | None = None

    def __str__(self) -> str:
        return self.option if isinstance(self.path, int) else f"{self.option} {self.path}"


def named(option: str, *files: str | Path | None) -> list[Named]:
    """Return what an option names: files, and `-` for standard input; None is left out."""
    return [one for file in files if file is not None for one in _named(option, file)]


def _named(option: str, file: str | Path) -> list[Named]:
    return standard_input() if str(file) == "-" else [Named(option, Path(file))]


def standard_input() -> list[Named]:
    """Return standard input, when it is open."""
    return [] if sys.__stdin__ is None else [Named("standard input", 0)]


def standard_output() -> list[Named]:
    """Return standard output, when it is open."""
    return [] if sys.__stdout__ is None else [Named("standard output", 1)]


def refuse_clashes(outputs: Sequence[Named], inputs: Sequence[Named] = ()) -> None:
    """Refuse an output that is another output or an input, or that lies in a folder that is one.

    Raises:
        InputError: naming both.
    """
    found = [_Resolved(named) for named in (*outputs, *inputs)]
    for number, one in enumerate(found[: len(outputs)]):
        for other in found[number + 1 :]:
            if one.is_same(other):
                raise InputError(f"{one.named} would overwrite {other.named}: name another file")


class _Resolved:
    """What a name leads to now."""

    def __init__(self, named: Named) -> None:
        self.named = named
        self.above: frozenset[FileId] = frozenset()
        self.beside: _Where | None = None
        self.name = ""
        if isinstance(named.path, int):
            self.keys = _existing(named.path)
            return
        real = Path(os.path.realpath(named.path))
        self.keys = (
            _existing(real) if os.path.lexists(real) else frozenset({_Name(_where(real.parent), _folded(real.name))})
        )
        self.above = frozenset(filter(None, map(FileId.of, real.parents)))
        # Parts lie beside the name that was given, wherever that leads to.
        folder = Path(os.path.realpath(named.path.parent))
        self.beside, self.name = _where(folder), named.path.name
        if named.is_part is not None:
            self.keys = self.keys.union(*(_existing(part) for part in _parts(folder, named.is_part)))

    def is_same(self, other: "_Resolved") -> bool:
        """Return whether writing one would change the other."""
        return (
            not self.keys.isdisjoint(other.keys)
            or self.has_part(other)
            or other.has_part(self)
            or self.holds(other)
            or other.holds(self)
        )

    def has_part(self, other: "_Resolved") -> bool:
        """Return whether the other one has the name of a part of this output."""
        return self.named.is_part is not None and self.beside == other.beside and self.named.is_part(other.name)

    def holds(self, other: "_Resolved") -> bool:
        """Return whether the other one lies in this folder."""
        return self.named.is_folder and not self.keys.isdisjoint(other.above)


def _existing(file: Path | int) -> frozenset[_Key]:
    """Return the identity of a file or folder; nothing for what cannot be destroyed by writing."""
    try:
        found = os.fstat(file) if isinstance(file, int) else file.stat()
    except OSError:
        return frozenset()
    harmless = not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode))
    return frozenset() if harmless else frozenset({FileId.from_stat(found)})


def _where(folder: Path) -> _Where:
    return FileId.of(folder) or str(folder)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())


def _parts(folder: Path, is_part: Callable[[str], bool]) -> Iterator[Path]:
    with suppress(OSError):  # no folder, no parts; opening the output reports that it cannot be written
        yield from (path for path in folder.iterdir() if is_part(path.name))
