"""Hold where a sweep stands: its books, which targets are done, and with `--state` the file that preserves both.

What every sink has is booked, in the order ledger, progress, state file. When a sweep is resumed, the state says which
outputs it belongs to, how far each of them was, which addresses its names had, and which networks refused us. What it
cannot prove is visited again, and reported.
"""

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from scanner.delivery import Sink
from scanner.delivery.sink import Vouching, identity_of
from scanner.engine import Gate
from scanner.errors import LedgerError, StateError
from scanner.sweeps.checkpoint import Checkpoint
from scanner.sweeps.ledger import Ledger, Outcome
from scanner.sweeps.plan import Plan
from scanner.sweeps.saved_state import Identity, Positions, Saved, difference
from scanner.sweeps.summary import iso, shown_options
from scanner.targets import Progress
from scanner.version import VERSION


class SweepState:
    """The books and the state file of one sweep; `sinks` are keyed by number and identity."""

    def __init__(self, plan: Plan, sinks: Mapping[str, Sink], gate: Gate, state: Path | None) -> None:
        self.ledger = Ledger(plan.planned, plan.excluded_count)
        self.progress = Progress()
        self.finished_before = 0
        self.identity = _new_identity(plan, sinks.values())
        self._plan, self._sinks, self._gate = plan, sinks, gate
        self._saved: Saved | None = None
        self._checkpoint = None if state is None else Checkpoint(state, self.identity, plan.known, gate.snapshot)

    @property
    def is_kept(self) -> bool:
        """Whether there is a state file."""
        return self._checkpoint is not None

    @property
    def is_resumed(self) -> bool:
        """Whether there was a state to resume from."""
        return self._saved is not None

    def take(self) -> Positions:
        """Open the state file and return the position of each sink; nothing when there is no state yet.

        Raises:
            StateError: when it cannot be used, or belongs to another sweep or to other outputs.
        """
        if self._checkpoint is None:
            return {}
        self._checkpoint.open()
        saved = self._saved = Saved.read(self._checkpoint.path)
        if saved is None:
            return {}
        if other := difference(saved.identity, self.identity):
            raise StateError(f"{self._checkpoint.path}: {other}")
        return saved.last_positions()

    def begin(self) -> Sequence[str]:
        """Resume from the state, as far as the sinks really are, and write a new snapshot.

        Returns lines for people.

        Raises:
            StateError: when an output does not hold what the state says, or the state is damaged.
            SinkError: when the state cannot be written.
        """
        if self._checkpoint is None:
            return ()
        notices = [] if self._saved is None else self._resume(self._saved, self._checkpoint)
        self.fold()
        return notices

    def _resume(self, saved: Saved, checkpoint: Checkpoint) -> list[str]:
        path = checkpoint.path
        try:
            restored = saved.restore(self.ledger, self._positions(), self._vouched)
            self.ledger.check(done=restored.progress.done_count, complete=False)
            self._gate.restore(restored.refusals, time.monotonic())
        except StateError as error:
            raise StateError(f"{path}: {error}") from None
        except LedgerError:
            raise StateError(
                f"{path}: damaged: its counts are not those of the targets that it calls done; "
                "choose another --state file, and other outputs"
            ) from None
        self.progress = restored.progress
        self.identity = checkpoint.identity = replace(saved.identity, version=VERSION)
        self.finished_before = self.ledger.finished
        return [
            f"resumed from {path}: {self.ledger.finished:,} of {self._plan.to_visit:,} targets are done",
            *(f"{path}: {doubt}" for doubt in restored.doubts),
        ]

    def book(self, outcomes: Iterable[Outcome], done: Sequence[int], excluded: int = 0) -> None:
        """Book what every sink has, and only then note it in the state file.

        `excluded` counts the records of excluded targets.

        Raises:
            SinkError: when the state cannot be written.
        """
        self.ledger.count(outcomes)
        self.ledger.count_excluded(excluded)
        self.progress.mark_many(done)
        if self._checkpoint is not None:
            refused = self._gate.counts_answers
            self._checkpoint.append(done, self.ledger, self._positions(), self.progress, refused=refused)

    def fold(self) -> None:
        """Write the state as one new snapshot.

        Raises:
            SinkError: when it cannot be written.
        """
        if self._checkpoint is not None:
            self._checkpoint.compact(self.ledger, self._positions(), self.progress)

    def close(self) -> None:
        """Close the state file."""
        if self._checkpoint is not None:
            self._checkpoint.close()

    def _vouched(self, positions: Positions) -> bool:
        """Whether every sink that can check it still holds what it held at these positions. Raises InputError."""
        return all(
            sink.vouches(position)
            for name, sink in self._sinks.items()
            if isinstance(sink, Vouching) and isinstance(position := positions.get(name), dict)
        )

    def _positions(self) -> Positions:
        return {name: sink.position() for name, sink in self._sinks.items()}


def _new_identity(plan: Plan, sinks: Iterable[Sink]) -> Identity:
    settings = plan.settings
    return Identity(
        scan_id=str(uuid.uuid4()),
        seed=settings.seed,
        digest=plan.digest,
        shard=f"{settings.shard + 1}/{settings.shards}",
        started_at=iso(time.time()),
        version=VERSION,
        options=shown_options(settings),
        outputs=tuple(map(identity_of, sinks)),
    )
