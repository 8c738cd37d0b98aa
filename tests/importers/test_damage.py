"""Claims about damaged and foreign files of greetings: one fault is one message, and what is another kind is named."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from scanner.cli.entry import run
from scanner.errors import InputError
from scanner.files.text_input import utf_8_stream
from scanner.importers import BadLine, ImportedBanner, read_banners
from scanner.importers.json_entries import JsonEntry, read_entries

Output = pytest.CaptureFixture[bytes]


def entries(data: bytes) -> list[JsonEntry]:
    return list(read_entries(utf_8_stream(io.BytesIO(data)), "own"))


@pytest.mark.parametrize("depth", [2, 30, 300])
@pytest.mark.parametrize("end", ["tru}", "", '"x', "1]", " " * 9000 + "?"])
def test_a_fault_is_told_once_however_deep_it_is(depth: int, end: str) -> None:
    found = entries(('{"ip":' * depth + end + '\n{"ip": 7}').encode())

    assert [each.value for each in found if each.problem is None] == [{"ip": 7}]
    assert sum(each.problem is not None for each in found) <= 2


def test_two_faults_are_told_both_and_what_a_cut_swallowed_is_read() -> None:
    found = entries(b'{"ip": "1", "a": {"ip": 2}\n{"ip": 3, x}\n{"ip": 4, "b": "c{"ip": 5}\n{"ip": y}')

    assert [each.value for each in found if each.value is not None] == [{"ip": 2}, {"ip": 5}]
    assert [each.line for each in found if each.problem is not None] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"Host: 192.0.2.1 ()\tPorts: 25/open/tcp//smtp///\n", "nmap's list for grep (-oG), which holds no greetings"),
        (b"Host: 192.0.2.1 (mx.example.com)\tStatus: Up\n", "nmap's list for grep (-oG), which holds no greetings"),
        (b"25/tcp   open  smtp    Postfix smtpd\n", "what nmap prints (-oN), which does not hold whole greetings"),
        (b"PORT   STATE SERVICE\n", "what nmap prints (-oN), which does not hold whole greetings"),
        (b"|_banner: 220 mx.example.com ESMTP\n", "what nmap prints (-oN), which does not hold whole greetings"),
        (b"Discovered open port 25/tcp on 192.0.2.1\n", "what masscan or nmap prints on a screen"),
        (b"Banner on port 25/tcp on 192.0.2.1: [smtp] 220 x\n", "what masscan or nmap prints on a screen"),
        (b"\x04\x22\x4d\x18x", "lz4"),
    ],
)
def test_lines_that_were_picked_out_of_a_scanners_output_are_no_greetings(line: bytes, what: str) -> None:
    with pytest.raises(InputError) as caught:
        list(read_banners("text", io.BytesIO(line), "own"))

    assert str(caught.value).startswith(f"own: is {what}: ")


@pytest.mark.parametrize("greeting", [b"Host: mx ESMTP", b"PORT 25 ready", b"25/tcp", b"| banner"])
def test_a_greeting_that_resembles_them_is_one(greeting: bytes) -> None:
    (banner,) = read_banners("text", io.BytesIO(greeting + b"\n"), "own")

    assert isinstance(banner, ImportedBanner)
    assert banner.raw == b"220 " + greeting + b"\r\n"


def test_lists_put_together_have_no_mark_in_a_greeting() -> None:
    data = b"\xef\xbb\xbf220 a\n\xef\xbb\xbf220 b\n\xef\xbb\xbf# c\n"

    assert [each.raw for each in read_banners("text", io.BytesIO(data), "own") if not isinstance(each, BadLine)] == [
        b"220 a\r\n",
        b"220 b\r\n",
    ]


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"PK\x03\x04", "a ZIP archive: unpack it first"),
        (b"\x1f\x9d\x90", "packed by compress (.Z): unpack it first"),
        (b"\x04\x22\x4d\x18", "lz4: unpack it first"),
        (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it first"),
    ],
)
def test_a_log_that_needs_another_tool_to_unpack_is_named(
    start: bytes, what: str, tmp_path: Path, capsysbinary: Output
) -> None:
    log = tmp_path / "mail.log"
    log.write_bytes(start + b"\x80\x81\n\x82")

    assert run(["logs", str(log)]) == 2
    assert capsysbinary.readouterr() == (b"", f"smtpsweep: {log}: is {what}\n".encode())


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_a_log_packed_twice_is_named(pack: Callable[[bytes], bytes], tmp_path: Path, capsysbinary: Output) -> None:
    log = tmp_path / "mail.log"
    log.write_bytes(pack(pack(b"Nov 23 20:16:53 mx1 cron[77]: x\n")))

    assert run(["logs", str(log)]) == 2
    assert capsysbinary.readouterr().err.endswith(b" twice over: unpack it first\n")


def test_logs_put_together_have_no_mark_before_a_line(tmp_path: Path, capsysbinary: Output) -> None:
    line = b"\xef\xbb\xbf2026-11-23T20:16:53+00:00 mx1 postfix/smtpd[77]: connect from c.example[198.51.100.7]\n"
    log = tmp_path / "mail.log"
    log.write_bytes(line * 2)

    assert run(["logs", str(log)]) == 0
    assert b"smtpsweep: 2 lines, 2 of mail servers, 2 about connections;" in capsysbinary.readouterr().err
