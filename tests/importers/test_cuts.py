"""Claims about other scanners' files that were cut: what is missing is said, wherever the cut is."""

import io
from pathlib import Path

import pytest

from scanner.errors import InputError
from scanner.importers import ImportedBanner, read_banners
from scanner.importers.kinds import kind_of

DATA = Path(__file__).parents[1] / "data"
#: File -> its format, and whether nothing in it says where it ends: then a cut between two lines cannot be seen.
FILES = {
    "masscan.json": ("masscan", False),
    "masscan.list": ("masscan", False),
    "masscan.ndjson": ("masscan", True),
    "zgrab2-smtp.jsonl": ("zgrab2", True),
    "zgrab2-banner.jsonl": ("zgrab2", True),
    "nmap-banner.xml": ("nmap-xml", False),
    "nmap-service.xml": ("nmap-xml", False),
    "scanners/masscan-starttls.xml": ("masscan", False),
}


def read(kind: str, data: bytes) -> tuple[list[ImportedBanner], list[str]]:
    """Return the greetings of a file, and what it says of places that could not be read."""
    good: list[ImportedBanner] = []
    problems: list[str] = []
    try:
        for each in read_banners(kind, io.BytesIO(data), "own"):
            if isinstance(each, ImportedBanner):
                good.append(each)
            else:
                problems.append(f"{each.where}: {each.problem}")
    except InputError as error:
        problems.append(str(error))
    return good, problems


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_is_cut_anywhere_says_so(file: str) -> None:
    kind, is_open_ended = FILES[file]
    data = (DATA / file).read_bytes()
    whole, problems = read(kind, data)
    assert (len(whole) > 0, problems) == (True, [])
    for length in range(0, len(data), 1 if len(data) < 4000 else 13):
        found, said = read(kind, data[:length])
        assert found == whole[: len(found)], length
        if not said and found != whole:
            assert is_open_ended, length
            assert b"\n" in data[length - 1 : length + 1], length


@pytest.mark.parametrize("layout", ["[\n{0}\n", "[{0},", "[\n{0}\n,\n", "[ {0}", "[{0}][{0}", "[[{0}]"])
def test_a_list_that_nothing_closes_is_said_and_its_entries_are_read(layout: str) -> None:
    entry = '{"ip": "192.0.2.1", "ports": [{"port": 25, "service": {"name": "smtp", "banner": "220 h ESMTP"}}]}'

    found, said = read("masscan", layout.replace("{0}", entry).encode())

    assert len(found) == layout.count("{0}")
    assert said == [
        f"own: line {layout.count(chr(10)) + 1}: the file ends before the bracket that closes its list: it was cut"
    ]


@pytest.mark.parametrize(
    "layout", ["[\n{0}\n]\n", "{0}\n", "[{0}]", "[{0},{0},]", "[\n{0}\n,\n{finished: 1}\n]\n", "{0}]"]
)
def test_a_whole_list_says_nothing(layout: str) -> None:
    entry = '{"ip": "192.0.2.1", "ports": [{"port": 25, "service": {"name": "smtp", "banner": "220 h ESMTP"}}]}'

    found, said = read("masscan", layout.replace("{0}", entry).encode())

    assert (len(found), said) == (layout.count("{0}"), [])


LINE = "banner tcp 25 192.0.2.1 1795456345 smtp 220 h ESMTP Sendmail 8.14.7\\x0d\\x0a\n"
UNENDED = "the list ends without the line '# end': it was cut"


@pytest.mark.parametrize(
    ("text", "good", "said"),
    [
        (f"#masscan\n{LINE}# end\n", 1, []),
        (f"#masscan\n{LINE}# end", 1, []),
        (f"#masscan\r\n{LINE}# end\r\n", 1, []),
        (LINE, 1, []),
        (f"#masscan\n{LINE}", 1, [f"own: line 2: {UNENDED}"]),
        (f"#masscan\n{LINE}#masscan\n{LINE}# end\n", 2, [f"own: line 3: {UNENDED}"]),
        (f"#masscan\n{LINE}{LINE[:-30]}", 1, ["own: line 3: the file ends inside this line"]),
        (f"{LINE}{LINE[:-1]}", 1, ["own: line 2: the file ends inside this line"]),
        (f"{LINE}open tcp 2", 1, ["own: line 2: the file ends inside this line"]),
    ],
)
def test_a_list_of_masscan_that_is_cut_says_so_and_half_a_version_is_nobodys(
    text: str, good: int, said: list[str]
) -> None:
    found, problems = read("masscan", text.encode())

    assert (len(found), problems) == (good, said)


def test_nmaps_list_for_grep_is_named_by_its_first_line() -> None:
    kind = kind_of(b"# Nmap 7.95 scan initiated Mon Nov 23 20:16:53 2026 as: nmap -p25 -oG - 192.0.2.0/24\n")

    assert kind is not None
    assert kind.what == "nmap's list for grep (-oG), which holds no greetings"
