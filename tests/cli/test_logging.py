"""Claims about `scanner.cli.logging`: a log line for people is one line of printable ASCII, whatever is in it."""

import logging
from collections.abc import Iterator

import pytest

from scanner.cli import logging as cli_logging


@pytest.fixture(autouse=True)
def usual_logging() -> Iterator[None]:
    before, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], logging.root.level = before, level


def fail(message: str) -> None:
    raise ValueError(message)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("a\r\n2026-11-23 00:00:00,000 ERROR root: forged", r"a\r\n2026-11-23 00:00:00,000 ERROR root: forged"),
        ("\u2028\u202e\x85\U0001f600", r"\u2028\u202e\x85\U0001f600"),
        ("\ud800", r"\ud800"),
        (r"C:\x0a", r"C:\x0a"),
    ],
)
def test_what_a_peer_said_stays_one_line_of_ascii(capsys: pytest.CaptureFixture[str], said: str, shown: str) -> None:
    cli_logging.configure("info")
    logging.getLogger("a.b").warning("sink %s", said)

    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f" WARNING a.b: sink {shown}")


def test_a_traceback_keeps_its_lines_and_loses_its_teeth(capsys: pytest.CaptureFixture[str]) -> None:
    cli_logging.configure("info")
    try:
        fail("\x1b]0;title\x07")
    except ValueError:
        logging.getLogger("a").exception("it broke")

    first, *others = capsys.readouterr().err.splitlines()
    assert first.endswith(" ERROR a: it broke")
    assert others[0] == "Traceback (most recent call last):"
    assert others[-1] == r"ValueError: \x1b]0;title\x07"


def debug_record(message: str, created: float) -> logging.LogRecord:
    record = logging.LogRecord("scanner.x", logging.DEBUG, "x.py", 1, message, ("a host",), None)
    record.created = created
    return record


def test_debug_lines_of_one_kind_are_bounded_in_a_second_and_the_rest_is_counted() -> None:
    bounded = cli_logging.DebugLimit()
    first = [bounded.filter(debug_record("visited %s", 100.1)) for _ in range(1000)]
    other = bounded.filter(debug_record("retried %s", 100.2))
    following = debug_record("visited %s", 101.0)
    later = bounded.filter(following)
    last = debug_record("visited %s", 102.0)

    assert first == [True] * 20 + [False] * 980
    assert (other, later) == (True, True)
    assert following.getMessage() == "visited a host (980 similar lines not shown)"
    assert bounded.filter(last)
    assert last.getMessage() == "visited a host"


def test_warnings_have_no_bound() -> None:
    bounded = cli_logging.DebugLimit()
    record = logging.LogRecord("scanner.x", logging.WARNING, "x.py", 1, "lost", (), None)

    assert all(bounded.filter(record) for _ in range(1000))
