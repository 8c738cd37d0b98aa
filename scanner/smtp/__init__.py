"""Parse SMTP greetings and replies: bytes in, values out, without input, output or a clock. Any bytes are valid."""

from scanner.smtp.banner import interpret_reply, parse_banner
from scanner.smtp.clock import maybe_clock_skew
from scanner.smtp.dates import maybe_server_time
from scanner.smtp.grammar import Flag
from scanner.smtp.other_protocols import is_other_protocol
from scanner.smtp.reply import Line, Reply, ReplyEnd, ReplyReader, is_whole_greeting
from scanner.text.escape import escape, unescape

__all__ = [
    "Flag",
    "Line",
    "Reply",
    "ReplyEnd",
    "ReplyReader",
    "escape",
    "interpret_reply",
    "is_other_protocol",
    "is_whole_greeting",
    "maybe_clock_skew",
    "maybe_server_time",
    "parse_banner",
    "unescape",
]
