"""The commands of the generated plans, as they are written, on the real servers: they hide, their rollback restores.

Each block is taken out of the Markdown that a user gets and run in a shell of its own, as root, inside the server's
root. Whatever happens, the server has its own configuration again afterwards: other tests share it.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from scanner.model import Software
from scanner.remediation.plans.model import PLAN_FOLDER
from scanner.remediation.plans.writing import write_plans
from tests.real.command import scanner
from tests.real.mta_lab import LabError, MtaLab
from tests.real.mta_servers import MAIL_SERVERS
from tests.support.greetings import SENDMAIL_8_14
from tests.support.records import greeting_of, record_of
from tests.support.requirements import require_or_skip

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

_PROJECT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```sh step=([a-z-]+)\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
#: Sendmail's date and Exim's.
_DATE = re.compile(rb"[A-Z][a-z]{2}, [0-9 ]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} (?:GMT|\+0000)")
#: A reload takes effect a moment after its signal; below 2 s when measured.
_PATIENCE_S = 15.0
_FOLDERS = {
    "sendmail": "/etc/mail",
    "postfix": "/etc/postfix",
    "exim4": "/etc/exim4",
    "courier": "/etc/courier",
}
_KEPT = "/root/kept-for-the-test"
#: Puts a folder back as it was, and lets the server read it.
_RESTORE = {
    "sendmail": 'kill -HUP "$(head -1 /run/sendmail/mta/sendmail.pid)"',
    "postfix": "postfix reload",
    "exim4": 'rm -rf /etc/exim4.* && update-exim4.conf && kill -HUP "$(cat /run/exim4/exim.pid)"',
    "courier": "true",
}
_PRODUCTS = {"sendmail": "Sendmail", "postfix": "Postfix", "exim4": "Exim", "courier": "Courier"}


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of plans for hosts with the tried products."""
    folder = tmp_path_factory.mktemp("plans") / "plan"
    hosts = [
        record_of(
            greeting_of(SENDMAIL_8_14),
            ip=f"192.0.2.{number}",
            software=Software(product=product, confidence=0.95),
            disclosure=("product",),
        )
        for number, product in enumerate(_PRODUCTS.values(), 1)
    ]
    write_plans(hosts, folder, overwrite=False)
    return folder


class Server:
    """One server of the lab and the blocks of its plan."""

    def __init__(self, lab: MtaLab, name: str, blocks: Mapping[str, str]) -> None:
        self.lab = lab
        self.name = name
        self.blocks = blocks

    def run(self, step: str) -> str:
        """Run one block as it is written; return what it prints. Raises LabError when it fails."""
        return self.shell(self.blocks[step])

    def shell(self, commands: str) -> str:
        return self.lab.in_server(self.name, "sh", "-c", commands)

    def greeting(self, accepted: Callable[[bytes], bool]) -> bytes:
        """Return the greeting without its date, once it is accepted; after `_PATIENCE_S` as it is."""
        visit = [sys.executable, "-m", "tests.real.visitor", MAIL_SERVERS[self.name].address, "127.0.0.1"]
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            done = subprocess.run(self.lab.in_network(*visit), cwd=_PROJECT, capture_output=True, check=False)
            greeting = _DATE.sub(b"DATE", done.stdout.partition(b"\n")[0])
            if accepted(greeting) or time.monotonic() > deadline:
                return greeting
            time.sleep(0.1)  # a server has no event for having read its configuration

    def hidden(self) -> bytes:
        """The only greeting that a plan leaves."""
        return f"220 {MAIL_SERVERS[self.name].hostname} ESMTP\r".encode()


@contextmanager
def server_of(lab: MtaLab, plans: Path, name: str) -> Iterator[tuple[Server, bytes]]:
    """Give a server, with the plan's files copied to it, and its greeting before; put everything back at the end."""
    key = _PRODUCTS[name].lower()
    page = (plans / "products" / f"{key}.md").read_text()
    server = Server(lab, name, dict(_BLOCK.findall(page)))
    server.shell(f"rm -rf {_KEPT} && cp -a {_FOLDERS[name]} {_KEPT} && mkdir -p {PLAN_FOLDER}")
    try:
        require_or_skip(bool(server.shell("command -v curl || true")), "the plans' preflight needs curl")
        for file in (plans / "products" / key).glob("*"):
            text = file.read_text()
            lab.in_server(name, "sh", "-c", 'printf %s "$2" >"$1"', "sh", f"{PLAN_FOLDER}/{file.name}", text)
        before = server.greeting(lambda greeting: greeting.startswith(b"220"))
        yield server, before
    finally:
        folder = _FOLDERS[name]
        server.shell(f"find {folder} -mindepth 1 -delete; cp -a {_KEPT}/. {folder}/; rm -rf {PLAN_FOLDER} {_KEPT}")
        server.shell(_RESTORE[name])


def seen(server: Server) -> dict[str, object]:
    """Return the record that the scanner makes of a server, with EHLO and HELP."""
    done = scanner(server.lab, "check", MAIL_SERVERS[server.name].address, "--json", "--probe", "dialogue")
    record: dict[str, object] = json.loads(done.stdout)
    return record


@pytest.mark.parametrize("route", ["change-mc", "change-cf"])
def test_sendmail_by_either_route(mail_servers: MtaLab, plans: Path, route: str) -> None:
    """Version gone from greeting, HELP and both Received: templates; rollback brings the greeting back exactly."""
    with server_of(mail_servers, plans, "sendmail") as (server, before):
        assert b"Sendmail 8." in before
        assert server.run("look").splitlines()[-1].startswith("/usr/sbin/sendmail-mta ")
        server.run("backup")
        server.run(route)
        checked = server.run("check")
        assert "setoption SmtpGreetingMessage (0x90)=$j\n" in checked
        assert "setoption HelpFile (H)=/etc/mail/helpfile.hide\n" in checked
        preflight = server.run("preflight")
        assert f"< {server.hidden().decode().strip()}" in preflight
        assert "214 2.0.0 End of HELP info" in preflight
        assert "8.17" not in preflight
        assert server.greeting(bool) == before, "the running server was not touched so far"

        server.run("apply")

        assert server.greeting(server.hidden().__eq__) == server.hidden()
        record = seen(server)
        assert record["software"] is None or record["software"]["version"] is None  # type: ignore[index]  # JSON
        assert "sendmail version" not in json.dumps(record)
        for file in ("sendmail.cf", "submit.cf"):
            assert "($v/$Z)" not in server.shell(f"cat /etc/mail/{file}")

        server.run("rollback")

        assert server.greeting(before.__eq__) == before
        server.run("forget")
        assert "before-smtpsweep" not in server.shell("ls /etc/mail")


def test_the_wrong_note_does_not_pass_the_check(mail_servers: MtaLab, plans: Path) -> None:
    """The line of the common note in the new file: exit 70 in step Check, and the running server is untouched."""
    with server_of(mail_servers, plans, "sendmail") as (server, before):
        server.run("backup")
        server.run("change-cf")
        server.shell("""printf '%s\\n' "define(\\`confSMTP_banner', ' ')" >>/etc/mail/sendmail.cf.new""")

        said = server.shell(f"( {server.blocks['check']}\n) || echo exit $?")

        assert "unknown configuration line" in said
        assert said.endswith("exit 70\n")
        assert server.greeting(bool) == before


def test_a_backup_is_never_written_over(mail_servers: MtaLab, plans: Path) -> None:
    with server_of(mail_servers, plans, "postfix") as (server, _):
        server.run("backup")

        with pytest.raises(LabError):
            server.run("backup")


def test_postfix(mail_servers: MtaLab, plans: Path) -> None:
    with server_of(mail_servers, plans, "postfix") as (server, before):
        assert b" Postfix" in before
        assert "smtpd_banner = " in server.run("look")
        server.run("backup")
        assert "> smtpd_banner = $myhostname ESMTP" in server.run("check")
        main_cf = server.shell("cat /etc/postfix/main.cf")
        assert f"< {server.hidden().decode().strip()}" in server.run("preflight")
        assert server.shell("cat /etc/postfix/main.cf") == main_cf
        assert server.greeting(bool) == before

        server.run("apply")

        assert server.greeting(server.hidden().__eq__) == server.hidden()
        assert server.shell("postconf -h mail_name") == "MTA\n"

        server.run("rollback")

        assert server.greeting(before.__eq__) == before
        server.run("forget")
        assert "before-smtpsweep" not in server.shell("ls /etc/postfix")


@pytest.mark.parametrize("split", ["false", "true"])
def test_exim_in_either_layout(mail_servers: MtaLab, plans: Path, split: str) -> None:
    with server_of(mail_servers, plans, "exim4") as (server, before):
        assert b" Exim 4." in before
        use = f"s/^dc_use_split_config=.*/dc_use_split_config='{split}'/"
        server.shell(f'sed -i "{use}" /etc/exim4/update-exim4.conf.conf')
        if split == "true":  # the lab's own settings, where the split layout reads them
            server.shell("cp /etc/exim4/exim4.conf.localmacros /etc/exim4/conf.d/main/00_lab && update-exim4.conf")
        server.run("look")
        server.run("backup")
        server.run("change")
        checked = server.run("check")
        assert "smtp_banner = $smtp_active_hostname ESMTP\n" in checked
        assert "from root by exim4.lab.example" in checked
        assert "Failed" not in checked
        preflight = server.run("preflight")
        assert f"< {server.hidden().decode().strip()}" in preflight
        assert server.greeting(bool) == before

        server.run("apply")

        assert server.greeting(server.hidden().__eq__) == server.hidden()
        assert "version_number" not in server.shell("exim4 -bP received_header_text")
        server.run("change")
        if split == "true":  # a file of its own is written again; in the other layout the lines would be there twice
            server.run("check")
        else:
            with pytest.raises(LabError, match="second time"):
                server.run("check")

        server.run("rollback")

        assert server.greeting(before.__eq__) == before
        assert "version_number" in server.shell("exim4 -bP received_header_text")
        server.run("forget")


def test_courier_with_a_greeting_that_somebody_wrote(mail_servers: MtaLab, plans: Path) -> None:
    with server_of(mail_servers, plans, "courier") as (server, default):
        server.shell("echo 'mail.example.com ESMTP Courier 1.0.16' >/etc/courier/esmtpgreeting")
        before = server.greeting(lambda greeting: b"Courier" in greeting)
        assert before == b"220 mail.example.com ESMTP Courier 1.0.16\r"
        assert server.run("look") == "/etc/courier/esmtpgreeting\n"
        server.run("backup")

        server.run("apply")

        assert server.greeting(server.hidden().__eq__) == server.hidden() == default

        server.run("rollback")

        assert server.greeting(before.__eq__) == before
        server.run("forget")
        assert "before-smtpsweep" not in server.shell("ls /etc/courier")
