"""Sendmail's greetings, from bytes to fields: every published form, and every combination of its parts."""

import pytest

from scanner.identify.sendmail import parse_versions
from tests.support.sendmail_greetings import DATE, NAMED_SENDMAIL, identified, told

FORMS: list[tuple[str, dict[str, str]]] = [
    (
        f"220 h ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2+deb12u2; {DATE}",
        {
            "version": "8.17.1.9",
            "config_version": "8.17.1.9",
            "package": "Debian-2+deb12u2",
            "os": "Debian",
            "os_version": "12",
        },
    ),
    (
        f"220 h ESMTP Sendmail 8.15.2/8.15.2/Debian-22+deb11u3; {DATE}",
        {
            "version": "8.15.2",
            "config_version": "8.15.2",
            "package": "Debian-22+deb11u3",
            "os": "Debian",
            "os_version": "11",
        },
    ),
    (
        f"220 foo.bar ESMTP Sendmail 8.14.4/8.14.4/Debian-8+deb8u2; {DATE}; (No UCE/UBE) logging access from: x",
        {
            "version": "8.14.4",
            "config_version": "8.14.4",
            "package": "Debian-8+deb8u2",
            "os": "Debian",
            "os_version": "8",
        },
    ),
    (
        f"220 foo.bar ESMTP Sendmail 8.13.5.20060308/8.13.5/Debian-3ubuntu1.1; {DATE}",
        {"version": "8.13.5.20060308", "config_version": "8.13.5", "package": "Debian-3ubuntu1.1", "os": "Ubuntu"},
    ),
    (
        f"220 foo.bar ESMTP Debian Sendmail 8.12.0.Beta7/8.12.0.Beta7/Debian 8.12.0.Beta7-1; {DATE}",
        {
            "version": "8.12.0.Beta7",
            "config_version": "8.12.0.Beta7",
            "package": "Debian 8.12.0.Beta7-1",
            "os": "Debian",
        },
    ),
    (
        "220 foo.bar ESMTP foo-MTA Sendmail 8.13.8/8.13.9; Mon, 18 Apr 2011 08:52:38 -0700",
        {"version": "8.13.8", "config_version": "8.13.9"},
    ),
    (f"220 h ESMTP Sendmail 8.14.7/8.13.8; {DATE}", {"version": "8.14.7", "config_version": "8.13.8"}),
    (
        "220 foo.bar ESMTP Sendmail 8.9.3+Sun/8.9.1; Mon, 30 Jul 2001 02:50:22 GMT",
        {"version": "8.9.3", "config_version": "8.9.1", "vendor_tag": "+Sun", "os": "Solaris"},
    ),
    (
        "220 h ESMTP Sendmail 8.11.7p3+Sun/8.11.7; Tue, 16 Jan 2018 10:50:39 +0100 (MET)",
        {"version": "8.11.7", "config_version": "8.11.7", "patch": "p3", "vendor_tag": "+Sun", "os": "Solaris"},
    ),
    (
        "220 ESMTP Sendmail 8.11.7p3+Sun/8.11.7; Tue, 16 Jan 2018 10:50:39 +0100 (MET)",
        {"version": "8.11.7", "config_version": "8.11.7", "patch": "p3", "vendor_tag": "+Sun", "os": "Solaris"},
    ),
    (
        "220 foo.bar Sendmail SMI-8.6/SMI-SVR4 ready at Sun, 29 Jul 2001 22:58:46 -0400",
        {
            "product_line": "SMI",
            "vendor": "Sun Microsystems",
            "version": "8.6",
            "config_version": "SMI-SVR4",
            "os": "Solaris",
        },
    ),
    (
        "220 mail.example.com Sendmail 5.61/SMI-4.1 ready at Wed, 31 Jan 96 15:59:02 -0800",
        {
            "product_line": "SMI",
            "vendor": "Sun Microsystems",
            "version": "5.61",
            "config_version": "SMI-4.1",
            "os": "SunOS",
            "os_version": "4.1",
        },
    ),
    (
        "220 foo.bar ESMTP Sendmail AIX5.1/8.11.6p2/8.11.0; Fri, 28 Aug 1970 19:42:05 -0800",
        {"version": "8.11.6", "config_version": "8.11.0", "patch": "p2", "os": "AIX", "os_version": "5.1"},
    ),
    (
        "220 foo.bar ESMTP Sendmail AIX4.2/UCB 8.7; Sun, 29 Jul 2001 22:34:37 -0400 (EDT)",
        {"version": "8.7", "vendor_tag": "UCB", "os": "AIX", "os_version": "4.2"},
    ),
    ("220 smtp sendmail v8.12.11 (IBM AIX 4.3)", {"version": "8.12.11", "os": "AIX", "os_version": "4.3"}),
    ("220-mail.example.com ESMTP AIX Sendmail 7.5.3", {"version": "7.5.3", "os": "AIX"}),
    (
        "220 foo.bar ESMTP Sendmail 8.8.6 (PHNE_14041)/8.7.1; Tue, 6 Feb 2001 10:04:32 -0300 (SAT)",
        {"version": "8.8.6", "config_version": "8.7.1", "patch": "PHNE_14041", "os": "HP-UX"},
    ),
    (
        "220 h ESMTP Sendmail @(#)Sendmail version 8.13.3 - Revision 1.004:: HP-UX11.31 - 03rd February,2010/8.11.1",
        {
            "version": "8.13.3",
            "config_version": "8.11.1",
            "patch": "Revision 1.004",
            "build": "03rd February,2010",
            "os": "HP-UX",
            "os_version": "11.31",
        },
    ),
    (
        f"220 foo.foo.bar ESMTP Sendmail 8.11.1 - (Revision 1.010)/8.9.3; {DATE}",
        {"version": "8.11.1", "config_version": "8.9.3", "patch": "Revision 1.010"},
    ),
    (
        "220 mail.example.com ESMTP Sendmail Switch-3.1.2/Switch-3.1.2; Mon, 01 Jan 2024 00:27:12 +0900",
        {"product_line": "Switch", "version": "3.1.2", "config_version": "Switch-3.1.2"},
    ),
    (
        "220 mail.example.com ESMTP Sendmail Sentrion-MTA-4.0.2/Switch-3.3.4; Tue, 15 Jan 2019 12:53:21 +0900",
        {"product_line": "Sentrion", "version": "4.0.2", "config_version": "Switch-3.3.4"},
    ),
    (
        "220 foo.bar ESMTP MetaInfo Sendmail 2.5 Build 2630 (Berkeley 8.8.6)/8.8.4; Mon, 30 Jul 2001 02:50:22 GMT",
        {
            "product_line": "MetaInfo",
            "vendor": "MetaInfo",
            "version": "8.8.6",
            "config_version": "8.8.4",
            "build": "2.5 Build 2630",
        },
    ),
    (
        "220 foo.bar ESMTP Sendmail 8.8.7/UW7.1.0 ready at Tue, 6 Feb 2001 16:39:30 -0300 (GMT-0300)",
        {"version": "8.8.7", "os": "UnixWare", "os_version": "7.1.0"},
    ),
    (
        f"220 foo.bar ESMTP Sendmail 8.9.3/8.9.3/SuSE Linux 8.9.3-0.1; {DATE}",
        {"version": "8.9.3", "config_version": "8.9.3", "package": "SuSE Linux 8.9.3-0.1", "os": "SuSE Linux"},
    ),
    (
        f"220 foo.bar ESMTP Sendmail 8.9.3+3.4W/8.9.3+3.4W; {DATE}",
        {"version": "8.9.3", "config_version": "8.9.3+3.4W", "vendor_tag": "+3.4W"},
    ),
    (
        f"220 foo.bar ESMTP Sendmail 8.9.3 (PHNE_28810+JAGae91741)/8.9.3; {DATE}",
        {"version": "8.9.3", "config_version": "8.9.3", "patch": "PHNE_28810+JAGae91741", "os": "HP-UX"},
    ),
    (
        f"220 foo.bar ESMTP Sendmail 8.9.3 (PHNE_22672)/8.9.3 SMKit7.01; {DATE}",
        {"version": "8.9.3", "config_version": "8.9.3", "patch": "PHNE_22672", "os": "HP-UX"},
    ),
    (
        f"220 foo.bar ESMTP Sendmail 8.11.1 (Revision 1.5) (PHNE_29774)/8.9.3; {DATE}",
        {"version": "8.11.1", "config_version": "8.9.3", "patch": "Revision 1.5 PHNE_29774", "os": "HP-UX"},
    ),
    (
        f"220 foo.bar Sendmail 5.65v3.2 (1.1.8.2/16Jan95-0946AM) ready at {DATE}",
        {"version": "5.65", "patch": "v3.2", "build": "1.1.8.2/16Jan95-0946AM", "os": "Tru64 UNIX"},
    ),
    (
        f"220 foo.bar Sendmail 950413.SGI.8.6.12/951211.SGI ready at {DATE}",
        {"version": "8.6.12", "config_version": "951211.SGI", "vendor_tag": "950413.SGI", "os": "IRIX"},
    ),
    (
        f"220 foo.bar ESMTP Sendmail 8.14.3/8.14.3/Debian-5+lenny1; {DATE}",
        {
            "version": "8.14.3",
            "config_version": "8.14.3",
            "package": "Debian-5+lenny1",
            "os": "Debian",
            "os_version": "5",
        },
    ),
    (
        f"220 foo.bar ESMTP Sendmail 8.9.3/8.9.3/Mandrake 1.0; {DATE}",
        {"version": "8.9.3", "config_version": "8.9.3", "package": "Mandrake 1.0", "os": "Mandrake Linux"},
    ),
    (
        f"220 foo.bar ESMTP Sendmail 8.9.3/linuxconf; {DATE}",
        {"version": "8.9.3", "config_version": "linuxconf", "os": "Linux"},
    ),
    ("220 mail.example.com ESMTP Sendmail 8.5.4; Mon Jan  8 05:45:49 2024", {"version": "8.5.4"}),
    (
        "220 zim.gshapiro.net ESMTP Sendmail 8.18.1.10/8.18.1.10; Fri, 2 May 2025 00:33:23 GMT",
        {"version": "8.18.1.10", "config_version": "8.18.1.10"},
    ),
    ("220 simh Sendmail 5.51/5.17 ready at Wed, 18 Dec 85 11:14:07 PST", {"version": "5.51", "config_version": "5.17"}),
    (
        f"220 ;; ESMTP connection timed out; no servers could be reached Sendmail 8.13.8/8.13.8; {DATE}",
        {"version": "8.13.8", "config_version": "8.13.8"},
    ),
    (
        "220 ESMTP Sendmail  8.13.1/8.13.1; Thu, 30 Nov 2017 01:58:22 -0700",
        {"version": "8.13.1", "config_version": "8.13.1"},
    ),
    (
        "220-h Sendmail 8.6.9/A/UX 3.1 ready at Mon, 1 Jan 96 10:00:00 GMT\r\n220 ESMTP spoken here",
        {"version": "8.6.9", "os": "A/UX", "os_version": "3.1"},
    ),
    (
        "220-h Sendmail 8.6.9/A/UX ready at Mon, 1 Jan 96 10:00:00 GMT\r\n220 ESMTP spoken here",
        {"version": "8.6.9", "os": "A/UX"},
    ),
    (
        "220-h Sendmail IBM OS/2 SENDMAIL VERSION 1.3.17/2.12um ready at Mon, 1 Jan 96\r\n220 ESMTP spoken here",
        {"product_line": "OS/2", "vendor": "IBM", "version": "1.3.17", "config_version": "2.12um", "os": "OS/2"},
    ),
    (
        "220 h HP Sendmail (1.37.109.4/16.2) ready at Mon, 1 Jan 96 10:00:00 GMT",
        {"product_line": "HP", "vendor": "HP", "version": "1.37.109.4", "config_version": "16.2", "os": "HP-UX"},
    ),
    (
        f"220 h ESMTP Sendmail AIX7.2/8.14.4/8.13.4; {DATE}",
        {"version": "8.14.4", "config_version": "8.13.4", "os": "AIX", "os_version": "7.2"},
    ),
    (f"220 h ESMTP Sendmail 8.17.1.9 ready at {DATE}", {"version": "8.17.1.9"}),
    (f"220 h ESMTP Sendmail 8.9.1a/8.9.1a; {DATE}", {"version": "8.9.1a", "config_version": "8.9.1a"}),
    (f"220 h ESMTP Sendmail 8.6.12fp2; {DATE}", {"version": "8.6.12", "patch": "fp2"}),
    ("220 h ESMTP Sendmail 8.14.7/8.13.8 authorised use only", {"version": "8.14.7", "config_version": "8.13.8"}),
    ("220 h\tESMTP\tSendmail 8.14.7/8.13.8; today", {"version": "8.14.7", "config_version": "8.13.8"}),
    (f"220  h ESMTP Sendmail 8.14.7/8.13.8; {DATE}", {"version": "8.14.7", "config_version": "8.13.8"}),
    (f"220 sendmail ESMTP Sendmail 8.14.7/8.13.8; {DATE}", {"version": "8.14.7", "config_version": "8.13.8"}),
    (
        f"220-Welcome to our network\r\n220-No spam\r\n220 h ESMTP Sendmail 8.14.7/8.13.8; {DATE}",
        {"version": "8.14.7", "config_version": "8.13.8"},
    ),
    ("220 foo.bar ESMTP Sendmail Wed, 20 May 2015 17:17:56 -0600", {}),
    ("220 foo.bar ESMTP Sendmail ; Thu, 30 Nov 2017 17:50:14 +0900", {}),
    (f"220 foo.bar ESMTP Sendmail ready at {DATE}", {}),
    (f"220 foo.bar Sendmail ready at {DATE}", {}),
    ("220 foo.bar ESMTP Sendmail", {}),
    (f"220 foo.bar ESMTP Sendmail unknown/unknown; {DATE}", {}),
    ("220 foo.bar ESMTP Sendmail 8x14; today", {}),
]


@pytest.mark.parametrize(("greeting", "expected"), FORMS, ids=[greeting[:90] for greeting, _ in FORMS])
def test_every_form_is_read_into_its_fields(greeting: str, expected: dict[str, str]) -> None:
    assert told(identified(greeting)) == {**NAMED_SENDMAIL, **expected}


@pytest.mark.parametrize(
    "greeting",
    [
        "220 - zeus SMTPS Sendmail 8.12.1/8.12.1;",
        "220 h ESMTP TurboSendmail 8.12.1/8.12.1; today",
        "220 h ESMTP Sendmailer 8.12.1/8.12.1; today",
        "220 h ESMTP ready (was: Sendmail 8.12.1/8.12.1)",
        "220 h ESMTP not Sendmail 8.14.7/8.13.8; today",
        "220 sendmail.example.com ESMTP",
        "220 Sendmail.example.com ESMTP ready",
        "220 sendmail ESMTP",
        "220 h ESMTP mail gateway; we replaced Sendmail 8.14.7/8.13.8",
        "554 h not accepting messages",
        "220 4.3.2 Connection rate limit exceeded.",
    ],
)
def test_what_only_mentions_the_word_is_not_sendmail(greeting: str) -> None:
    software = identified(greeting)
    assert software is None or software.product != "Sendmail"


@pytest.mark.parametrize(
    ("greeting", "product"),
    [
        ("220 arkoon Sendmail ready. ", "Arkoon SMTP proxy"),
        ("220 mysendmail-host ESMTP Postfix", "Postfix"),
        ("220 sendmail.example.com ESMTP Postfix", "Postfix"),
        ("220 sendmail.example.com ESMTP Exim 4.96 Sun, 22 Nov 2026 09:51:55 +0000", "Exim"),
        ("220 h ESMTP Postfix Sendmail 8.14.7/8.13.8; today", "Postfix"),
    ],
)
def test_another_product_that_mentions_the_word_keeps_its_name(greeting: str, product: str) -> None:
    software = identified(greeting)
    assert software is not None
    assert software.product == product


@pytest.mark.parametrize(
    "greeting",
    [
        "421 4.3.2 Connection rate limit exceeded.",
        "421 4.3.2 Too many open connections.",
        "554 h ESMTP not accepting messages",
    ],
)
def test_refusals_in_sendmails_words_are_sendmail_with_less_confidence(greeting: str) -> None:
    software = identified(greeting)
    assert told(software) == NAMED_SENDMAIL
    assert software is not None
    assert software.confidence == 0.6


def test_the_greeting_is_a_claim_with_its_method_confidence_and_rule() -> None:
    software = identified(f"220 h ESMTP Sendmail 8.14.7/8.13.8; {DATE}")
    assert software is not None
    assert (software.method, software.confidence, software.evidence) == ("banner", 0.95, "sendmail.esmtp-version")


@pytest.mark.parametrize(
    ("greeting", "cpe"),
    [
        ("8.11.6p2+Sun/8.11.0", "cpe:2.3:a:sendmail:sendmail:8.11.6:*:*:*:*:*:*:*"),
        ("8.12.0.Beta7/8.12.0.Beta7", "cpe:2.3:a:sendmail:sendmail:8.12:beta7:*:*:*:*:*:*"),
        ("8.13.0.Beta1/8.13.0", "cpe:2.3:a:sendmail:sendmail:8.13:beta1:*:*:*:*:*:*"),
        ("8.12.1.Beta0/8.12.1", "cpe:2.3:a:sendmail:sendmail:8.12.1:beta0:*:*:*:*:*:*"),
        ("Switch-3.1.2/Switch-3.1.2", "cpe:2.3:a:sendmail:sendmail_switch:3.1.2:*:*:*:*:*:*:*"),
        ("Sentrion-MTA-4.0.2/Switch-3.3.4", None),
        ("(hidden)", "cpe:2.3:a:sendmail:sendmail:*:*:*:*:*:*:*:*"),
    ],
)
def test_the_cpe_names_the_upstream_version_only(greeting: str, cpe: str | None) -> None:
    software = identified(f"220 h ESMTP Sendmail {greeting}; {DATE}")
    assert software is not None
    assert software.cpe == cpe


def test_text_that_begins_with_no_version_is_not_for_the_grammar() -> None:
    assert parse_versions({"versions": "8"}) is None
    assert parse_versions({"versions": "8.14.7x14y"}) is None
    assert parse_versions({"versions": ""}) is None
