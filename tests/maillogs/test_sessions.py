"""Claims about putting the lines of a connection together, in bounded memory."""

from pathlib import Path

import pytest

from scanner.maillogs.events import EventKind, LogEvent, LogPosition, LogSoftware, Manner
from scanner.maillogs.sessions import Sessions
from tests.support.mail_logs import PREFIX, connections, log_file


def event(
    kind: EventKind,
    session: bytes = b"1",
    *,
    time: float = 0.0,
    software: LogSoftware = LogSoftware.POSTFIX,
    address: str | None = "192.0.2.1",
    final: bool = False,
    line: int = 1,
) -> LogEvent:
    key = ("", software, session)
    return LogEvent(time, software, kind, LogPosition("f", line), "", key, address, None, (), False, final, 0, "")


def test_a_process_that_serves_another_client_ends_the_connection_before() -> None:
    sessions = Sessions()

    assert list(sessions.add(event(EventKind.COMMAND))) == []
    (first,) = sessions.add(event(EventKind.COMMAND, address="192.0.2.2"))
    (second,) = sessions.rest()

    assert (first.address, second.address) == ("192.0.2.1", "192.0.2.2")


def test_a_connection_of_which_nothing_is_heard_for_two_hours_is_given_out() -> None:
    sessions = Sessions()
    list(sessions.add(event(EventKind.CONNECTED)))

    assert list(sessions.add(event(EventKind.CONNECTED, b"2", time=7199))) == []
    assert [each.first_at for each in sessions.add(event(EventKind.CONNECTED, b"3", time=7200))] == [0.0]
    assert sessions.open == 2


def test_the_same_process_id_a_day_later_is_another_connection_even_when_time_goes_back() -> None:
    sessions = Sessions()
    list(sessions.add(event(EventKind.COMMAND, time=100_000)))

    assert len(list(sessions.add(event(EventKind.COMMAND, time=0)))) == 1


def test_memory_is_bounded_by_giving_out_what_was_silent_longest() -> None:
    sessions = Sessions(most_open=10)
    given_out = [
        each.address
        for number in range(100)
        for each in sessions.add(event(EventKind.CONNECTED, b"%d" % number, address=f"192.0.2.{number}"))
    ]

    assert given_out == [f"192.0.2.{number}" for number in range(90)]
    assert sessions.open == 10
    assert len(list(sessions.rest())) == 10
    assert (sessions.open, sessions._drafts) == (0, {})


def test_one_client_with_endless_connections_side_by_side_does_not_fill_the_memory() -> None:
    sessions = Sessions()
    for _ in range(1000):
        list(sessions.add(event(EventKind.CONNECTED, software=LogSoftware.EXIM)))

    assert sessions.open == 100


def test_exims_connections_side_by_side_are_told_apart_by_their_order() -> None:
    sessions = Sessions()
    kinds = [kind for kind in (EventKind.CONNECTED, EventKind.ENDED, EventKind.NO_MAIL) for _ in range(2)]
    found = [
        [place.line for place in each.places]
        for line, kind in enumerate(kinds, 1)
        for each in sessions.add(
            event(kind, software=LogSoftware.EXIM, final=kind is EventKind.NO_MAIL, line=line, time=line)
        )
    ]

    assert found == [[1, 3, 5], [2, 4, 6]]
    assert sessions.open == 0


def test_a_line_whose_client_nobody_knows_is_counted() -> None:
    sessions = Sessions()

    assert list(sessions.add(event(EventKind.COMMAND, address=None))) == []
    assert (sessions.orphans, sessions.open) == (1, 0)


def test_of_a_long_conversation_the_first_lines_are_kept_and_all_counted() -> None:
    sessions = Sessions()
    for line in range(500):
        list(sessions.add(event(EventKind.COMMAND, line=line)))
    (found,) = sessions.rest()

    assert (len(found.places), found.lines) == (50, 500)


def test_what_postscreen_lets_through_is_one_connection_with_smtpd(tmp_path: Path) -> None:
    lines = (
        b"postfix/postscreen[5]: CONNECT from [192.0.2.1]:99 to [192.0.2.2]:25",
        b"postfix/postscreen[5]: PASS NEW [192.0.2.1]:99",
        b"postfix/smtpd[6]: connect from c.example[192.0.2.1]",
        b"postfix/smtpd[6]: disconnect from c.example[192.0.2.1] quit=1 commands=1",
        b"postfix/smtpd[6]: connect from c.example[192.0.2.1]",
    )

    first, second = connections(log_file(tmp_path, *(PREFIX + line for line in lines)))

    assert ([place.line for place in first.places], first.lines) == ([1, 2, 3, 4], 4)
    assert (first.manner, first.name) == (Manner.QUIET, "c.example")
    assert [place.line for place in second.places] == [5]


def test_who_spoke_too_early_for_postscreen_stays_an_early_talker_when_it_is_let_through(tmp_path: Path) -> None:
    lines = (
        b"postfix/postscreen[5]: CONNECT from [192.0.2.1]:99 to [192.0.2.2]:25",
        b"postfix/postscreen[5]: PREGREET 8 after 0 from [192.0.2.1]:99: EHLO x",
        b"postfix/postscreen[5]: PASS NEW [192.0.2.1]:99",
        b"postfix/smtpd[6]: connect from c.example[192.0.2.1]",
        b"postfix/smtpd[6]: disconnect from c.example[192.0.2.1] ehlo=1 commands=1",
    )

    (found,) = connections(log_file(tmp_path, *(PREFIX + line for line in lines)))

    assert found.manner is Manner.EARLY


def test_an_older_postfix_without_counts_shows_its_messages_by_their_begin(tmp_path: Path) -> None:
    lines = (b"connect from c[192.0.2.1]", b"59E4E234048: client=c[192.0.2.1]", b"disconnect from c[192.0.2.1]")

    (found,) = connections(log_file(tmp_path, *(PREFIX + b"postfix/smtpd[1]: " + line for line in lines)))

    assert (found.manner, found.messages) == (Manner.MAIL, 1)


def test_a_client_that_invents_verbs_does_not_fill_the_memory() -> None:
    sessions = Sessions()
    for number in range(1000):
        list(sessions.add(event(EventKind.COMMAND)._replace(commands=(f"X{number}",))))
    (found,) = sessions.rest()

    assert len(found.commands) == 100


@pytest.mark.parametrize(
    ("counts", "manner"),
    [
        (b" ehlo=1 auth=0/1 commands=1/2", Manner.TRIED),
        (b" helo=1 vrfy=1 commands=2", Manner.USERS),
        (b" ehlo=1 mail=1 rcpt=1 data=0/1 commands=3/4", Manner.TRIED),
        (b" noop=1 quit=1 commands=2", Manner.SPOKE),
        (b" commands=0/0", Manner.QUIET),
        (b"", Manner.NO_MAIL),
    ],
)
def test_the_counts_of_the_last_line_say_what_it_was(counts: bytes, manner: Manner, tmp_path: Path) -> None:
    (found,) = connections(log_file(tmp_path, PREFIX + b"postfix/smtpd[1]: disconnect from c[192.0.2.1]" + counts))

    assert found.manner is manner
