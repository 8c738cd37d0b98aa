"""Where the engine's targets come from."""

from collections.abc import Sequence
from typing import Protocol

from scanner.model import Target


class TargetSource(Protocol):
    """Targets in order, each given once, and any of them again by its position. `scanner.targets.Schedule` is one."""

    def take(self, n: int) -> list[Target]:
        """Return up to `n` further targets; none when there are no more."""
        ...

    def targets_at(self, positions: Sequence[int]) -> list[Target]:
        """Return targets that were taken before, by their positions, in this order."""
        ...
