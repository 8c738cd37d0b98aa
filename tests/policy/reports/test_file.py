"""Claims about `scanner.policy.reports.file_report` and `neutral`: a report is there whole or not at all."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import pytest

from scanner.errors import InputError, SinkError
from scanner.policy.check import Verdict
from scanner.policy.reports import JunitReport, write_junit, write_sarif
from scanner.policy.reports.neutral import MAX_TEXT, printable, target_name, target_uri
from tests.support.verdicts import ALL_KINDS, RULES, verdict_of


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_report_that_exists_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "r.xml"
    path.write_text("precious")

    with pytest.raises(InputError, match=r"r\.xml: exists: use --overwrite, or another name"):
        write_junit(ALL_KINDS, path, suite="s")
    assert path.read_text() == "precious"
    assert names(tmp_path) == ["r.xml"]


def test_a_report_may_be_overwritten_and_a_link_keeps_leading_to_it(tmp_path: Path) -> None:
    path, link = tmp_path / "real.sarif", tmp_path / "link.sarif"
    path.write_text("old")
    link.symlink_to(path)

    write_sarif(ALL_KINDS, link, rules=RULES, overwrite=True)
    assert link.is_symlink()
    assert path.read_text().startswith('{"$schema":')
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, overwrite: bool) -> None:
    os.mkfifo(tmp_path / "pipe")

    for place in (tmp_path / "pipe", tmp_path, Path("/dev/null")):
        with pytest.raises(InputError, match=r"it is not a regular file|it is a folder"):
            write_junit(ALL_KINDS, place, suite="s", overwrite=overwrite)
    assert Path("/dev/null").is_char_device()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere/r\.xml: cannot be written \(its folder does not exist\)"):
        write_junit(ALL_KINDS, tmp_path / "nowhere" / "r.xml", suite="s")


def test_a_check_that_fails_on_its_way_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[Verdict]:
        yield ALL_KINDS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_junit(broken(), tmp_path / "r.xml", suite="s")

    assert names(tmp_path) == []


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "r.xml"

    def slow() -> Iterator[Verdict]:
        path.write_text("theirs")
        yield ALL_KINDS[0]

    with pytest.raises(SinkError, match=r"r\.xml: cannot be written \(somebody else made it meanwhile\)"):
        write_junit(slow(), path, suite="s")
    assert path.read_text() == "theirs"
    assert names(tmp_path) == ["r.xml"]


def full(*_: object) -> int:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("at", ["_begin", "add", "os.fsync"])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """At the beginning, at a verdict, and when the file is brought to the disk."""
    if at == "os.fsync":
        monkeypatch.setattr(at, full)
    else:
        real = getattr(JunitReport, at)

        def with_full_disk(report: JunitReport, *arguments: object) -> None:
            report._stream = cast("IO[bytes]", Full(report._stream))
            real(report, *arguments)

        monkeypatch.setattr(JunitReport, at, with_full_disk)

    with pytest.raises(SinkError, match=r"r\.xml: cannot be written \(No space left on device\)"):
        write_junit(ALL_KINDS, tmp_path / "r.xml", suite="s")
    assert names(tmp_path) == []


class Full:
    """A stream that takes nothing."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, data: bytes) -> int:
        return full()


@pytest.mark.parametrize("name", ["r.xml.gz", "r.json"])
def test_a_name_that_promises_something_else_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="its name promises"):
        write_junit(ALL_KINDS, tmp_path / name, suite="s")
    assert names(tmp_path) == []


def test_text_is_cut_and_made_printable() -> None:
    assert printable("plain <b> \u00e9 \\x0d") == "plain <b> \u00e9 \\x0d"
    assert printable("a\nb\u2028c\ufffe\ud800\x1b") == "a\\nb\\u2028c\\ufffe\\ud800\\x1b"
    assert len(printable("x" * 10 * MAX_TEXT)) == MAX_TEXT


def test_a_target_is_called_by_address_port_and_name() -> None:
    assert target_uri(verdict_of()) == "smtp://192.0.2.10:25"
    assert target_uri(verdict_of(ip="2001:db8::1", port=465)) == "smtp://[2001:db8::1]:465"
    assert target_uri(verdict_of(port=None)) == "smtp://192.0.2.10"
    assert target_uri(verdict_of(ip="a/../b c\n")) == "smtp://a%2F..%2Fb%20c%5Cn:25"
    assert target_uri(verdict_of(ip=None)) is None
    assert target_name(verdict_of(host="mx")) == "192.0.2.10:25 (mx)"
    assert target_name(verdict_of(ip=None)) == "whole sweep"
    assert target_name(verdict_of(ip=None, host="mx")) == "mx"
