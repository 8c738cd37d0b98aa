"""Maildir and mbox as places where a message arrives: what is seen, what is passed over, what cannot be read."""

import fcntl
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.smoke.mailboxes import FileMailbox, MailboxError, Maildir, Mbox, MboxReader, header_block, is_ours
from scanner.smoke.received import MAX_HEADER_BYTES

MARK = "0f8fad5b-d9cb-469f-a165-70867728950e"
HEADERS = f"Received: by h (Exim 4.96); Sun\nX-Smtpsweep-Smoke: {MARK}\nSubject: x\n".encode()
OURS = HEADERS + b"\nbody\n"
OTHER = b"Subject: " + MARK.encode() + b"\n\n" + HEADERS  # a bounce: it repeats our headers in its body
ENVELOPE = b"From admin@example.com  Mon Nov 23 20:31:59 2026\n"


# --- what is ours -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [b"X-Smtpsweep-Smoke: %s\r\n", b"x-smtpsweep-smoke:%s", b"A: b\r\nX-Smtpsweep-Smoke:\r\n %s \r\nB: c\r\n"],
)
def test_our_header_is_known_however_it_was_rewritten(line: bytes) -> None:
    assert is_ours(line % MARK.encode(), MARK)


@pytest.mark.parametrize(
    "line",
    [
        b"Subject: %s",
        b"X-Smtpsweep-Smoke: %sx",
        b"X-Smtpsweep-Smoke: x%s",
        b" X-Smtpsweep-Smoke: %s",
        b"In-Reply-To: %s",
    ],
)
def test_a_token_elsewhere_does_not_make_a_message_ours(line: bytes) -> None:
    assert not is_ours(line % MARK.encode(), MARK)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_header_block_ends_before_the_first_empty_line(end: bytes) -> None:
    assert header_block(b"A: b" + end + b"C: d" + end + end + b"body") == b"A: b" + end + b"C: d" + end
    assert header_block(b"A: b" + end) == b"A: b" + end
    assert header_block(end + b"A: b" + end) == b""


# --- Maildir ----------------------------------------------------------------------------------------------------------


def maildir(path: Path) -> Path:
    for folder in ("new", "cur", "tmp"):
        (path / folder).mkdir(parents=True)
    return path


@pytest.mark.parametrize("folder", ["new", "cur"])
def test_a_message_that_comes_into_a_maildir_is_found(tmp_path: Path, folder: str) -> None:
    box = Maildir(maildir(tmp_path / "box"), MARK)
    box.note()
    assert box.look() is None

    (tmp_path / "box" / folder / "1.host:2,S").write_bytes(OURS)

    assert box.look() == HEADERS


def test_a_maildir_may_be_made_while_we_wait(tmp_path: Path) -> None:
    box = Maildir(tmp_path / "later", MARK)
    box.note()
    assert box.look() is None

    maildir(tmp_path / "later")
    (tmp_path / "later/new/1").write_bytes(OURS)

    assert box.look() == HEADERS


def test_what_was_in_a_maildir_before_is_passed_over_also_when_its_flags_change(tmp_path: Path) -> None:
    path = maildir(tmp_path / "box")
    (path / "new/old.host").write_bytes(OURS)
    box = Maildir(path, MARK)
    box.note()

    (path / "new/old.host").rename(path / "cur/old.host:2,S")

    assert box.look() is None


def test_in_a_maildir_other_messages_hidden_files_folders_and_fifos_are_no_arrival(tmp_path: Path) -> None:
    path = maildir(tmp_path / "box")
    box = Maildir(path, MARK)
    box.note()
    (path / "new/bounce").write_bytes(OTHER)
    (path / "new/.hidden").write_bytes(OURS)
    (path / "tmp/unfinished").write_bytes(OURS)
    os.mkfifo(path / "new/fifo")

    assert box.look() is None


def test_a_message_that_a_mail_reader_moves_away_meanwhile_is_found_where_it_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = maildir(tmp_path / "box")
    box = Maildir(path, MARK)
    box.note()
    (path / "cur/1:2,S").write_bytes(OURS)
    monkeypatch.setattr(box, "_entries", lambda: [(path / "new", "1")])
    assert box.look() is None
    monkeypatch.undo()

    assert box.look() == HEADERS


def test_of_a_large_message_the_headers_are_read_up_to_the_limit(tmp_path: Path) -> None:
    path = maildir(tmp_path / "box")
    box = Maildir(path, MARK)
    box.note()
    (path / "new/1").write_bytes(b"X: " + b"x" * MAX_HEADER_BYTES + b"\n" + OURS)

    assert box.look() is None


def test_a_file_is_no_maildir(tmp_path: Path) -> None:
    (tmp_path / "box").write_bytes(b"")

    with pytest.raises(MailboxError, match=r"^maildir \S+/box: is not a folder$"):
        Maildir(tmp_path / "box", MARK).note()


def test_a_maildir_whose_new_is_a_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"")

    with pytest.raises(MailboxError, match=r"^maildir \S+: cannot be read \(Not a directory\)$"):
        Maildir(tmp_path, MARK).note()


def test_a_message_in_a_maildir_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    path = maildir(tmp_path / "box")
    box = Maildir(path, MARK)
    box.note()
    (path / "new/loop").symlink_to(path / "new/loop")

    with pytest.raises(MailboxError, match="a message cannot be read"):
        box.look()


# --- mbox -------------------------------------------------------------------------------------------------------------


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(data)


def test_a_message_that_is_added_to_an_mbox_is_found_and_an_older_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "alice"
    path.write_bytes(ENVELOPE + OURS + b"\n")
    box = Mbox(path, MARK)
    box.note()
    assert box.look() is None

    append(path, ENVELOPE + OURS + b"\n")

    assert box.look() == HEADERS


def test_an_mbox_may_be_made_while_we_wait(tmp_path: Path) -> None:
    box = Mbox(tmp_path / "alice", MARK)
    box.note()
    assert box.look() is None

    append(tmp_path / "alice", ENVELOPE + OURS)

    assert box.look() == HEADERS


def test_a_message_is_found_once_its_headers_are_whole_wherever_its_writer_pauses(tmp_path: Path) -> None:
    data = ENVELOPE + OURS
    whole = len(ENVELOPE + HEADERS) + 1
    for cut in range(len(data)):
        path = tmp_path / f"mbox{cut}"
        path.write_bytes(b"From old\n\nunfinished")
        box = Mbox(path, MARK)
        box.note()
        append(path, b"\n\n" + data[:cut])
        first = box.look()
        append(path, data[cut:])

        assert first == (HEADERS if cut >= whole else None)
        assert first is not None or box.look() == HEADERS


def test_the_lock_of_a_writer_does_not_keep_us_from_reading(tmp_path: Path) -> None:
    path = tmp_path / "alice"
    (tmp_path / "alice.lock").write_bytes(b"")
    box = Mbox(path, MARK)
    box.note()
    append(path, ENVELOPE + OURS)
    with path.open("r+b") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX)

        assert box.look() == HEADERS


def test_a_quoted_from_line_in_a_body_begins_no_message(tmp_path: Path) -> None:
    reader = MboxReader(MARK)

    assert reader.feed(ENVELOPE + b"Subject: x\n\n>From here\n" + OURS) is None


def test_a_bounce_that_repeats_our_headers_in_its_body_is_no_arrival() -> None:
    assert MboxReader(MARK).feed(ENVELOPE + OTHER + b"\n") is None


def test_an_mbox_that_a_mail_reader_wrote_anew_or_made_shorter_is_read_from_its_begin(tmp_path: Path) -> None:
    path = tmp_path / "alice"
    path.write_bytes(ENVELOPE + b"Subject: old\n\n" + b"x" * 5000)
    replaced, shortened = Mbox(path, MARK), Mbox(path, MARK)
    replaced.note()
    shortened.note()

    path.write_bytes(ENVELOPE + OURS)
    assert shortened.look() == HEADERS

    (tmp_path / "beside").write_bytes(ENVELOPE + OURS + b"y" * 9000)  # longer than the old one, and ours at its begin
    (tmp_path / "beside").rename(path)
    assert replaced.look() == HEADERS


def test_header_blocks_and_lines_without_end_cost_bounded_memory() -> None:
    reader = MboxReader(MARK)
    reader.feed(ENVELOPE)
    for _ in range(20):
        reader.feed(b"x" * 100_000)
    assert len(reader._rest) == MAX_HEADER_BYTES
    for _ in range(20):
        reader.feed(b"\n" + b"X: y" * 25_000)

    assert reader._headers is not None
    assert len(reader._headers) == MAX_HEADER_BYTES
    assert reader.feed(b"\n\n" + ENVELOPE + OURS) == HEADERS


@given(st.lists(st.integers(0, 400), max_size=6))
def test_the_same_bytes_in_any_pieces_are_the_same_message(cuts: list[int]) -> None:
    data = b"rest of an old one\n\n" + ENVELOPE + OTHER + b"\n" + ENVELOPE + OURS.replace(b"\n", b"\r\n")
    reader, places, found = MboxReader(MARK), sorted({0, *cuts, len(data)}), None
    for start, end in pairwise(places):
        found = found or reader.feed(data[start:end])

    assert found == HEADERS.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_no_mbox(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "box")

    with pytest.raises(MailboxError, match=r"^mbox \S+/box: (is not a file|cannot be read \(Is a directory\))$"):
        Mbox(tmp_path / "box", MARK).note()
    with pytest.raises(MailboxError, match=r"^mbox \S+/box: (is not a file|cannot be read \(Is a directory\))$"):
        Mbox(tmp_path / "box", MARK).look()


async def test_waiting_goes_on_until_the_message_is_there(tmp_path: Path) -> None:
    class Later(Mbox):
        looks = 0

        def look(self) -> bytes | None:
            self.looks += 1
            return super().look() if self.looks == 3 else None

    box = Later(tmp_path / "alice", MARK)
    async with FileMailbox(box, every_s=0) as place:
        append(tmp_path / "alice", ENVELOPE + OURS)

        assert await place.arrival() == HEADERS
    assert box.looks == 3
