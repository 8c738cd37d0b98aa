"""Remarks, companies and numbers that are no versions: what stands around a name can take it back."""

import pytest

from scanner.identify import identify
from scanner.identify.disclaimers import is_disclaimed, is_not_a_version
from scanner.model import Software
from scanner.smtp import parse_banner

REMARKS = """
    ESMTP Postfix is better
    ESMTP Postfix not installed here
    ESMTP Exim 4.96 not installed
    ESMTP Exim 4.96 was replaced in 2020
    ESMTP Exim 4.20 honeypot
    ESMTP Sendmail compatible
    ESMTP Postfix sucks
    ESMTP Haraka emulator
    ESMTP MDaemon users: please go away
    ESMTP (Postfix sucks)
    ESMTP Courier Express
    ESMTP Exim Internet Services GmbH
    ESMTP Exim Ltd
    ESMTP Sendmail Inc.
    ESMTP MDaemon Ltd
    ESMTP Haraka Project Ltd
    ESMTP Barracuda Networks
    ESMTP Lotus Notes users welcome
    ESMTP Postfix 5.7.1 Service unavailable
    ESMTP Postfix 4.7.0 try again
    ESMTP Postfix 1.5GB limit
    ESMTP Postfix 16.04 LTS
    ESMTP Postfix 3.5 million users
    ESMTP Postfix 99.9% uptime
    ESMTP SurgeMail 99.9% uptime
    exim-4.96.example.com
    exim-4.96.example.com ESMTP
    ESMTP exim-4.96.example.com
    Sendmail clients are refused
    Sendmail 8.9.3 clients are refused
    ESMTP Exim is too old, upgrade your Exim 4.20
    Exim is not allowed here
    Postfix Solutions BV ESMTP
    ESMTP Courier Post
    ESMTP Courier Newsroom ready
    ESMTP Citadel LLC
    ESMTP SEPPmail AG
    ESMTP Zimbra Inc.
    ESMTP Zimbra Hosting
    ESMTP Sendmail Consortium
    ESMTP Proxmox Server Solutions GmbH
    ESMTP Zentyal S.L.
    The Courier
    ESMTP The Courier
    ESMTP Exim 4.93 Linux users group
    ESMTP Exim 4.93 Windows only
    ESMTP Exim ready to be replaced
    ESMTP Exim 4.96 is ready to be replaced
    ESMTP Exim rocks
"""


def identified(greeting: str) -> Software | None:
    return identify(parse_banner(greeting.encode() + b"\r\n"))


@pytest.mark.parametrize("remark", [line.strip() for line in REMARKS.splitlines() if line.strip()])
def test_a_name_in_a_remark_or_a_company_is_no_products(remark: str) -> None:
    assert identified(f"220 mail.example.com {remark}") is None


@pytest.mark.parametrize(
    "greeting",
    [
        "550 Your Exim 4.20 is vulnerable, go away",
        "421 h Sendmail 8.9.3 clients are refused",
        "554 h ESMTP Exim is too old, upgrade your Exim 4.20",
        "550 mx1.example.com Exim is not allowed here",
        "220-the Postfix host is elsewhere\r\n220 x",
        "220 h Postfix Solutions BV ESMTP",
        "554 Service unavailable; Client host [192.0.2.1] blocked using Trend Micro RBL+ http://www.mail-abuse.com",
    ],
)
def test_neither_a_clients_product_nor_a_block_list_is_the_servers(greeting: str) -> None:
    assert identified(greeting) is None


@pytest.mark.parametrize(
    ("text", "product", "version", "system"),
    [
        ("ESMTP Exim 4.96 ready", "Exim", "4.96", None),
        ("ESMTP Exim 4.96 #2 Mon, 05 Jul 2021 10:00:00 +0000", "Exim", "4.96", None),
        ("ESMTP Exim 4.96 NO UCE", "Exim", "4.96", None),
        ("ESMTP Exim is ready", "Exim", None, None),
        ("ESMTP Exim 192.0.2.1", "Exim", None, None),
        ("ESMTP Exim [192.0.2.1]", "Exim", None, None),
        ("ESMTP Haraka 12.03.2024", "Haraka", None, None),
        ("ESMTP Postfix Sendmail 8.14.7/8.13.8; today", "Postfix", None, None),
        ("ESMTP foo-MTA Sendmail 8.14.7/8.13.8; today", "Sendmail", "8.14.7", None),
        ("ESMTP Postfix 12.03.2024", "Postfix", None, None),
        ("ESMTP Postfix (Fedora hat shop)", "Postfix", None, None),
        ("ESMTP Postfix on Windows Street", "Postfix", None, None),
        ("ESMTP Postfix (Ubuntu) ready", "Postfix", None, "Ubuntu"),
        ("ESMTP Postfix welcomes you", "Postfix", None, None),
        (
            "ESMTP MailEnable Service, Version: 1.986-- denied access at 11/14/23 10:20:30",
            "MailEnable",
            "1.986",
            "Windows",
        ),
        ("ESMTP Postfix inbound", "Postfix", None, None),
        ("ESMTP Postfix for mail.example.com", "Postfix", None, None),
        ("ESMTP Postfix We do not authorize spam", "Postfix", None, None),
        ("ESMTP Exim 4.96 node3", "Exim", "4.96", None),
        ("ESMTP Postal/3.3.4", "Postal", "3.3.4", None),
        ("ESMTP Sophos Firewall 19.5", "Sophos Firewall", "19.5", None),
        ("ESMTP Sophos UTM 9.7", "Sophos UTM", "9.7", None),
    ],
)
def test_what_a_program_says_behind_its_name_leaves_it(
    text: str, product: str | None, version: str | None, system: str | None
) -> None:
    software = identified(f"220 mail.example.com {text}")

    assert (software and (software.product, software.version, software.os)) == (product and (product, version, system))


def test_a_later_line_may_name_what_a_remark_did_not() -> None:
    software = identified("220-the Postfix host is elsewhere\r\n220 h ESMTP Postfix")

    assert software is not None
    assert software.evidence == "postfix.plain"


@pytest.mark.parametrize(
    "rest", [" users", "% uptime", " 4.20 honeypot", " Mail Ltd", " 5 Services unavailable", " Ltd"]
)
def test_a_word_that_no_program_says_takes_a_name_back(rest: str) -> None:
    assert is_disclaimed(f"Foo{rest}", 3)


@pytest.mark.parametrize(
    "rest", ["", "; users", " ready", " (users)", " 2.0 ready", " 22 Nov 2026", " NO UCE", "\nusers"]
)
def test_a_name_stands_at_an_end_and_before_what_programs_say(rest: str) -> None:
    assert not is_disclaimed(f"Foo{rest}", 3)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("192.0.2.1", True),
        ("12.03.2024", True),
        ("12.03.24", True),
        ("1.5GB", True),
        ("8.17.1.9", False),
        ("10.0.0.1", False),
        ("4.96", False),
        ("2012.01", False),
        ("12.13.24", False),
    ],
)
def test_an_address_a_day_and_a_size_are_no_versions(number: str, *, expected: bool) -> None:
    assert is_not_a_version(number) is expected


@pytest.mark.parametrize(
    "text",
    [
        "Sendmail 8.14.7 foo",
        "Sendmail 8.14.7/8.13.8 foo; Tue, 14 Nov 2023 10:20:30 +0000",
        "Postfix 3.7.11 bar",
        "Exim 4.94.2 zorblax",
    ],
)
def test_a_word_that_nobody_knows_leaves_a_name_with_its_version(text: str) -> None:
    said = identify(parse_banner(f"220 mx3.example.com ESMTP {text}\r\n".encode()))
    assert said is not None
    assert (said.product, said.version) == (text.split(maxsplit=1)[0], text.split()[1].partition("/")[0])


@pytest.mark.parametrize(
    "text",
    [
        "Sendmail foo",
        "Postfix bar",
        "Exim 4.96% foo",
        "Exim 4.96 manual",
        "Exim 3.5 million mailboxes",
        "MDaemon 3 days uptime",
        "Courier 24 Express",
    ],
)
def test_it_takes_back_a_bare_name_and_one_in_a_remark(text: str) -> None:
    assert identify(parse_banner(f"220 mx3.example.com ESMTP {text}\r\n".encode())) is None
