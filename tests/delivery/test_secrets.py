"""Secrets of sinks: where they may be kept, what is said about that, and that they show themselves nowhere."""

from pathlib import Path

import pytest

from scanner.cli.entry import run
from scanner.delivery.secrets import read_secret
from scanner.errors import InputError

WORD = "hunter2hunter"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{WORD}\n")
    return path


@pytest.mark.parametrize(
    ("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True), (0o644, True), (0o620, False)]
)
def test_a_file_that_others_can_read_is_used_with_a_warning(
    mode: int, warned: bool, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.chmod(mode)

    secret = read_secret("-o x://h", "token", None, str(file))

    assert secret is not None
    assert secret.reveal() == WORD
    expected = f"-o x://h: token_file='{file}': other users of this machine can read it: chmod 600"
    assert caplog.messages == ([expected] if warned else [])


def test_what_is_no_file_is_nobody_elses(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InputError):
        read_secret("-o x://h", "token", None, "/dev/null")

    assert caplog.messages == []


@pytest.mark.parametrize(("text", "warned"), [("abc", True), ("abcd", False)])
def test_a_secret_that_is_too_short_to_be_hidden_is_used_with_a_warning(
    text: str, warned: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("T", text)

    assert read_secret("-o x://h", "token", "T", None) is not None

    expected = "-o x://h: token_env=T: less than 4 characters can hardly be kept out of messages"
    assert caplog.messages == ([expected] if warned else [])


def test_the_smoke_test_warns_of_a_password_that_others_can_read(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ME", "alice")
    file.chmod(0o644)
    command = ["smoke", "127.0.0.1", "--from", "a@example.com", "--to", "b@example.com", "--receive", "stdin"]

    run([*command, "--receive", f"maildir:{file.parent}", "--user-env", "ME", "--password-file", str(file)])

    assert f"--password-file {file}: other users of this machine can read it: chmod 600" in capsys.readouterr().err


@pytest.mark.parametrize(
    "url",
    [
        "kafka://joe:{}@127.0.0.1/t",
        "kafka://joe:{}/x@127.0.0.1/t",
        "kafka://joe:{}?x@127.0.0.1/t",
        "kafka://joe:{}#x@127.0.0.1/t",
        "https://joe:{}@",
        "https://joe:{}@127.0.0.1:x/",
        "postgresql://joe:{}/db",
        "postgresql://joe:5{}/db",
        "splunk+https://127.0.0.1?token={}",
        "nope://joe:{}@127.0.0.1/",
    ],
)
def test_a_password_in_a_url_is_refused_and_not_shown(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sinks", "test", url.format("p4ssw0rd")]) == 2

    out, err = capsys.readouterr()
    assert "p4ss" not in out + err
    assert err.count("\n") == 1
