"""The user's own configuration file: found without being named, never in the working folder, and left out on demand."""

import os
import pwd
from pathlib import Path

import pytest

from scanner.cli.config import default_file
from scanner.cli.entry import run
from tests.support.command_line import Done, smtpsweep


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's own file, which sets a rate."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    path = tmp_path / "home" / "smtpsweep" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text("rate = 7\nport = [26, 27]\n")
    return path


def plan(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, str]:
    assert run(["sweep", "127.0.0.1", "--plan", *arguments]) == 0
    out = capsys.readouterr().out.splitlines()
    return {line.split()[0]: line.partition(" ")[2].strip() for line in out}


def notice(path: Path) -> str:
    return f"options from {path} are used (--no-config ignores them)"


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["sweep", "127.0.0.1", "--plan", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.removeprefix("smtpsweep: ").rstrip("\n")


def test_it_is_read_and_said_so(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = plan(capsys)
    assert (said["rate"].split()[0], said["ports"]) == ("7", "26, 27")
    assert f"options {said['options']}" == notice(own)


def test_the_command_line_wins(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = plan(capsys, "--rate", "9")
    assert (said["rate"].split()[0], said["ports"]) == ("9", "26, 27")


def test_config_names_another_one_instead(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.toml"
    other.write_text("rate = 8\n")
    said = plan(capsys, "--config", str(other))
    assert (said["rate"].split()[0], said["ports"], "options" in said) == ("8", "25", False)


def test_no_config_reads_none_not_even_a_damaged_one(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own.write_text("]")
    said = plan(capsys, "--no-config")
    assert (said["rate"].split()[0], said["ports"], "options" in said) == ("500", "25", False)


@pytest.mark.parametrize("order", [1, -1])
def test_both_contradict_each_other(own: Path, capsys: pytest.CaptureFixture[str], order: int) -> None:
    arguments = [["--config", str(own)], ["--no-config"]][::order]
    assert refusal(capsys, *arguments[0], *arguments[1]) == (
        "--config and --no-config contradict each other: use one of them (see 'smtpsweep sweep --help')"
    )


def test_what_is_wrong_in_it_stops_the_sweep(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own.write_text('exlude = "127.0.0.1"\n')
    assert refusal(capsys) == (
        f"--config {own}: 'exlude' is not an option of 'smtpsweep sweep'; did you mean 'exclude'?"
    )
    own.write_text("no-config = true\n")
    assert "'no-config' is not an option" in refusal(capsys)


def test_one_that_every_user_may_write_is_refused(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own.chmod(0o602)
    assert refusal(capsys) == (f"{own}: every user may write to it: run chmod o-w on it, or use --no-config")
    own.chmod(0o660)  # where each user has a group of his own
    assert "options" in plan(capsys)


def test_one_of_another_user_is_refused(
    own: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = own.stat()
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    if real.st_uid == 0:  # root's may be read by all
        assert "options" in plan(capsys)
        fake = os.stat_result((real.st_mode, real.st_ino, real.st_dev, 1, 31337, *real[5:]))
        monkeypatch.setattr(Path, "stat", lambda _self, **_given: fake)
        uid = 31337
    else:
        uid = real.st_uid
    assert refusal(capsys) == (f"{own}: belongs to another user (uid {uid}): name it with --config, or use --no-config")


def test_one_that_cannot_be_looked_for_is_refused(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own.unlink()
    own.symlink_to(own)  # a loop
    assert refusal(capsys) == (
        f"{own}: cannot be read (Too many levels of symbolic links): use --no-config to run without it"
    )


def test_a_folder_in_its_place_is_refused(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own.unlink()
    own.mkdir()
    assert refusal(capsys) == f"--config {own}: cannot be read (Is a directory)"


@pytest.mark.parametrize("name", ["smtpsweep.toml", "config.toml", ".smtpsweep.toml", "smtpsweep/config.toml"])
def test_nothing_in_the_working_folder_is_looked_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("rate = 7\n")
    done: Done = smtpsweep("sweep", "127.0.0.1", "--plan", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "500 connections per second in total" in done.out
    assert "options" not in done.out


def test_an_output_does_not_replace_it(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = own.read_bytes()
    assert run(["sweep", "127.0.0.1", "-p", "1", "-o", str(own), "--overwrite"]) == 2
    assert str(own) in capsys.readouterr().err
    assert own.read_bytes() == before


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    monkeypatch.delenv("HOME")
    assert default_file({"XDG_CONFIG_HOME": "/etc/xdg"}) == Path("/etc/xdg/smtpsweep/config.toml")
    for relative in ({}, {"XDG_CONFIG_HOME": ""}, {"XDG_CONFIG_HOME": "config"}, {"XDG_CONFIG_HOME": "~/x"}):
        assert default_file(relative) == home / ".config/smtpsweep/config.toml"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_file({}) == tmp_path / ".config/smtpsweep/config.toml"


def test_other_commands_do_not_read_it(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own.write_text("]")
    assert run(["schema"]) == 0
    assert capsys.readouterr().err == ""
