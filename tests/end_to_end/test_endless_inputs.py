"""Inputs without end are refused by every command that reads them, before they fill memory or time."""

from collections.abc import Callable
from io import RawIOBase, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from scanner.cli import inputs
from scanner.cli.entry import run
from scanner.errors import InputError
from scanner.files import toml as safe_toml
from scanner.importers import formats, json_entries
from scanner.maillogs import lines
from scanner.maillogs.lines import LineCounts, read_log

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Endless(RawIOBase):
    """Bytes without end; `given` counts those that were read."""

    def __init__(self, line: bytes) -> None:
        self._line = line
        self.given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        view[:] = ((self._line or b"x") * len(view))[: len(view)]
        self.given += len(view)
        return len(view)

    def readline(self, size: int | None = -1, /) -> bytes:
        text = self._line or b"x" * (size or 0)
        self.given += len(text)
        return text


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize("kind", ["text", "zgrab2", "masscan"])
def test_a_greeting_without_end_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_ENDLESS_BYTES", 4 << 20)
    monkeypatch.setattr(json_entries, "_ENDLESS", 4 << 20)
    endless = Endless(b"")

    message = refusal(lambda: list(formats.read_banners(kind, cast("Any", endless), "/dev/zero")))

    assert message == "/dev/zero: line 1 has no end: is it a list of greetings?"
    assert endless.given < 8 << 20


def test_a_line_of_a_log_without_end_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lines, "_ENDLESS_BYTES", 1 << 20)
    endless = Endless(b"")
    monkeypatch.setattr(lines, "open_stored", lambda _: endless)
    monkeypatch.setattr(lines, "utf_8_stream", lambda stream: stream)
    log = tmp_path / "log"
    log.touch()

    message = refusal(lambda: list(read_log(log, LineCounts())))

    assert message == f"{log}: damaged before its first line was read: 'a line without end'"
    assert endless.given < 2 << 20


@pytest.mark.parametrize(
    ("line", "is_log"),
    [
        (b"nothing\n", False),
        (b"{}\n", True),
        (b"Nov 22 10:00:00 mx sshd[1]: nothing\n", True),
        (b"2026-11-22 10:00:00 [1] exim\n", True),
        (b"<22>1 2026-11-22T10:00:00Z mx sshd 1 - - nothing\n", True),
    ],
)
def test_lines_of_no_log_are_not_read_for_ever(
    line: bytes, is_log: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(lines, "_MOST_FOREIGN_LINES", 100)
    log = tmp_path / "log"
    log.write_bytes(line * 150)

    if is_log:
        list(read_log(log, LineCounts()))
    else:
        assert refusal(lambda: list(read_log(log, LineCounts()))) == f"{log}: 100 lines, and none is one of a log"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["policy", "check", "x", "--policy", "/dev/zero"], "/dev/zero: not valid TOML: more than 8,388,608 bytes"),
        (["sweep", "--config", "/dev/zero"], "--config /dev/zero: not valid TOML: more than 8,388,608 bytes"),
        (["diff", "/dev/zero", "/dev/zero"], "/dev/zero:1: longer than 8 MiB: this is not a file of records"),
    ],
)
def test_a_device_is_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2

    assert capsys.readouterr().err == f"smtpsweep: {message}\n"


def test_a_document_of_the_longest_length_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(safe_toml, "_MOST_BYTES", 8)
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1")

    assert safe_toml.read_text(path) == "a = 1"


@pytest.mark.parametrize("line", ["# x\n", "\n"])
def test_a_list_of_nothing_but_comments_comes_to_an_end(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`yes '# x' |` was read for ever, as far as anybody could see."""
    monkeypatch.setattr(inputs, "_MAX_VOID", 1000)
    stream = StringIO(line * 1000 + "192.0.2.1\n" + line * 1001)

    message = refusal(lambda: list(inputs.bounded_lines(cast("Any", stream), "never.txt")))

    assert message == "never.txt: has more than 1,000 empty lines or comments in a row: is it a list of targets?"
    assert stream.tell() == 2001 * len(line) + 10
