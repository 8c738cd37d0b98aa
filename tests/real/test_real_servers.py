"""The command against real mail servers: exact identities, their own logs as the witness of how it behaved.

What is expected is asked from the installed packages, never written down here, so that a security update of Debian
does not break a test. The servers treat the scanner as a stranger (see `tests.real.mta_servers`).
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.real.command import installed_version, scanner
from tests.real.mail_log import MailLog
from tests.real.mta_lab import MtaLab
from tests.real.mta_servers import MAIL_SERVERS

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

#: An address of the servers' network where nothing listens.
CLOSED = "127.0.20.99"
#: How each server logs the end of a connection that said QUIT, and of one that was closed without a word.
#: Sendmail and Courier log the same for both.
_END_AFTER_QUIT = {
    "sendmail": r"did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA-v4$",
    "postfix": r"disconnect from scanner\.lab\.example\[198\.51\.100\.1\] quit=1 commands=1$",
    "exim4": r"SMTP connection from \[198\.51\.100\.1\] closed by QUIT$",
    "opensmtpd": r"smtp disconnected reason=quit$",
    "courier": r"started,ip=\[::ffff:198\.51\.100\.1\]",
}
_END_WITHOUT_A_WORD = {
    "sendmail": r"did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA-v4$",
    "postfix": r"disconnect from scanner\.lab\.example\[198\.51\.100\.1\] commands=0/0$",
    "exim4": r"SMTP connection from \[198\.51\.100\.1\] lost D=",
    "opensmtpd": r"smtp disconnected reason=disconnect$",
    "courier": r"started,ip=\[::ffff:198\.51\.100\.1\]",
}
#: What no server may have to write about a visitor: it spoke early, it reset the connection, it made an error.
_COMPLAINTS = r"pre-greeting|rejecting|reset by peer|lost input|failed-command|error|attack"


@dataclass(frozen=True)
class Visit:
    """What one run of the command gave: records by server name, the closed port's as `closed`, and the logs."""

    records: Mapping[str, Mapping[str, Any]]
    summary: Mapping[str, Any]
    logs: Mapping[str, str]


def sweep_all(lab: MtaLab, ends: Mapping[str, str], summary: Path, *options: str) -> Visit:
    """Sweep the servers and the closed port; wait until each server has logged the end of its connection."""
    names = {server.address: name for name, server in MAIL_SERVERS.items()} | {CLOSED: "closed"}
    logs = {name: MailLog(lab.log_file(name)) for name in MAIL_SERVERS}

    done = scanner(lab, "sweep", *names, "--subnet-rate", "0", "--all", "--summary", str(summary), *options)

    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(record["ip"] for record in records) == sorted(names)
    return Visit(
        {names[record["ip"]]: record for record in records},
        json.loads(summary.read_text()),
        {name: log.until(ends[name]) for name, log in logs.items()},
    )


@pytest.fixture(scope="module")
def visit(mail_servers: MtaLab, tmp_path_factory: pytest.TempPathFactory) -> Visit:
    return sweep_all(mail_servers, _END_AFTER_QUIT, tmp_path_factory.mktemp("sweep") / "summary.json")


@pytest.fixture(scope="module")
def passive_visit(mail_servers: MtaLab, tmp_path_factory: pytest.TempPathFactory) -> Visit:
    summary = tmp_path_factory.mktemp("passive") / "summary.json"
    return sweep_all(mail_servers, _END_WITHOUT_A_WORD, summary, "--passive")


@pytest.mark.parametrize("name", MAIL_SERVERS)
def test_every_server_is_ready_under_its_own_name(visit: Visit, name: str) -> None:
    record = visit.records[name]

    assert (record["status"], record["error"]) == ("ready", None)
    assert (record["banner"]["code"], record["banner"]["esmtp"]) == (220, True)
    assert record["banner"]["hostname"] == MAIL_SERVERS[name].hostname
    assert record["banner"]["flags"] == []


def test_sendmails_three_numbers_are_told_apart(visit: Visit, mail_servers: MtaLab) -> None:
    upstream, _, revision = installed_version(mail_servers, "sendmail").rpartition("-")

    software = visit.records["sendmail"]["software"]

    assert (software["product"], software["version"]) == ("Sendmail", upstream)
    assert (software["config_version"], software["package"]) == (upstream, f"Debian-{revision}")


def test_exims_version_is_the_one_it_tells_itself(visit: Visit, mail_servers: MtaLab) -> None:
    told = re.match(r"Exim version (\S+) ", mail_servers.in_server("exim4", "exim4", "--version"))
    assert told is not None

    software = visit.records["exim4"]["software"]

    assert (software["product"], software["version"]) == ("Exim", told[1])


def test_postfix_is_known_as_debians_and_keeps_its_version_to_itself(visit: Visit) -> None:
    software = visit.records["postfix"]["software"]

    assert (software["product"], software["version"]) == ("Postfix", None)
    assert "Debian" in str(software["os"] or software["package"])


def test_opensmtpd_is_known_without_a_version(visit: Visit) -> None:
    software = visit.records["opensmtpd"]["software"]

    assert (software["product"], software["version"]) == ("OpenSMTPD", None)


def test_a_server_that_names_no_product_is_given_none(visit: Visit) -> None:
    assert visit.records["courier"]["banner"]["text"] == "220 courier.lab.example ESMTP"
    assert visit.records["courier"]["software"] is None


def test_sendmails_pause_before_its_greeting_is_waited_out(visit: Visit) -> None:
    """Only the server's clock decides here: Debian's `greet_pause` is 1000 ms."""
    assert visit.records["sendmail"]["timing"]["first_byte_ms"] >= 1000


def test_a_closed_port_is_refused(visit: Visit) -> None:
    record = visit.records["closed"]

    assert (record["status"], record["banner"], record["software"]) == ("refused", None, None)


def test_the_summary_accounts_for_every_server_and_the_closed_port(visit: Visit) -> None:
    assert visit.summary["planned"] == len(MAIL_SERVERS) + 1
    assert visit.summary["statuses"] == {"ready": len(MAIL_SERVERS), "refused": 1}


@pytest.mark.parametrize("name", MAIL_SERVERS)
def test_a_server_sees_a_quiet_visitor_who_takes_leave(visit: Visit, name: str) -> None:
    assert re.search(_END_AFTER_QUIT[name], visit.logs[name], re.MULTILINE)
    assert not re.search(rf"(?i)\blost\b|reason=disconnect|{_COMPLAINTS}", visit.logs[name])


@pytest.mark.parametrize("name", MAIL_SERVERS)
def test_a_passive_visitor_says_nothing_and_is_told_the_same(visit: Visit, passive_visit: Visit, name: str) -> None:
    seen, seen_passively = visit.records[name], passive_visit.records[name]

    assert re.search(_END_WITHOUT_A_WORD[name], passive_visit.logs[name], re.MULTILINE)
    assert not re.search(rf"(?i)quit|{_COMPLAINTS}", passive_visit.logs[name])
    assert seen_passively["status"] == "ready"
    assert seen_passively["software"] == seen["software"]


def test_a_server_that_knows_strangers_counts_them_as_lost_after_a_passive_visit(passive_visit: Visit) -> None:
    assert "lost connection after CONNECT from scanner.lab.example" in passive_visit.logs["postfix"]


def test_check_shows_the_greeting_and_the_verdict(mail_servers: MtaLab) -> None:
    log = MailLog(mail_servers.log_file("sendmail"))
    version = installed_version(mail_servers, "sendmail")
    upstream, _, revision = version.rpartition("-")

    done = scanner(mail_servers, "check", MAIL_SERVERS["sendmail"].address)

    assert done.returncode == 0, done.stderr
    assert f"220 sendmail.lab.example ESMTP Sendmail {upstream}/{upstream}/Debian-{revision};" in done.stdout
    assert re.search(rf"(?<!ESMTP )Sendmail {re.escape(upstream)}\b", done.stdout)
    assert not re.search(rf"(?i){_COMPLAINTS}", log.until(_END_AFTER_QUIT["sendmail"]))


_TEN_CONNECTIONS = """
import socket, sys
for _ in range(10):
    socket.create_connection((sys.argv[1], 25), source_address=(sys.argv[2], 0)).close()
"""


def test_a_server_that_limits_strangers_is_busy_and_neither_dark_nor_unknown(mail_servers: MtaLab) -> None:
    """Debian's Sendmail takes ten connections a minute from one address (`ClientRate:`), then says 421.

    Those words are Sendmail's own, so they give away the product, but no version.
    """
    address, source = MAIL_SERVERS["sendmail"].address, "198.51.100.3"
    crowd = mail_servers.in_network(sys.executable, "-c", _TEN_CONNECTIONS, address, source)
    subprocess.run(crowd, check=True, timeout=60)

    done = scanner(mail_servers, "sweep", address, "--source-address", source)

    record = json.loads(done.stdout)
    assert (record["status"], record["banner"]["code"]) == ("busy", 421)
    assert record["banner"]["lines"] == ["4.3.2 Connection rate limit exceeded."]
    assert record["banner"]["enhanced_code"] == "4.3.2"
    assert (record["software"]["product"], record["software"]["version"]) == ("Sendmail", None)
