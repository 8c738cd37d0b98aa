"""The interface through which the engine gets its targets."""

from collections.abc import Sequence
from typing import Protocol

from scanner.model import Target


class TargetSource(Protocol):
    """Gives each target once, in order, and any of them again by its position, as `scanner.targets.Schedule` does."""

    def take(self, n: int) -> list[Target]:
        """Return up to `n` further targets; none when there are no more."""
        ...

    def targets_at(self, positions: Sequence[int]) -> list[Target]:
        """Return targets that were taken before, by their positions, in this order."""
        ...
