"""The lab itself: real greetings, no way out, nothing left behind. Without this, the sweep's tests prove little."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.mail_log import MailLog
from tests.real.mta_lab import LabError, MtaLab
from tests.real.mta_overlay import ROOT
from tests.real.mta_servers import MAIL_SERVERS, STRANGER

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

_DATE = r"\w{3}, +\d+ \w{3} \d{4} [\d:]{8} \S+"
_GREETINGS = {
    "sendmail": (
        rf"220 sendmail\.lab\.example ESMTP Sendmail (\S+)/\1/Debian-\S+; {_DATE}; \(No UCE/UBE\) logging access "
        rf"from: scanner\.lab\.example\(OK\)-scanner\.lab\.example \[{re.escape(STRANGER)}\]"
    ),
    "postfix": r"220 postfix\.lab\.example ESMTP Postfix \(Debian/GNU\)",
    "exim4": rf"220 exim4\.lab\.example ESMTP Exim [\d.]+ {_DATE}",
    "opensmtpd": r"220 opensmtpd\.lab\.example ESMTP OpenSMTPD",
    "courier": r"220 courier\.lab\.example ESMTP",
}


def visit(lab: MtaLab, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Visit from inside the lab's network with a client that is not the scanner."""
    visitor = lab.in_network(sys.executable, "-m", "tests.real.visitor", *arguments)
    return subprocess.run(visitor, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("name", MAIL_SERVERS)
def test_a_server_greets_a_stranger_as_a_fresh_debian_installation_does(mail_servers: MtaLab, name: str) -> None:
    seen = visit(mail_servers, MAIL_SERVERS[name].address).stdout

    assert re.fullmatch(rf"{_GREETINGS[name]}\r\n221 .*\r\n", seen.decode())


def test_sendmail_punishes_who_speaks_before_its_greeting(mail_servers: MtaLab) -> None:
    """So that the absence of this line in its log proves that a visitor waited."""
    log = MailLog(mail_servers.log_file("sendmail"))

    seen = visit(mail_servers, MAIL_SERVERS["sendmail"].address, "198.51.100.2", "EHLO early.example\r\n").stdout

    assert seen.startswith(b"554 sendmail.lab.example ESMTP not accepting messages\r\n")
    line = r"rejecting commands from .* due to pre-greeting traffic"
    assert re.search(line, log.until(line))


def test_the_network_of_the_servers_has_no_interface_but_loopback(mail_servers: MtaLab) -> None:
    links = subprocess.run(
        mail_servers.in_network("ip", "-oneline", "link"), capture_output=True, text=True, check=True
    ).stdout.splitlines()

    assert [link.split()[1] for link in links] == ["lo:"]


def test_nothing_in_that_network_can_reach_another_machine(mail_servers: MtaLab) -> None:
    refusal = visit(mail_servers, "192.0.2.1")

    assert refusal.returncode == 1
    assert b"Network is unreachable" in refusal.stderr


def test_a_program_can_be_asked_inside_a_server(mail_servers: MtaLab) -> None:
    assert mail_servers.in_server("postfix", "hostname") == "postfix.lab.example\n"
    with pytest.raises(LabError, match="no-such-program"):
        mail_servers.in_server("postfix", "no-such-program")


_UNRESOLVED = r"""
apt-get check >&2
dpkg --listfiles "$@" | while read -r file; do
    if [ -f "$file" ] && [ "$(head -c 4 "$file" | tail -c 3)" = ELF ]; then
        echo "$file"
        ldd "$file" | grep 'not found' || true
    fi
done
"""


@pytest.mark.parametrize("name", MAIL_SERVERS)
def test_a_server_has_all_that_it_depends_on(mail_servers: MtaLab, name: str) -> None:
    """Its packages are installed with what they need, and every program of theirs finds its libraries."""
    server = MAIL_SERVERS[name]
    said = mail_servers.in_server(name, "sh", "-ec", _UNRESOLVED, "sh", server.program, *server.also_install)

    programs = said.splitlines()
    assert programs
    assert [line for line in programs if "not found" in line] == []


@pytest.fixture
def lab_of_its_own(mail_servers: MtaLab, tmp_path: Path) -> Iterator[MtaLab]:
    """A second lab beside the first, stopped; it borrows the first one's packages."""
    shutil.copytree(mail_servers.folder / "packages", tmp_path / "packages")
    with MtaLab(tmp_path).locked() as lab:
        yield lab
        lab.down()


def namespaces() -> list[str]:
    return sorted(path.name for path in Path("/run/netns").iterdir())


def traces(lab: MtaLab) -> tuple[list[str], bytes]:
    """What a lab could leave on the machine: mounts (a network namespace is one, too) and packages."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    own = [mount for mount in mounts if lab.netns in mount or str(ROOT.parent) in mount or str(lab.folder) in mount]
    return own, Path("/var/lib/dpkg/status").read_bytes()


def test_a_server_that_was_stopped_leaves_nothing_and_the_machine_is_as_before(lab_of_its_own: MtaLab) -> None:
    before = traces(lab_of_its_own)

    greetings = lab_of_its_own.up(["opensmtpd"])
    assert greetings == {"opensmtpd": b"220 opensmtpd.lab.example ESMTP OpenSMTPD\r\n"}
    assert lab_of_its_own.netns in namespaces()
    lab_of_its_own.down()

    assert lab_of_its_own.status() == dict.fromkeys(MAIL_SERVERS, False)
    assert lab_of_its_own.netns not in namespaces()
    assert traces(lab_of_its_own) == before


_DIE_WHILE_IT_INSTALLS = """
import os, pathlib, signal, sys
from tests.real.mta_lab import MtaLab
lab = MtaLab(pathlib.Path(sys.argv[1]))
lab._wait_until_ready = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
lab.up(["opensmtpd"])
"""


def runs(pid: int) -> bool:
    """Whether a process runs: the first process of a container may be slow to take note that an orphan has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_a_killed_run_left_behind_is_cleaned_up_by_the_next(lab_of_its_own: MtaLab) -> None:
    dying = (sys.executable, "-c", _DIE_WHILE_IT_INSTALLS, lab_of_its_own.folder)
    assert subprocess.run(dying, check=False).returncode == -signal.SIGKILL
    left_behind = lab_of_its_own._processes("opensmtpd")
    assert len(left_behind) == 2
    assert lab_of_its_own.netns in namespaces()

    lab_of_its_own.up(["opensmtpd"])

    assert not [pid for pid in left_behind if runs(pid)]
    lab_of_its_own.down()
    assert lab_of_its_own.netns not in namespaces()


def test_a_foreign_process_with_the_number_of_a_dead_server_is_left_alone(lab_of_its_own: MtaLab) -> None:
    with subprocess.Popen(["sleep", "60"]) as foreign:
        (lab_of_its_own.folder / "postfix").mkdir()
        (lab_of_its_own.folder / "postfix/pid").write_text(f"{foreign.pid} 1")

        assert lab_of_its_own.status()["postfix"] is False
        lab_of_its_own.down()

        assert foreign.poll() is None
        foreign.kill()


def test_a_server_that_cannot_be_installed_is_named_with_the_reason_and_stopped(
    lab_of_its_own: MtaLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in (lab_of_its_own.folder / "packages").iterdir():
        package.unlink()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nothing listens there, so nothing is downloaded

    with pytest.raises(LabError, match=r"^opensmtpd did not start: E: .*"):
        lab_of_its_own.up(["opensmtpd", "exim4"])

    assert lab_of_its_own.status() == dict.fromkeys(MAIL_SERVERS, False)
    assert lab_of_its_own.netns not in namespaces()
