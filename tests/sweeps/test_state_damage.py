"""Claims about a state file that was changed: no host is ever taken for visited that was not."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from scanner.delivery import FileSink
from scanner.errors import LedgerError, StateError
from scanner.files.sealed import seal, unseal
from scanner.settings import Settings
from scanner.sweeps.checkpoint import Checkpoint
from scanner.sweeps.known_names import KnownNames
from scanner.sweeps.ledger import Ledger
from scanner.sweeps.pipeline import Sweep
from scanner.sweeps.plan import make_plan
from scanner.sweeps.resolve import Found, Unresolved
from scanner.sweeps.saved_state import Restored, Saved
from scanner.targets import COMMAND_LINE, Progress, TextSource, parse_spec
from tests.support.servers import greets, serving
from tests.support.state_files import IDENTITY, READY, read

DONE = {0, 1, 2, 3, 5, 16, 17, 18, 19}
REACHED = {"0:out": {"part": 0, "bytes": 99}}
REFUSALS = {"counts": {"10.0.0": [8.0, 4.5, 9.0, 8, 9]}, "slowed": ["10.0.0"], "closed": []}
NAMES = KnownNames(
    Found({"mx.example": ("192.0.2.9",)}, {"example": ("mx.example",)}, {"no.example": Unresolved("", "")}),
    Found({"never.example": ("192.0.2.1",)}),
    ("192.0.2.7",),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sweep.state"


@pytest.fixture
def good(path: Path) -> bytes:
    """Write a state with a snapshot and three lines after it."""
    ledger, progress = Ledger(1000, 0), Progress()
    state = Checkpoint(path, IDENTITY, NAMES, lambda: REFUSALS)
    state.open()
    for number, batch in enumerate(([0, 1, 5], [2], [16, 17, 18, 19], [3])):
        ledger.count([READY] * len(batch))
        progress.mark_many(batch)
        if number == 0:
            state.compact(ledger, {"0:out": {"part": 0, "bytes": 10}}, progress)
        else:
            state.append(batch, ledger, {"0:out": {"part": 0, "bytes": 10 + number}}, progress, refused=number == 2)
    state.close()
    return path.read_bytes()


def restored(path: Path) -> Restored:
    """Return what a resumed sweep begins with, whose output has everything."""
    ledger = Ledger(1000, 0)
    found = read(path).restore(ledger, REACHED)
    ledger.check(done=found.progress.done_count, complete=False)
    return found


def done_in(progress: Progress) -> set[int]:
    return {position for position in range(progress.high_water) if position in progress}


def test_what_was_written_is_read(path: Path, good: bytes) -> None:
    found = restored(path)

    assert good.count(b"\n") == 4
    assert done_in(found.progress) == DONE
    assert (found.refusals, found.doubts) == (REFUSALS, [])
    assert read(path).names == NAMES


def changes(good: bytes, share: int) -> Iterator[bytes]:
    """Yield the file with single bytes changed, of every fourth from `share` on, so that it may mean another thing."""
    for at in range(share, len(good), 4):
        byte = good[at]
        others = set(b"0123456789") if chr(byte).isdigit() else {byte ^ 1, ord("\n")}
        for other in others - {byte}:
            yield good[:at] + bytes([other]) + good[at + 1 :]
        yield good[:at] + good[at + 1 :]
        yield good[:at]


@pytest.mark.parametrize("share", range(4))
def test_no_changed_byte_makes_a_host_that_was_not_visited_done(path: Path, good: bytes, share: int) -> None:
    """A digit in `"done":[16,17,18,19]` was believed: one host was never visited, and the exit code was 0."""
    refused = believed = 0
    for data in changes(good, share):
        path.write_bytes(data)
        try:
            saved = Saved.read(path)
            if saved is None:
                continue  # nothing is left: everything is visited
            ledger = Ledger(1000, 0)
            progress = saved.restore(ledger, REACHED).progress
            ledger.check(done=progress.done_count, complete=False)
        except (StateError, LedgerError):
            refused += 1
            continue
        believed += 1
        assert done_in(progress) <= DONE, data
    assert refused > 300
    assert believed > 300


@pytest.mark.parametrize(("line", "left"), [(2, {0, 1, 5}), (3, {0, 1, 2, 5}), (4, {0, 1, 2, 5, 16, 17, 18, 19})])
def test_from_a_damaged_line_on_all_is_visited_again_and_said(
    path: Path, good: bytes, line: int, left: set[int]
) -> None:
    lines = good.split(b"\n")
    lines[line - 1] = lines[line - 1].replace(b'"done":[', b'"done":[9')
    path.write_bytes(b"\n".join(lines))

    found = restored(path)

    assert done_in(found.progress) == left
    assert found.doubts == [f"line {line} of 4 is damaged (its checksum does not fit): what it says is visited again"]


def test_a_line_without_checksum_is_damaged(path: Path, good: bytes) -> None:
    lines = good.split(b"\n")
    lines[1] = unseal(lines[1])
    path.write_bytes(b"\n".join(lines))

    assert restored(path).doubts == ["line 2 of 4 is damaged (it has no checksum): what it says is visited again"]


@pytest.mark.parametrize(
    ("order", "line", "left"),
    [
        ((0, 2, 3), 2, {0, 1, 5}),
        ((0, 1, 3), 3, {0, 1, 2, 5}),
        ((0, 2, 1, 3), 2, {0, 1, 5}),
        ((0, 1, 3, 2), 3, {0, 1, 2, 5}),
        ((0, 1, 1, 2, 3), 3, {0, 1, 2, 5}),
    ],
    ids=["first missing", "middle missing", "first moved", "last moved", "doubled"],
)
def test_from_a_missing_or_moved_line_on_all_is_visited_again_and_said(
    path: Path, good: bytes, order: tuple[int, ...], line: int, left: set[int]
) -> None:
    """It was called a bug of ours, without a word of what to do."""
    lines = good.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[number] for number in order))

    found = restored(path)

    assert done_in(found.progress) == left
    why = "is not in its place (a line is missing, or was moved): what follows is visited again"
    assert found.doubts == [f"line {line} of {len(order)} {why}"]


def test_an_output_that_ends_earlier_is_said(path: Path, good: bytes) -> None:
    del good
    found = read(path).restore(Ledger(1000, 0), {"0:out": {"part": 0, "bytes": 11}})

    assert done_in(found.progress) == {0, 1, 2, 5}
    assert found.doubts == ["an output ends earlier than the state says: up to 5 targets are visited again"]


def test_refusals_are_written_again_only_after_as_much_else(path: Path) -> None:
    ledger, progress = Ledger(1000, 0), Progress()
    many = {"counts": {f"10.0.{n}": [1.0, 1.0, 1.0, 1, 1] for n in range(100)}, "slowed": [], "closed": []}
    state = Checkpoint(path, IDENTITY, refusals=lambda: many)
    state.open()
    state.compact(ledger, {}, progress)
    for position in range(100):
        ledger.count([READY])
        progress.mark_many([position])
        state.append([position], ledger, {}, progress, refused=True)
    state.close()

    entries = [orjson.loads(line) for line in path.read_bytes().splitlines()[1:]]
    with_refusals = [number for number, entry in enumerate(entries) if "refusals" in entry]
    assert with_refusals[0] == 0
    assert 1 < len(with_refusals) < 10


async def test_a_changed_digit_costs_a_visit_and_never_a_host(tmp_path: Path) -> None:
    """The whole sweep: killed after some batches, a position changed, and gone on with."""
    state, output = tmp_path / "state", tmp_path / "out.jsonl"
    with serving(greets(b"220 mx.example ESMTP\r\n")) as server:

        async def sweep() -> Sweep:
            targets, never = parse_spec([TextSource(COMMAND_LINE, ["127.30.0.0/27"])]), parse_spec([])
            options = Settings(ports=(server.port,), rate=0, subnet_rate=0, seed=7)
            run = Sweep(await make_plan(targets, never, options), [FileSink(output)], state=state)
            await run.prepare()
            return run

        await (await sweep()).run()
        _as_after_a_kill(state)
        run = await sweep()
        summary = await run.run()

    assert summary.complete
    assert any("line 2 of 2 is damaged" in notice for notice in run.notices)
    ips = [orjson.loads(line)["ip"] for line in output.read_bytes().splitlines()]
    assert set(ips) == {f"127.30.0.{host}" for host in range(32)}
    assert len(ips) == 64


def _as_after_a_kill(state: Path) -> None:
    """Make of the snapshot at the end one at the beginning, and a line after it in which a digit was changed."""
    head = orjson.loads(unseal(state.read_bytes()[:-1]))
    entry = {"n": 1, "done": list(range(32)), "counts": head["counts"], "sinks": head["sinks"]}
    head |= {
        "progress": {"low_water": 0, "done_above": []},
        "counts": Ledger(0, 0).snapshot(),
        "sinks": {name: {"part": 0, "bytes": 0} for name in head["sinks"]},
    }
    line = seal(orjson.dumps(entry)).replace(b"16,17,18,19", b"16,17,38,19")
    state.write_bytes(seal(orjson.dumps(head)) + b"\n" + line + b"\n")
