"""Host names in greetings: where servers put them, and what begins a greeting in their place."""

import json
from pathlib import Path

import pytest

from scanner.identify.rule_files import FOLDER, load_rules
from scanner.smtp import parse_banner

CORPUS = [
    json.loads(line) for line in (Path(__file__).parents[1] / "data" / "greetings.jsonl").read_text().splitlines()
]

NAMED: list[tuple[str, str]] = [
    # Behind blanks, an enhanced code, the protocol, a product
    ("220  mail.example.com ESMTP Exim 4.89 #1", "mail.example.com"),
    ("220 \tmail.example.com ESMTP", "mail.example.com"),
    ("220  [192.0.2.1] ESMTP", "[192.0.2.1]"),
    ("220 2.0.0 mail.example.com ESMTP ecelerity 4.2.37.61980 r(:)", "mail.example.com"),
    ("220 2.0.0 mail ESMTP", "mail"),
    ("421 4.7.0 mail.example.com Error: too many connections from 192.0.2.1", "mail.example.com"),
    ("554 5.3.2 mail.example.com No mail service", "mail.example.com"),
    ("220 SMTP example.com (Surgemail Version 3.7b6-6)", "example.com"),
    ("220  SMTP mail.example.com Sendmail 8.6.12/8.6.9 ready at noon", "mail.example.com"),
    ("220 ESMTP mail.example.com CMailServer 5.4.6 SMTP Service Ready", "mail.example.com"),
    ("220 YSmtp mta101.mail.example.com ESMTP service ready", "mta101.mail.example.com"),
    ("220 X1 NT-ESMTP Server mail.example.com (IMail 6.06 EVAL 11347-1)", "mail.example.com"),
    # In brackets, or with something in front
    ("220 [mail.example.com] Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready", "mail.example.com"),
    ("220 <mail.example.com> ESMTP", "mail.example.com"),
    ('220 "mail.example.com" ESMTP', "mail.example.com"),
    ("220 <1448150155.307850@mail.example.com> [XMail 1.27 ESMTP Server] service ready;", "mail.example.com"),
    ("220 eSafe@mail.example.com Service ready", "mail.example.com"),
    ("220 [localhost] ESMTP amavisd-new service ready", "localhost"),
    # With a mark behind
    ("220 mail.example.com, ESMTP EXIM 4.83", "mail.example.com"),
    ("220 mail.example.com; Tue, 14 Nov 2023 10:20:30 +0000", "mail.example.com"),
    ("220 mail.example.com(IMail 8.22 1-1) NT-ESMTP Server X1", "mail.example.com"),
    ("220 mail.example.com:25 ESMTP", "mail.example.com"),
    ("220 mail.example.com| ESMTP", "mail.example.com"),
    ("220 mail; Tue, 14 Nov 2023 10:20:30 +0000", "mail"),
    ("421 mail.example.com: Too many concurrent SMTP connections; please try again later.", "mail.example.com"),
    ("220 mail.example.com[192.0.2.1] ESMTP", "mail.example.com"),
    # With decoration
    ("220 # mail.example.com ESMTP", "mail.example.com"),
    ("220 ***mail.example.com*** ESMTP", "mail.example.com"),
    ("220 -- mail.example.com ESMTP", "mail.example.com"),
    # Behind a date, or a word
    ("220 2024-01-01 mail.example.com ESMTP", "mail.example.com"),
    ("220 The mail.example.com ESMTP", "mail.example.com"),
    ("220 SMTP Server: mail.example.com", "mail.example.com"),
    ("220 I am mail.example.com, at your service", "mail.example.com"),
    # In a sentence
    ("220 SG ESMTP service ready at mail.example.com", "mail.example.com"),
    ("220 Welcome to mail.example.com - VisNetic MailScan ESMTP Server BUILD 4.5.1", "mail.example.com"),
    ("220 Welcome to the mail.example.com mail server", "mail.example.com"),
    ("220 Welcome to Nemesis ESMTP server on mail.example.com", "mail.example.com"),
    ("220 Proxy+ SMTP server at mail.example.com. Authentication required.", "mail.example.com"),
    ("220 HOST: mail.example.com Supportworks ESMTP Server 3.4.1 ready", "mail.example.com"),
    ("220 This is mail.example.com, no spam", "mail.example.com"),
    ("220 Willkommen auf mail.example.com", "mail.example.com"),
    ("220 You have reached mail.example.com", "mail.example.com"),
    ("220 Hello from mail.example.com!", "mail.example.com"),
    ("220 Service ready KMBT1A2B3C smtpd", "KMBT1A2B3C"),
    ("220 laposte ESMTP service ready at mail.example.com", "mail.example.com"),
    # One label
    ("220 SERVER Microsoft ESMTP MAIL Service ready at Wed, 21 Jul 2010 19:04:24 -0700", "SERVER"),
    ("220 Zeus ESMTP Postfix", "Zeus"),
    ("220 Mail ESMTP Service (Lotus Domino Release 8.5.3) ready", "Mail"),
    ("220-HOST Sendmail 8.6.12/A/UX 3.1 ready at Mon, 1 Jan 96 10:00:00 GMT\r\n220 ESMTP spoken here", "HOST"),
    ("220 MAIL01 ESMTP", "MAIL01"),
    ("220 Server1 SMTP ready", "Server1"),
    ("220 EXCHANGE ESMTP", "EXCHANGE"),
    ("220 WIN-AB12CD34EF hMailServer ready", "WIN-AB12CD34EF"),
    ("220 localhost |ESMTP Exim 4.94.2| Sun, 30 Jun 2024 03:21:36 -0400", "localhost"),
    ("220 localhost smtp4dev ready", "localhost"),
    ("220 localhost at your service", "localhost"),
    ("220 DESKTOP-1 smtp4dev ready", "DESKTOP-1"),
    ("220 441ff155b363 Mailpit ESMTP Service ready", "441ff155b363"),
    ("220 postfix ESMTP Postfix (Debian/GNU)", "postfix"),
    ("220 mail", "mail"),
    ("220 mail esmtp", "mail"),
    ("220 test ESMTP Postfix", "test"),
    ("220 mailcow ESMTP Postfix", "mailcow"),
    ("554 mail ESMTP not accepting messages", "mail"),
    ("554 [192.0.2.1] ESMTP not accepting messages", "[192.0.2.1]"),
    ("554 192.0.2.1 ESMTP not accepting messages", "192.0.2.1"),
    ("554-MAIL01\r\n554 go away", "MAIL01"),
    ("550 mwinf5c14 ME Adresse IP source bloquee pour incident de spam.", "mwinf5c14"),
    # With dots, whatever the sentence
    ("220 Mail.Ru ESMTP", "Mail.Ru"),
    ("521 mail.example.com does not accept mail", "mail.example.com"),
    ("421 mail.example.com is too busy. Please try again later.", "mail.example.com"),
    # On a later line
    ("220-InterScan Version 3.6-Build_1182 $Date: 10/31/2001 $ Ready\r\n220 mail.example.com ESMTP Postfix",
     "mail.example.com"),
    ("220-W E L C O M E   T O   Q U A R K M A I L\r\n220 mail.example.com ESMTP server ready", "mail.example.com"),
]  # fmt: skip

NOT_NAMED = [
    # Products, in their own spelling
    "220 Kerio MailServer ESMTP ready",
    "220 Kerio Connect 8.0.2 ESMTP ready",
    "220 Lotus Notes ESMTP Server X1.0 on FooBar R45 Server/Foo Bar/US ready at noon",
    "220 Dovecot ready.",
    "220 ArGoSoft Mail Server Freeware, Version 1.8 (1.8.8.8)",
    "220 CheckPoint FireWall-1 secure ESMTP server",
    "220 HMailServer ESMTP",
    "220 Jana-Server ESMTP Service ready",
    "220 MailStore SMTP Proxy Server",
    "220 AVG ESMTP Proxy Server 7.5.472/7.5.472 [267.14.0/1]",
    "220 Trend Micro ESMTP 7.0.0.1345 ready.",
    "220 BEJY V1.6  SMTP 1.4.3  (c) 2000-2008 all rights reserved ready",
    "220 MERCUR SMTP-Server (v3.30.09 SA-0000005) for Windows NT ready",
    "220 DP-1820E",
    "220 Net at Work Mail Gateway ready",
    "220 totemomail SMTP Server ready",
    "220 smtp-sink ESMTP",
    "220 network-box ESMTP",
    "220 smtpd",
    "220 Microsoft ESMTP MAIL Service, Version: 6.0.2600.5512 ready",
    "220 VPOP3 SMTP Server Ready",
    "220 X1 NT-ESMTP Server (IMail 6.06 899085-1)",
    "220 Matrix SMTP Mail Server v6.3.12 on <MATRIX_mail> Simple Mail Transfer Service Ready",
    "220 Sendmail ESMTP ready",
    "220 HP Sendmail (8.14.4 ) ready",
    # Words of the service and of sentences
    "220 ESMTP IMSVA",
    "220 SMTP Welcome to the IA eMailServer Corporate Edition Version: 6.3.12 Build: 63",
    "220 mail server ready",
    "220 server ready",
    "220 service ready",
    "220 SMTP-Server Classic Hamster Version 2.1 (Build 2.1.0.11)",
    "220 Secure Mail Gateway",
    "220 unauthorized use prohibited",
    "220 Welcome.",
    "220 host. ready",
    "220 host(x) ready",
    "220 mail.example.com.* ESMTP",
    "220 *.example.com ESMTP",
    "220 Ready: go",
    "220 I, CALLPILOT[192.0.2.1], speak ESMTP.  Talk to me.",
    "220 5.7.1 go",
    "220 see http://www.example.com/terms",
    "220 python smtp server",
    "220 host smtp relay",
    "220 fake SMTP server ready",
    "220 qmail ESMTP ready",
    "220 msmtpd",
    "220 DP-1820E ESMTP",
    "220 SMTP2GO ESMTP ready",
    "220 mailcow ESMTP ready",
    "220 smtp2mail ESMTP Service Ready",
    "220 ESMTP www.example.com",
    "220 server admin@example.com",
    "220 Powered by mail.example.com",
    "220 ready at 8.14.4",
    "220 Version.2 x",
    # A word without a letter
    "220 421 too many",
    "220 2026",
    "220 9 ready",
    "220 2024-01-01 ESMTP",
    "220 _ ESMTP",
    "220-2026\r\n220 ready",
    "220 [2024] ESMTP ready",
    "554-421\r\n554 too many",
    "554 2024 ESMTP",
    "220 -- mail ESMTP",
    # Refusals speak of the client
    "550-192.0.2.1 blocked by ldap:ou=rblmx,dc=example,dc=net\r\n550 Error - Blocked for abuse.",
    "550 192.0.2.1 is listed at bl.example.org",
    "554-192.0.2.1\r\n554 blocked",
    "550 [192.0.2.1] blocked",
    "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred",
    "550 5.7.1 client.example.net is blocked",
    "550 client.example.net listed at bl.example.org",
    "421 4.7.1 : (DYN:T1) http://postmaster.example.com/errors/421dynt1.html",
    "421 Maximum SMTP sessions reached",
    "421 SMTP service not available",
    "554-Blocked\r\n554 go away",
    "554-blocked\r\n554 go away",
    "450 rfc5321 says otherwise",
    "550 5.7.1x no",
]


@pytest.mark.parametrize(("greeting", "name"), NAMED)
def test_the_host_name_is_found(greeting: str, name: str) -> None:
    assert parse_banner(greeting.encode() + b"\r\n").hostname == name


@pytest.mark.parametrize("greeting", NOT_NAMED)
def test_a_word_is_not_taken_for_a_host_name(greeting: str) -> None:
    assert parse_banner(greeting.encode() + b"\r\n").hostname is None


def test_a_blank_line_before_a_single_line_is_no_teaser() -> None:
    assert parse_banner(b"\r\n220 mail.example.com ESMTP\r\n").flags == ("blank_line",)
    assert parse_banner(b"hello\r\n220 mail.example.com ESMTP\r\n").flags == ("text_before_code",)
    assert "teaser" in parse_banner(b"\r\n220-mail.example.com\r\n220 mail.example.com ESMTP\r\n").flags


@pytest.mark.parametrize("known", CORPUS, ids=[known["greeting"][:60] for known in CORPUS])
def test_a_known_greeting_gives_its_name_and_time(known: dict[str, str | None]) -> None:
    greeting = parse_banner(str(known["greeting"]).encode() + b"\r\n")
    assert (greeting.hostname, greeting.server_time) == (known["hostname"], known["server_time"])


def test_in_the_examples_of_the_rules_no_word_of_the_product_is_a_host_name() -> None:
    taken = [
        (rule.id, example.greeting)
        for file in sorted((FOLDER / "rules").glob("*.toml"))
        for rule in load_rules(file.read_text("ascii"), file.name)
        for example in rule.examples
        if parse_banner(example.greeting.encode() + b"\r\n").hostname
        in {*rule.fixed["product"].split(), *rule.fixed.get("vendor", "").split()}
    ]
    assert not taken
