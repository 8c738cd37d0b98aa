"""Going back in a run: what is to be sent again is not a dead letter and no gap any more.

Whoever lets a cursor go back, and whoever begins at one that a crash left behind its dead letters and gaps, forgets
those beyond it: they are sent again, and then noted again if they must be. Otherwise they would count twice.

The cursor is written first: a crash in between leaves too many letters, which the next relay forgets, never too few.
"""

import contextlib
from pathlib import Path
from typing import NamedTuple

from scanner.delivery.relay import dead_letters, gaps
from scanner.errors import InputError


class Beside(NamedTuple):
    """The files beside a cursor: what was not delivered, and what was skipped."""

    dead: Path
    gaps: Path

    @classmethod
    def of(cls, sinks: Path, name: str) -> "Beside":
        """Return those of a sink in the folder of a run's sinks."""
        return cls(sinks / f"{name}.dead.jsonl", sinks / f"{name}.gaps.jsonl")

    def forget_from(self, first: int) -> None:
        """Forget letters and gaps from a number on.

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
        """Forget what a crash left beyond a cursor; a damaged file stays as it is. Raises OSError."""
        with contextlib.suppress(InputError):
            self.forget_from(sequence + 1)
