"""Claims about files that are not what they were called: named, never read as something else, never taken for empty."""

import bz2
import gzip
import io
import json
import lzma
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from scanner.cli.entry import run
from scanner.errors import InputError
from scanner.importers import FORMATS, BadLine, ImportedBanner, read_banners
from scanner.importers.kinds import kind_of
from scanner.record import decode, encode
from tests.support.records import full_record

DATA = Path(__file__).parents[1] / "data"
REAL = DATA / "scanners"
Output = pytest.CaptureFixture[bytes]

RECORD = encode(full_record())
XML = b'<?xml version="1.0"?>\r\n<!-- masscan v1.0 scan -->\r\n<nmaprun scanner="masscan" version="1.0-BETA">'
NONE = "has no greeting of a mail server: "
#: Start of a file -> what it is called, and the formats that read it.
KINDS: dict[str, tuple[bytes, str, set[str]]] = {
    "nmap XML": ((REAL / "nmap-table.xml").read_bytes(), "XML of nmap", {"nmap-xml"}),
    "masscan XML": (XML, "XML of masscan", {"nmap-xml", "masscan"}),
    "other XML": (b"<html><p>x</p></html>", "XML", {"nmap-xml", "masscan"}),
    "nmap -oN": ((REAL / "nmap-normal.txt").read_bytes(), "what nmap prints (-oN)", set()),
    "nmap on a screen": (b"Starting Nmap 7.93 ( https://nmap.org )\n", "what nmap prints (-oN)", set()),
    "nmap -oG": ((REAL / "nmap-grepable.txt").read_bytes(), "nmap's list for grep (-oG)", set()),
    "masscan -oL": ((REAL / "masscan-starttls.list").read_bytes(), "masscan's list (-oL)", {"masscan"}),
    "masscan -oJ": ((REAL / "masscan-starttls.json").read_bytes(), "JSON of masscan", {"masscan"}),
    "masscan -oD": ((REAL / "masscan-starttls.ndjson").read_bytes(), "JSON of masscan", {"masscan"}),
    "masscan -oB": (b"masscan/1.1\ns:1796072222\n" + bytes(80), "masscan's binary format (-oB)", set()),
    "zgrab2": ((REAL / "zgrab2-smtp.jsonl").read_bytes(), "JSON of zgrab2", {"zgrab2"}),
    "records": (RECORD, "a file of records of smtpsweep", set()),
    "summary": (b'{\n  "schema": "smtpsweep.summary/1",\n', "the summary of a sweep", set()),
    "other JSON": (b'[\n  {"a": 1}\n]\n', "JSON", {"zgrab2", "masscan"}),
    "gzip": (gzip.compress(b"220 a\n"), "gzip", set()),
    "zstd": (zstandard.compress(b"220 a\n"), "zstd", set()),
    "zip": (b"PK\x03\x04\x14\x00", "a ZIP archive", set()),
    "targets": (b"# ours\n192.0.2.0/24\nmail.example.com\n", "a list of addresses", set()),
    "an address": (b"192.0.2.1\r\n", "a list of addresses", set()),
    "IPv6": (b"2001:db8::/64\n", "a list of addresses", set()),
    "CSV": (b"192.0.2.1,25,220 h ESMTP\n", "a table with addresses", set()),
    "CSV head": (b"ip;port;banner\n192.0.2.1;25;x\n", "a table with addresses", set()),
    "log": (b"Nov 30 01:02:03 h sendmail[1]: x\n", "a log", set()),
    "new log": (b"2026-11-30T01:02:03.123456+01:00 h exim[1]: x\n", "a log", set()),
    "noise": (bytes(range(256)) * 4, "binary data", set()),
    "pcap": (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00", "a packet capture (pcap)", set()),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_of_another_kind_is_refused_by_what_it_is(name: str, kind: str) -> None:
    data, what, read_by = KINDS[name]
    if kind in read_by:
        assert list(read_banners(kind, io.BytesIO(data), "own"))
        return
    with pytest.raises(InputError) as caught:
        list(read_banners(kind, io.BytesIO(data), "own"))

    assert str(caught.value).startswith(f"own: is {what}")
    assert ": " in str(caught.value).removeprefix("own: ")


@pytest.mark.parametrize(
    "start",
    [
        b"220 h",
        b"h ESMTP\n220 [x]",
        b"# mine\n220 h",
        b"[mail] ESMTP",
        b"{mail} ready",
        b"\n\n\nx",
        b"[ 1.2.3.4 ] ",
        b"192.0.2.1 ESMTP ready",
        b"2026 is a year",
        b"220 a\0b",
        b"Nov ESMTP",
        b"mail.example.com",
        b"220 " + b"\xe9" * 99,
    ],
)
def test_text_may_be_anything(start: bytes) -> None:
    assert kind_of(start) is None


@pytest.mark.parametrize(
    ("kind", "data", "problem"),
    [
        *((kind, data, "is empty: was it written to its end?") for kind in FORMATS for data in (b"", b" \r\n\n")),
        ("text", b"# mine\n\n", f"{NONE}it has comments and empty lines only"),
        ("masscan", b"#masscan\nopen tcp 25 192.0.2.1 1\n# end\n", f"{NONE}was masscan run with --banners?"),
        ("masscan", b"[]", f"{NONE}was masscan run with --banners?"),
        ("zgrab2", b'{"data":{}}', f"{NONE}are there results of its modules smtp or banner?"),
        ("nmap-xml", b"<nmaprun/>", f"{NONE}was nmap run with --script banner?"),
    ],
)  # fmt: skip
def test_a_file_without_any_greeting_is_not_read_in_silence(kind: str, data: bytes, problem: str) -> None:
    assert list(read_banners(kind, io.BytesIO(data), "own")) == [BadLine("own", problem)]


def test_other_xml_is_named_by_its_first_element() -> None:
    assert list(read_banners("nmap-xml", io.BytesIO(b"<html><p/></html>"), "own")) == [
        BadLine("own: line 1", "its first element is 'html': not the XML of nmap or masscan")
    ]


def test_who_types_greetings_need_not_end_the_file() -> None:
    class Typed(io.BytesIO):
        """What was typed so far: to ask for more would wait."""

        def read1(self, size: int | None = -1, /) -> bytes:
            return super().read1(size) or pytest.fail("it waits for more")

        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(size)

    assert next(iter(read_banners("text", Typed(b"220 h ESMTP\n"), "own"))) == ImportedBanner(b"220 h ESMTP\r\n")


# -------------------------------------------------------------------------------------------------------- the command


def identify(*arguments: str, capsysbinary: Output) -> tuple[int, bytes, list[str]]:
    code = run(["identify", *arguments])
    out, err = capsysbinary.readouterr()
    return code, out, err.decode().splitlines()


def test_nothing_read_is_exit_2_and_one_line(tmp_path: Path, capsysbinary: Output) -> None:
    empty = tmp_path / "nmap.xml"
    empty.touch()

    assert identify("--format", "nmap-xml", str(empty), capsysbinary=capsysbinary) == (
        2,
        b"",
        [f"smtpsweep: {empty}: is empty: was it written to its end?"],
    )


def test_an_empty_file_beside_a_full_one_is_told(tmp_path: Path, capsysbinary: Output) -> None:
    empty = tmp_path / "nmap.xml"
    empty.touch()
    real = REAL / "nmap-table.xml"

    code, out, err = identify("--format", "nmap-xml", str(empty), str(real), capsysbinary=capsysbinary)
    assert (code, out.count(b"\n")) == (0, 8)
    assert err == [
        f"smtpsweep: {empty}: is empty: was it written to its end?",
        "smtpsweep: 1 line could not be read; 8 greetings could",
    ]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".zst"])
def test_packed_files_are_read_and_damaged_ones_named(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes], capsysbinary: Output
) -> None:
    packed = pack((REAL / "zgrab2-smtp.jsonl").read_bytes())
    file = tmp_path / f"grabs.jsonl{suffix}"
    file.write_bytes(packed)

    code, out, err = identify("--format", "zgrab2", str(file), capsysbinary=capsysbinary)
    assert (code, out.count(b"\n"), err) == (0, 6, [])

    file.write_bytes(packed[:-20])
    code, out, err = identify("--format", "zgrab2", str(file), capsysbinary=capsysbinary)
    assert (code, len(err)) == (2, 1)
    assert err[0].startswith(f"smtpsweep: {file}: is damaged (")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_greetings_in_any_encoding_are_identified(tmp_path: Path, encoding: str, capsysbinary: Output) -> None:
    file = tmp_path / "greetings.txt"
    file.write_bytes("220 m.example.com ESMTP Sendmail 8.14.7/8.14.7; x\r\n220 n ESMTP Exim 4.96\r\n".encode(encoding))

    code, out, err = identify(str(file), capsysbinary=capsysbinary)
    first, second = map(json.loads, out.splitlines())
    assert (code, err) == (0, [])
    assert (first["software"]["version"], second["software"]["version"]) == ("8.14.7", "4.96")
    assert first["banner"]["hostname"] == "m.example.com"


def test_times_out_of_reason_are_noted_a_few_times_and_then_counted(tmp_path: Path, capsysbinary: Output) -> None:
    file = tmp_path / "list"
    file.write_text("banner tcp 25 192.0.2.1 999999999999 smtp 220 h ESMTP\\x0a\n" * 30)

    code, out, err = identify("--format", "masscan", str(file), capsysbinary=capsysbinary)
    assert (code, out.count(b"\n"), len(err)) == (0, 30, 21)
    assert err[0] == "smtpsweep: note: 192.0.2.1: the time '999999999999' is implausible, left out"
    assert err[-1] == "smtpsweep: 30 greetings have a note in all"


@pytest.mark.parametrize("target", ["ecs", "ocsf", "cef", "leef", "gelf", "csv"])
@pytest.mark.parametrize(
    ("kind", "file"),
    [("masscan", "masscan-starttls.json"), ("nmap-xml", "nmap-services.xml"), ("zgrab2", "zgrab2-domain.jsonl")],
)
def test_what_is_written_can_be_read_and_converted(
    tmp_path: Path, capsysbinary: Output, kind: str, file: str, target: str
) -> None:
    odd, data = tmp_path / "odd", (REAL / file).read_bytes()
    odd.write_bytes(re.sub(rb"\b17960(?=[0-9]{5}\b)", b"999999917960", data).replace(b"2026-11-30T", b"0001-01-01T"))
    code, out, _ = identify("--format", kind, str(odd), capsysbinary=capsysbinary)
    records = tmp_path / "records.jsonl"
    records.write_bytes(out)

    assert code == 0
    assert {decode(line).observed_at for line in out.splitlines()} == {None}
    assert run(["convert", str(records), "--format", target, "-o", str(tmp_path / f"out.{target}"), "--quiet"]) == 0
