"""`smtpsweep verify` on real servers: Sendmail as Debian ships it, half closed, closed and rolled back; and Postfix.

A Sendmail of its own runs beside the lab's, in the same root, and gets one configuration after another.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from scanner.remediation.sendmail.facts import HELP_FILE, HELP_FILE_TEXT, MC_VALUES, mc_line
from tests.real.command import installed_version, scanner
from tests.real.mta_lab import MtaLab
from tests.real.mta_servers import MAIL_SERVERS

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

ADDRESS = "127.0.20.101"
_FOLDER = "/etc/verify"
_PROJECT = Path(__file__).resolve().parents[2]
_WRITE = 'mkdir -p "${1%/*}" && printf %s "$2" >"$1"'
_STOP = """test -e "$1" || exit 0
p=$(head -1 "$1")
kill "$p"
while kill -0 "$p" 2>/dev/null; do sleep 0.1; done
rm -f "$1"
"""
_GREET = "import sys; from tests.real.mta_overlay import first_greeting; print(first_greeting(sys.argv[1]))"

GREETING_ONLY = {"confSMTP_LOGIN_MSG": "$j"}
NO_HELP_FILE = {"confSMTP_LOGIN_MSG": "$j", "HELP_FILE": "/etc/verify/missing"}


class Sendmail:
    """A daemon at `ADDRESS` that can be given another configuration."""

    def __init__(self, lab: MtaLab) -> None:
        self._lab = lab
        self._visitors = iter(range(101, 200))

    def configure(self, settings: Mapping[str, str]) -> None:
        """Start it anew with Debian's configuration and these settings beside it."""
        self.stop()
        mc = self._lab.in_server("sendmail", "cat", "/etc/mail/sendmail.mc")
        lines = "\n".join(mc_line(name, value) for name, value in settings.items())
        self._write(f"{_FOLDER}/sendmail.mc", mc.replace("MAILER_DEFINITIONS", f"{lines}\nMAILER_DEFINITIONS"))
        self._lab.in_server("sendmail", "sh", "-c", f"m4 {_FOLDER}/sendmail.mc >{_FOLDER}/sendmail.cf")
        options = (f"DaemonPortOptions=Name=Verify, Addr={ADDRESS}", f"PidFile={_FOLDER}/pid", "ControlSocketName=")
        command = ("/usr/sbin/sendmail-mta", "-L", "sm-verify", "-C", f"{_FOLDER}/sendmail.cf", "-bd")
        self._lab.in_server("sendmail", *command, *(f"-O{option}" for option in options))
        visitor = self._lab.in_network(sys.executable, "-c", _GREET, ADDRESS)
        subprocess.run(visitor, cwd=_PROJECT, capture_output=True, timeout=60, check=True)

    def stop(self) -> None:
        """End it and wait until it is gone."""
        self._lab.in_server("sendmail", "sh", "-c", _STOP, "sh", f"{_FOLDER}/pid")

    def verify(self, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
        """Verify it; return the exit code and the result. Each look comes from an address of its own."""
        source = f"198.51.100.{next(self._visitors)}"
        done = scanner(self._lab, "verify", *map(str, arguments), "--json", "--source-address", source)
        (line,) = done.stdout.splitlines()
        result: dict[str, Any] = json.loads(line)
        return done.returncode, result

    def write_helpfile(self) -> None:
        """Write the help file that names no version."""
        self._write(HELP_FILE, HELP_FILE_TEXT)

    def _write(self, path: str, text: str) -> None:
        self._lab.in_server("sendmail", "sh", "-c", _WRITE, "sh", path, text)


@pytest.fixture
def sendmail(mail_servers: MtaLab) -> Iterator[Sendmail]:
    server = Sendmail(mail_servers)
    try:
        yield server
    finally:
        server.stop()


def places(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["place"], each["line"]) for each in result["evidence"]]


def test_a_finding_is_followed_from_its_sweep_to_the_fix_and_to_the_rollback(
    sendmail: Sendmail, mail_servers: MtaLab, tmp_path: Path
) -> None:
    version = installed_version(mail_servers, "sendmail").rpartition("-")[0]
    sweep, fixed = tmp_path / "sweep.jsonl", tmp_path / "fixed.jsonl"
    sendmail.configure({})
    swept = scanner(mail_servers, "sweep", ADDRESS, "--probe", "dialogue", "-o", str(sweep))
    assert swept.returncode == 0, swept.stderr

    code, default = sendmail.verify("--before", sweep)
    assert (code, default["state"]) == (1, "still_discloses")
    assert [place for place, _ in places(default)] == ["greeting", "help"]
    assert places(default)[1] == ("help", f"214-2.0.0 This is sendmail version {version}")
    assert default["before"]["versions_in"] == default["after"]["versions_in"] == ["greeting", "help"]

    sendmail.configure(GREETING_ONLY)
    code, half = sendmail.verify("--before", sweep)
    assert (code, half["state"]) == (1, "still_discloses")
    assert half["after"]["greeting"] == "220 sendmail.lab.example ESMTP"
    assert places(half) == [("help", f"214-2.0.0 This is sendmail version {version}")]

    sendmail.configure(NO_HELP_FILE)
    code, worse = sendmail.verify("--before", sweep)
    assert (code, worse["state"]) == (1, "still_discloses")
    assert places(worse) == [("help", f"502 5.3.0 Sendmail {version} -- HELP not implemented")]

    sendmail.write_helpfile()
    sendmail.configure(MC_VALUES)
    code, good = sendmail.verify("--before", sweep)
    assert (code, good["state"], good["samples"]) == (0, "fixed", {"asked": 3, "agreed": 3})
    assert places(good)[0] == ("greeting", "220 sendmail.lab.example ESMTP")
    assert "behaves like Sendmail" in good["evidence"][1]["what"]
    assert good["evidence"][-1] == {
        "place": "second_opinion",
        "line": "220 sendmail.lab.example ESMTP",
        "what": "reads the same",
    }
    fixed.write_text(json.dumps(good) + "\n")

    headers = tmp_path / "headers.eml"
    headers.write_text(
        f"Received: from a by sendmail.lab.example ({version}/{version}/Submit) id 1; Mon, 23 Nov 2026 10:00:00 GMT\n"
    )
    code, received = sendmail.verify("--before", sweep, "--received", headers)
    assert (code, received["state"]) == (1, "still_discloses")
    assert [place for place, _ in places(received)] == ["received"]

    sendmail.configure({})
    code, again = sendmail.verify("--before", fixed)
    assert (code, again["state"], again["before"]) == (1, "regressed", good["after"])

    sendmail.stop()
    code, down = sendmail.verify("--before", sweep)
    assert (code, down["state"], down["before"]) == (3, "unreachable", default["before"])


def test_postfix_as_debian_ships_it_names_itself_and_shows_no_version(mail_servers: MtaLab) -> None:
    address = MAIL_SERVERS["postfix"].address

    done = scanner(mail_servers, "verify", address, "--json")
    strict = scanner(mail_servers, "verify", address, "--json", "--strict")

    result = json.loads(done.stdout)
    assert (done.returncode, strict.returncode) == (0, 1)
    assert result["state"] == "hidden_but_recognisable"
    assert places(result)[0] == ("greeting", "220 postfix.lab.example ESMTP Postfix (Debian/GNU)")


@pytest.mark.parametrize(
    ("name", "state"),
    [("exim4", "still_discloses"), ("opensmtpd", "hidden_but_recognisable"), ("courier", "hidden_but_recognisable")],
)
def test_the_defaults_of_other_servers_are_what_they_show(mail_servers: MtaLab, name: str, state: str) -> None:
    done = scanner(mail_servers, "verify", MAIL_SERVERS[name].address, "--json")

    result = json.loads(done.stdout)
    assert (result["state"], result["samples"]["agreed"]) == (state, 3)
    assert not any("contradict" in each["what"] for each in result["evidence"])
