"""Host names that the product behind them tells from a word, and other places of names."""

import pytest

from scanner.identify import identify
from scanner.identify.host_correction import with_corrected_hostname
from scanner.importers import ImportedBanner
from scanner.model import Banner
from scanner.settings import Settings
from scanner.smtp import parse_banner
from scanner.sweeps.record_builder import RecordBuilder

BUILDER = RecordBuilder("scan", Settings())


def observed(banner: str) -> str | None:
    """Return the host name of a greeting's record."""
    record = BUILDER.imported(ImportedBanner(banner.encode() + b"\r\n"), 1)
    assert record.banner is not None
    return record.banner.hostname


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("MAIL01 Kerio MailServer 6.7.3 patch 1 ESMTP ready", "MAIL01"),
        ("mail Kerio Connect 9.4.1 ESMTP ready", "mail"),
        ("MAIL01 AppleMailServer 10.2.1.0 SMTP Server Ready", "MAIL01"),
        ("mail MailSite ESMTP Receiver Version 10.2.0.0 Ready", "mail"),
        ("OWA-2 Synchronet SMTP Server 3.17-Win32 Ready", "OWA-2"),
        ("mail -- Server ESMTP (Sun Java System Messaging Server 6.2-8.04 (built Feb 28 2007))", "mail"),
        ("MAIL01 (LSMTP for Windows NT v1.1b) ESMTP server ready", "MAIL01"),
        ("mail mailfront ESMTP", "mail"),
        ("inbucket Inbucket SMTP ready", "inbucket"),
        ("exim ESMTP Exim 4.96", "exim"),
    ],
)
def test_a_name_before_a_known_product_is_the_hosts(text: str, name: str) -> None:
    assert observed(f"220 {text}") == name


@pytest.mark.parametrize(
    "text",
    [
        "Kerio MailServer 6.7.3 ESMTP ready",
        "InterScan VirusWall NT ESMTP 3.52 (build 1234) ready at Mon, 5 Jul 2021 10:00:00 +0000",
        "Acme Kerio Connect 9.4.1 ESMTP ready",
        "microsoft esmtp mail service ready at Tue, 14 Nov 2023 10:20:30 +0000",
        "arkoon Sendmail ready. ",
        "running Apple Internet Mail Server 1.1.1",
        "ESMTP Dr.Web SMTP-Proxy",
        "ESMTP iQ.Suite 2.1.3",
        "node.js smtpevent server 1.0.0",
        "-- Server ESMTP (Sun Internet Mail Server sims.4.0.2000.10.12.16.25.p8)",
        "Canon1435 ESMTP Ready",
    ],
)
def test_a_word_of_a_product_is_no_host(text: str) -> None:
    assert observed(f"220 {text}") is None


def test_a_refusal_and_an_unknown_product_leave_a_greeting_as_it_is() -> None:
    for text in ("554 MAIL01 Kerio Connect 9.4.1 refuses", "220 mail Unknown Thing 1.0 ready"):
        banner = parse_banner(text.encode() + b"\r\n")
        software = identify(parse_banner(b"220 h Kerio Connect 9.4.1 ESMTP ready\r\n"))
        assert software is not None
        assert with_corrected_hostname(banner, software, identify) is banner


def test_software_that_a_database_named_is_asked_again() -> None:
    asked: list[Banner] = []
    banner = parse_banner(b"220 MAIL01 Kerio Connect 9.4.1 ESMTP ready\r\n")._replace(hostname=None)
    software = identify(banner)
    assert software is not None

    def nothing(other: Banner) -> None:
        asked.append(other)

    assert with_corrected_hostname(banner, software, nothing).hostname is None
    assert asked[0].lines == ("host.invalid Kerio Connect 9.4.1 ESMTP ready",)


@pytest.mark.parametrize(
    ("banner", "name"),
    [
        ("220 <129535.84@gw> [XMail 1.27 ESMTP Server] service ready", "gw"),
        ("220 eSafe@server1 Service ready", "server1"),
        ("220 X1 NT-ESMTP Server MAIL01 (IMail 8.22 1-1)", "MAIL01"),
        ("220 HOST: mail Supportworks ESMTP Server 3.4.1 ready", "mail"),
        ("220  SMTP 192.0.2.5 Sendmail 8.6.12/8.6.9 ready at noon", "192.0.2.5"),
        ("220 server1 Service ready by David.fx (0486) ESMTP Server (Tobit.Software, Germany)", "server1"),
        ("220 gate:25 ESMTP", "gate"),
        ("220 smtpd:25 ESMTP", None),
        ("220 gate:25 ready", None),
        ("220 SG ESMTP service ready at geopod-ismtpd-12", "geopod-ismtpd-12"),
        ("220 s. Sendmail SMI-8.6/SMI-SVR4 ready at Tue, 8 Sep 1998 02:01:05 +0200", "s"),
        ("220 s. ready", None),
        ("220 /127.0.0.1 GreenMail SMTP Service v1.6.5 ready", "127.0.0.1"),
        ("220 MX2", "MX2"),
        ("220 MAIL01 Generic SMTP handler", "MAIL01"),
        ("220 EXCH-SRV02 Service ready", "EXCH-SRV02"),
        ("220 mail ", "mail"),
        ("554 MAIL01", "MAIL01"),
        ("554 KERIO5", None),
        # On later lines
        ("220-\r\n220-mail.example.com ESMTP Exim 4.96 \r\n220 no spam", "mail.example.com"),
        ("220-\r\n220-mail ESMTP Exim 4.96 \r\n220 no spam", "mail"),
        ("220-laposte\r\n220 lpn-prd-vrin019 ESMTP Postfix (Ubuntu)", "lpn-prd-vrin019"),
        ("220-teaser\r\n220-mx.example.com ESMTP Postfix\r\n220 no spam", "mx.example.com"),
        ("220-mail\r\n220 ready", "mail"),
        ("220-InterScan Version 3.6 Ready\r\n220 192.0.2.5 Microsoft ESMTP MAIL Service ready", "192.0.2.5"),
        ("220-Welcome\r\n220 [192.0.2.5] ESMTP ready", "[192.0.2.5]"),
        ("220-Welcome\r\n220-smtpd ESMTP ready\r\n220 bye", None),
        ("220-Welcome\r\n220-your SMTP server\r\n220 bye", None),
        ("220-Welcome\r\n220-Friendly ESMTP server\r\n220 bye", None),
        ("220-Welcome\r\n220-host esmtp server\r\n220 bye", None),
        ("220-Welcome\r\n220-8.14.7 ESMTP\r\n220 bye", None),
    ],
)
def test_a_name_in_another_place(banner: str, name: str | None) -> None:
    assert parse_banner(banner.encode() + b"\r\n").hostname == name


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("ESMTP Kerio Connect 9.4-rc1", "9.4-rc1"),
        ("AvMailGate-2.0b3", "2.0b3"),
        ("ESMTP Service (Lotus Domino Release 5.0.13a) ready at noon", "5.0.13a"),
        ("ESMTP Service (Lotus Domino Release 8.5.3FP6) ready at noon", "8.5.3"),
        ("Mercury 1.48p2 ESMTP server ready.", "1.48p2"),
        ("Smail-3.2.0.122-Pre (#1 2005-Nov-17) ready", "3.2.0.122-Pre"),
    ],
)
def test_the_mark_of_a_candidate_or_step_belongs_to_the_version(text: str, version: str) -> None:
    software = identify(parse_banner(f"220 mail.example.com {text}\r\n".encode()))

    assert software is not None
    assert software.version == version


LEFT = """
    at your service | here | hosted by example.org | mail relay | primary MX | backup mx | smarthost | outbound
    inbound gateway | node 3 | behind rspamd | protected by SpamAssassin | bienvenue | we do not relay | in Paris
    you are being watched | use of this system is monitored | do not send spam | maintained by admin | system
    good morning | what can I do for you | the mailer | test | logging all connections | patched | no relaying
    spam is not welcome | mx2 | awaits your command | serving example.com | under maintenance | let's talk
    operated by Example GmbH | Thanks for connecting | This is a private system | is not accepting mail
    is not available | We do not accept spam | Only authorized use | not accepting mail, users go elsewhere
"""
TAKEN = """
    clone | imitation | decoy | hater | fans | users group | conference | documentation | no longer here | retired
    removed | was here | used to run here | moved to Exchange | ready to be replaced | would be nice | isn't here
    vs Dovecot | or something | than nothing | server emulator | gateway replaced in 2020 | relay retired | here no more
    compatible server | is running elsewhere | free since 2003 | is not here | here never | does not live here | Avenue
"""


@pytest.mark.parametrize("product", ["Postfix", "Exim 4.96"])
@pytest.mark.parametrize(
    "words", [words.strip() for line in LEFT.splitlines() for words in line.split("|") if words.strip()]
)
def test_a_remark_about_the_server_leaves_the_product(product: str, words: str) -> None:
    software = identify(parse_banner(f"220 mail.example.com ESMTP {product} {words}\r\n".encode()))

    assert software is not None
    assert product.startswith(software.product)


@pytest.mark.parametrize("product", ["Postfix", "Exim 4.96"])
@pytest.mark.parametrize(
    "words", [words.strip() for line in TAKEN.splitlines() for words in line.split("|") if words.strip()]
)
def test_a_remark_about_the_product_takes_it_back(product: str, words: str) -> None:
    assert identify(parse_banner(f"220 mail.example.com ESMTP {product} {words}\r\n".encode())) is None
