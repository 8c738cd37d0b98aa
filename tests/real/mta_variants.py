"""Further instances of the lab's Sendmail, Postfix and Exim: greetings that hide the product, and certificates.

They run beside the default ones, in the same roots, each on an address of its own and on three ports: 25, 465 (TLS
first) and 587. All greet with their host name and the word ESMTP only; Sendmail is also closed where it would say more
(help file, privacy options), as a careful administrator does it. For each server there is one instance with each kind
of certificate in `CERTIFICATES`.

OpenSMTPD is left out: its greeting is compiled in, and the TLS of Debian 12's version (6.8.0p2 with OpenSSL 3) ends
every handshake with an internal error. The instances end with the server in whose root they run.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.real.mta_lab import LabError, MtaLab
from tests.real.mta_servers import MAIL_SERVERS
from tests.support.certificates import make_certificate

#: The kinds of certificates; the last two are broken: a file that holds none, and one whose key is another's.
CERTIFICATES = ("self-made", "expired", "unreadable", "with another key")
#: The ports of every instance. On the second one TLS comes first.
PORTS = (25, 465, 587)
_PROJECT = Path(__file__).resolve().parents[2]
_FOLDER = "/etc/variants"
#: How long all instances may take until the last one has greeted. Measured: below 1 s.
_PATIENCE_S = 60


class Variant(NamedTuple):
    """One instance: in whose root it runs, and which certificate it has."""

    name: str
    certificate: str

    @property
    def number(self) -> int:
        """Its place among the instances of its server."""
        return CERTIFICATES.index(self.certificate)

    @property
    def address(self) -> str:
        """Where it listens: 127.0.20.1 becomes 127.0.20.11, 127.0.20.12 and so on."""
        return f"{MAIL_SERVERS[self.name].address}{self.number + 1}"

    @property
    def path(self) -> str:
        """Its certificate and its key inside the server's root, without `.crt` and `.key`."""
        return f"{_FOLDER}/{self.number}"


#: Every instance.
VARIANTS = tuple(
    Variant(name, certificate) for name in ("sendmail", "postfix", "exim4") for certificate in CERTIFICATES
)


def start_variants(lab: MtaLab) -> Mapping[str, bytes]:
    """Start all instances in a running lab and wait until each has greeted; return the certificate files by kind.

    Raises:
        LabError: when one does not start, or does not greet.
    """
    good, key = make_certificate("mx.lab.example", names=("mx.lab.example", "192.0.2.1"), key_type="rsa")
    expired, key_of_expired = make_certificate("old.lab.example", days=-1)
    pairs = dict(
        zip(
            CERTIFICATES,
            ((good, key), (expired, key_of_expired), (b"this is not a certificate\n", key), (good, key_of_expired)),
            strict=True,
        )
    )
    for variant in VARIANTS:
        certificate, private = pairs[variant.certificate]
        _write(lab, variant.name, f"{variant.path}.crt", certificate.decode())
        owner = "Debian-exim" if variant.name == "exim4" else "root"  # no server takes a key that others can read
        _write(lab, variant.name, f"{variant.path}.key", private.decode(), owner, "600")
    for name, start in (("sendmail", _start_sendmail), ("postfix", _start_postfix), ("exim4", _start_exim)):
        start(lab, [variant for variant in VARIANTS if variant.name == name])
    _wait_until_they_greet(lab)
    return {kind: certificate for kind, (certificate, _) in pairs.items()}


#: Without `-O` options, which differ: the certificates and where it listens.
_SENDMAIL_MC = """
define(`confSMTP_LOGIN_MSG', `$j')dnl
define(`HELP_FILE', `/etc/variants/helpfile')dnl
define(`confPRIVACY_FLAGS', `goaway,noetrn,restrictqrun,restrictexpand')dnl
define(`confCACERT', `/etc/variants/0.crt')dnl
define(`confCACERT_PATH', `/etc/variants')dnl
"""
_SENDMAIL_HELP = "#vers\t2\nsmtp\tCommands: HELO EHLO MAIL RCPT DATA RSET NOOP QUIT HELP\n"


def _start_sendmail(lab: MtaLab, variants: Sequence[Variant]) -> None:
    """Start a daemon for each, hardened; without file and folder of authorities it would offer no TLS at all."""
    mc = lab.in_server("sendmail", "cat", "/etc/mail/sendmail.mc")
    _write(
        lab, "sendmail", f"{_FOLDER}/sendmail.mc", mc.replace("MAILER_DEFINITIONS", f"{_SENDMAIL_MC}MAILER_DEFINITIONS")
    )
    _write(lab, "sendmail", f"{_FOLDER}/helpfile", _SENDMAIL_HELP)
    lab.in_server("sendmail", "sh", "-c", f"m4 {_FOLDER}/sendmail.mc >{_FOLDER}/sendmail.cf")
    for variant in variants:
        options = [
            *(f"DaemonPortOptions=Name=V{port}, Addr={variant.address}, Port={port}" for port in PORTS),
            f"ServerCertFile={variant.path}.crt",
            f"ServerKeyFile={variant.path}.key",
            f"PidFile=/run/sendmail/mta/variant{variant.number}.pid",
            "ControlSocketName=",
        ]
        options[PORTS.index(465)] += ", M=s"
        command = ("/usr/sbin/sendmail-mta", "-L", "sm-variant", "-C", f"{_FOLDER}/sendmail.cf", "-bd")
        lab.in_server("sendmail", *command, *(f"-O{option}" for option in options))


def _start_postfix(lab: MtaLab, variants: Sequence[Variant]) -> None:
    """Add a line to master.cf for each address and port."""
    services = []
    for variant in variants:
        for port in PORTS:
            options = {
                "smtpd_banner": "$myhostname ESMTP",
                "smtpd_tls_security_level": "may",
                "smtpd_tls_cert_file": f"{variant.path}.crt",
                "smtpd_tls_key_file": f"{variant.path}.key",
                "smtpd_tls_loglevel": "1",
                "smtpd_tls_wrappermode": "yes" if port == 465 else "no",
            }
            service = f"{variant.address}:{port}"
            said = " ".join(f"-o {{{key} = {value}}}" for key, value in options.items())
            services.append(f"{service}/inet={service} inet n - y - - smtpd {said}")
    lab.in_server("postfix", "postconf", "-M", *services)
    lab.in_server("postfix", "postfix", "reload")


_EXIM_CONF = f"""
smtp_banner = $smtp_active_hostname ESMTP
tls_on_connect_ports = 465
notifier_socket =
MAIN_TLS_ENABLE = yes
MAIN_TLS_CERTIFICATE = {_FOLDER}/${{extract{{$received_ip_address}}{{NUMBERS}}}}.crt
MAIN_TLS_PRIVATEKEY = {_FOLDER}/${{extract{{$received_ip_address}}{{NUMBERS}}}}.key
"""


def _start_exim(lab: MtaLab, variants: Sequence[Variant]) -> None:
    """Start one daemon for all: it chooses the certificate by the address that the connection came to."""
    numbers = " ".join(f"{variant.address}={variant.number}" for variant in variants)
    default = lab.in_server("exim4", "cat", "/var/lib/exim4/config.autogenerated")
    _write(lab, "exim4", f"{_FOLDER}/exim4.conf", _EXIM_CONF.replace("NUMBERS", numbers) + default)
    listen = "; ".join(f"[{variant.address}]:{port}" for variant in variants for port in PORTS)
    command = ("/usr/sbin/exim4", "-C", f"{_FOLDER}/exim4.conf", "-bd", "-oP", "/run/exim4/variants.pid")
    lab.in_server("exim4", *command, "-oX", f"<; {listen}")


_WRITE = 'mkdir -p "${1%/*}" && printf %s "$2" >"$1" && chown "$3" "$1" && chmod "$4" "$1"'


def _write(lab: MtaLab, name: str, path: str, text: str, owner: str = "root", mode: str = "644") -> None:
    lab.in_server(name, "sh", "-c", _WRITE, "sh", path, text, owner, mode)


_GREET = "import sys; from tests.real.mta_overlay import first_greeting; print(*map(first_greeting, sys.argv[1:]))"


def _wait_until_they_greet(lab: MtaLab) -> None:
    visitor = lab.in_network(sys.executable, "-c", _GREET, *(variant.address for variant in VARIANTS))
    try:
        subprocess.run(visitor, cwd=_PROJECT, capture_output=True, text=True, timeout=_PATIENCE_S, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise LabError(f"a variant of a server does not greet: {str(error.stderr).strip()[-300:]}") from error
