"""Greetings: what each odd form means, field by field, whole and in pieces."""

import asyncio
import re

import pytest
from aiosmtplib.protocol import SMTPProtocol
from hypothesis import assume, given
from hypothesis import strategies as st

from scanner.model import Banner, Status
from scanner.smtp import Flag, ReplyReader, interpret_reply, parse_banner, unescape
from scanner.smtp.banner import _plain_greeting

READY, MALFORMED, NOT_SMTP = Status.READY, Status.MALFORMED, Status.NOT_SMTP


def in_pieces(raw: bytes, size: int) -> Banner:
    """Read as the engine does: piece by piece, then the end."""
    reader = ReplyReader()
    for start in range(0, len(raw), size):
        reader.receive_data(raw[start : start + size])
    reply = reader.end()
    return interpret_reply(reply, trailing=reply.complete and len(reader.raw) > len(reply.raw))


def line_end(raw: bytes) -> bytes:
    return b"\r\n" if raw.endswith(b"\r\n") else b"\n" if raw.endswith(b"\n") else b""


# One plain line "220 ...": words after the code, host name, ESMTP, server time. Everything else is as usual.
PLAIN: list[tuple[str, str | None, bool, str | None]] = [
    ("h ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2+deb12u2; Sun, 22 Nov 2026 10:16:56 GMT", "h",
     True, "2026-11-22T10:16:56Z"),
    (
        ("foo.bar ESMTP Sendmail 8.14.4/8.14.4/Debian-8+deb8u2; Thu, 30 Nov 2017 10:25:48 +0100; (No UCE/UBE) logging "
         "access from: xyz.foo.bar(OK)-xyz.foo.bar [10.0.0.1]"),
        "foo.bar", True, "2017-11-30T10:25:48+01:00",
    ),
    ("foo.bar ESMTP Debian Sendmail 8.12.0.Beta7/8.12.0.Beta7/Debian 8.12.0.Beta7-1; Mon, 30 Jul 2001 02:50:22 GMT",
     "foo.bar", True, "2001-07-30T02:50:22Z"),
    ("foo.bar ESMTP foo-MTA Sendmail 8.13.8/8.13.9; Mon, 18 Apr 2011 08:52:38 -0700", "foo.bar",
     True, "2011-04-18T08:52:38-07:00"),
    ("h ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT", "h", True, "2026-11-22T10:16:56Z"),
    ("foo.bar ESMTP Sendmail 8.9.3+Sun/8.9.1; Mon, 30 Jul 2001 02:50:22 GMT", "foo.bar", True, "2001-07-30T02:50:22Z"),
    ("ESMTP Sendmail 8.11.7p3+Sun/8.11.7; Tue, 16 Jan 2018 10:50:39 +0100 (MET)",
     None, True, "2018-01-16T10:50:39+01:00"),
    ("foo.bar Sendmail SMI-8.6/SMI-SVR4 ready at Sun, 29 Jul 2001 22:58:46 -0400", "foo.bar",
     False, "2001-07-29T22:58:46-04:00"),
    ("mail.example.com Sendmail 5.61/SMI-4.1 ready at Wed, 31 Jan 96 15:59:02 -0800", "mail.example.com",
     False, "1996-01-31T15:59:02-08:00"),
    ("foo.bar ESMTP Sendmail AIX5.1/8.11.6p2/8.11.0; Fri, 28 Aug 1970 19:42:05 -0800", "foo.bar",
     True, "1970-08-28T19:42:05-08:00"),
    ("foo.bar ESMTP Sendmail AIX4.2/UCB 8.7; Sun, 29 Jul 2001 22:34:37 -0400 (EDT)", "foo.bar",
     True, "2001-07-29T22:34:37-04:00"),
    ("smtp sendmail v8.12.11 (IBM AIX 4.3)", "smtp", False, None),
    ("foo.bar ESMTP Sendmail 8.8.6 (PHNE_14041)/8.7.1; Tue, 6 Feb 2001 10:04:32 -0300 (SAT)", "foo.bar",
     True, "2001-02-06T10:04:32-03:00"),
    (("foo.bar ESMTP Sendmail @(#)Sendmail version 8.13.3 - Revision 1.004:: HP-UX11.31 - 03rd "
      "February,2010/8.11.1; Wed, 20 May 2015 23:35:38 GMT"),
     "foo.bar", True, "2015-05-20T23:35:38Z"),
    ("foo.foo.bar ESMTP Sendmail 8.11.1 - (Revision 1.010)/8.9.3; Mon, 30 Jul 2001 02:50:22 GMT", "foo.foo.bar",
     True, "2001-07-30T02:50:22Z"),
    ("mail.example.com ESMTP Sendmail Switch-3.1.2/Switch-3.1.2; Mon, 01 Jan 2024 00:27:12 +0900",
     "mail.example.com", True, "2024-01-01T00:27:12+09:00"),
    ("mail.example.com ESMTP Sendmail Sentrion-MTA-4.0.2/Switch-3.3.4; Tue, 15 Jan 2019 12:53:21 +0900",
     "mail.example.com", True, "2019-01-15T12:53:21+09:00"),
    ("foo.bar ESMTP MetaInfo Sendmail 2.5 Build 2630 (Berkeley 8.8.6)/8.8.4; Mon, 30 Jul", "foo.bar", True, None),
    ("foo.bar ESMTP Sendmail 8.8.7/UW7.1.0 ready at Tue, 6 Feb 2001 16:39:30 -0300 (GMT-0300)", "foo.bar",
     True, "2001-02-06T16:39:30-03:00"),
    ("foo.bar ESMTP Sendmail 8.9.3+3.4W/8.9.3+3.4W; Mon, 30 Jul 2001 02:50:22 GMT", "foo.bar",
     True, "2001-07-30T02:50:22Z"),
    ("mail.example.com ESMTP Sendmail 8.5.4; Mon Jan  8 05:45:49 2024", "mail.example.com",
     True, "2024-01-08T05:45:49"),
    ("zim.gshapiro.net ESMTP Sendmail 8.18.1.10/8.18.1.10; Fri, 2 May 2025 00:33:23 GMT", "zim.gshapiro.net",
     True, "2025-05-02T00:33:23Z"),
    ("simh Sendmail 5.51/5.17 ready at Wed, 18 Dec 85 11:14:07 PST", "simh", False, "1985-12-18T11:14:07-08:00"),
    (";; ESMTP connection timed out; no servers could be reached Sendmail 8.13.8/8.13.8", None, True, None),
    ("ESMTP Sendmail  8.13.1/8.13.1; Thu, 30 Nov 2017 01:58:22 -0700", None, True, "2017-11-30T01:58:22-07:00"),
    ("h HP Sendmail (1.37.109.4/16.2) ready at", "h", False, None),
    ("- zeus SMTPS Sendmail 8.12.1/8.12.1;", None, False, None),
    ("arkoon Sendmail ready. ", "arkoon", False, None),
    ("foo.bar ESMTP Sendmail Wed, 20 May 2015 17:17:56 -0600", "foo.bar", True, "2015-05-20T17:17:56-06:00"),
    ("foo.bar ESMTP Sendmail ; Thu, 30 Nov 2017 17:50:14 +0900", "foo.bar", True, "2017-11-30T17:50:14+09:00"),
    # What administrators leave of a greeting, and what other servers write.
    (" ESMTP", None, True, None),
    ("' ESMTP '", None, True, None),
    ("h ESMTP ESMTP ready", "h", True, None),
    ("mail3.lab.example ESMTP Exim 4.96 Sun, 22 Nov 2026 09:51:55 +0000", "mail3.lab.example",
     True, "2026-11-22T09:51:55Z"),
    ("h Python SMTP proxy version 0.3", "h", False, None),
    # Host names: RFC 5321's, and those that are none.
    ("localhost", "localhost", False, None),
    ("HOST_1 SMTP x", "HOST_1", False, None),
    ("mail.example.com. ESMTP", "mail.example.com", True, None),
    ("[192.0.2.1] ESMTP", "[192.0.2.1]", True, None),
    ("[IPv6:2001:db8::1] ESMTP", "[IPv6:2001:db8::1]", True, None),
    ("192.0.2.1 ESMTP", "192.0.2.1", True, None),
    ("xn--mller-kva.example ready", "xn--mller-kva.example", False, None),
    ("server ESMTP", "server", True, None),
    ("mail2 x", "mail2", False, None),
    ("8.14.4 x", None, False, None),
    ("a..b x", None, False, None),
    (".a x", None, False, None),
    ("-a.b x", None, False, None),
    ("a-.b x", None, False, None),
    ("a.b, x", "a.b", False, None),
    ("host. x", None, False, None),
    ("[300] x", None, False, None),
    ("[192.0.2.1]x", None, False, None),
    ("a" * 64 + ".b x", None, False, None),
    (".".join(["a" * 50] * 6) + " x", None, False, None),
    ("Welcome to example.com", "example.com", False, None),
    ("SMTP ready", None, False, None),
    ("hello there", None, False, None),
    # ESMTP is a word of its own, in any case, and not part of a name.
    ("h esmtp", "h", True, None),
    ("h (ESMTP).", "h", True, None),
    ("h ESMTPS ready", "h", True, None),
    ("esmtp.example.com SMTP", "esmtp.example.com", False, None),
    ("h TESMTP ESMTPX x-ESMTP ESMTP-x", "h", False, None),
    # A file server's words in a mail server's greeting.
    ("ftp.example.com ESMTP Postfix", "ftp.example.com", True, None),
    ("ftp.example.com Sendmail 5.61 ready", "ftp.example.com", False, None),
    ("ftp.example.com mail ready", "ftp.example.com", False, None),
]  # fmt: skip


@pytest.mark.parametrize(("words", "hostname", "esmtp", "server_time"), PLAIN)
def test_a_plain_greeting(words: str, hostname: str | None, *, esmtp: bool, server_time: str | None) -> None:
    raw = b"220 " + words.encode() + b"\r\n"
    expected = Banner(
        raw=raw, text="220 " + words, lines=(words,), code=220, hostname=hostname, esmtp=esmtp, server_time=server_time,
        enhanced_code=None, flags=(), truncated=False, complete=True, status=READY,
    )  # fmt: skip
    assert parse_banner(raw) == expected
    assert in_pieces(raw, 1) == expected
    followed = parse_banner(raw + b"250 x\r\n")
    assert (followed.raw, followed.text, followed.flags) == (raw, "220 " + words, ("trailing_data",))
    assert in_pieces(raw + b"250 x\r\n", 3) == followed


# Bytes, code, status, host name, ESMTP, enhanced code, lines, flags.
Odd = tuple[bytes, int | None, Status, str | None, bool, str | None, tuple[str, ...], str]
ODD: list[Odd] = [
    # Line ends and separators
    (b"220 a ESMTP\n", 220, READY, "a", True, None, ("a ESMTP",), "lf_only"),
    (b"220 a\r\r\n", 220, READY, "a", False, None, ("a",), "cr_cr_lf"),
    (b"220 a\r\r\r\n", 220, READY, "a", False, None, ("a",), "cr_cr_lf"),
    (b"220 a\rb\r\n", 220, READY, None, False, None, ("a\\x0db",), "bare_cr"),
    (b"220 a B\r", 220, MALFORMED, "a", False, None, ("a B\\x0d",), "bare_cr unterminated"),
    (b"220\thost ESMTP\r\n", 220, READY, "host", True, None, ("host ESMTP",), "tab_after_code"),
    (b"220ESMTP ready\r\n", 220, READY, None, True, None, ("ESMTP ready",), "no_space_after_code"),
    (b"220\r\n", 220, READY, None, False, None, ("",), "bare_code"),
    (b"220 \r\n", 220, READY, None, False, None, ("",), "bare_code"),
    (b"220  \r\n", 220, READY, None, False, None, (" ",), "bare_code"),
    (b"554\n", 554, Status.REJECTED, None, False, None, ("",), "bare_code lf_only"),
    # Several lines
    (b"220-a\r\n220\r\n", 220, READY, "a", False, None, ("a", ""), "bare_code"),
    (b"220-a\r\n554 b\r\n", 554, MALFORMED, "a", False, None, ("a", "b"), "mixed_codes"),
    (b"220-a\r\n521 5.3.2 b\r\n", 521, MALFORMED, "a", False, "5.3.2", ("a", "5.3.2 b"), "mixed_codes"),
    (b"550-a\r\n554 b\r\n", 554, Status.REJECTED, "a", False, None, ("a", "b"), "mixed_codes"),
    (b"220-a ESMTP\r\n", 220, MALFORMED, "a", True, None, ("a ESMTP",), "unterminated"),
    (b"220-miranda.etop.pl ESMTP Exim 4.100", 220, MALFORMED, "miranda.etop.pl", True, None,
     ("miranda.etop.pl ESMTP Exim 4.100",), "unterminated"),
    (b"220-HOST Sendmail 8.6.9/A/UX 3 ready at noon\r\n220 ESMTP spoken here\r\n", 220, READY, "HOST", True, None,
     ("HOST Sendmail 8.6.9/A/UX 3 ready at noon", "ESMTP spoken here"), ""),
    (b"220-h Sendmail IBM OS/2 SENDMAIL VERSION 1/2 ready at noon\r\n220 ESMTP spoken here\r\n", 220, READY, "h",
     True, None,
     ("h Sendmail IBM OS/2 SENDMAIL VERSION 1/2 ready at noon", "ESMTP spoken here"), ""),
    (b"220-mail.example.com ESMTP AIX Sendmail 7.5.3\r\n220 ready\r\n", 220, READY, "mail.example.com", True, None,
     ("mail.example.com ESMTP AIX Sendmail 7.5.3", "ready"), ""),
    (b"220-laposte\r\n220 lpn-prd-vrin019 ESMTP Postfix (Ubuntu)\r\n", 220, READY, "lpn-prd-vrin019", True, None,
     ("laposte", "lpn-prd-vrin019 ESMTP Postfix (Ubuntu)"), "teaser"),
    (b"220-mx.example.com ESMTP\r\n220 mx.example.com ESMTP\r\n", 220, READY, "mx.example.com", True, None,
     ("mx.example.com ESMTP", "mx.example.com ESMTP"), "teaser"),
    (b"220-Please wait\r\n220 mx.example.com ESMTP\r\n", 220, READY, "mx.example.com", True, None,
     ("Please wait", "mx.example.com ESMTP"), "teaser"),
    (b"220-h.example.com ESMTP Exim 4.96 #2\r\n220-We do not authorize spam,\r\n220 and/or bulk e-mail.\r\n",
     220, READY,
     "h.example.com", True, None,
     ("h.example.com ESMTP Exim 4.96 #2", "We do not authorize spam,", "and/or bulk e-mail."), ""),
    # Lines without a code
    (b"\r\n220 a\r\n", 220, READY, "a", False, None, ("", "a"), "blank_line"),
    (b"220-a\r\n \t\r\n220 b\r\n", 220, READY, "a", False, None, ("a", " \\x09", "b"), "blank_line"),
    (b"220 a ESMTP\r\n\r\n", 220, READY, "a", True, None, ("a ESMTP",), "trailing_data"),
    (b"hello\r\n220 a\r\n", 220, READY, "a", False, None, ("hello", "a"), "text_before_code"),
    (b"220-a\r\nfoo\r\n220 b\r\n", 220, READY, "a", False, None, ("a", "foo", "b"), "line_without_code"),
    (b"hello\r\n", None, MALFORMED, None, False, None, ("hello",), "no_code unterminated"),
    (b"", None, MALFORMED, None, False, None, (), "no_code unterminated"),
    # Codes
    (b"22", None, MALFORMED, None, False, None, ("22",), "no_code unterminated"),
    (b"220", 220, MALFORMED, None, False, None, ("",), "unterminated"),
    (b"2_2 a\r\n", None, MALFORMED, None, False, None, ("2_2 a",), "no_code unterminated"),
    (b"+22 a\r\n", None, MALFORMED, None, False, None, ("+22 a",), "no_code unterminated"),
    (b" 220 a\r\n", None, MALFORMED, None, False, None, (" 220 a",), "no_code unterminated"),
    (b"120 a\r\n", None, MALFORMED, None, False, None, ("120 a",), "no_code unterminated"),
    (b"2200 a\r\n", None, MALFORMED, None, False, None, ("2200 a",), "no_code unterminated"),
    (b"250 a\r\n", 250, READY, "a", False, None, ("a",), "unexpected_code"),
    (b"354 a\r\n", 354, MALFORMED, None, False, None, ("a",), "unexpected_code"),
    # Refusals
    (b"421 4.3.2 Connection rate limit exceeded.\r\n", 421, Status.BUSY, None, False, "4.3.2",
     ("4.3.2 Connection rate limit exceeded.",), ""),
    (b"421-4.7.0 [192.0.2.1] x\r\n421 4.7.1 y\r\n", 421, Status.BUSY, None, False, "4.7.0",
     ("4.7.0 [192.0.2.1] x", "4.7.1 y"), ""),
    (b"421 Cannot connect to SMTP server x (x), connect error 10060\r\n", 421, Status.BUSY, None, False, None,
     ("Cannot connect to SMTP server x (x), connect error 10060",), ""),
    (b"452 syntax error (connecting)\r\n" * 3, 452, Status.TEMPORARY, None, False, None, ("syntax error (connecting)",),
     "trailing_data"),
    (b"554 No SMTP service here\r\n", 554, Status.REJECTED, None, False, None, ("No SMTP service here",), ""),
    (b"554 h ESMTP not accepting messages\r\n", 554, Status.REJECTED, "h",
     True, None, ("h ESMTP not accepting messages",), ""),
    (b"554-host\r\n554 go away\r\n", 554, Status.REJECTED, "host", False, None, ("host", "go away"), ""),
    (b"554 mx.example.com 5.7.1 no\r\n", 554, Status.REJECTED, "mx.example.com",
     False, None, ("mx.example.com 5.7.1 no",), ""),
    (b"521 5.3.2\r\n", 521, Status.REJECTED, None, False, "5.3.2", ("5.3.2",), ""),
    (b"556 5.1000.1\r\n", 556, Status.REJECTED, None, False, None, ("5.1000.1",), ""),
    (b"550 5.7.1x no\r\n", 550, Status.REJECTED, None, False, None, ("5.7.1x no",), ""),
    (b"554 2.0.0 no\r\n", 554, Status.REJECTED, None, False, None, ("2.0.0 no",), ""),
    (b"550 4.7.1: no\r\n", 550, Status.REJECTED, None, False, "4.7.1", ("4.7.1: no",), ""),
    (b"220 4.7.1 x\r\n", 220, READY, None, False, None, ("4.7.1 x",), ""),
    (b"550 black ip. (\xb7\xa2\xd0\xc5)\r\n",
     550, Status.REJECTED, None, False, None, ("black ip. (\\xb7\\xa2\\xd0\\xc5)",), "eight_bit"),
    # Bytes
    (b"220 m\xfcller ESMTP\r\n", 220, READY, None, True, None, ("m\\xfcller ESMTP",), "eight_bit"),
    (b"220 m\xc3\xbcller.example ESMTP\r\n",
     220, READY, None, True, None, ("m\\xc3\\xbcller.example ESMTP",), "eight_bit"),
    (b"220 a \0ESMTP\0\r\n", 220, READY, "a", True, None, ("a \\x00ESMTP\\x00",), "control_bytes nul"),
    (b"220 a\0b\r\n", 220, READY, None, False, None, ("a\\x00b",), "control_bytes nul"),
    (b"220 a \x1b[2J\r\n", 220, READY, "a", False, None, ("a \\x1b[2J",), "control_bytes escape_sequence"),
    (b"220 a B\\c\r\n", 220, READY, "a", False, None, ("a B\\\\c",), ""),
    (b"220 a\tESMTP\r\n", 220, READY, "a", True, None, ("a\\x09ESMTP",), ""),
    (b"220 a \xe2\x80\xa8${jndi:x}<b>=1+1\r\n", 220, READY, "a",
     False, None, ("a \\xe2\\x80\\xa8${jndi:x}<b>=1+1",), "eight_bit"),
    # Middleboxes
    (b"220 *********0****2*****0**00****\r\n",
     220, READY, None, False, None, ("*********0****2*****0**00****",), "masked"),
    (b"220 ***** ESMTP\r\n", 220, READY, None, True, None, ("***** ESMTP",), ""),
    (b"220 ***\r\n", 220, READY, None, False, None, ("***",), ""),
    (b"****************\r\n", None, MALFORMED, None, False, None, ("****************",), "masked no_code unterminated"),
    # Other protocols
    (b"220 FTP server ready\r\n", 220, NOT_SMTP, None, False, None, ("FTP server ready",), ""),
    (b"220 nas FTP server ready\r\n", 220, NOT_SMTP, None, False, None, ("nas FTP server ready",), ""),
    (b"220 (vsFTPd 3.0.3)\r\n", 220, NOT_SMTP, None, False, None, ("(vsFTPd 3.0.3)",), ""),
    (b"220 ProFTPD 1.3.5 Server\r\n", 220, NOT_SMTP, None, False, None, ("ProFTPD 1.3.5 Server",), ""),
    (b"220 ftp.example.com FTP server\r\n", 220, NOT_SMTP, "ftp.example.com",
     False, None, ("ftp.example.com FTP server",), ""),
    (b"220 FileZilla Server 1.5.1\r\n", 220, NOT_SMTP, None, False, None, ("FileZilla Server 1.5.1",), ""),
    (b"220-FileZilla Server\r\n", 220, NOT_SMTP, None, False, None, ("FileZilla Server",), "unterminated"),
    (b"220 CCProxy 6.0 ready\r\n", 220, NOT_SMTP, None, False, None, ("CCProxy 6.0 ready",), ""),
    (b"200 news.example.com NNRP server ready\r\n", 200, NOT_SMTP, "news.example.com", False, None,
     ("news.example.com NNRP server ready",), "unexpected_code"),
    (b"554 no FTP here\r\n", 554, Status.REJECTED, None, False, None, ("no FTP here",), ""),
    (b"SSH-2.0-OpenSSH_9.2p1\r\n", None, NOT_SMTP, None, False, None, ("SSH-2.0-OpenSSH_9.2p1",), ""),
    (b"RFB 003.008\n", None, NOT_SMTP, None, False, None, ("RFB 003.008",), "lf_only"),
    (b"\x15\x03\x01\x00\x02\x02\x28", None, NOT_SMTP, None, False, None, (), "control_bytes nul"),
    (b"\xff\xfb\x01", None, NOT_SMTP, None, False, None, (), "control_bytes eight_bit"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "code", "status", "hostname", "esmtp", "enhanced_code", "lines", "flags"), ODD)
def test_an_odd_greeting(
    raw: bytes, code: int | None, status: Status, hostname: str | None, *, esmtp: bool, enhanced_code: str | None,
    lines: tuple[str, ...], flags: str,
) -> None:  # fmt: skip
    banner = parse_banner(raw)
    assert (banner.code, banner.status, banner.hostname, banner.esmtp) == (code, status, hostname, esmtp)
    assert (banner.enhanced_code, banner.lines, banner.flags) == (enhanced_code, lines, tuple(flags.split()))
    assert banner.complete == (code is not None and "unterminated" not in flags)
    assert not banner.truncated
    assert unescape(banner.text) + line_end(banner.raw) == banner.raw
    for size in (1, 2, 5):
        assert in_pieces(raw, size) == banner
    if banner.complete and "trailing_data" not in flags:
        followed = parse_banner(raw + b"250 x\r\n")
        assert followed.raw == raw
        assert followed.flags == tuple(sorted([*banner.flags, "trailing_data"]))


def test_what_follows_the_first_word_of_another_protocol_is_left_out() -> None:
    banner = parse_banner(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n")
    assert (banner.raw, banner.status) == (b"HTTP/1.1 400 Bad Request\r\n", NOT_SMTP)
    assert banner.flags == ()


def test_stray_carriage_returns_at_the_end_stay_in_the_text() -> None:
    assert parse_banner(b"220 a\r\r\n").text == "220 a\\x0d"


def test_the_limit_of_bytes_makes_a_malformed_greeting_that_still_tells_its_code() -> None:
    banner = parse_banner(b"220-mail.example.com ESMTP\r\n" + b"x" * 2**20)
    assert (banner.status, banner.code, banner.hostname) == (MALFORMED, 220, "mail.example.com")
    assert (banner.truncated, banner.complete, len(banner.raw)) == (True, False, 8192)
    assert banner.flags == ("line_too_long", "line_without_code", "too_long")


def test_the_limit_of_lines_makes_a_malformed_greeting() -> None:
    banner = parse_banner(b"220-x\r\n" * 101)
    assert (banner.status, banner.truncated, banner.complete) == (MALFORMED, True, False)
    assert (len(banner.lines), banner.flags) == (100, ("too_many_lines",))
    assert parse_banner(b"220-x\r\n220 x\r\n", max_lines=1).flags == ("too_many_lines",)


@pytest.mark.parametrize(("length", "flags"), [(512, ()), (513, ("line_too_long",))])
def test_a_line_may_have_512_octets(length: int, flags: tuple[str, ...]) -> None:
    raw = b"220 h " + b"x" * (length - 8) + b"\r\n"
    assert len(raw) == length
    assert parse_banner(raw).flags == flags
    assert in_pieces(raw, 100).flags == flags
    assert parse_banner(b"220-x\r\n" + raw).flags == flags


def test_the_caller_s_limit_holds_for_a_plain_greeting_too() -> None:
    banner = parse_banner(b"220 mail.example.com\r\n", max_bytes=10)
    assert (banner.raw, banner.truncated, banner.flags) == (b"220 mail.e", True, ("too_long",))


def test_every_flag_has_a_name_of_its_own_and_one_line_of_meaning() -> None:
    assert all(re.fullmatch(r"[a-z_]+", flag.value) for flag in Flag)
    assert len({flag.meaning for flag in Flag}) == len(Flag)
    assert all(flag.meaning and "\n" not in flag.meaning for flag in Flag)
    assert [flag.value for flag in Flag] == sorted(flag.value for flag in Flag)


fragments = st.sampled_from(
    [b"220", b"220 ", b"220-", b"554 ", b"421-", b"\r\n", b"\r\n", b"\n", b"\r", b"\0", b"\\", b" ", b"\t", b"-",
     b"****", b"mail.example.com", b"h", b" ESMTP ", b"SMTP", b"FTP", b"5.7.1", b"[192.0.2.1]", b"\xc3\xbc", b"x" * 300,
     b"; Sun, 22 Nov 2026 10:16:56 GMT", b"Mon Jan  8 05:45:49 2024", b"99 Feb 24 25:61:61 +9999"]
)  # fmt: skip
any_bytes = st.lists(st.one_of(fragments, st.binary(max_size=4)), max_size=15).map(b"".join)
plain_words = st.lists(
    st.one_of(fragments, st.text(alphabet=" .-*aF20:[]", max_size=6).map(str.encode)), max_size=8
).map(lambda parts: re.sub(rb"[^ -\[\]-~]", b"", b"".join(parts))[:506])


@given(any_bytes, st.integers(1, 40))
def test_any_bytes_in_any_pieces_give_one_greeting_that_keeps_the_bytes(raw: bytes, size: int) -> None:
    banner = parse_banner(raw)
    assert in_pieces(raw, size) == banner
    assert raw.startswith(banner.raw)
    assert unescape(banner.text) + line_end(banner.raw) == banner.raw
    assert set(banner.flags) <= {flag.value for flag in Flag}
    assert list(banner.flags) == sorted(set(banner.flags))
    assert banner.complete or banner.status in {MALFORMED, NOT_SMTP}


@given(st.sampled_from([220, 220, 220, 421, 450, 554]), plain_words)
def test_the_path_for_plain_greetings_gives_the_general_answer(code: int, words: bytes) -> None:
    raw = b"%d %b\r\n" % (code, words)
    general = in_pieces(raw, len(raw))
    assert parse_banner(raw) == general
    assume(not general.flags)
    text = raw[:-2].decode()
    assert _plain_greeting(raw, text, text[4:], code) == general


texts = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=40).map(str.strip)


@given(
    st.integers(200, 599),
    st.lists(texts, min_size=1, max_size=5),
    st.integers(1, 60),
)
def test_a_well_formed_greeting_reads_as_aiosmtplib_reads_it(code: int, lines: list[str], size: int) -> None:
    """An independent reading: the code and the text of another client, given the same pieces."""
    separators = ["-"] * (len(lines) - 1) + [" "]
    raw = b"".join(f"{code}{mark}{text}\r\n".encode() for mark, text in zip(separators, lines, strict=True))

    async def read() -> tuple[int, str]:
        protocol = SMTPProtocol()
        protocol.connection_made(asyncio.Transport())
        for start in range(0, len(raw), size):
            protocol.data_received(raw[start : start + size])
        response = await protocol.read_response(timeout=5)
        return response.code, response.message

    banner = parse_banner(raw)
    assert banner.complete
    spoken = "\n".join(unescape(line).decode().strip(" \t\r\n") for line in banner.lines)
    read_code, message = asyncio.run(read())
    assert banner.code == read_code
    assert [line for line in spoken.split("\n") if line] == [line for line in message.split("\n") if line]
