"""Claims about files of other scanners: real output (tests/data/scanners), and the layouts that people make of it."""

import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scanner.files.text_input import utf_8_stream
from scanner.importers import BadLine, ImportedBanner, json_entries
from scanner.importers.json_entries import MAX_ENTRY, MAX_TEXT, read_entries
from tests.support.imported_banners import EXIM, FTP, ODD, POSTFIX, REFUSAL, SENDMAIL, SSH, greetings, read

DATA = Path(__file__).parents[1] / "data" / "scanners"
MAIL = {1: SENDMAIL, 2: EXIM, 3: POSTFIX, 4: REFUSAL, 5: ODD}


def by_host(kind: str, file: str) -> dict[tuple[int, int | None], bytes]:
    """Return the greeting at the last number of each address, and port."""
    found = read(kind, (DATA / file).read_bytes())
    assert not [each for each in found if isinstance(each, BadLine)]
    banners = [each for each in found if isinstance(each, ImportedBanner)]
    assert all(each.observed_at and 1796071800 < each.observed_at < 1796073000 and not each.notes for each in banners)
    made = {(int((each.ip or "").rpartition(".")[2]), each.port): each.raw for each in banners}
    assert len(made) == len(banners)
    return made


# ------------------------------------------------------------------------------------------------------- real files


@pytest.mark.parametrize("suffix", ["json", "ndjson", "list", "xml"])
def test_certificates_behind_starttls_and_ssh_are_no_greetings_of_masscan(suffix: str) -> None:
    """masscan cuts at the first odd byte, and takes an FTP server that begins like SMTP for one."""
    assert by_host("masscan", f"masscan-starttls.{suffix}") == {
        (host, 25): raw for host, raw in (MAIL | {5: b"220 m", 7: FTP}).items()
    }


def test_masscans_xml_is_read_as_xml_too() -> None:
    assert by_host("nmap-xml", "masscan-starttls.xml") == by_host("masscan", "masscan-starttls.xml")


def test_a_service_that_nmap_probed_is_believed_and_its_table_of_ports_is_not() -> None:
    cut = EXIM[: EXIM.index(b"nsport")]
    mail = {(host, 25): raw for host, raw in (MAIL | {2: cut}).items()} | {(1, 465): SENDMAIL}

    assert by_host("nmap-xml", "nmap-table.xml") == mail | {(6, 25): SSH, (7, 25): FTP}
    assert by_host("nmap-xml", "nmap-services.xml") | {(4, 25): REFUSAL} == mail


@pytest.mark.parametrize("file", ["zgrab2-smtp.jsonl", "zgrab2-banner.jsonl"])
def test_zgrab2_loses_bytes_that_are_not_utf_8(file: str) -> None:
    found = by_host("zgrab2", file)

    assert {host: raw for (host, _), raw in found.items() if host < 6} == MAIL | {
        5: ODD.replace(b"\xfc", "\ufffd".encode())
    }


@pytest.mark.parametrize("file", ["zgrab2-banner-hex.jsonl", "zgrab2-banner-base64.jsonl"])
def test_banners_that_zgrab2_wrote_in_hex_or_base64_are_whole(file: str) -> None:
    found = by_host("zgrab2", file)

    assert found == {(host, 25): raw for host, raw in (MAIL | {6: SSH, 7: FTP}).items()}


def test_a_greeting_behind_tls_is_one() -> None:
    assert by_host("zgrab2", "zgrab2-banner-tls.jsonl")[1, 465] == SENDMAIL


def test_the_domain_that_was_given_to_zgrab2_is_the_host() -> None:
    (banner,) = read("zgrab2", (DATA / "zgrab2-domain.jsonl").read_bytes())

    assert isinstance(banner, ImportedBanner)
    assert (banner.ip, banner.host, banner.raw) == ("127.77.0.3", "mx.example.com", POSTFIX)


# ---------------------------------------------------------------------------------------------------------- layouts


def entries(count: int = 3) -> list[dict[str, Any]]:
    return [
        {
            "ip": f"192.0.2.{number}",
            "timestamp": "1727151706",
            "ports": [
                {"port": 25, "proto": "tcp", "service": {"name": "smtp", "banner": f'220 h{number} "{{[\n'}},
                {"port": 25, "proto": "tcp", "service": {"name": "ssl", "banner": "TLS/1.2"}},
            ],
        }
        for number in range(1, count + 1)
    ]


LAYOUTS: dict[str, Callable[[list[dict[str, Any]]], str]] = {
    "array on one line": json.dumps,
    "compact": lambda found: json.dumps(found, separators=(",", ":")),
    "pretty": lambda found: json.dumps(found, indent=2),
    "tabs": lambda found: json.dumps(found, indent="\t"),
    "no indent": lambda found: json.dumps(found, indent=0),
    "wide": lambda found: json.dumps(found, indent=40),
    "windows": lambda found: json.dumps(found, indent=2).replace("\n", "\r\n"),
    "lines": lambda found: "\n".join(map(json.dumps, found)),
    "pretty objects": lambda found: "\n".join(json.dumps(each, indent=4) for each in found),
    "no line ends": lambda found: "".join(map(json.dumps, found)),
    "sequence": lambda found: "".join(f"\x1e{json.dumps(each)}\n" for each in found),
    "trailing comma": lambda found: json.dumps(found, indent=1).removesuffix("]") + ",]",
    "comma lines": lambda found: "[\n" + ",\n".join(map(json.dumps, found)) + ",\n{finished: 1}\n]\n",
    "bracket and first": lambda found: "[" + ",\n".join(map(json.dumps, found)) + ',\n{"finished": 1}]\n',
    "commas first": lambda found: "[\n" + "\n,\n".join(map(json.dumps, found)) + "\n]\n",
    "several arrays": lambda found: "\n".join(json.dumps([each]) for each in found),
    "sorted keys": lambda found: "\n".join(json.dumps(each, sort_keys=True) for each in found),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_an_array_is_read_in_any_layout_and_encoding(layout: str, encoding: str) -> None:
    text = LAYOUTS[layout](entries())

    assert greetings("masscan", text.encode(encoding)) == [f'220 h{number} "{{[\r\n'.encode() for number in (1, 2, 3)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_array_that_is_longer_than_what_is_read_at_once_is_read_whole(layout: str) -> None:
    text = LAYOUTS[layout](entries(250) * 4)

    assert len(greetings("masscan", text.encode())) == 1000


@pytest.mark.parametrize("layout", ["array on one line", "pretty", "no indent", "lines", "commas first"])
def test_a_file_that_is_cut_anywhere_gives_what_is_whole_and_says_where_it_ends(layout: str) -> None:
    text = LAYOUTS[layout](entries(2))
    starts = [match.start() for match in re.finditer(r'\{\s*"ip"', text)]
    ends = [json.JSONDecoder().raw_decode(text, start)[1] for start in starts]
    for cut in range(1, len(text)):
        found = read("masscan", text[:cut].encode())
        whole = [each for each in found if isinstance(each, ImportedBanner)]
        told = [each for each in found if isinstance(each, BadLine) and "ends inside it" in each.problem]
        assert len(whole) == sum(cut >= end for end in ends)
        assert bool(told) == any(start < cut < end for start, end in zip(starts, ends, strict=True))


@pytest.mark.parametrize("layout", ["array on one line", "pretty", "lines", "commas first"])
def test_an_entry_that_is_damaged_is_told_and_the_others_are_read(layout: str) -> None:
    text = LAYOUTS[layout](entries())
    place = text.index("h2")
    damaged = text[: place + 2] + "\n" + text[place + 2 :]  # no text in JSON has a line end in it
    found = read("masscan", damaged.encode())

    assert [each.ip for each in found if isinstance(each, ImportedBanner)] == ["192.0.2.1", "192.0.2.3"]
    (bad,) = [each for each in found if isinstance(each, BadLine)]
    assert "not valid JSON: Invalid control character" in bad.problem
    assert bad.where == f"own: line {text[: text.rindex('{', 0, text.index('192.0.2.2'))].count(chr(10)) + 1}"


def test_a_line_that_is_cut_does_not_hide_the_next_one() -> None:
    first, second, third = map(json.dumps, entries())
    for cut in range(2, len(first)):
        found = read("masscan", f"{first[:cut]}\n{second}\n{third}\n".encode())
        assert [each.ip for each in found if isinstance(each, ImportedBanner)] == ["192.0.2.2", "192.0.2.3"]
        assert isinstance(found[0], BadLine)
        assert found[0].where == "own: line 1"


def test_the_list_after_a_broken_object_is_read() -> None:
    found = read("masscan", b"{\nbanner tcp 25 192.0.2.1 1727151706 smtp 220 a\\x0a\n")

    assert [each.raw for each in found if isinstance(each, ImportedBanner)] == [b"220 a\r\n"]


def every(data: bytes) -> Iterator[json_entries.JsonEntry]:
    return read_entries(utf_8_stream(io.BytesIO(data)), "own")


def test_bytes_that_are_not_utf_8_stay_bytes() -> None:
    data = b'{"ip":"192.0.2.1","data":{"a":{"protocol":"smtp","result":{"banner":"220 m\xfc\\r\\n"}}}}'

    assert greetings("zgrab2", data) == [b"220 m\xfc\r\n"]


def test_escapes_of_masscan_are_bytes() -> None:
    line = (
        rb'{"ip":"192.0.2.1","ports":[{"port":25,"service":{"name":"smtp","banner":"220 m\u00fcller \u00e9\u000a"}}]}'
    )

    assert greetings("masscan", line) == [b"220 m\xfcller \xe9\r\n"]
    assert greetings("masscan", line.replace(rb"\u00e9", rb"\u20ac")) == ["220 m\u00fcller \u20ac\r\n".encode()]


def test_half_a_character_is_a_question_mark() -> None:
    line = rb'{"ip":"192.0.2.1","data":{"a":{"protocol":"smtp","result":{"banner":"220 \ud800\r\n"}}}}'

    assert greetings("zgrab2", line) == [b"220 ?\r\n"]


@pytest.mark.parametrize("depth", [500, 1_500, 5_000, 200_000])
def test_nesting_is_told_and_the_next_entry_is_read(depth: int) -> None:
    deep = '{"ip":' * depth + "1" + "}" * depth
    found = list(every(f'{deep}\n{{"ip": 1}}\n'.encode()))

    assert found[-1].value == {"ip": 1}
    assert found[-1].line == 2
    assert depth == 500 or found[0].problem == "it is nested too deeply"
    assert len(found) <= 2 + depth // 300


def test_an_entry_that_is_too_long_is_told_and_the_next_one_is_read() -> None:
    found = list(every(b'{"ip":"' + b"x" * (2 * MAX_ENTRY) + b'"}\n{"ip": 1}'))

    assert [(each.value, each.problem) for each in found] == [
        (None, "an entry of more than 8,388,608 characters"),
        ({"ip": 1}, None),
    ]


def test_text_beside_objects_is_a_line_of_bounded_length() -> None:
    long = b"x" * (MAX_TEXT + 1)
    found = list(every(b'[{"a":1}]\r\nbanner x\r\n' + long + b"\n7\n"))

    assert [(each.line, each.text[:9], each.problem) for each in found] == [
        (1, "", None),
        (2, "banner x", None),
        (3, "xxxxxxxxx", "more than 1,048,576 bytes"),
        (4, "7", None),
    ]


def test_integers_of_any_length_are_read() -> None:
    (entry,) = every(b'{"a": %s, "b": NaN, "c": -Infinity, "d": 7}' % (b"9" * 5000))

    assert entry.value == {"a": None, "b": None, "c": None, "d": 7}
