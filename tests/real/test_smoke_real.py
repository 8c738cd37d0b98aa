"""The smoke test through real Sendmail, Postfix and Exim into a local user's mailbox, and by a real IMAP server."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.real.command import installed_version, scanner
from tests.real.mta_lab import LabError, MtaLab
from tests.real.mta_overlay import ROOT
from tests.real.mta_servers import MAIL_SERVERS
from tests.support.certificates import make_certificate
from tests.support.requirements import require_or_skip

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

USER = "smokeuser"
IMAP_WORD = "only-in-the-lab"
PRODUCTS = {"sendmail": "Sendmail", "postfix": "Postfix", "exim4": "Exim"}


def recipient(name: str) -> str:
    return f"{USER}@{MAIL_SERVERS[name].hostname}"


def root_of(lab: MtaLab, name: str) -> Path:
    """Return the root of a server as this machine sees it."""
    return Path(f"/proc/{lab._processes(name)[0]}/root{ROOT}")


@pytest.fixture(scope="module")
def users(mail_servers: MtaLab) -> MtaLab:
    """The lab, with a local user in each of the three servers."""
    for name in PRODUCTS:
        mail_servers.in_server(name, "sh", "-c", f"id {USER} 2>&1 || useradd --create-home {USER}")
    return mail_servers


def smoke(lab: MtaLab, name: str, receive: str, *more: str) -> Mapping[str, Any]:
    server = MAIL_SERVERS[name]
    done = scanner(
        lab, "smoke", server.address, "--from", f"postmaster@{server.hostname}", "--to", recipient(name),
        "--receive", receive, "--timeout", "40", "--json", "--yes-send-mail", *more,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_message_to_a_local_user_arrives_in_the_mbox_and_its_received_line_is_reported(
    users: MtaLab, name: str
) -> None:
    mbox = root_of(users, name) / "var/mail" / USER

    told = smoke(users, name, f"mbox:{mbox}", "--insecure-tls")

    assert told["state"] == "delivered"
    assert all(step["ok"] for step in told["steps"])
    assert told["queue_id"] in users.log_file(name).read_text(errors="replace")
    upstream = installed_version(users, name).partition(":")[2] or installed_version(users, name)
    (leak,) = told["leaks"]
    assert (leak["hop"], leak["by"], leak["product"]) == (1, MAIL_SERVERS[name].hostname, PRODUCTS[name])
    if name == "postfix":  # names itself, never its version
        assert (leak["version"], told["shows_version"]) == (None, False)
    else:
        assert upstream.startswith(leak["version"])
        assert told["shows_version"] is True
    assert leak["text"].startswith("Received: from ")
    assert told["token"] in mbox.read_text(errors="replace")


def test_sendmails_line_is_the_one_with_both_its_versions(users: MtaLab) -> None:
    mbox = root_of(users, "sendmail") / "var/mail" / USER

    told = smoke(users, "sendmail", f"mbox:{mbox}")

    (leak,) = told["leaks"]
    version = leak["version"]
    assert f"by sendmail.lab.example ({version}/{version}/Debian-" in leak["text"]


def test_a_recipient_that_the_server_does_not_know_is_exit_code_1_with_its_reply(users: MtaLab) -> None:
    done = scanner(
        users, "smoke", MAIL_SERVERS["postfix"].address, "--from", "postmaster@postfix.lab.example",
        "--to", "nobody-of-this-name@postfix.lab.example", "--receive", "maildir:/nowhere", "--starttls", "never", "-y",
    )  # fmt: skip

    assert done.returncode == 1
    assert (
        "RCPT         FAILED  550 5.1.1 <nobody-of-this-name@postfix.lab.example>: Recipient address rej" in done.stdout
    )


_DOVECOT = """
protocols = imap
listen = {address}
mail_location = mbox:~/mail:INBOX=/var/mail/%u
mail_privileged_group = mail
mbox_write_locks = fcntl
passdb {{
  driver = static
  args = password={word}
}}
userdb {{
  driver = passwd
}}
ssl = required
ssl_cert = </etc/dovecot/lab.crt
ssl_key = </etc/dovecot/lab.key
log_path = /var/log/dovecot.log
"""


@pytest.fixture(scope="module")
def imap_ca(users: MtaLab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian's Dovecot beside Postfix, reading the same mailboxes; returns what verifies its certificate."""
    address = MAIL_SERVERS["postfix"].address
    try:
        _install_dovecot(users)
    except (LabError, subprocess.CalledProcessError) as error:
        require_or_skip(False, f"Dovecot cannot be installed: {getattr(error, 'stderr', error)}")
    certificate, key = make_certificate(address, names=(address,))
    folder = root_of(users, "postfix") / "etc/dovecot"
    (folder / "lab.crt").write_bytes(certificate)
    (folder / "lab.key").write_bytes(key)
    (folder / "dovecot.conf").write_text(_DOVECOT.format(address=address, word=IMAP_WORD))
    # It goes to the background with the pipes it was given, and ends with the server's namespace.
    users.in_server("postfix", "sh", "-c", "dovecot >/dev/null 2>&1")
    path = tmp_path_factory.mktemp("imap") / "ca.pem"
    path.write_bytes(certificate)
    return path


def _install_dovecot(lab: MtaLab) -> None:
    """Install it into Postfix's root, from this machine's network: the lab's own has no way out."""
    root = root_of(lab, "postfix")
    before = (root / "etc/resolv.conf").read_text()
    (root / "etc/resolv.conf").write_text(Path("/etc/resolv.conf").read_text())
    enter = ("nsenter", f"--target={lab._processes('postfix')[0]}", "--mount", "--uts", "--pid", "chroot", str(ROOT))
    install = (
        "apt-get",
        "--yes",
        "-o",
        "APT::Sandbox::User=root",
        "install",
        "--no-install-recommends",
        "dovecot-imapd",
    )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    try:
        subprocess.run([*enter, *install], env=environment, capture_output=True, text=True, check=True, timeout=200)
    finally:
        (root / "etc/resolv.conf").write_text(before)


def test_a_message_is_seen_by_imap_and_stays_unread(
    users: MtaLab, imap_ca: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = MAIL_SERVERS["postfix"].address
    monkeypatch.setenv("LAB_IMAP_WORD", IMAP_WORD)
    where = f"imaps://{USER}@{address}/INBOX"

    told = smoke(users, "postfix", where, "--insecure-tls", "--ca-file", str(imap_ca),
                 "--imap-password-env", "LAB_IMAP_WORD")  # fmt: skip

    assert told["state"] == "delivered"
    assert [leak["product"] for leak in told["leaks"]] == ["Postfix"]
    listed = users.in_server("postfix", "doveadm", "fetch", "-u", USER, "flags", "mailbox", "INBOX",
                             "header", "X-Smtpsweep-Smoke", told["token"])  # fmt: skip
    assert "\\Seen" not in listed
    assert "flags:" in listed


def test_a_wrong_imap_password_is_said_before_anything_is_sent(
    users: MtaLab, imap_ca: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = MAIL_SERVERS["postfix"]
    monkeypatch.setenv("LAB_IMAP_WORD", "something else")
    done = scanner(
        users, "smoke", server.address, "--from", "postmaster@postfix.lab.example", "--to", recipient("postfix"),
        "--receive", f"imaps://{USER}@{server.address}/INBOX", "--ca-file", str(imap_ca),
        "--imap-password-env", "LAB_IMAP_WORD", "--yes-send-mail",
    )  # fmt: skip

    assert done.returncode == 2
    assert done.stderr == f"smtpsweep: imaps://{server.address}: the server refused the user or the password\n"
    assert "MAIL" not in done.stdout
