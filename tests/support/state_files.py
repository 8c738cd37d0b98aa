"""State files as a sweep writes and reads them, for the tests of `scanner.sweeps.checkpoint`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scanner.model import Status
from scanner.sweeps.checkpoint import Checkpoint
from scanner.sweeps.ledger import Ledger, Outcome
from scanner.sweeps.saved_state import Identity, Positions, Saved
from scanner.targets import Progress

IDENTITY = Identity("scan", 7, "digest", "1/1", "2026-11-22T10:16:56.123Z", "0.1.0", {"rate": 500.0})
READY = Outcome(Status.READY, "Postfix", recorded=True)


class Run:
    """What a sweep does to its state file: targets are done, booked, and noted with the sinks' positions."""

    def __init__(self, path: Path) -> None:
        self.ledger, self.progress = Ledger(1000, 0), Progress()
        self.state = Checkpoint(path, IDENTITY)
        self.state.open()

    def done(self, *positions: int, sinks: Positions | None = None) -> None:
        self.ledger.count([READY] * len(positions))
        self.progress.mark_many(positions)
        self.state.append(positions, self.ledger, sinks or {}, self.progress)

    def compact(self, sinks: Positions | None = None) -> None:
        self.state.compact(self.ledger, sinks or {}, self.progress)


@contextmanager
def running(path: Path) -> Iterator[Run]:
    run = Run(path)
    run.compact()
    try:
        yield run
    finally:
        run.state.close()


def read(path: Path) -> Saved:
    saved = Saved.read(path)
    assert saved is not None
    return saved


def restored(path: Path, reached: Positions | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return progress and counts as a resumed run finds them."""
    ledger = Ledger(1000, 0)
    progress = read(path).restore(ledger, reached or {}).progress
    ledger.check(done=progress.done_count, complete=False)
    return progress.snapshot(), ledger.snapshot()


def file(part: int, size: int) -> dict[str, dict[str, int]]:
    return {"0:out": {"part": part, "bytes": size}}
