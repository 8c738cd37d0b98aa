"""Banners collected by people and by other scanners: the files in tests/data are real output, made on loopback."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import InputError
from scanner.importers import FORMATS, BadLine, ImportedBanner, parse_text, read_banners
from scanner.importers.formats import MAX_LINE_BYTES
from scanner.smtp import escape
from tests.support.imported_banners import EXIM, ODD, POSTFIX, REFUSAL, SENDMAIL

DATA = Path(__file__).parents[1] / "data"


def read(kind: str, data: bytes, name: str = "own") -> list[ImportedBanner | BadLine]:
    """Return what is in a file, without what is said of one that has nothing in it."""
    found = list(read_banners(kind, io.BytesIO(data), name))
    return [each for each in found if isinstance(each, ImportedBanner) or each.where != name]


def by_address(kind: str, file: str) -> dict[str, ImportedBanner]:
    found = read(kind, (DATA / file).read_bytes())
    assert not [each for each in found if isinstance(each, BadLine)]
    return {str(each.ip): each for each in found if isinstance(each, ImportedBanner)}


# -------------------------------------------------------------------------------------------------------------- text


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        (b"220 mail ESMTP Sendmail 8.14.7/8.13.8; date", b"220 mail ESMTP Sendmail 8.14.7/8.13.8; date\r\n"),
        (b"mail ESMTP Sendmail", b"220 mail ESMTP Sendmail\r\n"),
        (b"554 no", b"554 no\r\n"),
        (b"220", b"220\r\n"),
        (rb"220-a\r\n220 b", b"220-a\r\n220 b\r\n"),
        (rb"220-a\r\n220 b\r\n", b"220-a\r\n220 b\r\n"),
        (rb"220 a\n", b"220 a\n"),
        (rb"220 a\x00\xFF\t", b"220 a\x00\xff\t\r\n"),
        (rb"220 a\\x41", b"220 a\\x41\r\n"),
        (rb"220 C:\mail\xZZ", b"220 C:\\mail\\xZZ\r\n"),
        (rb"220-a\x0d\x0a220 b", b"220-a\r\n220 b\r\n"),
        (b"SSH-2.0-OpenSSH_9.2", b"SSH-2.0-OpenSSH_9.2\r\n"),
        (b"HTTP/1.1 400 Bad Request", b"HTTP/1.1 400 Bad Request\r\n"),
        (rb"\x15\x03\x01\x00\x02\x02\x0a", b"\x15\x03\x01\x00\x02\x02\n"),
        (b"2026 is a year", b"220 2026 is a year\r\n"),
        (b"", b"220 \r\n"),
    ],
)
def test_a_line_of_text_stands_for_a_greeting(text: bytes, raw: bytes) -> None:
    assert parse_text(text) == ImportedBanner(raw)


@given(st.binary(max_size=200))
def test_what_a_record_writes_is_read_back(body: bytes) -> None:
    raw = b"220 " + body + b"\r\n"

    assert parse_text(escape(raw).encode()).raw == raw


def test_empty_lines_and_comments_are_left_out_and_the_order_is_kept() -> None:
    found = read("text", b"# mine\n220 a\r\n\n   \nb\n#c\n554 d")

    assert found == [ImportedBanner(b"220 a\r\n"), ImportedBanner(b"220 b\r\n"), ImportedBanner(b"554 d\r\n")]


@pytest.mark.parametrize("kind", ["text", "zgrab2", "masscan"])
def test_a_line_without_end_is_bad_and_the_next_one_is_read(kind: str) -> None:
    good = {"text": b"220 a\n", "zgrab2": b"\n", "masscan": b"]\n"}[kind]
    found = read(kind, b"x" * (3 * MAX_LINE_BYTES + 5) + b"\n" + good, "big.txt")

    assert found[0] == BadLine("big.txt: line 1", "more than 1,048,576 bytes")
    assert found[1:] == ([ImportedBanner(b"220 a\r\n")] if kind == "text" else [])


@given(st.sampled_from(list(FORMATS)), st.binary(max_size=400))
def test_any_file_is_read_to_its_end(kind: str, data: bytes) -> None:
    try:
        found = list(read_banners(kind, io.BytesIO(b"+" + data), "own"))
    except InputError as error:
        assert str(error).startswith("own: is binary data: ")  # noqa: PT017  most data are not
        return

    assert found
    for each in found:
        assert isinstance(each, ImportedBanner) or (each.where.startswith("own: line ") and each.problem)


# ------------------------------------------------------------------------------------------------------------ zgrab2


@pytest.mark.parametrize("file", ["zgrab2-smtp.jsonl", "zgrab2-banner.jsonl"])
def test_zgrab2_keeps_all_but_bytes_that_are_no_utf_8(file: str) -> None:
    found = by_address("zgrab2", file)

    assert {ip: banner.raw for ip, banner in found.items()} == {
        "127.77.0.1": SENDMAIL,
        "127.77.0.2": EXIM,
        "127.77.0.3": POSTFIX,
        "127.77.0.4": REFUSAL,
        "127.77.0.5": ODD.replace(b"\xfc", "\ufffd".encode()),
    }
    assert {(banner.port, banner.observed_at) for banner in found.values()} == {(2525, 1795456331.0)}


def zgrab2(**changes: object) -> bytes:
    grab = {"status": "success", "protocol": "smtp", "port": 25, "result": {"banner": "220 a\r\n"}} | changes
    return json.dumps({"ip": "192.0.2.1", "data": {"mine": grab}}).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"  ",
        zgrab2(protocol="ftp"),
        zgrab2(result=None),
        zgrab2(result={}),
        zgrab2(result={"banner": ""}),
        b'{"ip": "192.0.2.1", "data": {}}',
        b'{"ip": "192.0.2.1", "data": {"smtp": null}}',
    ],
)
def test_a_line_of_zgrab2_may_have_no_greeting(line: bytes) -> None:
    assert read("zgrab2", line + b"\n") == []


def test_what_zgrab2_leaves_out_is_not_known() -> None:
    assert read("zgrab2", zgrab2(port=None)) == [ImportedBanner(b"220 a\r\n", "192.0.2.1")]
    assert read("zgrab2", b'{"data":{"banner":{"protocol":"banner","result":{"banner":"220 a"}}}}') == [
        ImportedBanner(b"220 a")
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "not valid JSON"),
        (b"7", "not valid JSON: not an object"),
        (b"{}", "no object 'data' in it"),
        (
            b'{"ip":"mail.example.com","data":{"smtp":{"protocol":"smtp","result":{"banner":"220"}}}}',
            "not an IP address",
        ),
    ],
)
def test_a_bad_line_of_zgrab2_is_named_and_the_next_one_is_read(line: bytes, problem: str) -> None:
    bad, good = read("zgrab2", line + b"\n" + zgrab2() + b"\n", "grab.jsonl")

    assert isinstance(bad, BadLine)
    assert bad.where == "grab.jsonl: line 1"
    assert problem in bad.problem
    assert isinstance(good, ImportedBanner)


# ----------------------------------------------------------------------------------------------------------- masscan


@pytest.mark.parametrize("file", ["masscan.json", "masscan.ndjson", "masscan.list"])
def test_masscan_cuts_at_the_first_odd_byte_and_its_line_ends_are_mended(file: str) -> None:
    found = by_address("masscan", file)

    assert {ip: banner.raw for ip, banner in found.items()} == {
        "127.77.0.1": SENDMAIL,
        "127.77.0.2": EXIM,
        "127.77.0.3": POSTFIX,
        "127.77.0.4": REFUSAL,
        "127.77.0.5": b"220 m",
    }
    assert {banner.port for banner in found.values()} == {25}
    assert all(1795456333 <= (banner.observed_at or 0) <= 1795456389 for banner in found.values())


@pytest.mark.parametrize(
    "line",
    [
        b"{finished: 1}",
        b",",
        b"#",
        b"open tcp 25 192.0.2.1 1795456345",
        b'{"ip":"192.0.2.1","ports":[{"port":80,"service":{"name":"http","banner":"220 a"}}]}',
        b'{"ip":"192.0.2.1","ports":[{"port":25,"service":{"name":"smtp","banner":""}}]}',
        b'{"ip":"192.0.2.1","ports":[{"port":0,"service":{"name":"smtp","banner":"220 a"}}]}',
        b'{"ip":"192.0.2.1","ports":[{"port":25,"service":{"name":"smtp","banner":5}}, 7]}',
        b'{"ip":"192.0.2.1","port":21,"rec_type":"banner","data":{"service_name":"ftp","banner":"220 ftp"}}',
        b"banner tcp 80 192.0.2.1 1795456345 http 220 a",
    ],
)
def test_a_line_of_masscan_may_have_no_greeting(line: bytes) -> None:
    assert read("masscan", line + b"\n") == []


def test_a_mail_server_on_another_port_is_told_by_its_name() -> None:
    line = b'{"ip":"2001:DB8::1","ports":[{"port":26,"service":{"name":"smtp","banner":"220 a\\n"}}]}'

    assert read("masscan", line) == [ImportedBanner(b"220 a\r\n", "2001:db8::1", 26)]
    assert read("masscan", b"banner tcp 26 192.0.2.1 1 smtp 220 a\\x0a\n") == [
        ImportedBanner(b"220 a\r\n", "192.0.2.1", 26, 1.0)
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"banner udp 25 192.0.2.1 1 smtp 220", "a banner line has a protocol"),
        (b"banner tcp 25 192.0.2.999 1 smtp 220", "not an IP address"),
        (b'{"rec_type":"banner","port":25,"data":5}', "no object 'data' in it"),
        (b"nonsense", "not valid JSON"),
    ],
)
def test_a_bad_line_of_masscan_is_named(line: bytes, problem: str) -> None:
    (bad,) = read("masscan", b"\n" + line)

    assert isinstance(bad, BadLine)
    assert bad.where == "own: line 2"
    assert problem in bad.problem


# -------------------------------------------------------------------------------------------------------------- nmap


def test_nmap_wraps_the_banner_and_cuts_it_off_which_is_told() -> None:
    found = by_address("nmap-xml", "nmap-banner.xml")

    assert {ip: banner.raw for ip, banner in found.items()} == {
        "127.77.0.1": SENDMAIL,
        "127.77.0.2": EXIM[: EXIM.index(b"nsport")],
        "127.77.0.3": POSTFIX,
        "127.77.0.4": REFUSAL,
        "127.77.0.5": ODD,
    }
    assert {(banner.port, banner.observed_at) for banner in found.values()} == {(2525, 1795456324.0)}


def test_nmap_keeps_a_whole_greeting_only_of_services_that_it_does_not_know() -> None:
    found = by_address("nmap-xml", "nmap-service.xml")

    assert {ip: banner.raw for ip, banner in found.items()} == {"127.77.0.4": REFUSAL + b"500 no\r\n"}


def nmap(port: str, *, host: str = '<address addr="192.0.2.1" addrtype="ipv4"/>') -> bytes:
    return f"<!DOCTYPE nmaprun><nmaprun><host>{host}<ports>{port}</ports></host></nmaprun>".encode()


BANNER = '<script id="banner" output="220 a"/>'


@pytest.mark.parametrize(
    ("port", "banner"),
    [
        (f'<port portid="25">{BANNER}</port>', ImportedBanner(b"220 a\r\n", "192.0.2.1", 25)),
        (f'<port portid="26"><service name="smtp"/>{BANNER}</port>', ImportedBanner(b"220 a\r\n", "192.0.2.1", 26)),
        (f'<port portid="99999"><service name="smtp"/>{BANNER}</port>', ImportedBanner(b"220 a\r\n", "192.0.2.1")),
        (f'<port portid="x"><service name="smtp"/>{BANNER}</port>', ImportedBanner(b"220 a\r\n", "192.0.2.1")),
        (
            r'<port portid="25"><service servicefp="SF:%r(NULL,9,&quot;220\x20\0\\\&quot;\.\q\r\n&quot;)"/></port>',
            ImportedBanner(b'220 \0\\".q\r\n', "192.0.2.1", 25),
        ),
        (f'<port portid="80">{BANNER}</port>', None),
        ('<port portid="25"/>', None),
        ('<port portid="25"><script id="banner"/></port>', None),
        ('<port portid="25"><script id="smtp-commands" output="x"/></port>', None),
        ('<port portid="25"><service servicefp="SF:%r(GetRequest,9,&quot;220&quot;)"/></port>', None),
    ],
)
def test_a_port_has_a_greeting_or_none(port: str, banner: ImportedBanner | None) -> None:
    assert read("nmap-xml", nmap(port)) == ([] if banner is None else [banner])


def test_a_host_without_an_address_has_none_and_a_wrong_one_is_named() -> None:
    port = f'<port portid="25">{BANNER}</port>'

    assert read("nmap-xml", nmap(port, host="")) == [ImportedBanner(b"220 a\r\n", None, 25)]
    mac = '<address addr="00:00:5E:00:53:01" addrtype="mac"/><address addr="2001:db8::1" addrtype="ipv6"/>'
    assert read("nmap-xml", nmap(port, host=mac)) == [ImportedBanner(b"220 a\r\n", "2001:db8::1", 25)]
    (bad,) = read("nmap-xml", nmap(port, host='<address addr="x" addrtype="ipv4"/>'))
    assert bad == BadLine("own: line 1 or later", "not an IP address: 'x'")


def test_a_file_of_a_scan_that_was_interrupted_is_read_as_far_as_it_goes() -> None:
    whole = (DATA / "nmap-banner.xml").read_bytes()
    *found, bad = read("nmap-xml", whole[: whole.index(b"127.77.0.4")])

    assert [banner.ip for banner in found if isinstance(banner, ImportedBanner)] == [
        "127.77.0.1",
        "127.77.0.2",
        "127.77.0.3",
    ]
    assert isinstance(bad, BadLine)
    assert "not well-formed XML" in bad.problem


def test_entities_of_a_document_are_refused() -> None:
    (bad,) = read("nmap-xml", b'<!DOCTYPE a [<!ENTITY lol "lol">]><a/>')

    assert bad == BadLine("own: line 1", "it defines an entity ('lol'), which is not read")


class Endless(io.RawIOBase):
    """A file that says how much of it is held at a time."""

    def __init__(self, start: bytes, again: bytes, count: int) -> None:
        self._parts = iter([start, *[again] * count])
        self.reads = 0

    def read(self, size: int = -1, /) -> bytes:
        assert 0 < size <= 1 << 16
        self.reads += 1
        return next(self._parts, b"")

    read1 = read


def test_a_long_scan_is_read_as_a_stream() -> None:
    host = b'<host><address addr="192.0.2.1" addrtype="ipv4"/><port portid="25">' + BANNER.encode() + b"</port></host>"
    stream = Endless(b"<nmaprun>", host, 1000)
    found = FORMATS["nmap-xml"](stream, "endless")  # type: ignore[arg-type]  # it reads, which is all that is asked

    for number in range(1, 1001):
        assert isinstance(next(found), ImportedBanner)
        assert stream.reads <= number + 2
