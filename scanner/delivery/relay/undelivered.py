"""The dead letters and gaps beside a cursor, and going back in a run.

When a cursor goes back, and when a crash has left it behind its dead letters and gaps, those beyond it are removed:
their records are sent again, and noted again if need be. Otherwise they would count twice.

The cursor is written first: a crash in between leaves too many letters, which the next relay removes, never too few.
"""

import contextlib
from pathlib import Path
from typing import NamedTuple

from scanner.delivery.relay import dead_letters, gaps
from scanner.delivery.spool import RunFolder
from scanner.errors import InputError


class Undelivered(NamedTuple):
    """The files of a sink beside its cursor: what was not delivered, and what was skipped."""

    dead: Path
    gaps: Path

    @classmethod
    def of(cls, folder: RunFolder, name: str) -> "Undelivered":
        """Return the files of one sink in the folder of a run."""
        return cls(folder.dead_letters(name), folder.gaps(name))

    def forget_from(self, first: int) -> None:
        """Remove letters and gaps from a number on.

        Raises:
            InputError: when the file of dead letters cannot be read or is damaged.
            OSError: when they cannot be written.
        """
        if self.gaps.exists():
            gaps.cut(self.gaps, first)
        if self.dead.exists():
            letters = list(dead_letters.read(self.dead))
            left = dead_letters.cut(letters, first)
            if left != letters:
                dead_letters.replace(self.dead, left)

    def tidy(self, sequence: int) -> None:
        """Remove what a crash left beyond a cursor; a damaged file stays as it is. Raises OSError."""
        with contextlib.suppress(InputError):
            self.forget_from(sequence + 1)
