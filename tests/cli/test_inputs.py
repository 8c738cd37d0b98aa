"""Claims about `scanner.cli.inputs`: where target texts come from."""

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from scanner.cli.inputs import require_one_reader, sources
from scanner.errors import InputError
from scanner.targets import parse_spec


def read(texts: Sequence[str], files: Sequence[Path] = ()) -> list[tuple[str, list[str]]]:
    return [(source.where, list(source.lines)) for source in sources(texts, files)]


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="ascii"))


def test_a_text_of_the_command_line_is_a_line() -> None:
    assert read(["192.0.2.1", "a b"]) == [("command line", ["192.0.2.1"]), ("command line", ["a b"])]


def test_an_at_sign_names_a_file_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "ranges.txt"
    path.write_text("192.0.2.0/24\n# mine\n192.0.3.1")

    assert read([f"@{path}", "x"], [path]) == [
        (str(path), ["192.0.2.0/24\n", "# mine\n", "192.0.3.1"]),
        ("command line", ["x"]),
        (str(path), ["192.0.2.0/24\n", "# mine\n", "192.0.3.1"]),
    ]


@pytest.mark.parametrize("data", [b"192.0.2.1\n", b"\xef\xbb\xbf192.0.2.1\n", b"192.0.2.1\r\n", b"192.0.2.1"])
def test_a_byte_order_mark_and_any_line_end_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    path = tmp_path / "ranges.txt"
    path.write_bytes(data)
    stdin(monkeypatch, data)

    for spec in (parse_spec(sources([f"@{path}"])), parse_spec(sources(["-"])), parse_spec(sources([], [path]))):
        assert (spec.ranges.count, spec.ranges.pick(0)) == (1, "192.0.2.1")


def test_standard_input_is_read_as_utf_8_whatever_the_locale_says(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, "m\u00fcnchen.example\n".encode())

    assert list(parse_spec(sources(["-"])).names) == ["xn--mnchen-3ya.example"]


def test_bytes_that_are_no_utf_8_are_an_error_with_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ranges.txt"
    path.write_bytes(b"192.0.2.1\n\xff\xfe\n")
    stdin(monkeypatch, b"192.0.2.1\n\xff\xfe\n")

    with pytest.raises(InputError, match=r"ranges\.txt:2: "):
        parse_spec(sources([f"@{path}"]))
    with pytest.raises(InputError, match=r"standard input:2: "):
        parse_spec(sources(["-"]))


def test_an_empty_standard_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, b"")

    with pytest.raises(InputError) as caught:
        parse_spec(sources(["-"]))

    assert str(caught.value) == "standard input: names no target: if that is intended, write the one word: none"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.txt", "No such file or directory"),
        ("folder", "Is a directory"),
        ("/proc/self/mem", "Input/output error"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()

    for found in (sources([f"@{name}"]), sources([], [Path(name)])):
        with pytest.raises(InputError) as caught:
            parse_spec(found)
        assert str(caught.value) == f"{name}: cannot be read ({reason})"


def test_a_standard_input_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/proc/self/mem").open() as broken:
        monkeypatch.setattr(sys, "stdin", broken)
        with pytest.raises(InputError, match=r"standard input: cannot be read \(Input/output error\)"):
            parse_spec(sources(["-"]))


def test_a_missing_standard_input_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    with pytest.raises(InputError, match="standard input: is closed"):
        parse_spec(sources(["-"]))


@pytest.mark.parametrize("texts", [[], ["192.0.2.1"], ["-"], ["-", "192.0.2.0/24", "@-"]])
def test_standard_input_may_be_named_once(texts: list[str]) -> None:
    require_one_reader(texts)


def test_standard_input_named_twice_is_refused() -> None:
    """The exclusions would find it empty, and everything would be visited."""
    with pytest.raises(InputError, match="standard input: can be read only once"):
        require_one_reader(["-", "192.0.2.0/24", "-"])
