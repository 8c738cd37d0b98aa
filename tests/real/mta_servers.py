"""The mail servers of the lab: where each one listens, which packages it is, and how it is set up.

Each is configured as little as possible, so that it greets and logs as a fresh Debian installation does: the
address it listens on is set, and Exim is told to log connections, which it does not do by itself.
Sendmail keeps its whole default greeting and its treatment of strangers: a pause of one second before the greeting
(`greet_pause` in sendmail.mc) and ten connections a minute (`ClientRate:` in access); 127.0.0.0/8 is spared.

Left out: mail delivery, TLS, authentication. Nobody sends mail here.
"""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

#: The network of the servers' addresses, and the one of who visits them (TEST-NET-2, RFC 5737).
SERVERS = "127.0.20.0/24"
STRANGERS = "198.51.100.0/24"
#: Where a connection to a server comes from, unless it chooses another address of `STRANGERS`.
STRANGER = "198.51.100.1"


@dataclass(frozen=True, slots=True)
class MailServer:
    """One mail server: `address` is its own on loopback, `program` its package, `command` runs inside its root.

    `configure` gets the root of the installed system and the server itself, before `command` is started.
    `preseed` answers the questions of its packages, in the form of debconf-set-selections(1).
    """

    name: str
    address: str
    program: str
    command: tuple[str, ...]
    configure: Callable[[Path, "MailServer"], None]
    also_install: tuple[str, ...] = ()
    preseed: str = ""

    @property
    def hostname(self) -> str:
        """The name that the server greets with."""
        return f"{self.name}.lab.example"


def run_in(root: Path, *argv: str) -> None:
    """Run a program inside `root`; what it prints goes to standard error.

    Raises:
        subprocess.CalledProcessError: when it fails.
    """
    subprocess.run(["chroot", root, *argv], check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    if old not in text:
        raise ValueError(f"{path}: {old!r} is not there: did Debian's default configuration change?")
    path.write_text(text.replace(old, new))


def _configure_sendmail(root: Path, server: MailServer) -> None:
    _replace(root / "etc/mail/sendmail.mc", "Addr=127.0.0.1", f"Addr={server.address}")
    run_in(root, "sh", "-c", "m4 /etc/mail/sendmail.mc >/etc/mail/sendmail.cf")
    # What Debian's init script does before it starts the daemon: /run is empty after a boot.
    for folder, owner in (("mta", "smmta:smmsp"), ("msp", "smmsp:smmsp")):
        run_in(root, "install", "-d", f"/run/sendmail/{folder}")
        run_in(root, "chown", owner, f"/run/sendmail/{folder}")
    run_in(root, "newaliases")


def _configure_postfix(root: Path, server: MailServer) -> None:
    _replace(root / "etc/postfix/master.cf", "\nsmtp      inet", f"\n{server.address}:smtp inet")
    run_in(root, "postconf", f"myhostname={server.hostname}", "inet_protocols=ipv4")
    # Fills the chroot of its daemons, as Debian's service does before each start.
    run_in(root, "/usr/lib/postfix/configure-instance.sh", "-")


def _configure_exim(root: Path, server: MailServer) -> None:
    _replace(
        root / "etc/exim4/update-exim4.conf.conf",
        "dc_local_interfaces='127.0.0.1 ; ::1'",
        f"dc_local_interfaces='{server.address}'",
    )
    (root / "etc/exim4/exim4.conf.localmacros").write_text(
        "MAIN_LOG_SELECTOR = +smtp_connection +smtp_protocol_error +smtp_syntax_error\nlog_file_path = syslog\n"
    )
    run_in(root, "install", "-d", "-o", "Debian-exim", "-g", "Debian-exim", "/run/exim4")
    run_in(root, "update-exim4.conf")


def _configure_opensmtpd(root: Path, server: MailServer) -> None:
    _replace(root / "etc/smtpd.conf", "listen on localhost", f"listen on {server.address}")


def _configure_courier(root: Path, server: MailServer) -> None:
    settings = root / "etc/courier/esmtpd"
    # Its own DNS look-ups of every client take more than 15 s where no name server answers.
    changed = {"PORT": f"{server.address}.25", "TCPDOPTS": '"-noidentlookup -nodnslookup"'}
    lines = settings.read_text().splitlines()
    settings.write_text(
        "".join(
            f"{key}={changed[key]}\n" if (key := line.partition("=")[0]) in changed else f"{line}\n" for line in lines
        )
    )
    (root / "etc/courier/me").write_text(f"{server.hostname}\n")
    run_in(root, "install", "-d", "-m", "775", "-g", "courier", "/run/courier")
    run_in(root, "makesmtpaccess")


_ALL = (
    MailServer(
        "sendmail",
        "127.0.20.1",
        "sendmail-bin",
        ("/usr/sbin/sendmail-mta", "-L", "sm-mta", "-bD", "-q10m"),
        _configure_sendmail,
        also_install=("sensible-mda", "procmail", "m4"),
    ),
    MailServer(
        "postfix",
        "127.0.20.2",
        "postfix",
        ("/usr/sbin/postfix", "start-fg"),
        _configure_postfix,
        preseed="postfix postfix/main_mailer_type select Local only\n",
    ),
    MailServer("exim4", "127.0.20.3", "exim4-daemon-light", ("/usr/sbin/exim4", "-bdf", "-q30m"), _configure_exim),
    MailServer("opensmtpd", "127.0.20.4", "opensmtpd", ("/usr/sbin/smtpd", "-F"), _configure_opensmtpd),
    MailServer("courier", "127.0.20.5", "courier-mta", ("/usr/sbin/esmtpd", "start"), _configure_courier),
)

#: Every server of the lab, by name.
MAIL_SERVERS: Mapping[str, MailServer] = {server.name: server for server in _ALL}
