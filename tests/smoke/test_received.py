"""Header lines of delivered messages: whose software they show, with which version, of which hop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.smoke.received import MAX_HEADER_BYTES, HeaderLeak, software_in_headers

#: As a real Sendmail 8.17.1.9 of Debian wrote it, and the same after `_REC_BY_` was changed.
FROM_SENDMAIL = (
    b"Return-Path: <alice@lab.example>\r\n"
    b"Received: from client.lab.example (localhost [127.0.0.1])\r\n"
    b"\tby mail1.lab.example (8.17.1.9/8.17.1.9/Debian-2+deb12u2) with ESMTP id 6AMA22hj002839\r\n"
    b"\tfor <alice@lab.example>; Sun, 22 Nov 2026 10:02:02 GMT\r\n"
    b"Subject: Sendmail 8.9.3\r\n"
    b"\r\n"
    b"Received: from x by body.example (Exim 4.96); in the body\r\n"
)
FROM_SENDMAIL_CLEAN = FROM_SENDMAIL.replace(b" (8.17.1.9/8.17.1.9/Debian-2+deb12u2)", b"")


def versions_in_headers(raw: bytes) -> tuple[HeaderLeak, ...]:
    """Return the header lines that show a version, or may."""
    return tuple(leak for leak in software_in_headers(raw) if leak.version is not None)


def received(value: str) -> tuple[tuple[str | None, str | None], ...]:
    """Return (product, version) of what is found in one Received line."""
    return tuple((leak.product, leak.version) for leak in software_in_headers(f"Received: {value}\r\n".encode()))


def test_sendmails_line_is_reported_whole_with_its_place_and_its_hop() -> None:
    assert versions_in_headers(FROM_SENDMAIL) == (
        HeaderLeak(
            header="Received",
            number=2,
            hop=1,
            by="mail1.lab.example",
            product="Sendmail",
            version="8.17.1.9",
            text="Received: from client.lab.example (localhost [127.0.0.1]) by mail1.lab.example "
            "(8.17.1.9/8.17.1.9/Debian-2+deb12u2) with ESMTP id 6AMA22hj002839 for <alice@lab.example>; "
            "Sun, 22 Nov 2026 10:02:02 GMT",
        ),
    )


def test_a_remedied_sendmail_shows_nothing() -> None:
    assert software_in_headers(FROM_SENDMAIL_CLEAN) == ()


def test_hops_count_from_the_server_that_took_the_message_first() -> None:
    raw = (
        b"Received: from b by c (Postfix) with ESMTP id 3; Sun\n"
        b"Received: from a by b with ESMTP id 2; Sun\n"
        b"Received: from client by a (Exim 4.96) with esmtp id 1; Sun\n\n"
    )

    found = [(leak.number, leak.hop, leak.by, leak.product, leak.version) for leak in software_in_headers(raw)]

    assert found == [(1, 3, "c", "Postfix", None), (3, 1, "a", "Exim", "4.96")]
    assert [leak.hop for leak in versions_in_headers(raw)] == [1]


@pytest.mark.parametrize(
    ("value", "product", "version"),
    [
        ("from c by h (8.17.1.9/8.17.1.9/Submit) id 6A; Sun", "Sendmail", "8.17.1.9"),
        ("from c by h (8.8.8+Sun/8.8.8) with SMTP id x; Sun", "Sendmail", "8.8.8+Sun"),
        ("from c by h (AIX5.3/8.13.4/8.11.0) with ESMTP id x; Sun", "Sendmail", "8.13.4"),
        ("from c by h with esmtps (TLS1.3) tls TLS_AES_256_GCM_SHA384 (Exim 4.94.2) id 1; Sun", "Exim", "4.94.2"),
        ("from root by h with local (Exim 4.96) (envelope-from <r@h>) id 1; Sun", "Exim", "4.96"),
        (
            "from A (192.0.2.4) by B with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_X) id 15.1.2507.39; Sun",
            "Microsoft SMTP Server",
            "15.1.2507.39",
        ),
        ("from A by B with mapi id 15.20.7452.049; Sun", "Microsoft Exchange", "15.20.7452.049"),
        ("from A by h with Microsoft SMTPSVC(6.0.3790.4675); Sun", "Microsoft SMTPSVC", "6.0.3790.4675"),
        ("from c by h (qpsmtpd/0.94) with ESMTP; Sun", "qpsmtpd", "0.94"),
        ("from c by h (MDaemon PRO v13.6.2) with ESMTP id md50; Sun", "MDaemon PRO", "13.6.2"),
        ("from c by h (Lotus Domino Release 8.5.3FP6 HF1) with ESMTP id 1; Sun", "Lotus Domino Release", "8.5.3FP6"),
        ("from c by h (InterMail vM.8.01.05.02 201-2260) with ESMTP id 1; Sun", "InterMail", "8.01.05.02"),
        ("from c by h (PowerMTA(TM) v3.5r15) id h; Sun", "PowerMTA", "3.5r15"),
        ("from p by h with POP3 (fetchmail-6.3.21) for <a@b.example>; Sun", "fetchmail", "6.3.21"),
        ("from c by h (IceWarp 11.2.0.0 x64) with ESMTP; Sun", "IceWarp", "11.2.0.0"),
        ("from c by h with MERCUR SMTP Server (v4.20.10) ; Sun", None, "4.20.10"),
        ("from c by h (8.9.3 (PHNE_18979)/8.7.1) with ESMTP id WAA08128; Thu", "Sendmail", "8.9.3"),
        ("from c by h (8.9.3 (PHNE_28810+JAGae91741)/8.9.3) with ESMTP id WAA08128; Thu", "Sendmail", "8.9.3"),
        ("from c by h (((8.9.3 (PHNE_1)/8.7.1))) id 1; Sun", None, "8.9.3"),
        ("from c by h ((((Exim 4.96)))) id 1; Sun", "Exim", "4.96"),
        ("from c by h (Postfix (3.7.11)) id 1; Sun", "Postfix", "3.7.11"),
        ("from c by h (using TLSv1.3 with cipher X (256/256 bits) (Exim 4.96)) id 1; Sun", "Exim", "4.96"),
        ("from c by h (exim-4.94) id 1; Sun", "exim", "4.94"),
        ("from c by h with FooMail 3.2.1 id 1; Sun", None, "3.2.1"),
        ("from c by h " + "(" * 3000 + "Exim 4.96", "Exim", "4.96"),
        ("from c by h (" + "(x) " * 900 + "Exim 4.96); Sun", "Exim", "4.96"),
        ("from c by h (never closed Exim 4.9", "never closed Exim", "4.9"),
        ("from c by h (Postfix, from userid 0) id 1; Sun", "Postfix", None),
        ("from c by h (OpenSMTPD) with ESMTPA id 12 auth=no for <a@b.example>; Sun", "OpenSMTPD", None),
        ("(qmail 12345 invoked by uid 89); 1 Jan 2026", "qmail", None),
        ("from c by h with Courier id 1; Sun", "Courier", None),
    ],
)
def test_what_servers_call_themselves_is_found(value: str, product: str | None, version: str | None) -> None:
    assert received(value) == ((product, version),)


@pytest.mark.parametrize(
    "value",
    [
        "from c by h with ESMTP id 6AMA22hj002839; Sun, 22 Nov 2026 10:02:02 GMT",
        "from c by h with esmtps (TLS1.2:ECDHE_RSA_AES_256:256) id 1; Sun",
        "from c (c [192.0.2.1]) (using TLSv1.3 with cipher X (256/256 bits) key-exchange X25519) by h with ESMTPS id 4",
        "from x (Sendmail 8.9.3) by h with ESMTP id 1; Sun",  # what the client says of itself
        "from c by mail2.1.example.com (10.0.0.1) with ESMTP id 1.2.3; Sun",
        "from c by h (mail3.1.example.com [10.1.1.1]) with ESMTP; Sun",
        "from c by h (192.0.2.1:25) with SMTP; Sun",
        "from c by h ([IPv6:2001:db8::1]) with SMTP; Sun",
        "by 2002:a05:6512:3ba3:b0:52c:9f1a with SMTP id d3csp1.2; Sun",
        "from c by postfix.example.com with ESMTP id 1; Sun",
        "from c by sendmail with ESMTP id 1; Sun",
        "from c by h (envelope-from <a@exim-4.96.example>) with ESMTP; Sun",
        "from c by h with ESMTP id 1; Exim 4.96",  # behind the semicolon is the date
        "",
    ],
)
def test_what_is_no_software_of_the_server_is_left_alone(value: str) -> None:
    assert received(value) == ()


def test_what_may_be_a_version_is_told_as_that_and_a_sure_one_comes_first() -> None:
    lone = software_in_headers(b"Received: from c by h (8.17.1.9) with SMTP id 1; Sun\r\n")
    both = software_in_headers(b"Received: from c by h (3.2.1, Exim 4.96) with SMTP id 1; Sun\r\n")

    assert [(leak.version, leak.is_sure) for leak in lone] == [("8.17.1.9", False)]
    assert [(leak.product, leak.version, leak.is_sure) for leak in both] == [("Exim", "4.96", True)]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("X-Spam-Checker-Version: SpamAssassin 3.4.6 (2021-04-09) on host", ("SpamAssassin", "3.4.6")),
        ("DKIM-Filter: OpenDKIM Filter v2.11.0 mail.example.com 4A", ("OpenDKIM Filter", "2.11.0")),
        ("X-Virus-Scanned: clamav-milter 0.103.8 at mail.example.com", ("clamav-milter", "0.103.8")),
        ("X-Greylist: delayed by milter-greylist-4.6.4 (h [192.0.2.4])", ("milter-greylist", "4.6.4")),
        ("X-MimeOLE: Produced By Microsoft Exchange V6.5", ("Microsoft Exchange", "6.5")),
        ("X-Scanned-By: MIMEDefang 2.84 on 192.168.1.1", ("MIMEDefang", "2.84")),
        ("X-Mailman-Version: 2.1.39", (None, "2.1.39")),
        ("X-Virus-Scanned: Debian amavisd-new at mail.example.com", ("amavisd-new", None)),
    ],
)
def test_lines_of_filters_are_read_and_belong_to_no_hop(line: str, found: tuple[str | None, str | None]) -> None:
    (leak,) = software_in_headers(line.encode())

    assert (leak.product, leak.version) == found
    assert (leak.header, leak.hop, leak.by) == (line.partition(":")[0], None, None)


@pytest.mark.parametrize(
    "line",
    [
        "MIME-Version: 1.0 (Exim 4.96)",
        "Subject: Exim 4.96",
        "User-Agent: Mutt/2.2.9",
        "X-Scanned-By: nobody",
        "garbage",
    ],
)
def test_lines_of_the_sender_are_not_the_servers(line: str) -> None:
    assert software_in_headers(line.encode()) == ()


DAY = "Mon, 23 Nov 2026 10:00:00 +0000"


@pytest.mark.parametrize(
    ("behind", "version"),
    [
        ("(Exim 4.94)", "4.94"),
        ("(UTC) (Exim 4.94)", "4.94"),
        ("(Exim 4.94", "4.94"),
        ("(UTC)", None),
        ("(CEST)", None),
        ("(Pacific Standard Time)", None),
        ("(+0100)", None),
        ("", None),
    ],
)
def test_a_comment_behind_the_date_is_the_servers_own_unless_it_names_the_time_zone(
    behind: str, version: str | None
) -> None:
    raw = f"Received: from a by mx.example.com with ESMTP id 1;\r\n {DAY} {behind}\r\n\r\n"

    leaks = software_in_headers(raw.encode())

    assert [(each.version, each.by, each.hop) for each in leaks] == [(version, "mx.example.com", 1)] * bool(version)


def test_a_second_line_of_the_path_is_read_like_the_first_and_is_no_hop() -> None:
    raw = f"X-Received: by mx.example.com (Exim 4.94) id 1; {DAY}\r\nReceived: by mx.example.com id 2; {DAY}\r\n\r\n"

    (leak,) = software_in_headers(raw.encode())

    assert (leak.header, leak.product, leak.version) == ("X-Received", "Exim", "4.94")
    assert (leak.by, leak.hop, leak.number) == ("mx.example.com", None, 1)


def test_an_mbox_line_before_the_headers_and_an_empty_first_line_do_not_matter() -> None:
    line = b"Received: by h (Exim 4.96) id 1; Sun\n"

    assert [leak.number for leak in software_in_headers(b"From a@b.example Sun Nov 22\n" + line)] == [2]
    assert [leak.number for leak in software_in_headers(b"\n" + line)] == [2]


def test_hostile_bytes_are_shown_escaped() -> None:
    raw = b"Received: from x by evil\x1b[2J\xe2\x80\xa8 (<script>\x00Exim 4.96) id 1; Sun\r\n\r\n"

    (leak,) = versions_in_headers(raw)

    assert leak.text == r"Received: from x by evil\x1b[2J\xe2\x80\xa8 (<script>\x00Exim 4.96) id 1; Sun"
    assert leak.by == r"evil\x1b[2J\xe2\x80\xa8"
    assert leak.version == "4.96"


def test_a_line_is_shown_up_to_500_characters_and_headers_read_up_to_the_limit() -> None:
    (long_line,) = versions_in_headers(b"Received: by h (Exim 4.96) " + b"x" * 9000)
    beyond = b"Subject: " + b"x" * MAX_HEADER_BYTES + b"\nReceived: by h (Exim 4.96); Sun\n"

    assert len(long_line.text) == 500
    assert versions_in_headers(beyond) == ()


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece",
    [
        b"(",
        b"using (",
        b"8.1 (",
        b"1.1=",
        b"((x) ",
        b"aa-aa ",
        b"1.1",
        b"by ",
        b"with mapi ",
        b"A.a.",
        b"Exim ",
        b"::",
        b"v1-1.",
    ],
)
def test_no_line_takes_long_to_read(piece: bytes) -> None:
    raw = b"".join(b"Received: by h (" + (piece * 4096)[:4000] + b"\n" for _ in range(20))

    software_in_headers(raw)


@given(
    st.binary(max_size=400), st.sampled_from([b"", b"Received: by h (", b"Received: from a by b ", b"X-A-Version: "])
)
def test_any_bytes_are_valid_input(raw: bytes, start: bytes) -> None:
    for leak in software_in_headers(start + raw):
        assert leak.text.isascii()
        assert leak.text.isprintable()
        assert (leak.product, leak.version) != (None, None)
