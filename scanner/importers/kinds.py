"""Recognise what a file is by its first bytes, so that a file of the wrong format is refused.

Read in the wrong format, a file gives nonsense or nothing, and both look like a result. A file that is certainly
something else is refused with its kind and with what to do. A file that may be anything is read as the user said.
"""

import re
from typing import Final, NamedTuple

from scanner import lazy

#: Bytes at the start of a file that are examined.
START_BYTES: Final = 4096


class FileKind(NamedTuple):
    """One kind of file: what it is, what to do with it, and the formats that read it."""

    what: str
    advice: str
    formats: tuple[str, ...] = ()


_XML_ADVICE: Final = "use --format nmap-xml"
_NMAP_ADVICE: Final = "let nmap write XML (-oX) with --script banner, and use --format nmap-xml"
_UNPACK: Final = "unpack it first"
EMPTY: Final = FileKind("empty", "was it written to its end?", ("text", "zgrab2", "masscan", "nmap-xml"))
_NMAP_XML: Final = FileKind("XML of nmap", _XML_ADVICE, ("nmap-xml",))
_MASSCAN_XML: Final = FileKind("XML of masscan", _XML_ADVICE, ("nmap-xml", "masscan"))
_XML: Final = FileKind("XML", "is it of nmap or masscan? use --format nmap-xml", ("nmap-xml", "masscan"))
_NMAP_TEXT: Final = FileKind("what nmap prints (-oN), which does not hold whole greetings", _NMAP_ADVICE)
_NMAP_GREPABLE: Final = FileKind("nmap's list for grep (-oG), which holds no greetings", _NMAP_ADVICE)
_MASSCAN_LIST: Final = FileKind("masscan's list (-oL)", "use --format masscan", ("masscan",))
_MASSCAN_JSON: Final = FileKind("JSON of masscan", "use --format masscan", ("masscan",))
_MASSCAN_BINARY: Final = FileKind("masscan's binary format (-oB)", "convert it: masscan --readscan FILE -oL LIST")
_PRINTED: Final = FileKind(
    "what masscan or nmap prints on a screen", "let masscan write a list (-oL), or nmap XML (-oX) with --script banner"
)
_ZGRAB2: Final = FileKind("JSON of zgrab2", "use --format zgrab2", ("zgrab2",))
_RECORDS: Final = FileKind(
    "a file of records of smtpsweep, which are identified already", "read them with jq, convert or diff"
)
_SUMMARY: Final = FileKind("the summary of a sweep, not greetings", "give greetings, or another scanner's output")
_JSON: Final = FileKind("JSON", "use --format zgrab2 or --format masscan if it is theirs", ("zgrab2", "masscan"))

_PACKED: Final = (
    (b"\x1f\x8b", FileKind("gzip twice over", _UNPACK)),  # a file packed once was unpacked before it came here
    (b"\x28\xb5\x2f\xfd", FileKind("zstd twice over", _UNPACK)),
    (b"BZh91AY&SY", FileKind("bzip2 twice over", _UNPACK)),
    (b"\xfd7zXZ\0", FileKind("xz twice over", _UNPACK)),
    (b"\x1f\x9d", FileKind("packed by compress (.Z)", _UNPACK)),
    (b"\x04\x22\x4d\x18", FileKind("lz4", _UNPACK)),
    (b"LZIP\x01", FileKind("lzip", _UNPACK)),
    (b"]\0\0", FileKind("LZMA", _UNPACK)),
    (b"PK\x03\x04", FileKind("a ZIP archive", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", FileKind("a 7-Zip archive", _UNPACK)),
    (b"Rar!\x1a\x07", FileKind("a RAR archive", _UNPACK)),
)
_MAGIC: Final = (
    *_PACKED,
    (b"masscan/1.", _MASSCAN_BINARY),
    (b"\xd4\xc3\xb2\xa1", FileKind("a packet capture (pcap)", "give the output of a scanner")),
    (b"\xa1\xb2\xc3\xd4", FileKind("a packet capture (pcap)", "give the output of a scanner")),
    (b"\x0a\x0d\x0d\x0a", FileKind("a packet capture (pcapng)", "give the output of a scanner")),
    (b"# Nmap ", _NMAP_TEXT),
    (b"Starting Nmap ", _NMAP_TEXT),
    (b"Nmap scan report for ", _NMAP_TEXT),
    (b"Discovered open port ", _PRINTED),
    (b"Banner on port ", _PRINTED),
    (b"#masscan", _MASSCAN_LIST),
    (b"open tcp ", _MASSCAN_LIST),
    (b"banner tcp ", _MASSCAN_LIST),
)
#: First lines that a list of greetings does not have.
_TEXTS: Final = (
    (lazy.pattern(rb"Host: \S{1,300} \([^)]{0,300}\)\t(?:Ports|Status): "), _NMAP_GREPABLE),
    (
        lazy.pattern(rb"[0-9]{1,5}/tcp {1,9}(?:open|closed|filtered)\b|PORT {1,9}STATE {1,9}SERVICE\b|\|[_ ]banner: "),
        _NMAP_TEXT,
    ),
    (
        lazy.pattern(
            rb"(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?:/[0-9]{1,2}|-[0-9.]{1,15})?\s*$|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{2,40}(?:/[0-9]{1,3})?\s*$"
        ),
        FileKind("a list of addresses, not of greetings", "smtpsweep sweep @FILE visits them"),
    ),
    (
        lazy.pattern(
            rb"[\"']?(?:[0-9]{1,3}\.){3}[0-9]{1,3}[\"']?[,;|\t]|[\"']?(?i:ip|ip_str|address|saddr)[\"']?[,;|\t]"
        ),
        FileKind("a table with addresses", "cut out its column of greetings, one a line"),
    ),
    (
        lazy.pattern(
            rb"(?:[A-Z][a-z]{2} [ 0-3][0-9] [0-9:]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}\S{0,13}"
            rb"|<[0-9]{1,3}>\S{1,30}) \S"
        ),
        FileKind("a log", "smtpsweep logs FILE reads mail logs"),
    ),
)
_BINARY: Final = FileKind("binary data", "give text, a greeting a line, or the output of another scanner")
#: Bytes that text does not have; a greeting may have one.
_CONTROL: Final = bytes(sorted({*range(0x20), 0x7F} - set(b"\t\n\r\x0b\x0c\x1b")))
#: Data is binary when more than this share of it is control bytes; fewer than `_FEW_BYTES` bytes do not tell.
_MOST_CONTROL: Final = 1 / 32
_FEW_BYTES: Final = 64
_GREPABLE: Final = lazy.pattern(
    rb"^Host: .{1,300}\t(?:Ports|Status): |\A# Nmap (?![^\n]{0,999} -o[NA] )[^\n]{0,999} -oG ", re.MULTILINE
)
_SCHEMA: Final = lazy.pattern(rb'"schema"\s{0,9}:\s{0,9}"smtpsweep\.(record|summary)/')
_MASSCAN_KEYS: Final = lazy.pattern(rb'"(?:rec_type|ports)"\s{0,9}:')
_ZGRAB2_KEYS: Final = lazy.pattern(rb'"data"\s{0,9}:\s{0,99}\{')


def decides(line: bytes) -> bool:
    """Tell whether a first line is enough to recognise a file, so that no further line is waited for."""
    text = line.strip()
    return bool(text) and text[:1] not in b"#[{<," and len(text.translate(None, _CONTROL)) == len(text)


def packed_kind(start: bytes) -> FileKind | None:
    """Return how a file that begins like this is packed; None when it is not packed."""
    return next((kind for magic, kind in _PACKED if start.startswith(magic)), None)


def kind_of(start: bytes) -> FileKind | None:
    """Return the kind of file that begins like this, in UTF-8; None for text that may be anything."""
    text = start.lstrip()
    if not text:
        return EMPTY if len(start) < START_BYTES else None
    for magic, kind in _MAGIC:
        if start.startswith(magic) or text.startswith(magic):
            return _NMAP_GREPABLE if kind is _NMAP_TEXT and _GREPABLE.search(start) else kind
    if text.startswith(b"<"):
        if b"<nmaprun" not in start:
            return _XML
        return _MASSCAN_XML if b'scanner="masscan"' in start else _NMAP_XML
    return _json_kind(text) if text[:1] in b"[{" else _text_kind(start)


def _text_kind(start: bytes) -> FileKind | None:
    if len(start) >= _FEW_BYTES and len(start) - len(start.translate(None, _CONTROL)) > len(start) * _MOST_CONTROL:
        return _BINARY
    lines = (line for line in start.splitlines() if line.strip() and not line.startswith(b"#"))
    first = next(lines, b"")
    return next((kind for pattern, kind in _TEXTS if pattern.match(first)), None)


def _json_kind(text: bytes) -> FileKind | None:
    schema = _SCHEMA.search(text)
    if schema is not None:
        return _RECORDS if schema[1] == b"record" else _SUMMARY
    if not re.match(rb'[\[\s,]{0,999}(?:\{\s{0,99}(?:"|\}|$)|\]|$)', text):
        return None  # a bracket in front of some text
    if _MASSCAN_KEYS.search(text):
        return _MASSCAN_JSON
    return _ZGRAB2 if _ZGRAB2_KEYS.search(text) else _JSON
