"""Options that say who is visited and who is not: what they do not say is refused, never guessed, in every command."""

import io
import sys
from pathlib import Path

import pytest

from scanner.cli import inputs
from scanner.cli.entry import run
from scanner.cli.inputs import bounded_lines, sources
from scanner.errors import InputError
from scanner.targets import parse_exclusions, parse_spec

UNSET = "is a variable unset?"
NOT_EMPTY = "one or more texts or numbers, not an empty list: to leave it out, remove the key"
SMOKE = ("smoke", "127.0.0.1", "--from", "a@example.com", "--to", "b@example.com", "--receive", "stdout")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").touch()
    Path("comments.txt").write_text("# nobody so far\n\n")
    Path("columns.txt").write_text("127.0.0.0\t\t127.0.0.255\n")
    Path("utf16.txt").write_text("127.0.0.1\n", encoding="utf-16")
    Path("utf16be.txt").write_text("\ufeff127.0.0.1\n", encoding="utf-16-be")
    Path("bare16.txt").write_text("127.0.0.1\n", encoding="utf-16-le")
    return tmp_path


def refusal(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    before = sorted(Path().iterdir())

    assert run(list(arguments)) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert sorted(Path().iterdir()) == before
    return err.removeprefix("smtpsweep: ").removesuffix("\n")


@pytest.mark.parametrize(
    "command",
    [("sweep", "127.0.0.1"), ("check", "127.0.0.1"), ("verify", "127.0.0.1"), SMOKE],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("text", ["", " ", "# nobody"])
def test_an_exclusion_that_is_empty_is_refused_by_every_command(
    command: tuple[str, ...], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refusal(*command, "-p", "1", "-x", text, capsys=capsys)

    assert message == f"command line: '{text}': an exclusion that excludes nothing: {UNSET}"


@pytest.mark.parametrize("command", [("sweep", "127.0.0.1"), ("verify", "127.0.0.1")], ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("empty.txt", "excludes nothing: if that is intended, write the one word: none"),
        ("comments.txt", "excludes nothing: if that is intended, write the one word: none"),
        ("/dev/zero", "holds NUL bytes: name a text file"),
        ("/dev/null", "excludes nothing: if that is intended, write the one word: none"),
    ],
)
def test_a_file_of_exclusions_that_cannot_be_one_is_refused(
    command: tuple[str, ...], file: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal(*command, "-p", "1", "--exclude-file", file, capsys=capsys) == f"{file}: {message}"
    assert refusal(*command, "-p", "1", "-x", f"@{file}", capsys=capsys) == f"{file}: {message}"


@pytest.mark.parametrize("file", ["utf16.txt", "utf16be.txt", "bare16.txt"])
def test_exclusions_and_targets_in_utf_16_are_read(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal("sweep", f"@{file}", "-p", "1", "--exclude-file", file, capsys=capsys) == (
        "the only address is excluded: nothing to do (by you)"
    )


def test_a_list_of_ranges_in_two_columns_is_refused_with_the_likely_meaning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert refusal("sweep", "127.0.0.0/24", "-p", "1", "--exclude-file", "columns.txt", capsys=capsys) == (
        "columns.txt:1: '127.0.0.0 127.0.0.255': two addresses on one line: "
        "did you mean a range (127.0.0.0-127.0.0.255)?"
    )


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["127.0.0.1", ""], f"command line: '': a target that names nothing: {UNSET}"),
        (["127.0.0.1", "@"], f"@: no file name follows: {UNSET}"),
        (["127.0.0.1", "@empty.txt"], "empty.txt: names no target: if that is intended, write the one word: none"),
        (["@comments.txt"], "comments.txt: names no target: if that is intended, write the one word: none"),
        (["@/dev/zero"], "/dev/zero: holds NUL bytes: name a text file"),
    ],
)
def test_targets_that_name_nothing_are_refused(
    targets: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal("sweep", *targets, "-p", "1", capsys=capsys) == message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('exclude = [""]', f"command line: '': an exclusion that excludes nothing: {UNSET}"),
        ('exclude = ""', f"command line: '': an exclusion that excludes nothing: {UNSET}"),
        *(
            (f"{key} = []", f"--config c.toml: '{key}' must be {NOT_EMPTY}")
            for key in ("exclude", "exclude-file", "targets", "port", "output")
        ),
    ],
)
def test_a_configured_list_that_is_empty_is_refused(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("c.toml").write_text(f"{line}\n")

    assert refusal("sweep", "127.0.0.1", "-p", "1", "--config", "c.toml", capsys=capsys) == message


def test_a_configuration_without_end_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal("sweep", "127.0.0.1", "--config", "/dev/zero", capsys=capsys)

    assert message == "--config /dev/zero: not valid TOML: more than 8,388,608 bytes"


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            "10.0.0.0/24",
            "--network '10.0.0.0/24': is not part of 127.0.0.0/8, the simulated network: use sweep for real addresses",
        ),
        ("126.255.255.255-127.0.0.9", "--network '126.255.255.255-127.0.0.9': is not part of"),
        ("::1", "--network '::1': is not part of 127.0.0.0/8, the simulated network: use sweep for real addresses"),
        ("localhost", "--network:1: 'localhost': host names are not accepted here: give addresses"),
        ("mx:example.com", "--network:1: 'mx:example.com': host names are not accepted here: give addresses"),
        ("@empty.txt", "--network:1: '@empty.txt': a file cannot name another file"),
        ("", "--network: names no target"),
    ],
)
def test_a_demonstration_stays_on_loopback(network: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal("demo", "--network", network, capsys=capsys).startswith(message)


@pytest.mark.parametrize(
    ("address", "reason"), [("224.0.0.1", "multicast"), ("255.255.255.255", "broadcast"), ("::", "unspecified")]
)
def test_checking_what_nobody_may_visit_says_why(address: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal("check", address, capsys=capsys) == f"the only address is excluded: nothing to do ({reason})"


@pytest.mark.parametrize("text", ["127.1", "0177.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001"])
@pytest.mark.parametrize("command", ["check", "sweep", "verify"])
def test_addresses_in_the_forms_of_the_c_library_are_refused_alike(
    command: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal(command, text, "-p", "1", capsys=capsys).startswith(f"command line: '{text}': ")


def test_a_plan_says_why_targets_are_excluded_and_that_an_exclusion_has_no_effect(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["sweep", "127.0.0.0/28", "224.0.0.1", "-x", "127.0.0.0/29", "--plan"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "targets   17 planned, 9 of them excluded, 8 to visit",
        "excluded  because: 8 by you, 1 multicast",
    ]
    assert run(["sweep", "127.0.0.0/28", "-x", "127.1.0.0/29", "--plan"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "notice    the exclusions take out none of the targets: check that they are the right ones"


def test_a_log_of_an_empty_host_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal("logs", "empty.txt", "--host", " ", capsys=capsys) == f"--host '': is not a host name: {UNSET}"


class Endless(io.BytesIO):
    """A text without end, made as it is read."""

    def __init__(self, line: bytes) -> None:
        super().__init__()
        self._line = line
        self.given = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size > 0
        start = self.given % len(self._line)
        self.given += size
        return (self._line * (size + 1))[start : start + size]

    read1 = read


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_MAX_LIST", 1000)
    monkeypatch.setattr(inputs, "_MAX_LINE", 100)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"127.0.0.1\n", "standard input: has more than 1,000 characters: is it a list of targets?"),
        (b"x", "standard input: has a line of more than 100 characters: is it a list of targets?"),
    ],
)
def test_an_input_without_end_is_refused_when_it_is_longer_than_any_list(
    line: bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = Endless(line)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(endless))

    with pytest.raises(InputError) as caught:
        parse_spec(sources(["-"]))

    assert str(caught.value) == message
    assert endless.given < 1 << 20


@pytest.mark.usefixtures("short")
def test_a_list_of_just_the_longest_length_is_read() -> None:
    text = "127.0.0.1\n" * 100
    lines = list(bounded_lines(io.TextIOWrapper(io.BytesIO(text.encode())), "x"))

    assert "".join(lines) == text
    assert list(bounded_lines(io.TextIOWrapper(io.BytesIO(b"x" * 100)), "x")) == ["x" * 100]


def test_marks_and_line_ends_of_other_systems_are_read() -> None:
    Path("mac.txt").write_bytes(b"\xef\xbb\xbf# never\r127.0.0.1\r127.0.0.2\r\n")

    assert parse_exclusions(sources([], [Path("mac.txt")])).ranges.count == 2


def test_a_plan_says_each_notice_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("scanner.sweeps.plan.Plan.notices", ("a name could not be resolved",))

    assert run(["sweep", "127.0.0.1", "--plan"]) == 0
    assert capsys.readouterr().out.count("a name could not be resolved") == 1
