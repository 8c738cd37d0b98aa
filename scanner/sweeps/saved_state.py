"""Read a state file back: which sweep it belongs to, what is done, and how much of it can be trusted.

The first line holds everything (the snapshot), and each further line a batch that has reached the sinks (the journal);
`sweeps.checkpoint` writes them. Each line carries its checksum, and each line of the journal its number. A damaged
snapshot is refused, because its contents are unknown. The journal is used up to the first line that is damaged or out
of place; what the rest may have said is visited again. A torn last line is what a kill leaves behind, and is ignored
without a message.

The journal also carries each sink's position. When an output file ends before the position in a line (after a power
failure, or cut by hand), that line and all after it are ignored in the same way. A file that holds something else at a
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

#: The position of each sink, by its number and identity; None for a sink without positions (a pipe).
Positions = Mapping[str, Any]
#: What the gate knows of networks that refuse us (`Gate.snapshot`).
Refusals = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """What identifies a sweep: its `seed`, `shard`, `digest`, `outputs` and some of its `options`."""

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


#: Options that decide which records there are and what is in them. All others may change when a sweep is resumed.
_RECORDED = {
    "all_statuses": "--all",
    "passive": "--passive",
    "probe": "--probe",
    "dns": "--dns",
    "fingerprints": "--fingerprints",
}


def difference(saved: Identity, now: Identity) -> str | None:
    """Say how a saved sweep differs from this one, and what to do about it; None when it is the same."""
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
    """Return the saved positions of sinks; raise an error when they are something else."""
    if not all(position is None or isinstance(position, dict) for position in value.values()):
        raise TypeError("a sink's position is not an object")
    return dict(value)


class Restored(NamedTuple):
    """What a resumed sweep begins with. `doubts` names the parts of the state that were not used, a line each."""

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
        lines = _maybe_lines(path)
        if lines is None:
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
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # ValueError: not JSON
            raise StateError(f"{path}: damaged, or not a state file ({error}); choose another --state file") from None

    def last_positions(self) -> Positions:
        """Return where the sinks stood at the last line."""
        return self.journal[-1].sinks if self.journal else self.sinks

    def restore(
        self, ledger: Ledger, reached: Positions, vouched: Callable[[Positions], bool] = lambda _: True
    ) -> Restored:
        """Return what is done, using the journal as far as the sinks really are, and set the ledger to it.

        `vouched` tells whether the sinks still hold what they held at some positions; it is called in their order.

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


def _maybe_lines(path: Path) -> list[bytes] | None:
    """Return the lines of a state file; None when there is no file, or an empty one."""
    try:
        with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{path}: cannot be read ({error.strerror})") from None
    return None if lines == [b""] else lines


def _unsealed_head(line: bytes) -> bytes:
    """Return the snapshot without its seal. Another version is recognised by its schema before the seal is checked."""
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
    """Return the lines of a journal up to the first damaged one, and a message about that one."""
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
    """Book a journal line; a damaged position must not make us allocate memory up to it."""
    if max(done, default=0) >= progress.low_water + MAX_SPREAD:
        raise StateError(f"its journal is damaged: position {max(done)} is out of place")
    progress.mark_many(done)


def _holds(expected: Positions, reached: Positions) -> bool:
    """Whether every sink with positions has reached at least the expected one."""
    return all(
        position is None or _offset(reached.get(name)) >= _offset(position) for name, position in expected.items()
    )


def _offset(position: Any) -> tuple[int, int]:
    """Return a position as something to compare: part of a rotated output, then bytes; 0 for damaged values."""
    part, size = ((position or {}).get(key, 0) for key in ("part", "bytes"))
    return (part if isinstance(part, int) else 0, size if isinstance(size, int) else 0)
