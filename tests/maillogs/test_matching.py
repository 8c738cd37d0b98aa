"""Claims about whose a connection in a mail log was: ours only when address, time and behaviour fit."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import InputError
from scanner.maillogs import matching as log_matching
from scanner.maillogs.events import LoggedConnection, LogPosition, LogSoftware, Manner
from scanner.maillogs.hints import SILENT_LOGS
from scanner.maillogs.mail_logs import read_visits
from scanner.maillogs.matching import ConnectionOwner, Judged, Matching, SweepVisit, maybe_visit
from scanner.maillogs.report import LogQuestion
from scanner.model import Dialogue, Exchange, Record, Software, Status, Tls
from scanner.record import encode
from tests.support.greetings import SENDMAIL_8_14
from tests.support.mail_logs import examined, log_file
from tests.support.records import greeting_of, record_of

OURS, STRANGER = "192.0.2.5", "198.51.100.7"
AT = 1795465013.0  # 2026-11-23T20:16:53Z
_DIALOGUE = frozenset({"EHLO", "HELO", "HELP", "STARTTLS", "QUIT", "UNKNOWN"})


def connection(first_at: float = AT, last_at: float | None = None, line: int = 1, **changes: Any) -> LoggedConnection:
    made = LoggedConnection(
        software=LogSoftware.POSTFIX,
        host="",
        address=OURS,
        name=None,
        first_at=first_at,
        last_at=first_at if last_at is None else last_at,
        manner=Manner.NO_MAIL,
        commands=frozenset(),
        complete=False,
        messages=0,
        greeting=None,
        places=(LogPosition("mail.log", line),),
        lines=1,
    )
    return made._replace(**changes)


def visit(at: float = AT, **changes: Any) -> SweepVisit:
    made = SweepVisit("id", "192.0.2.10", 25, at, 1.0, 1, "ready", None, frozenset(), tls_first=False, skew_s=None)
    return made._replace(**changes)


def judged(
    connections: list[LoggedConnection], visits: list[SweepVisit] | None, tolerance_s: float = 5.0
) -> dict[int, tuple[ConnectionOwner, str | None]]:
    """Return verdict and visit by line."""
    matching = Matching([OURS], visits, tolerance_s)
    at_once = [matching.maybe_judged(each) for each in connections]
    found: list[Judged] = [each for each in at_once if each is not None] + matching.decide()
    assert len(found) == len(connections)
    return {
        each.connection.places[0].line: (each.verdict, None if each.visit is None else each.visit.event_id)
        for each in found
    }


def verdict(connection_: LoggedConnection, visit_: SweepVisit, tolerance_s: float = 5.0) -> ConnectionOwner:
    return judged([connection_], [visit_], tolerance_s)[1][0]


def test_a_connection_from_our_address_at_our_time_is_ours() -> None:
    assert judged([connection()], [visit()]) == {1: (ConnectionOwner.OURS, "id")}


def test_somebody_else_at_our_time_is_somebody_else() -> None:
    assert verdict(connection(address=STRANGER), visit()) is ConnectionOwner.OTHER


@pytest.mark.parametrize(
    ("first_at", "ours"),
    [(AT - 6.1, False), (AT - 6.0, True), (AT, True), (AT + 6.0, True), (AT + 6.1, False), (AT + 86400, False)],
)
def test_the_time_of_a_visit_is_widened_by_the_tolerance_and_the_second_of_a_stamp(
    first_at: float, *, ours: bool
) -> None:
    assert verdict(connection(first_at), visit()) is (ConnectionOwner.OURS if ours else ConnectionOwner.UNEXPLAINED)


def test_a_connection_that_only_ends_in_the_time_of_a_visit_overlaps_it() -> None:
    assert verdict(connection(AT - 60, AT), visit()) is ConnectionOwner.OURS


def test_the_servers_own_clock_moves_the_time() -> None:
    assert verdict(connection(AT + 3600), visit(skew_s=3600)) is ConnectionOwner.OURS
    assert verdict(connection(AT), visit(skew_s=3600)) is ConnectionOwner.UNEXPLAINED


def test_a_tolerance_of_nothing_is_exact_to_the_second() -> None:
    assert verdict(connection(AT - 1), visit(), 0) is ConnectionOwner.OURS
    assert verdict(connection(AT - 1.1), visit(), 0) is ConnectionOwner.UNEXPLAINED


def test_a_message_is_never_ours() -> None:
    assert verdict(connection(manner=Manner.MAIL, messages=1), visit()) is ConnectionOwner.MAIL


@pytest.mark.parametrize("manner", [Manner.EARLY, Manner.FOREIGN])
def test_who_speaks_first_is_not_us_unless_the_visit_began_with_tls(manner: Manner) -> None:
    assert verdict(connection(manner=manner), visit()) is ConnectionOwner.UNEXPLAINED
    assert verdict(connection(manner=manner), visit(tls_first=True)) is ConnectionOwner.OURS


@pytest.mark.parametrize(
    ("commands", "complete", "of_visit", "ours"),
    [
        ({"QUIT"}, True, frozenset(), True),
        (set(), True, frozenset(), True),
        ({"EHLO", "QUIT"}, True, frozenset(), False),
        ({"VRFY"}, False, _DIALOGUE, False),
        ({"MAIL"}, False, _DIALOGUE, False),
        ({"EHLO", "STARTTLS", "UNKNOWN", "QUIT"}, True, _DIALOGUE, True),
        ({"QUIT"}, True, _DIALOGUE, False),  # all is listed, and the EHLO that we said is not
        ({"QUIT"}, False, _DIALOGUE, True),
        ({"HELP"}, False, _DIALOGUE, True),
    ],
)
def test_a_connection_that_said_something_else_is_not_ours(
    commands: set[str], of_visit: frozenset[str], *, complete: bool, ours: bool
) -> None:
    said = connection(commands=frozenset(commands), complete=complete)

    assert verdict(said, visit(commands=of_visit)) is (ConnectionOwner.OURS if ours else ConnectionOwner.UNEXPLAINED)


def test_one_visit_is_one_connection_the_nearest() -> None:
    found = judged([connection(AT - 2, line=1), connection(AT, line=2), connection(AT + 3, line=3)], [visit()])

    assert found == {
        1: (ConnectionOwner.UNEXPLAINED, None),
        2: (ConnectionOwner.OURS, "id"),
        3: (ConnectionOwner.UNEXPLAINED, None),
    }


def test_a_visit_that_is_over_does_not_wait_for_a_later_connection() -> None:
    visits = [visit(AT, event_id="a"), visit(AT + 3600, event_id="b")]

    assert judged([connection(AT + 3600)], visits) == {1: (ConnectionOwner.OURS, "b")}


def test_a_long_connection_does_not_lend_its_time_to_a_short_one_beside_it() -> None:
    visits = [visit(AT, event_id="a"), visit(AT + 100, event_id="b")]
    long, short, shorter = connection(AT, AT + 200, line=1), connection(AT + 1, line=2), connection(AT + 2, line=3)

    assert judged([long, short, shorter], visits, 2) == {
        1: (ConnectionOwner.OURS, "a"),
        2: (ConnectionOwner.UNEXPLAINED, None),
        3: (ConnectionOwner.UNEXPLAINED, None),
    }


def test_visits_close_together_are_all_found_when_the_clocks_differ() -> None:
    """The nearest visit of each would leave the first ones without a trace."""
    visits = [visit(AT + number, event_id=str(number)) for number in range(20)]
    connections = [connection(AT + number + 4, line=number) for number in range(20)]

    assert judged(connections, visits) == {number: (ConnectionOwner.OURS, str(number)) for number in range(20)}


@given(
    st.lists(st.integers(0, 10_000), min_size=1, max_size=30, unique=True),
    st.floats(-5, 5),
    st.randoms(use_true_random=False),
)
def test_every_visit_is_found_whatever_the_times_and_the_order_of_the_log(
    times: list[int], off_s: float, chance: Random
) -> None:
    visits = [visit(AT + at, event_id=str(at)) for at in times]
    connections = [connection(AT + at + off_s, line=at) for at in times]
    chance.shuffle(connections)

    found = judged(connections, visits)

    assert {verdict_ for verdict_, _ in found.values()} == {ConnectionOwner.OURS}
    assert sorted(event_id or "" for _, event_id in found.values()) == sorted(map(str, times))


def test_a_visit_of_several_tries_has_as_many_connections() -> None:
    connections = [connection(AT - 20, line=1), connection(AT - 10, line=2), connection(AT, line=3)]

    assert judged(connections, [visit(tries=2)]) == {
        1: (ConnectionOwner.UNEXPLAINED, None),
        2: (ConnectionOwner.OURS, "id"),
        3: (ConnectionOwner.OURS, "id"),
    }
    assert judged(connections, [visit(tries=3)]) == dict.fromkeys((1, 2, 3), (ConnectionOwner.OURS, "id"))


def test_an_earlier_try_is_not_taken_from_another_visit() -> None:
    visits = [visit(AT - 10, event_id="a"), visit(AT, event_id="b", tries=2)]

    assert judged([connection(AT - 10, line=1), connection(AT, line=2)], visits) == {
        1: (ConnectionOwner.OURS, "a"),
        2: (ConnectionOwner.OURS, "b"),
    }


def test_without_a_sweep_our_address_is_enough() -> None:
    assert judged([connection()], None) == {1: (ConnectionOwner.OURS, None)}
    assert judged([connection(address=STRANGER)], None) == {1: (ConnectionOwner.OTHER, None)}


def test_with_a_sweep_that_never_connected_nothing_is_ours() -> None:
    assert judged([connection()], []) == {1: (ConnectionOwner.UNEXPLAINED, None)}


def test_connections_that_wait_for_a_verdict_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_matching, "MOST_CANDIDATES", 3)

    found = judged([connection(line=line) for line in range(10)], [visit()])

    assert (
        sorted(verdict_ for verdict_, _ in found.values()) == [ConnectionOwner.OURS] + [ConnectionOwner.UNEXPLAINED] * 9
    )


# --- visits from records ---


def dialogue(*commands: str, took_s: float = 2.0, implicit: bool = False) -> Dialogue:
    tls = Tls(version="TLSv1.3", implicit=True) if implicit else None
    return Dialogue(tuple(Exchange(command, 250, ("ok",), took_s) for command in commands), tls=tls)


def test_a_visit_says_when_it_was_what_it_said_and_how_long_it_took() -> None:
    said = dialogue("EHLO scanner.example", "HELP", "STARTTLS", "TLS", "EHLO scanner.example", "QUIT")
    record = record_of(
        greeting_of(SENDMAIL_8_14), dialogue=said, clock_skew_s=-1, tries=2, software=Software(product="Sendmail")
    )

    found = maybe_visit(record)

    assert found == SweepVisit(
        record.event_id, "192.0.2.10", 25, 1795342616.123, 13.0053, 2, "ready", "Sendmail",
        frozenset({"EHLO", "HELP", "STARTTLS", "QUIT", "UNKNOWN", "HELO"}), tls_first=False, skew_s=-1,
    )  # fmt: skip


def test_a_greeting_alone_says_nothing_but_quit_and_tls_may_come_first() -> None:
    plain, implicit = maybe_visit(record_of()), maybe_visit(record_of(dialogue=dialogue("TLS", "QUIT", implicit=True)))

    assert plain is not None
    assert implicit is not None
    assert (plain.commands, plain.tls_first, implicit.tls_first) == (frozenset(), False, True)


@pytest.mark.parametrize("missing", ["connect_s", "observed_at", "ip", "port"])
def test_a_record_without_a_connection_is_no_visit(missing: str) -> None:
    assert maybe_visit(record_of(**{missing: None})) is None


def sweep_file(folder: Path, *records: Record) -> Path:
    file = folder / "sweep.jsonl"
    file.write_bytes(b"".join(map(encode, records)))
    return file


def test_visits_are_those_to_the_server(tmp_path: Path) -> None:
    file = sweep_file(
        tmp_path,
        record_of(ip="192.0.2.10"),
        record_of(ip="192.0.2.11"),
        record_of(ip="192.0.2.12", status=Status.REFUSED, connect_s=None),
        record_of(ip="192.0.2.10"),  # a repeat of the same line
    )

    assert [visit.ip for visit in read_visits(file, ["192.0.2.10"])] == ["192.0.2.10"]
    assert [visit.ip for visit in read_visits(file, ["192.0.2.10", "192.0.2.11"])] == ["192.0.2.10", "192.0.2.11"]
    assert read_visits(file, ["192.0.2.12"]) == ()
    with pytest.raises(InputError, match=r"no record of 192\.0\.2\.99"):
        read_visits(file, ["192.0.2.99"])
    with pytest.raises(InputError, match="say with --server whose log this is"):
        read_visits(file)


def test_the_only_server_of_a_sweep_need_not_be_named(tmp_path: Path) -> None:
    assert len(read_visits(sweep_file(tmp_path, record_of(), record_of(observed_at=1795342700.0)))) == 2
    with pytest.raises(InputError, match="no record of any address"):
        read_visits(sweep_file(tmp_path))


# --- what is said when traces are missing ---


def hints(folder: Path, product: str | None, *lines: bytes) -> list[str]:
    file = log_file(folder, *(b"Nov 23 20:16:53 mail1 " + line for line in lines))
    _, report = examined(file, question=LogQuestion(scanners=(OURS,), visits=(visit(product=product),)))
    assert [trace.found for trace in report.visits or ()] == [False]
    return report.hints


_EXIM_MAIL = b"exim[1]: 2026-11-23 20:16:53 1xVaTt-0000BG-0H <= a@b.example H=(b) [198.51.100.7] P=esmtp S=224"


def test_a_log_level_that_leaves_no_trace_is_named(tmp_path: Path) -> None:
    assert hints(tmp_path, "Exim", _EXIM_MAIL) == [SILENT_LOGS[LogSoftware.EXIM]]
    assert hints(tmp_path, None, _EXIM_MAIL) == [SILENT_LOGS[LogSoftware.EXIM]]
    assert hints(tmp_path, "Sendmail", b"sm-mta[1]: starting daemon") == [SILENT_LOGS[LogSoftware.SENDMAIL]]
    assert all("this log level leaves no trace" in hint for hint in SILENT_LOGS.values())


def test_what_a_server_objects_to_is_no_sign_that_it_logs_visits(tmp_path: Path) -> None:
    objected = b"exim[1]: 2026-11-23 20:16:53 H=(b) [198.51.100.7] rejected VRFY root"

    assert hints(tmp_path, "Exim", objected) == [SILENT_LOGS[LogSoftware.EXIM]]


def test_a_log_that_shows_other_connections_without_mail_has_the_level(tmp_path: Path) -> None:
    other = b"exim[1]: 2026-11-23 20:16:53 no MAIL in SMTP connection from [198.51.100.7] D=0s C=QUIT"

    assert hints(tmp_path, "Exim", other) == []


def test_a_log_level_is_not_blamed_where_lines_about_connections_were_not_understood(tmp_path: Path) -> None:
    strange = b"2026-11-23 20:16:53 SMTP connection identified as Xi=77 from [198.51.100.7] closed"

    assert hints(tmp_path, "Exim", _EXIM_MAIL, strange) == []
    assert hints(tmp_path, None, _EXIM_MAIL, strange) == []


def test_clocks_that_differ_are_suspected(tmp_path: Path) -> None:
    hour_later = visit(AT - 3600)
    line = b"2026-11-23T20:16:53Z mail1 postfix/smtpd[1]: connect from c[192.0.2.5]"

    _, report = examined(log_file(tmp_path, line), question=LogQuestion(scanners=(OURS,), visits=(hour_later,)))

    assert report.nearest_s == 3600.0
    (hint,) = report.hints
    assert hint == (
        "from our address came a connection 3600 s after a visit without a trace: do the clocks differ "
        "(--clock-tolerance), or is the zone another (--timezone)?"
    )
