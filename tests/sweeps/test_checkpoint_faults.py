"""Claims about `sweeps.checkpoint` when something goes wrong: damage, crashes, full disks, and two sweeps at once."""

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.errors import SinkError, StateError
from scanner.files.sealed import seal, unseal
from scanner.sweeps.checkpoint import Checkpoint
from scanner.sweeps.known_names import KnownNames
from scanner.sweeps.ledger import Ledger
from scanner.sweeps.saved_state import SCHEMA, Saved
from tests.support.foreign_files import give_away, names_in
from tests.support.state_files import IDENTITY, Run, read, restored, running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sweep.state"


def snapshot(**changes: Any) -> bytes:
    good = {
        "schema": SCHEMA,
        "identity": IDENTITY,
        "progress": {"low_water": 0, "done_above": []},
        "counts": {"statuses": {}, "products": {}, "records": 0},
        "sinks": {},
        "names": KnownNames().plain(),
        "refusals": {},
    }
    return seal(orjson.dumps({name: value for name, value in (good | changes).items() if value != "absent"})) + b"\n"


def entry(**changes: Any) -> bytes:
    good = {"n": 1, "done": [0], "counts": {"statuses": {"ready": 1}, "products": {}, "records": 1}, "sinks": {}}
    return seal(orjson.dumps(good | changes)) + b"\n"


def unsealed(line: bytes) -> bytes:
    return unseal(line[:-1]) + b"\n"


DAMAGED = {
    "binary": b"\x00\xff\x80",
    "text": b"192.0.2.0/24\n",
    "a list": b"[1]\n",
    "a number": b"1\n",
    "cut snapshot": snapshot()[:-20] + b"\n",
    "a record": b'{"schema":"smtpsweep.record/1"}\n',
    "no identity": snapshot(identity="absent"),
    "identity of another shape": snapshot(identity={"seed": 1}),
    "no number as seed": snapshot(identity=orjson.loads(orjson.dumps(IDENTITY)) | {"seed": "7"}),
    "no progress": snapshot(progress="absent"),
    "progress that is none": snapshot(progress=[1]),
    "no counts": snapshot(counts="absent"),
    "sinks that are none": snapshot(sinks=[]),
    "a position that is none": snapshot(sinks={"0:out": 7}),
    "a snapshot without seal": unsealed(snapshot()),
    "names that are none": snapshot(names=[]),
    "an address that is none": snapshot(names=KnownNames(later=("mail.example.com",)).plain()),
    "no refusals": snapshot(refusals="absent"),
    "a seed that jq cannot read": snapshot(identity=orjson.loads(orjson.dumps(IDENTITY)) | {"seed": 2**53}),
    "outputs that are none": snapshot(identity=orjson.loads(orjson.dumps(IDENTITY)) | {"outputs": [1]}),
    "a line without positions": snapshot() + seal(b'{"counts":{},"sinks":{}}') + b"\n",
    "positions that are none": snapshot() + entry(done=["0"]),
    "a position below zero": snapshot() + entry(done=[-1]),
    "a list instead of sinks": snapshot() + entry(sinks=[]),
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_is_refused_with_its_name_and_what_to_do(path: Path, data: bytes) -> None:
    path.write_bytes(data)

    with pytest.raises(StateError) as caught:
        Saved.read(path)

    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.splitlines() == [message]
    assert path.read_bytes() == data


@pytest.mark.parametrize("schema", ["smtpsweep.state/1", "smtpsweep.state/3"])
def test_a_file_of_another_version_is_refused_by_name_and_with_what_to_do(path: Path, schema: str) -> None:
    path.write_bytes(unsealed(snapshot(schema=schema)))

    with pytest.raises(StateError) as caught:
        Saved.read(path)

    assert str(caught.value) == (
        f"{path}: is of '{schema}', and this version has {SCHEMA}: finish that sweep with the version that began it, "
        "or begin anew with another --state file"
    )


@pytest.mark.parametrize(
    "data",
    [
        snapshot(progress={"low_water": -1, "done_above": []}),
        snapshot(counts={"statuses": {"lost": 1}, "products": {}, "records": 0}),
        snapshot() + entry(done=[2**40]),
        snapshot() + entry(counts={}),
        snapshot() + entry(counts=7),
    ],
    ids=["progress", "status", "a position without end", "no counts", "counts that are a number"],
)
def test_values_that_make_no_sense_are_found_when_restoring(path: Path, data: bytes) -> None:
    path.write_bytes(data)

    with pytest.raises(StateError, match="damaged"):
        read(path).restore(Ledger(10, 0), {})


def test_a_file_that_may_not_be_read_is_refused(path: Path) -> None:
    path.mkdir()

    with pytest.raises(StateError, match=r"sweep\.state: cannot be read \(it is a folder\)"):
        Saved.read(path)


def crash(*args: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("at", ["os.write", "os.fsync", "pathlib.Path.replace"])
def test_a_crash_before_the_rename_leaves_the_old_state_good(
    path: Path, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(path) as run:
        run.done(0, 1)
        before = path.read_bytes()
        with monkeypatch.context() as broken:
            broken.setattr(at, crash)
            with pytest.raises(KeyboardInterrupt):
                run.compact()

    assert path.read_bytes() == before
    assert restored(path)[0] == {"low_water": 2, "done_above": []}


def test_what_somebody_has_prepared_beside_the_state_is_not_touched(path: Path) -> None:
    victim = path.with_name("victim")
    victim.write_bytes(b"precious")
    path.with_name("sweep.state.new").symlink_to(victim)

    with running(path) as run:
        run.done(0)

    assert restored(path)[0] == {"low_water": 1, "done_above": []}
    assert victim.read_bytes() == b"precious"
    assert names_in(path.parent) == ["sweep.state", "sweep.state.new", "victim"]


@pytest.mark.root
@pytest.mark.parametrize("content", [b"", b"theirs"])
def test_a_state_of_another_user_is_refused_for_root_too(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o666)
    give_away(path)

    with pytest.raises(StateError, match=r"sweep\.state: cannot be read \(it belongs to another user \(uid 65534\)\)"):
        Saved.read(path)
    with pytest.raises(StateError, match=r"cannot be written \(it belongs to another user"):
        Checkpoint(path, IDENTITY).open()
    assert path.read_bytes() == content


@pytest.mark.parametrize("leads_to", ["nothing", "victim"])
def test_a_state_that_is_a_link_is_refused(path: Path, leads_to: str) -> None:
    path.with_name("victim").write_bytes(b"")
    path.symlink_to(leads_to)

    with pytest.raises(StateError, match="it is a symbolic link"):
        Checkpoint(path, IDENTITY).open()
    assert names_in(path.parent) == ["sweep.state", "victim"]


def full_after(room: int) -> Callable[[int, memoryview], int]:
    """Return a write(2) for a disk that takes so many bytes more."""
    write, left = os.write, [room]

    def limited(fd: int, data: memoryview) -> int:
        taken = min(left[0], len(data))
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= taken
        return write(fd, data[:taken])

    return limited


@pytest.mark.parametrize("room", [0, 1, 40])
def test_a_full_disk_under_the_journal_costs_that_line_only(
    path: Path, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(path) as run:
        run.done(0, 1)
        with monkeypatch.context() as full:
            full.setattr(os, "write", full_after(room))
            with pytest.raises(SinkError) as caught:
                run.done(2)

    assert str(caught.value) == f"{path}: the state cannot be saved (No space left on device)"
    assert restored(path)[0] == {"low_water": 2, "done_above": []}


@pytest.mark.parametrize("room", [0, 100])
def test_a_full_disk_under_a_snapshot_leaves_the_old_one_and_nothing_beside_it(
    path: Path, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(path) as run:
        run.done(0, 1)
        with monkeypatch.context() as full:
            full.setattr(os, "write", full_after(room))
            with pytest.raises(SinkError, match="No space left on device"):
                run.compact()
        assert [name.name for name in path.parent.iterdir()] == [path.name]
        assert restored(path)[0] == {"low_water": 2, "done_above": []}

        run.compact()  # there is room again, and no lock is left on what was given up
        run.done(2)
    assert restored(path)[0] == {"low_water": 3, "done_above": []}


def test_writes_that_take_a_part_are_gone_on_with(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    with running(path) as run:
        run.done(0, 1)

    assert restored(path)[0] == {"low_water": 2, "done_above": []}


LOCKED_OUT = """
import sys
from pathlib import Path
from scanner.sweeps.checkpoint import Checkpoint
from scanner.errors import StateError
state = Checkpoint(Path(sys.argv[1]), None)
try:
    state.open()
except StateError as error:
    print(error)
state.close()
"""


@pytest.mark.parametrize("compacted", [False, True], ids=["just opened", "after a snapshot"])
def test_a_second_process_is_kept_out_and_changes_nothing(path: Path, compacted: bool) -> None:
    run = Run(path)
    if compacted:
        run.compact()
    before = path.read_bytes()

    done = subprocess.run([sys.executable, "-c", LOCKED_OUT, path], capture_output=True, text=True, check=True)

    assert done.stdout == f"{path}: another sweep is using it\n"
    assert path.read_bytes() == before
    run.compact()
    run.state.close()
    assert subprocess.run([sys.executable, "-c", LOCKED_OUT, path], capture_output=True, check=True).stdout == b""


def test_a_lock_on_a_file_that_was_renamed_over_meanwhile_is_no_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other sweep wrote a snapshot and ended between our opening of the file and our lock on it."""
    flock = fcntl.flock

    def late(fd: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        with running(path):
            pass
        flock(fd, operation)

    path.touch()
    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(StateError, match="another sweep is using it"):
        Checkpoint(path, IDENTITY).open()

    assert read(path).identity == IDENTITY


def test_a_state_that_nothing_was_written_to_disappears(path: Path) -> None:
    run = Run(path)
    assert path.exists()

    run.state.close()
    run.state.close()

    assert not path.exists()


@pytest.mark.parametrize("kind", ["device", "fifo"])
def test_only_a_regular_file_can_be_a_state(tmp_path: Path, kind: str) -> None:
    """A snapshot is renamed over the file: /dev/null would not be a device any more."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    special = Path("/dev/null") if kind == "device" else fifo
    state = Checkpoint(special, IDENTITY)

    with pytest.raises(StateError) as caught:
        state.open()
    state.close()

    assert str(caught.value) == f"{special}: cannot be written (it is not a regular file)"
    assert special.is_char_device() or special.is_fifo()


def test_a_folder_that_does_not_exist_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "no" / "sweep.state"

    with pytest.raises(StateError) as caught:
        Checkpoint(path, IDENTITY).open()

    assert str(caught.value) == f"{path}: cannot be written (No such file or directory)"


def test_no_descriptor_is_left_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    with running(path) as run:
        run.done(0)
        with monkeypatch.context() as full:
            full.setattr(os, "write", full_after(10))
            with pytest.raises(SinkError):
                run.compact()
        run.compact()
        with pytest.raises(StateError):
            Checkpoint(path, IDENTITY).open()

    assert count() == before
