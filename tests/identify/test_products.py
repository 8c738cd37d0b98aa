"""Greetings as they were seen: products in other words than the default, appliances and old gateways."""

import pytest

from scanner.identify import identify
from scanner.model import Software
from scanner.smtp import parse_banner

DATE = "Tue, 14 Nov 2023 10:20:30 +0000"

#: Greeting, product, version, operating system.
SEEN: list[tuple[str, str, str | None, str | None]] = [
    ("220 mx.example.net ESMTP Postcow", "mailcow", None, None),
    ("220-mailcow ESMTP Postcow\r\n220 mailcow ESMTP Postcow", "mailcow", None, None),
    ("220 mx.example.net ESMTP Stalwart", "Stalwart", None, None),
    ("220 mx.example.net Stalwart ESMTP", "Stalwart", None, None),
    ("220 mx.example.net ESMTP KumoMTA", "KumoMTA", None, None),
    ("220 mail.example.com ESMTP Power Mail-in-a-Box (Postfix)", "Postfix", None, None),
    ("220 mail.example.com ESMTP Postfix: Welcome to our mail server.", "Postfix", None, None),
    ("220 mail.example.com ESMTP POSTFIX", "Postfix", None, None),
    ("220 Postfix 2.1.5", "Postfix", "2.1.5", None),
    ("220 localhost |ESMTP Exim 4.94.2| Sun, 30 Jun 2024 03:21:36 -0400", "Exim", "4.94.2", None),
    ("220 mail.example.com ESMTP EXIM", "Exim", None, None),
    ("220 mail.example.com ESMTP sendmail (AIX/PPC)", "Sendmail", None, "AIX"),
    ("220 mail.example.com Sendmail ready.", "Sendmail", None, None),
    ("220 Sendmail ESMTP ready", "Sendmail", None, None),
    (f"220 mail.example.com HP Sendmail (8.14.4 ) ready at {DATE}", "Sendmail", "8.14.4", "HP-UX"),
    (f"220 h.example.net MICROSOFT ESMTP MAIL SERVICE READY AT {DATE}", "Microsoft Exchange Server", None, "Windows"),
    (
        "220 h.example.net Microsoft ESMTP MAIL Service Version: 14.3.123.3",
        "Microsoft Exchange Server",
        "14.3.123.3",
        "Windows",
    ),
    (
        "220 +OK Microsoft Exchange SMTP server version 5.5.2653.13",
        "Microsoft Exchange Server",
        "5.5.2653.13",
        "Windows",
    ),
    (f"220 mail.example.com ESMTP Service (Lotus Domino 8.5.3) ready at {DATE}", "Domino", "8.5.3", None),
    (f"220 mail.example.com ESMTP Service (IBM Domino 9.0.1FP10) ready at {DATE}", "Domino", "9.0.1", None),
    (
        "220 ecbuild-14 ESMTP ecelerity HEAD r(9610M) Wed, 08 Mar 2006 16:21:51 -0500",
        "Momentum",
        "HEAD",
        None,
    ),
    (
        f"220 mx.example.net ESMTP server (InterMail vK.4.03.00.00 201-232-121 license d3f1e9b0ca21) ready {DATE}",
        "InterMail",
        "K.4.03.00.00",
        None,
    ),
    ("220 Kerio MailServer ESMTP ready", "Kerio MailServer", None, None),
    ("220 smtpin.example.de ESMTP RZmta 55.6.2 ready", "RZmta", "55.6.2", None),
    ("220 SMTP mail.example.com (Surgemail Version 3.7b6-6)", "SurgeMail", "3.7b6-6", None),
    (f"220 mail.example.com (IntraStore TurboSendmail) SMTP Service ready {DATE}", "IntraStore", None, None),
    (
        "220 [mail.example.com] Courier Mail Server 1.56 ESMTP service ready",
        "Courier Mail Server",
        "1.56",
        "Windows",
    ),
    ("220 HMailServer ESMTP", "hMailServer", None, "Windows"),
    ("220 XMail ESMTP service ready; " + DATE, "XMail", None, None),
    ("220 Welcome to Nemesis ESMTP server on mail.example.com", "Nemesis", None, None),
    ("220 Jana-Server ESMTP Service ready", "Jana Server", None, "Windows"),
    ("220 cucm.example.com UnityMailer ready", "Cisco Unity Connection", None, None),
    (
        "220 mail.example.com ESMTP Xpressions Version 8.11.119 (WIN-NT) Release Build 18409 ready",
        "OpenScape Xpressions",
        "8.11.119",
        "Windows",
    ),
    ("220 mail.example.com ESMTP Example Sophos Email Appliance v4.4.1.1", "Sophos Email Appliance", "4.4.1.1", None),
    ("220 ESMTP IMSVA", "InterScan Messaging Security Virtual Appliance", None, "CentOS"),
    (
        "220 mail.example.com ESMTP (0a8d40ef45300cc1bd0f16ced5c9e6f1)",
        "Barracuda Email Security Gateway",
        None,
        None,
    ),
    ("220 mail.example.com ESMTP TERRACE MAIL Security EE 1.2.2 2022-5", "TERRACE MAIL", "1.2.2", None),
    ("220 mail.example.com ESMTP Terrace MailWatcher 2.5.1", "TERRACE MAIL", "2.5.1", None),
    (
        "220 mail.example.com InterScan VirusWall NT ESMTP 3.24 (build 01/19/2000) ready at " + DATE,
        "InterScan VirusWall",
        "3.24",
        None,
    ),
    ("220 WebShield SMTP MR2", "WebShield", None, None),
    ("220 mail.example.com Symantec Mail Security ", "Symantec Mail Security for SMTP", None, "Windows"),
    ("220 mail.example.com ESMTP Halon Mail Gateway (H/OS)", "Halon", None, None),
    ("220 mail.example.com ESMTP Proxmox", "Proxmox Mail Gateway", None, None),
    (f"220 mail.example.com ESMTP MailCleaner (Enterprise Edition 2012.01) {DATE}", "MailCleaner", "2012.01", None),
    ("220 mail.example.com ESMTP Gruponet IE2020 3.1.4;", "Gruponet mail appliance", "3.1.4", None),
    (f"220 mail.example.com MailGate ready for ESMTP on {DATE}", "MailGate", None, "Windows"),
    ("220 MailStore SMTP Proxy Server", "MailStore SMTP Proxy", None, None),
    (
        (
            "220-mail.example.com ESMTP\r\n220-MagicMail Daemon with Built-In Anti-Spam\r\n"
            "220 See http://www.linuxmagic.com for info"
        ),
        "MagicMail",
        None,
        "Linux",
    ),
    (f"220-mail.example.com ESMTP  GoMail V3.1.0; {DATE}\r\n220 welcome", "GoMail", "3.1.0", "Windows"),
    ("220 mail.example.com SMTP ready to roll", "Hotmail Popper", None, "Windows"),
    ('220 BEJY V1.6  SMTP 1.4.3  (c) 2000-2008 by BebboSoft, Stefan "Bebbo" Franke', "BEJY", "1.4.3", None),
    ("220 LiteMail SMTP Server Ready.", "LiteMail", None, "Windows"),
    ("220 mail.example.com ESMTP MailMasher ready to boogie", "MailMasher", None, None),
    (
        "220 Matrix SMTP Mail Server v1.02 on <MATRIX_mail> Simple Mail Transfer Service Ready",
        "Matrix SMTP Mail Server",
        "1.02",
        None,
    ),
    ("220 mail.example.com SMTP server ready (MgSMTP 1.6.0)", "MgSMTP", "1.6.0", "Windows"),
    (
        "220 mail.example.com ESMTP server (Neon Mail Server System Advance 5.40, build 2003) ready",
        "Neon Mail Server",
        "5.40",
        None,
    ),
    (
        "220 SMTP Welcome to the IA eMailServer Standard Edition Version: 5.2.2 Build: 1053",
        "Internet Anywhere Mail Server",
        "5.2.2",
        "Windows",
    ),
    (
        "220 SMTP Welcome to the IA eMailServer Corporate Edition Version: 5.2.2 Build: 1051",
        "Internet Anywhere Mail Server",
        "5.2.2",
        "Windows",
    ),
    ("220 I, CALLPILOT[6.3.12], speak ESMTP.  Talk to me.", "CallPilot", None, None),
    ("220 mail.example.com ESMTP SMTPBeamer v3.32", "SMTPBeamer", "3.32", "Windows"),
    (f"220 mail.example.com DynFX ESMTP Server 2.10.3 ({DATE})", "DynFX", "2.10.3", "Windows"),
    ("220 mail.example.com ESMTP NetBox(tm)", "NetBox", None, None),
    ("220 YahooPOPs! Simple Mail Transfer Service Ready", "YahooPOPs!", None, None),
    ("220 DP-1820E", "Panasonic DP printer", None, None),
    ("220 mail.example.com SMTP Guerrilla(v1.6.6-26-g7ad89cb) #1 (1) 2024-07-14", "Go-Guerrilla", "1.6.6", None),
    ("220 mail.example.com ESMTP chasquid", "chasquid", None, None),
    ("220 mail.example.com (NO UCE) ESMTP IndiMail 1.232 " + DATE, "IndiMail", "1.232", None),
    ("220 SMTP/cmap ready________________", "Cisco PIX/ASA SMTP fixup", None, None),
    ("220 mail.example.com ESMTP MailEnable Service, Version: 0-1.19- ready at 03/01/16", "MailEnable", "1.19", None),
    ("220 mail.example.com ESMTP qpsmtpd/0.96", "qpsmtpd", "0.96", None),
    ("220 mail.example.com ESMTP hMailServer 5.6.7-B2425", "hMailServer", "5.6.7", "Windows"),
    ("220 mail.example.com Stalwart SMTP Server v0.6.0", "Stalwart", "0.6.0", None),
    ("220 mail.example.com LMTP Server (JAMES Protocols Server) ready", "Apache James", None, None),
    ("220 mail.example.com GMS (v20.04.3000) ready for ESMTP", "Gordano Messaging Suite", "20.04.3000", None),
    ("220 CMailServer 5.4.6 SMTP Service Ready", "CMailServer", "5.4.6", "Windows"),
    ("220 mail.example.com CommuniGate Pro SMTP 6.1.1", "CommuniGate Pro", "6.1.1", None),
    ("220 mail.example.com FORTIMAIL", "FortiMail", None, None),
    ("220 mail.example.com ESMTP IceWarp 13.0.3.1 RHEL7 x64; " + DATE, "IceWarp Mail Server", "13.0.3.1", None),
]


@pytest.mark.parametrize(
    ("greeting", "product", "version", "os"), SEEN, ids=[greeting[:70].replace("\r\n", " ") for greeting, *_ in SEEN]
)
def test_a_greeting_that_was_seen_gives_its_product(
    greeting: str, product: str, version: str | None, os: str | None
) -> None:
    software = identify(parse_banner(greeting.encode() + b"\r\n"))
    assert isinstance(software, Software)
    assert (software.product, software.version) == (product, version)
    if os is not None:
        assert software.os == os


@pytest.mark.parametrize(
    ("greeting", "patch", "build"),
    [
        ("220 mail.example.com ESMTP Service (IBM Domino 9.0.1FP10) ready at " + DATE, "FP10", None),
        ("220 WebShield SMTP MR2", "MR2", None),
        ("220 mail.example.com PowerMTA(TM) v5.0r1 ESMTP service ready", "r1", None),
        ("220 mail.example.com ESMTP ecelerity 1.2 (r4169) Mon, 16 May 2005 09:45:48 -0400", None, "(r4169)"),
        ("220 mail.example.com InterScan VirusWall NT ESMTP 3.51 (build 1321) ready at " + DATE, None, "1321"),
        ("220 mail.example.com ESMTP Xpressions Version 8.11.119 (WIN-NT) Release Build 18409 ready", None, "18409"),
    ],
)
def test_patches_and_builds_have_fields_of_their_own(greeting: str, patch: str | None, build: str | None) -> None:
    software = identify(parse_banner(greeting.encode() + b"\r\n"))
    assert software is not None
    assert (software.patch, software.build) == (patch, build)
