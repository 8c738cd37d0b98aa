"""The dialogue with real mail servers: what they say to EHLO, HELP, STARTTLS and QUIT, and what their logs say of us.

Two sweeps: the default servers with `--probe dialogue`, and the instances of `tests.real.mta_variants`, which hide
their product and have certificates of every kind, with `--probe behaviour` on three ports. What depends on the machine
is left out of what is expected: Sendmail's AUTH mechanisms are the SASL libraries that are installed.
"""

import json
import re
import socket
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.real.command import installed_version, scanner
from tests.real.mail_log import MailLog
from tests.real.mta_lab import MtaLab
from tests.real.mta_servers import MAIL_SERVERS, STRANGER
from tests.real.mta_variants import CERTIFICATES, PORTS, VARIANTS, Variant, start_variants
from tests.support.records import VALIDATOR

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

NAME = "scanner.example.net"
#: What each server says to EHLO, without its own name before the first line.
EHLO = {
    "sendmail": [
        f" Hello scanner.lab.example [{STRANGER}], pleased to meet you",
        *("ENHANCEDSTATUSCODES", "PIPELINING", "EXPN", "VERB", "8BITMIME", "SIZE", "DSN", "ETRN", "DELIVERBY", "HELP"),
    ],
    "postfix": [
        "",
        *("PIPELINING", "SIZE 10240000", "VRFY", "ETRN", "STARTTLS"),
        *("ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"),
    ],
    "exim4": [
        f" Hello {NAME} [{STRANGER}]",
        *("SIZE 52428800", "8BITMIME", "PIPELINING", "PIPECONNECT", "CHUNKING", "STARTTLS", "PRDR", "HELP"),
    ],
    "opensmtpd": [
        f" Hello {NAME} [{STRANGER}], pleased to meet you",
        *("8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 36700160", "DSN", "HELP"),
    ],
    "courier": [
        " Ok.",
        *("STARTTLS", "XVERP=Courier", "XEXDATA", "XSECURITY=NONE,STARTTLS"),
        *("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE", "DSN"),
    ],
}
#: The code of the reply to HELP, its first line and its last one. VERSION is the server's own.
HELP: dict[str, tuple[int, str, str]] = {
    "sendmail": (214, "2.0.0 This is sendmail version VERSION", "2.0.0 End of HELP info"),
    "postfix": (500, "5.5.2 Error: command not recognized", "5.5.2 Error: command not recognized"),
    "exim4": (214, "Commands supported:", "AUTH STARTTLS HELO EHLO MAIL RCPT DATA BDAT NOOP QUIT RSET HELP"),
    "opensmtpd": (214, "2.0.0 This is OpenSMTPD", "2.0.0 End of HELP info"),
    "courier": (502, "ESMTP command error", "ESMTP command error"),
}
QUIT = {
    "sendmail": "2.0.0 sendmail.lab.example closing connection",
    "postfix": "2.0.0 Bye",
    "exim4": "exim4.lab.example closing connection",
    "opensmtpd": "2.0.0 Bye",
    "courier": "Bye.",
}
PRODUCTS = {
    "sendmail": "Sendmail",
    "postfix": "Postfix",
    "exim4": "Exim",
    "opensmtpd": "OpenSMTPD",
    "courier": "Courier",
}
#: How each server logs the end of a whole dialogue. Courier logs HELP, which it does not have, and nothing after it.
ENDS = {
    "sendmail": r"did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA-v4$",
    "postfix": r"disconnect from \S+ ehlo=(1|2 starttls=1) quit=1 unknown=0/1 commands=(2/3|4/5)$",
    "exim4": rf"SMTP connection from \({re.escape(NAME)}\) \[198\.51\.100\.1\] closed by QUIT$",
    "opensmtpd": r"smtp disconnected reason=quit$",
    "courier": r"cmd: HELP$",
}
#: What no server may have to write about a visitor.
COMPLAINTS = (
    r"(?i)pre-greeting|rejecting|reset by peer|\blost\b|synchronization|improper|pipelining|attack|too many"
    r"|failed-command|io-error|reason=disconnect"
)


class Visit(NamedTuple):
    """What one run of the command gave: records by address and port, and what the servers logged meanwhile."""

    records: Mapping[tuple[str, int], Mapping[str, Any]]
    logs: Mapping[str, str]

    def of(self, name: str) -> Mapping[str, Any]:
        """Return the record of a default server."""
        return self.records[MAIL_SERVERS[name].address, 25]


def sweep(lab: MtaLab, ends: Mapping[str, str], *arguments: str) -> Visit:
    """Sweep and wait until each server has logged the end of its connections."""
    logs = {name: MailLog(lab.log_file(name)) for name in ends}
    done = scanner(lab, "sweep", *arguments, "--subnet-rate", "0")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    for record in records:
        VALIDATOR.validate(record)
    return Visit(
        {(record["ip"], record["port"]): record for record in records},
        {name: log.until(ends[name]) for name, log in logs.items()},
    )


@pytest.fixture(scope="module")
def visit(mail_servers: MtaLab) -> Visit:
    addresses = [server.address for server in MAIL_SERVERS.values()]
    return sweep(mail_servers, ENDS, *addresses, "--probe", "dialogue", "--ehlo-name", NAME)


@pytest.fixture(scope="module")
def certificates(mail_servers: MtaLab) -> Mapping[str, bytes]:
    return start_variants(mail_servers)


@pytest.fixture(scope="module")
def variants_visit(mail_servers: MtaLab, certificates: Mapping[str, bytes]) -> Visit:
    ten_times = {  # the two instances with a broken certificate say nothing on the port where TLS comes first
        "sendmail": r"(?s)(did not issue .*?){10}",
        "postfix": r"(?s)(disconnect from \S+ ehlo=\d( starttls=\S+)? quit=1.*?){10}",
        "exim4": r"(?s)(closed by QUIT.*?){10}",
    }
    ports = [argument for port in PORTS for argument in ("--port", str(port))]
    return sweep(mail_servers, ten_times, *(variant.address for variant in VARIANTS), *ports, "--probe", "behaviour")


def replies(record: Mapping[str, Any], command: str) -> list[Mapping[str, Any]]:
    return [exchange for exchange in record["dialogue"]["exchanges"] if exchange["command"].split(" ")[0] == command]


def expected_ehlo(lab: MtaLab, name: str) -> list[str]:
    own, *extensions = EHLO[name]
    has_tls = name != "postfix" or lab.in_server("postfix", "postconf", "-h", "smtpd_tls_security_level").strip()
    # Debian's Postfix takes the certificate that the machine has from the package ssl-cert, if it has one.
    return [MAIL_SERVERS[name].hostname + own, *(word for word in extensions if word != "STARTTLS" or has_tls)]


@pytest.mark.parametrize("name", MAIL_SERVERS)
def test_the_extensions_are_kept_as_the_server_lists_them(visit: Visit, mail_servers: MtaLab, name: str) -> None:
    dialogue = visit.of(name)["dialogue"]
    expected = expected_ehlo(mail_servers, name)

    (said, *inside) = (
        [line for line in exchange["lines"] if not line.startswith("AUTH ")]
        for exchange in replies(visit.of(name), "EHLO")
    )

    assert said == expected
    assert [line for line in dialogue["extensions"] if not line.startswith("AUTH ")] == expected[1:]
    assert dialogue["starttls"] is ("STARTTLS" in expected)
    # Inside TLS it offers the same but TLS.
    assert inside == [[line for line in expected if line != "STARTTLS"]] * dialogue["starttls"]
    (size,) = (line for line in expected if line.startswith("SIZE"))
    assert dialogue["size"] == int(size.removeprefix("SIZE") or 0)


@pytest.mark.parametrize("name", MAIL_SERVERS)
def test_help_is_answered_as_the_product_answers_it(visit: Visit, mail_servers: MtaLab, name: str) -> None:
    code, first, last = HELP[name]
    upstream = installed_version(mail_servers, name).rpartition("-")[0]

    (reply,) = replies(visit.of(name), "HELP")

    assert reply["code"] == code
    assert (reply["lines"][0], reply["lines"][-1]) == (first.replace("VERSION", upstream), last)


@pytest.mark.parametrize("name", MAIL_SERVERS)
def test_each_command_is_said_once_and_quit_is_answered(visit: Visit, name: str) -> None:
    record = visit.of(name)
    dialogue = record["dialogue"]

    said = [exchange["command"] for exchange in dialogue["exchanges"]]

    assert said == [f"EHLO {NAME}", "HELP", *(["STARTTLS", f"EHLO {NAME}"] if dialogue["starttls"] else []), "QUIT"]
    assert [(reply["code"], reply["lines"]) for reply in replies(record, "QUIT")] == [(221, [QUIT[name]])]
    assert (record["status"], record["error"], dialogue["error"]) == ("ready", None, None)


@pytest.mark.parametrize("name", MAIL_SERVERS)
def test_a_server_logs_a_dialogue_in_good_order(visit: Visit, name: str) -> None:
    assert re.search(ENDS[name], visit.logs[name], re.MULTILINE)
    assert not re.search(COMPLAINTS, visit.logs[name])


@pytest.mark.parametrize("name", ["exim4", "courier"])
def test_the_certificate_that_a_server_makes_itself_is_seen(visit: Visit, name: str) -> None:
    """Exim makes one when it starts and it has none, Courier when it is installed."""
    tls = visit.of(name)["dialogue"]["tls"]

    assert (tls["version"], tls["implicit"], tls["injected"], tls["error"]) == ("TLSv1.3", False, None, None)
    (certificate,) = tls["certificates"][:1]
    assert certificate["self_signed"] is True
    assert {"exim4": "CN=exim4.lab.example,", "courier": "OU=Automatically-generated ESMTP SSL key"}[name] in (
        certificate["subject"]
    )


@pytest.mark.parametrize("name", MAIL_SERVERS)
def test_a_dialogue_names_the_product_also_where_the_greeting_does_not(visit: Visit, name: str) -> None:
    assert visit.of(name)["software"]["product"] == PRODUCTS[name]


def test_a_default_greeting_without_a_product_is_made_up_for_by_the_dialogue(visit: Visit) -> None:
    """Courier's default greeting names nothing; the extension XVERP=Courier does."""
    record = visit.of("courier")

    assert record["banner"]["text"] == "220 courier.lab.example ESMTP"
    assert (record["software"]["version"], record["software"]["method"]) == (None, "behaviour")


WORKING, BROKEN = CERTIFICATES[:2], CERTIFICATES[2:]
_works = pytest.mark.parametrize("variant", [v for v in VARIANTS if v.certificate in WORKING], ids="-".join)
_is_broken = pytest.mark.parametrize("variant", [v for v in VARIANTS if v.certificate in BROKEN], ids="-".join)
_on_every_port = pytest.mark.parametrize("port", PORTS)


@_on_every_port
@_works
def test_a_certificate_is_read_as_it_is_in_its_file(
    variants_visit: Visit, certificates: Mapping[str, bytes], variant: Variant, port: int
) -> None:
    """Self-made or expired: these are facts, and the dialogue goes on to its end."""
    file = x509.load_pem_x509_certificate(certificates[variant.certificate])
    record = variants_visit.records[variant.address, port]

    tls = record["dialogue"]["tls"]

    assert (record["status"], record["dialogue"]["error"]) == ("ready", None)
    assert (tls["version"], tls["cipher"][:4], tls["implicit"]) == ("TLSv1.3", "TLS_", port == 465)
    assert (tls["error"], tls["injected"]) == (None, None)
    (certificate,) = tls["certificates"][:1]
    assert certificate["sha256"] == file.fingerprint(hashes.SHA256()).hex()
    assert certificate["not_before"] == f"{file.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
    assert certificate["not_after"] == f"{file.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
    assert (certificate["serial"], certificate["self_signed"]) == ("c0ffee", True)
    named = {"self-made": ("mx", ["mx.lab.example", "192.0.2.1"], "RSA 2048")}
    host, names, key = named.get(variant.certificate, ("old", ["old.lab.example"], "EC secp256r1"))
    assert (certificate["subject"], certificate["issuer"]) == (f"CN={host}.lab.example",) * 2
    assert (certificate["names"], certificate["key"]) == (names, key)


def test_version_and_cipher_are_those_that_the_server_logs(variants_visit: Visit) -> None:
    logged = re.findall(r"TLS connection established from \S+ (\S+) with cipher (\S+) ", variants_visit.logs["postfix"])
    seen = [
        (record["dialogue"]["tls"]["version"], record["dialogue"]["tls"]["cipher"])
        for variant in VARIANTS
        for port in PORTS
        if variant.name == "postfix" and variant.certificate in WORKING
        for record in [variants_visit.records[variant.address, port]]
    ]

    assert sorted(logged) == sorted(seen)
    assert len(seen) == len(WORKING) * len(PORTS)


@pytest.mark.parametrize("port", [25, 587])
@_is_broken
def test_a_certificate_that_the_server_cannot_load_costs_tls_and_nothing_else(
    variants_visit: Visit, variant: Variant, port: int
) -> None:
    """Postfix and Exim offer STARTTLS and then refuse it; Sendmail does not offer it."""
    dialogue = variants_visit.records[variant.address, port]["dialogue"]
    refusals = {
        "sendmail": [],
        "postfix": [(454, ["4.7.0 TLS not available due to local problem"])],
        "exim4": [(454, ["TLS currently unavailable"])],
    }

    seen = replies(variants_visit.records[variant.address, port], "STARTTLS")

    assert [(reply["code"], reply["lines"]) for reply in seen] == refusals[variant.name]
    assert dialogue["starttls"] is (variant.name != "sendmail")
    if dialogue["starttls"]:
        assert (dialogue["tls"]["error"], dialogue["tls"]["certificates"]) == (
            "unreadable or negative reply to STARTTLS",
            [],
        )
    else:
        assert dialogue["tls"] is None
    assert dialogue["tls_extensions"] == []
    assert (dialogue["error"], dialogue["exchanges"][-1]["code"]) == (None, 221)


@_is_broken
def test_where_tls_comes_first_a_server_without_a_certificate_closes(variants_visit: Visit, variant: Variant) -> None:
    record = variants_visit.records[variant.address, 465]

    assert (record["status"], record["banner"], record["software"]) == ("closed", None, None)
    assert record["error"] == record["dialogue"]["error"] == "closed by the server at TLS"
    assert (record["dialogue"]["tls"]["implicit"], record["dialogue"]["exchanges"]) == (True, [])


@_on_every_port
@_works
def test_a_server_that_hides_its_product_is_recognised_by_how_it_behaves(
    variants_visit: Visit, variant: Variant, port: int
) -> None:
    record = variants_visit.records[variant.address, port]

    assert record["banner"]["text"] == f"220 {MAIL_SERVERS[variant.name].hostname} ESMTP"
    assert record["software"]["product"] == PRODUCTS[variant.name]
    assert (record["software"]["version"], record["software"]["method"]) == (None, "behaviour")
    assert record["software"]["confidence"] < 0.9
    assert record["findings"] == []


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v.certificate == "self-made"], ids="-".join)
def test_the_unknown_verb_is_said_once_and_the_scanner_calls_itself_by_its_own_name(
    variants_visit: Visit, variant: Variant
) -> None:
    record = variants_visit.records[variant.address, 25]

    assert [reply["code"] for reply in replies(record, "FOO")] == [500]
    said = {reply["command"] for reply in replies(record, "EHLO")}
    assert said <= {f"EHLO {socket.gethostname()}", f"EHLO [{STRANGER}]"}
    assert len(said) == 1


def test_servers_log_the_probes_without_a_complaint_but_of_the_unknown_verb(variants_visit: Visit) -> None:
    for name, logged in variants_visit.logs.items():
        about_us = [line for line in logged.splitlines() if STRANGER in line]
        assert about_us, name
        assert not [line for line in about_us if re.search(COMPLAINTS, line)], name
    assert len(re.findall(r"closed by QUIT$", variants_visit.logs["exim4"], re.MULTILINE)) == 10
