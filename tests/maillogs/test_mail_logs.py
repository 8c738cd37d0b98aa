"""Claims about reading whole mail logs: what is chosen, counted and reported, in memory that does not grow."""

import os
import subprocess
import sys
from datetime import UTC
from pathlib import Path

import pytest

from benchmarks.logs import generated, measure
from scanner.maillogs import clients
from scanner.maillogs.events import EventKind
from scanner.maillogs.mail_logs import examine, read_events
from scanner.maillogs.report import LogQuestion, LogReport
from tests.support.mail_logs import DATA, PREFIX, examined, log_file
from tests.support.mail_logs import unix_time as at


def test_lines_can_be_chosen_by_time_and_host(tmp_path: Path) -> None:
    file = log_file(
        tmp_path,
        b"2026-11-23T10:00:00Z a postfix/smtpd[1]: connect from c[192.0.2.1]",
        b"2026-11-23T11:00:00Z b postfix/smtpd[1]: connect from c[192.0.2.2]",
        b"2026-11-23T12:00:00Z a postfix/smtpd[1]: connect from c[192.0.2.3]",
    )

    def addresses(question: LogQuestion) -> list[str]:
        return [judged.connection.address for judged in examined(file, question=question)[0]]

    assert addresses(LogQuestion(host="a")) == ["192.0.2.1", "192.0.2.3"]
    assert addresses(LogQuestion(since=at("2026-11-23T11:00:00Z"))) == ["192.0.2.2", "192.0.2.3"]
    assert addresses(LogQuestion(until=at("2026-11-23T11:00:00Z"))) == ["192.0.2.1", "192.0.2.2"]


def test_each_line_about_a_client_is_an_event_with_its_place() -> None:
    report = LogReport()

    found = list(read_events([str(DATA / "opensmtpd.log")], LogQuestion(zone=UTC), report))

    assert (report.events, report.counts.lines) == (33, 35)
    assert (found[2].kind, found[2].place.line, found[2].address, found[2].at) == (
        EventKind.CONNECTED,
        5,
        "198.51.100.2",
        at("2026-11-23T20:17:42Z"),
    )
    assert (found[3].kind, found[3].commands, found[3].text) == (EventKind.USERS, ("VRFY",), "VRFY root")


def test_the_clients_seen_seldom_are_put_together_when_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "MOST_CLIENTS", 5)
    often = [b"postfix/smtpd[%d]: connect from c[192.0.2.1]" % number for number in range(3)]
    once = [b"postfix/smtpd[%d]: connect from c[198.51.100.%d]" % (100 + number, number) for number in range(50)]

    _, report = examined(log_file(tmp_path, *(PREFIX + line for line in (*often, *once))))

    assert report.clients[0].address == "192.0.2.1"
    assert report.clients[0].connections == 3
    assert len(report.clients) <= 10
    assert sum(client.connections for client in report.clients) + report.other_clients == 53


def test_a_log_without_any_mail_server_says_so(tmp_path: Path) -> None:
    _, report = examined(log_file(tmp_path, b"Nov 23 20:16:53 mail1 sshd[1]: hello"))

    assert report.doubts == [
        "no line is of a mail server that is understood: sendmail, postfix, exim, opensmtpd, courier"
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_memory_does_not_grow_with_the_log() -> None:
    """Ever new clients; ten times the lines. The table of clients fills up at 40,000, so both runs are beyond it."""
    short, long = (measure(lines, only_connections=True) for lines in (100_000, 1_000_000))

    assert long.peak_bytes < short.peak_bytes + 8_000_000


def test_the_generated_log_is_understood(tmp_path: Path) -> None:
    file = tmp_path / "mail.log"
    file.write_bytes(b"".join(generated(2000, only_connections=False)))

    report = examine([str(file)], LogQuestion())

    assert (report.counts.lines, report.events, sum(client.connections for client in report.clients)) == (
        2000,
        200,
        100,
    )


def test_standard_input_is_read() -> None:
    script = "from benchmarks.logs import _read; _read()"
    done = subprocess.run(
        [sys.executable, "-c", script], input=(DATA / "postfix.log").read_bytes(), capture_output=True, check=True,
        env={**os.environ, "PYTHONPATH": str(DATA.parents[2])},
    )  # fmt: skip

    assert done.stdout.split()[0] == b"45"
