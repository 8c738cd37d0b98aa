"""The grammar of a greeting as servers write it, and the closed list of flags for irregular ones.

RFC 5321 4.2 and 4.3.1 say what a greeting is:

    Greeting = "220 " (Domain / address-literal) [ SP textstring ] CRLF, or several lines: "220-" ... "220 "
    code     = %x32-35 %x30-35 %x30-39

The comment of each pattern and limit gives the rule first, then how it is loosened and which servers need that. A
client must act on the code alone (4.2), so leniency costs nothing: an irregularity becomes a flag, and the bytes are
kept.
"""

import re
from enum import StrEnum
from typing import Final, Self

from scanner import lazy

#: RFC 5321 4.5.3.1.5 allows 512 octets a line and sets no limit for a reply. Real greetings have 40 to 400 octets; a
#: hostile one never ends. Ours, for the whole greeting: 8 KiB.
MAX_BYTES: Final = 8192
#: No rule. Providers put their terms of use on 5 to 20 lines; endless "220-" lines are a tarpit's trick.
MAX_LINES: Final = 100
#: RFC 5321 4.5.3.1.5: a reply line has at most 512 octets, code and CRLF included. Servers with long host names and
#: legal texts exceed it. We read on to `MAX_BYTES` and flag it.
MAX_LINE_OCTETS: Final = 512

#: RFC 5321 4.2: "220 text", "220-text", and, for clients only, the code alone. The second digit may be anything here
#: (571 and 590 are in use), the first may not: SMTP has no 1yz replies. After the code we also take a TAB and, in
#: place of the space, any byte but a digit ("220ESMTP"): custom servers and middleboxes send both.
#: Three ASCII digits, never int(): Python reads "2_2", "+22" and " 22" as numbers.
CODE: Final = lazy.pattern(rb"([2-5][0-9]{2})(?:([ \t-])|(?![0-9]))")
#: A line with a code and no hyphen after it ends the reply. The same rule as `CODE`, for `is_whole_greeting`.
FINAL_LINE: Final = lazy.pattern(rb"[2-5][0-9]{2}(?![0-9-])")

#: RFC 5321 2.3.8: a line ends in CRLF, and CR or LF alone has no meaning. LF alone ends one for us as well (small
#: devices, scripts), and CRs before it belong to the line end (CR CR LF: text-mode output on Windows).
#: A CR elsewhere is text: a line that only ever ends in CR does not end.
LINE_END: Final = b"\n"

#: RFC 5321 4.1.2 Domain, plus "_" (Windows computer names) and names of one label (hosts without a domain).
#: RFC 6531 3.7.1: names in the SMTP dialogue stay ASCII, so a name in UTF-8 is text, not a host name.
LABEL: Final = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
#: A blank ends the name, or a mark: "mail.example.com, ESMTP", "mail.example.com(ESMTP)", "mail.example.com: too many",
#: "mail.example.com[192.0.2.1]", "***mail.example.com***".
HOST_NAME: Final = lazy.pattern(rf"{LABEL}(?:\.{LABEL})*(?=[\[*]|\.?(?:[ \t,;(|!]|:(?:[0-9]{{1,5}})?(?:[ \t]|$)|$))")
#: RFC 5321 4.1.3, with "IPv6:" optional, since some servers leave it out.
ADDRESS_LITERAL: Final = lazy.pattern(
    r"\[(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|(?:IPv6:)?[0-9A-F]{0,4}:[0-9A-F:.]{1,40})\](?![^ \t])", re.IGNORECASE
)
#: An IPv4 address without brackets is not a Domain, but hosts without a name introduce themselves so.
IPV4: Final = lazy.pattern(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
#: RFC 1035 2.3.4, in octets.
MAX_HOST_NAME: Final = 255
#: RFC 5321 has no such word; servers have announced EHLO by it since RFC 1425, on any line, in any case. A word of its
#: own: "esmtp.example.com" does not count.
ESMTP: Final = lazy.pattern(r"(?<![A-Za-z0-9._-])ESMTPS?(?![A-Za-z0-9_-]|\.[A-Za-z0-9])", re.IGNORECASE)

#: RFC 3463 class.subject.detail. RFC 2034 4 keeps it out of greetings; Sendmail's "421 4.3.2 Connection rate limit
#: exceeded." has one. Read after 4yz and 5yz only, and as the server wrote it: the class may contradict the code.
ENHANCED_CODE: Final = lazy.pattern(r"[ \t]*([45]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9A-Za-z.])")

#: Cisco PIX and ASA overwrite the greeting with stars and keep "2", "0" and spaces; PIX 4.4 stars even those.
MASK_CHARACTERS: Final = lazy.pattern(r"[*20 \t]*")
#: Four stars in a row are a mask, fewer may be decoration.
MASK: Final = "****"

#: Bytes that do something to a terminal or a log: C0 but TAB, CR and LF, and DEL.
CONTROL_BYTES: Final = lazy.pattern(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

#: A reply as RFC 5321 writes it, of printable ASCII: none of the flags about lines and bytes can apply to it.
REGULAR: Final = lazy.pattern(rb"(?:[2-5][0-9]{2}[ -][ -~]{0,506}\r\n)+")


class Flag(StrEnum):
    """What can be odd about a greeting. A closed list; `meaning` is one line for people."""

    meaning: str

    BARE_CODE = "bare_code", "the last line is the code alone, with or without a space"
    BARE_CR = "bare_cr", "a CR that is not part of a line end"
    BLANK_LINE = "blank_line", "an empty line before or between the lines of the greeting"
    CONTROL_BYTES = "control_bytes", "control characters other than TAB, CR and LF"
    CR_CR_LF = "cr_cr_lf", "a line end with more than one CR"
    EIGHT_BIT = "eight_bit", "bytes beyond ASCII"
    ESCAPE_SEQUENCE = "escape_sequence", "the ESC byte, with which a terminal can be commanded"
    LF_ONLY = "lf_only", "a line that ends in LF without CR"
    LINE_TOO_LONG = "line_too_long", "a line of more than 512 octets"
    LINE_WITHOUT_CODE = "line_without_code", "text without a code after the first line with one"
    MASKED = "masked", "overwritten with stars by a firewall (Cisco PIX, ASA)"
    MIXED_CODES = "mixed_codes", "lines with different codes"
    NO_CODE = "no_code", "no line begins with a reply code"
    NO_SPACE_AFTER_CODE = "no_space_after_code", "text directly behind the code"
    NUL = "nul", "a NUL byte"
    TAB_AFTER_CODE = "tab_after_code", "a TAB in place of the space after the code"
    TEASER = "teaser", "a 220- line, then a last 220 line that greets again with a host name (postscreen)"
    TEXT_BEFORE_CODE = "text_before_code", "text before the first line with a code"
    TOO_LONG = "too_long", "the limit of bytes was reached before the last line"
    TOO_MANY_LINES = "too_many_lines", "the limit of lines was reached before the last line"
    TRAILING_DATA = "trailing_data", "bytes after the last line"
    UNEXPECTED_CODE = "unexpected_code", "a 2yz or 3yz code other than 220"
    UNTERMINATED = "unterminated", "the bytes end before the last line does (closed early, or too slow)"

    def __new__(cls, value: str, meaning: str) -> Self:
        """Make a string that also carries its meaning."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member
