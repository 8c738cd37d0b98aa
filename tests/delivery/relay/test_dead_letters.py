"""Claims about `delivery.relay.dead_letters`: what is kept comes back; what is no letter is an error with its line."""

from pathlib import Path

import pytest

from scanner.delivery.relay import dead_letters
from scanner.delivery.relay.dead_letters import DeadLetter
from scanner.errors import InputError

LETTERS = [
    DeadLetter(7, "a", "too large", b'{"event_id":"a"}'),
    DeadLetter(9, "b", 'it said "no"', b'{"event_id":"b"}'),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "fake.dead.jsonl"


def test_letters_come_back_as_they_were_and_more_are_added(file: Path) -> None:
    dead_letters.keep(file, LETTERS[:1])
    dead_letters.keep(file, LETTERS[1:])

    assert list(dead_letters.read(file)) == LETTERS
    assert file.stat().st_mode & 0o777 == 0o600


def test_without_a_file_there_are_none(file: Path) -> None:
    assert list(dead_letters.read(file)) == []


def test_those_that_are_left_replace_all_and_without_any_the_file_goes(file: Path) -> None:
    dead_letters.keep(file, LETTERS)
    dead_letters.replace(file, LETTERS[1:])
    assert list(dead_letters.read(file)) == LETTERS[1:]

    dead_letters.replace(file, [])
    dead_letters.replace(file, [])
    assert not file.exists()


def test_what_a_crash_tore_off_the_end_is_left_out(file: Path) -> None:
    dead_letters.keep(file, LETTERS)
    file.write_bytes(file.read_bytes()[:-5])

    assert list(dead_letters.read(file)) == LETTERS[:1]


@pytest.mark.parametrize("line", [b"{", b"[]", b"7", b'{"sequence":1}', b'{"record":{}}', b"\xff"])
def test_what_is_no_letter_is_an_error_with_its_line(file: Path, line: bytes) -> None:
    dead_letters.keep(file, LETTERS)
    with file.open("ab") as out:
        out.write(line + b"\n")

    with pytest.raises(InputError, match=r"fake\.dead\.jsonl:3: is not a dead letter"):
        list(dead_letters.read(file))


def test_what_cannot_be_read_is_an_error(file: Path) -> None:
    file.mkdir()
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        list(dead_letters.read(file))


def test_the_reason_of_the_first_is_known_or_why_it_is_not(file: Path) -> None:
    assert dead_letters.first_reason(file) is None
    dead_letters.keep(file, LETTERS)
    assert dead_letters.first_reason(file) == "too large"
    file.write_bytes(b"{\n")
    assert "fake.dead.jsonl:1: is not a dead letter" in str(dead_letters.first_reason(file))


def test_those_before_a_number_are_told_from_those_that_come_again() -> None:
    assert [dead_letters.cut(LETTERS, number) for number in (7, 8, 10)] == [[], LETTERS[:1], LETTERS]


def test_a_letter_about_several_records_is_cut_where_it_begins_to_come_again() -> None:
    missing = DeadLetter(5, "", "missing in the log of the run", None, last=10)

    assert dead_letters.count(dead_letters.cut([missing], 7)) == 2  # 5 and 6
    assert dead_letters.cut([missing], 11) == [missing]


def test_a_torn_end_however_long_is_cut_before_more_is_added(file: Path) -> None:
    dead_letters.keep(file, LETTERS[:1])
    with file.open("ab") as out:
        out.write(b"x" * 200_000)
    dead_letters.keep(file, LETTERS[1:])

    assert list(dead_letters.read(file)) == LETTERS
