"""Claims about a log that somebody or a disk has changed: what is left is delivered, what is not is named."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from scanner.delivery.relay import Relay, dead_letters
from scanner.delivery.relay.breaker import Breaker
from scanner.delivery.spool import (
    Lost,
    Quota,
    RunFolder,
    SpoolReader,
    SpoolRecord,
    SpoolWriter,
    last_record,
    read_cursor,
    read_known,
)
from scanner.delivery.spool.line import framed, run_key, unframed
from scanner.formats import make_format
from tests.support.receivers_fake import FakeReceiver

RUN = "run-1"


def record(number: int) -> bytes:
    document = {"schema": "smtpsweep.record/1", "event_id": f"{number:032x}", "ip": "192.0.2.1", "port": 25,
                "observed_at": "2026-11-22T10:16:56.123Z", "findings": []}  # fmt: skip
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


async def log_of(folder: RunFolder, count: int, *, segment_bytes: int = 10_000_000, run: str = RUN) -> None:
    log = SpoolWriter(folder, Quota(), segment_bytes=segment_bytes)
    await log.open(None, run)
    for number in range(1, count + 1):
        await log.write([record(number)])
    await log.close()


def lines_of(folder: RunFolder, first: int = 1) -> list[bytes]:
    return folder.segment(first).read_bytes().splitlines(keepends=True)


def put(folder: RunFolder, lines: list[bytes], first: int = 1) -> None:
    folder.segment(first).write_bytes(b"".join(lines))


def read(folder: RunFolder, last: int, after: int = 0) -> tuple[list[int], list[Lost]]:
    """Return the numbers that are there, each with its own record, and what is lost."""
    with SpoolReader(folder, after, RUN) as reader:
        found = reader.read(last, max_records=10_000, max_bytes=1 << 30)
        assert reader.read(last, max_records=10, max_bytes=100) == []
    entries = [entry for entry in found if isinstance(entry, SpoolRecord)]
    assert [entry.line for entry in entries] == [record(entry.sequence).rstrip(b"\n") for entry in entries]
    lost = [one for one in found if isinstance(one, Lost)]
    numbers = [entry.sequence for entry in entries] + [n for one in lost for n in range(one.first, one.sequence + 1)]
    assert sorted(numbers) == list(range(after + 1, last + 1))  # every number once, whatever happened
    return [entry.sequence for entry in entries], lost


def all_but(*numbers: int, last: int = 9) -> list[int]:
    return [number for number in range(1, last + 1) if number not in numbers]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def test_a_line_of_the_log_carries_run_number_and_checksum_and_gives_the_record_back() -> None:
    line = framed(b'{"a":1}', run_key(RUN), 17)

    assert line == b'{"a":1,"log":"%b/17","crc32":"%b"}' % (run_key(RUN), line[-10:-2])
    assert list(orjson.loads(line)) == ["a", "log", "crc32"]
    assert unframed(line) == (run_key(RUN), 17, b'{"a":1}')


@pytest.mark.parametrize("at", range(0, 60, 3))
def test_no_byte_of_a_line_can_be_another_unseen(at: int) -> None:
    line = bytearray(framed(b'{"a":1}', run_key(RUN), 17))
    line[at % len(line)] ^= 0x01
    with pytest.raises(ValueError, match="checksum"):
        unframed(bytes(line))


def _change(lines: list[bytes]) -> list[bytes]:
    return [line.replace(b"192.0.2.1", b"192.0.2.7") if number == 4 else line for number, line in enumerate(lines, 1)]


def _tear(lines: list[bytes]) -> list[bytes]:
    return [line[:40] + b"\n" if number == 4 else line for number, line in enumerate(lines, 1)]


def _garbage(lines: list[bytes]) -> list[bytes]:
    return [b"\x00\xff\n\n\x80garbage\n" if number == 4 else line for number, line in enumerate(lines, 1)]


def _swallowed_line_end(lines: list[bytes]) -> list[bytes]:
    return [line.rstrip(b"\n") if number == 4 else line for number, line in enumerate(lines, 1)]


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        (_change, {4}),
        (_tear, {4}),
        (_garbage, {4}),
        (_swallowed_line_end, {4, 5}),
        (lambda lines: lines[:3] + lines[4:], {4}),
        (lambda lines: [*lines[:3], b"mine\n", *lines[3:]], set()),
        (lambda lines: lines[:4] + lines[2:], set()),
        (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], {4}),
        (lambda lines: lines[:5], {6, 7, 8, 9}),
        (lambda lines: [*lines[:5], lines[5][:30]], {6, 7, 8, 9}),
        (lambda _: [], set(range(1, 10))),
    ],
)
async def test_every_damage_is_found_and_costs_what_it_hit(
    folder: RunFolder, change: Callable[[list[bytes]], list[bytes]], lost: set[int]
) -> None:
    await log_of(folder, 9)
    put(folder, change(lines_of(folder)))

    there, holes = read(folder, max(read_known(folder, RUN).last, last_record(folder, RUN)))

    assert there == all_but(*lost)
    assert bool(holes) == bool(lost)


async def test_a_damaged_line_is_kept_with_its_number(folder: RunFolder) -> None:
    await log_of(folder, 9)
    put(folder, _change(lines_of(folder)))

    _, (hole,) = read(folder, 9)

    assert (hole.first, hole.sequence, hole.reason) == (4, 4, "damaged")
    assert b"192.0.2.7" in hole.text


@pytest.mark.parametrize("which", [0, 1, 2])
async def test_a_segment_that_was_taken_away_or_emptied_is_named(folder: RunFolder, which: int) -> None:
    await log_of(folder, 9, segment_bytes=700)
    firsts = folder.segments()
    bounds = [*firsts, 10]
    folder.segment(firsts[which]).unlink()
    there, holes = read(folder, read_known(folder, RUN).last)

    assert holes == [Lost(bounds[which], bounds[which + 1] - 1, "missing")]
    assert there == all_but(*range(bounds[which], bounds[which + 1]))
    folder.segment(firsts[which]).write_bytes(b"")
    assert read(folder, read_known(folder, RUN).last) == (there, holes)


async def test_the_last_segment_that_is_gone_is_missed_too(folder: RunFolder) -> None:
    await log_of(folder, 9, segment_bytes=700)
    last = folder.segments()[-1]
    folder.segment(last).unlink()

    _, holes = read(folder, read_known(folder, RUN).last)

    assert holes == [Lost(last, 9, "missing")]


async def test_a_log_that_was_cut_after_a_kill_is_missed_though_no_segment_had_ended(folder: RunFolder) -> None:
    log = SpoolWriter(folder, Quota())
    await log.open(None, RUN)
    await log.write([record(number) for number in range(1, 10)])
    put(folder, lines_of(folder)[:5])  # the writer is gone, and with it what was only in its memory

    assert read_known(folder, RUN).last == 9
    assert read(folder, 9)[1] == [Lost(6, 9, "missing")]
    await log.close()


async def test_what_only_a_kill_tore_is_no_damage(folder: RunFolder) -> None:
    await log_of(folder, 9)
    with folder.segment(1).open("ab") as out:
        out.write(framed(record(10).rstrip(b"\n"), run_key(RUN), 10)[:-20])

    assert last_record(folder, RUN) == 9
    log = SpoolWriter(folder, Quota())
    await log.open({"sequence": 9}, RUN)
    await log.write([record(10)])
    await log.close()
    assert read(folder, 10) == (all_but(last=10), [])


async def test_the_segment_of_another_run_is_not_taken_for_ours(folder: RunFolder, tmp_path: Path) -> None:
    await log_of(folder, 9)
    other = RunFolder(tmp_path / "other")
    await log_of(other, 30, run="run-2")
    put(folder, lines_of(other), first=5)

    assert read(folder, 9) == (all_but(), [])
    assert read(folder, 9, after=6) == ([7, 8, 9], [])
    put(folder, lines_of(other), first=1)
    assert read(folder, 9)[1] == [Lost(1, 9, "missing")]


async def test_an_index_that_is_gone_or_damaged_is_said(folder: RunFolder) -> None:
    await log_of(folder, 9)
    file = folder.path / "log.index"
    whole = file.read_bytes()

    file.write_bytes(whole.replace(b'"last":9', b'"last":8'))
    assert read_known(folder, RUN).trouble == ["log.index: line 2 is damaged: the log was changed"]
    file.write_bytes(whole + b'{"torn')
    assert read_known(folder, RUN).trouble == []
    assert read_known(folder, "run-2").trouble == ["log.index: line 1 is damaged: the log was changed"]
    file.unlink()
    assert read_known(folder, RUN).trouble == ["log.index is missing: the log was changed"]
    log = SpoolWriter(folder, Quota())  # a sweep that goes on does not forget it
    await log.open({"sequence": 9}, RUN)
    await log.close()
    assert read_known(folder, RUN).trouble == ["log.index is missing: the log was changed"]


async def served(folder: RunFolder, last: int, format_: str = "native") -> tuple[FakeReceiver, Relay]:
    receiver = FakeReceiver()
    one = Relay("fake", receiver, make_format(format_), folder, RUN, breaker=Breaker(lambda low, high: 0.0))
    one.durable(last)
    one.finish()
    await one.run()
    return receiver, one


async def test_the_relay_makes_a_dead_letter_of_a_damaged_record_and_goes_on(folder: RunFolder) -> None:
    await log_of(folder, 9)
    put(folder, _change(lines_of(folder)))

    receiver, one = await served(folder, 9)

    assert [event.sequence for event in receiver.taken] == all_but(4)
    (letter,) = dead_letters.read(folder.sinks / "fake.dead.jsonl")
    assert (letter.sequence, letter.line, letter.reason) == (4, None, "damaged in the log of the run")
    assert b"192.0.2.7" in letter.damaged
    assert read_cursor(folder.sinks / "fake.cursor", RUN)[1:] == (9, 8, 0, 1, 0)
    assert one.statistics().reason == "damaged in the log of the run"


async def test_the_relay_counts_every_record_that_is_missing(folder: RunFolder) -> None:
    await log_of(folder, 9)
    put(folder, lines_of(folder)[:5])

    await served(folder, 9)

    (letter,) = dead_letters.read(folder.sinks / "fake.dead.jsonl")
    assert (letter.sequence, letter.last, letter.records, letter.reason) == (6, 9, 4, "missing in the log of the run")
    assert read_cursor(folder.sinks / "fake.cursor", RUN)[1:] == (9, 5, 0, 4, 0)


async def test_a_record_that_the_format_cannot_write_is_a_dead_letter(folder: RunFolder) -> None:
    log = SpoolWriter(folder, Quota())
    await log.open(None, RUN)
    odd = b'{"schema":"smtpsweep.record/1","event_id":"odd","observed_at":"never","ip":1}'
    await log.write([record(1), odd + b"\n", record(3)])
    await log.close()

    receiver, _ = await served(folder, 3)

    assert [event.sequence for event in receiver.taken] == [1, 3]
    (letter,) = dead_letters.read(folder.sinks / "fake.dead.jsonl")
    assert (letter.sequence, letter.line, letter.reason) == (2, odd, "cannot be written as native: ValueError")


async def test_a_torn_dead_letter_does_not_damage_the_next(tmp_path: Path) -> None:
    file = tmp_path / "a.dead.jsonl"
    letters = [dead_letters.DeadLetter(number, f"id{number}", 'a "record": b', b'{"a":1.50}') for number in (1, 2)]
    dead_letters.keep(file, letters[:1])
    with file.open("ab") as out:
        out.write(b'{"torn')
    dead_letters.keep(file, letters[1:])

    assert list(dead_letters.read(file)) == letters
