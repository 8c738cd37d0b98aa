"""A state file read back: which sweep it belongs to, what is done, and how much of it can be believed.

A first line with everything (the snapshot), then one line for each batch that has reached the sinks (the journal); see
`sweeps.checkpoint`, which writes them. Each line carries its checksum, and each of the journal its number. A snapshot
that is damaged is refused: nobody knows what was in it. From a damaged line of the journal on, or one that is not in
its place, nothing is believed, and what it may have said is visited again; a torn last line is what a kill leaves
behind, and is not worth a word.

The journal carries each sink's position, too. A file that ends before the position of a line (a power failure, a file
cut by hand) takes that line and all after it out of belief in the same way. A file that holds something else at a
position is refused.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson

from scanner.errors import StateError
from scanner.files.sealed import unseal
from scanner.files.whole import open_own
from scanner.settings import SEED_LIMIT
from scanner.sweeps.known_names import KnownNames
from scanner.sweeps.ledger import Ledger
from scanner.targets import Progress
from scanner.targets.progress import MAX_SPREAD

SCHEMA = "smtpsweep.state/2"

#: Where each sink stands, by its number and identity; None for one that has no position (a pipe).
Positions = Mapping[str, Any]
#: What the gate knows of networks that refuse us, as it says it (`Gate.snapshot`).
Refusals = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes a sweep this sweep and no other: `digest`, `outputs` and some of the `options` decide."""

    scan_id: str
    seed: int
    digest: str
    shard: str
    started_at: str
    version: str
    options: Mapping[str, Any] = field(default_factory=dict)
    outputs: Sequence[str] = ()

    def __post_init__(self) -> None:
        if type(self.seed) is not int or not 0 <= self.seed < SEED_LIMIT:
            raise TypeError("its seed is not one")
        if not all(isinstance(output, str) for output in self.outputs):
            raise TypeError("its outputs are not names")
        object.__setattr__(self, "outputs", tuple(self.outputs))


#: Options that decide which records there are and what is in them. All others may change when a sweep goes on.
_RECORDED = {
    "all_statuses": "--all",
    "passive": "--passive",
    "probe": "--probe",
    "dns": "--dns",
    "fingerprints": "--fingerprints",
}


def difference(saved: Identity, now: Identity) -> str | None:
    """Say what makes a saved sweep another one than this, and what to do about it; None when it is the same."""
    for what, theirs, ours in (("seed", saved.seed, now.seed), ("shard", saved.shard, now.shard)):
        if theirs != ours:
            return f"belongs to a sweep with --{what} {theirs}, not {ours}; use that, or another --state file"
    if saved.digest != now.digest:
        return "belongs to a sweep of other targets, exclusions or ports; repeat those, or use another --state file"
    if saved.outputs != now.outputs:
        theirs, ours = (" ".join(f"-o {output}" for output in one.outputs) for one in (saved, now))
        return f"belongs to a sweep with {theirs}, not {ours}: repeat those, in this order, or use another --state file"
    for name, option in _RECORDED.items():
        theirs, ours = (_worded(option, one.options.get(name)) for one in (saved, now))
        if name in saved.options and theirs != ours:
            return (
                f"belongs to a sweep {theirs}, and this one is {ours}: repeat it as it was, or use another --state file"
            )
    return None


def _worded(option: str, value: Any) -> str:
    if not value:
        return f"without {option}"
    return f"with {option}" if value is True else f"with {option} {value}"


@dataclass(slots=True)
class _Entry:
    """One journal line; `n` counts them from the snapshot on, so that a missing one is seen."""

    done: list[int]
    counts: Mapping[str, Any]
    sinks: Positions
    refusals: Refusals | None = None
    n: int = 0

    def __post_init__(self) -> None:
        self.sinks = _positions(self.sinks)
        if not all(type(position) is int and position >= 0 for position in self.done):
            raise TypeError("its journal holds something other than positions")


def _positions(value: Any) -> Positions:
    """Return saved positions of sinks when that is what they are."""
    if not all(position is None or isinstance(position, dict) for position in value.values()):
        raise TypeError("a sink's position is not an object")
    return dict(value)


class Restored(NamedTuple):
    """What a resumed sweep begins with; `doubts` says what of the state was not believed, one line each."""

    progress: Progress
    refusals: Refusals
    doubts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Saved:
    """A state file as read: the snapshot, and the journal after it as far as it is whole."""

    identity: Identity
    names: KnownNames
    progress: Mapping[str, Any]
    counts: Mapping[str, Any]
    sinks: Positions
    refusals: Refusals
    journal: Sequence[_Entry]
    damage: str | None = None

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read a state file; None when there is none yet.

        Raises:
            StateError: when it is not a state file, or its snapshot is damaged.
        """
        try:
            with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{path}: cannot be read ({error.strerror})") from None
        if lines == [b""]:
            return None
        try:
            head = orjson.loads(_unsealed_head(lines[0]))
            journal, damage = _journal(lines[1:-1])  # what follows the last newline is torn
            return cls(
                Identity(**head["identity"]),
                KnownNames.from_plain(head["names"]),
                dict(head["progress"]),
                dict(head["counts"]),
                _positions(head["sinks"]),
                dict(head["refusals"]),
                journal,
                damage,
            )
        except StateError as error:
            raise StateError(f"{path}: {error}") from None
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # ValueError: no JSON is one
            raise StateError(f"{path}: damaged, or not a state file ({error}); choose another --state file") from None

    def last_positions(self) -> Positions:
        """Return where the sinks stood at the last line."""
        return self.journal[-1].sinks if self.journal else self.sinks

    def restore(
        self, ledger: Ledger, reached: Positions, vouched: Callable[[Positions], bool] = lambda _: True
    ) -> Restored:
        """Return what is done, believing the journal as far as the sinks really are, and set the ledger to it.

        `vouched` says whether the sinks hold what they held at some positions; it is asked in their order.

        Raises:
            StateError: when a file is shorter than the snapshot says, or a value makes no sense.
            InputError: from `vouched`, when a file holds something else.
        """
        if not (vouched(self.sinks) and _holds(self.sinks, reached)):
            raise StateError(
                "an output file is shorter than the state says: it was cut or replaced; use a new --state file"
            )
        doubts = [] if self.damage is None else [self.damage]
        progress, counts, refusals = Progress.restore(dict(self.progress)), self.counts, self.refusals
        for number, entry in enumerate(self.journal):
            if not (vouched(entry.sinks) and _holds(entry.sinks, reached)):
                lost = sum(len(each.done) for each in self.journal[number:])
                doubts.append(f"an output ends earlier than the state says: up to {lost:,} targets are visited again")
                break
            _mark(progress, entry.done)
            counts = entry.counts
            refusals = refusals if entry.refusals is None else entry.refusals
        ledger.restore(counts)
        return Restored(progress, refusals, doubts)


def _unsealed_head(line: bytes) -> bytes:
    """Return the snapshot without its seal; one of another version is told by its name before its seal is looked at."""
    try:
        schema = orjson.loads(line)["schema"]
    except (KeyError, TypeError, ValueError):
        schema = None
    if schema != SCHEMA and isinstance(schema, str) and schema.startswith("smtpsweep.state/"):
        raise StateError(
            f"is of {schema!a}, and this version has {SCHEMA}: finish that sweep with the version that began it, "
            "or begin anew with another --state file"
        )
    head = unseal(line)
    if schema != SCHEMA:
        raise ValueError("it has another schema")
    return head


def _journal(lines: Sequence[bytes]) -> tuple[list[_Entry], str | None]:
    """Return the lines of a journal up to the first that is damaged, and what to say about that one."""
    journal: list[_Entry] = []
    for number, line in enumerate(lines, 2):
        try:
            whole = unseal(line)
        except ValueError as error:
            return journal, f"line {number} of {len(lines) + 1} is damaged ({error}): what it says is visited again"
        entry = _Entry(**orjson.loads(whole))
        if entry.n != len(journal) + 1:
            return journal, (
                f"line {number} of {len(lines) + 1} is not in its place (a line is missing, or was moved): "
                "what follows is visited again"
            )
        journal.append(entry)
    return journal, None


def _mark(progress: Progress, done: Sequence[int]) -> None:
    """Book a journal line; a position that is too far away must not make us allocate the way to it."""
    if max(done, default=0) >= progress.low_water + MAX_SPREAD:
        raise StateError(f"its journal is damaged: position {max(done)} is out of place")
    progress.mark_many(done)


def _holds(expected: Positions, reached: Positions) -> bool:
    """Whether every sink that can tell has got at least as far as expected."""
    return all(
        position is None or _offset(reached.get(name)) >= _offset(position) for name, position in expected.items()
    )


def _offset(position: Any) -> tuple[int, int]:
    """Order the positions of a sink: part of a rotated output, then bytes. What is damaged there counts as 0."""
    part, size = ((position or {}).get(key, 0) for key in ("part", "bytes"))
    return (part if isinstance(part, int) else 0, size if isinstance(size, int) else 0)
