"""Shell completion: the scripts are read by the real shells, and the program answers what may come next."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.cli.commands import COMPLETE
from scanner.cli.completion import SHELLS, script
from scanner.cli.entry import run
from tests.support.command_line import ROOT
from tests.support.requirements import require_or_skip

#: How a shell reads a file and runs nothing, and how it reads it and shows that the completion is there.
CHECKS = {"bash": ["bash", "-n"], "zsh": ["zsh", "-f", "-n"], "fish": ["fish", "--no-config", "--no-execute"]}
LOADED = {
    "bash": ["bash", "--norc", "-c", 'source "$1" && complete -p smtpsweep', "-"],
    "zsh": ["zsh", "-f", "-c", 'autoload -U compinit && compinit -D && source "$1" && print $_comps[smtpsweep]', "-"],
    "fish": ["fish", "--no-config", "-c", "source $argv[1]; complete --command smtpsweep"],
}
SHOWN = {
    "bash": "complete -o nosort -F _smtpsweep_completion smtpsweep\n",
    "zsh": "_smtpsweep_completion\n",
    "fish": "complete --no-files smtpsweep -a '(_smtpsweep_completion)'\n",
}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return a folder with `smtpsweep` for PATH, which is this source tree's."""
    path = tmp_path / "bin" / "smtpsweep"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m scanner "$@"\n')
    path.chmod(0o755)
    return path.parent


def completed(program: Path, *words: str, of: str = "bash") -> list[str]:
    """Return the lines that the program answers when Tab is pressed after the last of the words."""
    current = str(len(words) - 1) if of != "fish" else words[-1]
    done = subprocess.run(
        [program / "smtpsweep"],
        env={**os.environ, COMPLETE: f"{of}_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": current},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_the_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == (script(shell), "")
    assert COMPLETE in out
    assert f"{shell}_complete" in out


@pytest.mark.tools
@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_reads_its_script_and_has_the_completion_then(shell: str, tmp_path: Path) -> None:
    require_or_skip(shutil.which(shell) is not None, f"needs the shell {shell}")
    path = tmp_path / "script"
    path.write_text(script(shell))

    checked = subprocess.run([*CHECKS[shell], path], capture_output=True, text=True, check=False, cwd=tmp_path)
    loaded = subprocess.run(
        [*LOADED[shell], path],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(tmp_path)},
    )

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    assert (loaded.returncode, loaded.stdout, loaded.stderr) == (0, SHOWN[shell], "")


def test_bash_completes_a_command_and_its_options(program: Path, tmp_path: Path) -> None:
    require_or_skip(shutil.which("bash") is not None, "needs the shell bash")
    path = tmp_path / "script"
    path.write_text(script("bash"))
    ask = (
        'source "$1"; COMP_WORDS=(smtpsweep "${@:2}"); COMP_CWORD=$(($# - 1)); '
        '_smtpsweep_completion smtpsweep; printf "%s\\n" "${COMPREPLY[@]}"'
    )

    def asked(*words: str) -> str:
        done = subprocess.run(
            ["bash", "--norc", "-c", ask, "-", path, *words],
            env={**os.environ, "PATH": f"{program}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    assert asked("sw") == "sweep\n"
    assert asked("sweep", "--refusal-action", "s") == "slow\nstop\n"
    assert asked("policy", "ch") == "check\n"


def test_every_command_is_offered(program: Path) -> None:
    offered = completed(program, "smtpsweep", "")
    assert {"plain,sweep", "plain,completion", "plain,vulns"} <= set(offered)
    assert completed(program, "smtpsweep", "s") == ["plain,sweep", "plain,smoke", "plain,sinks", "plain,schema"]
    assert completed(program, "smtpsweep", "--vers") == ["plain,--version"]


def test_options_values_and_files_are_offered(program: Path) -> None:
    assert completed(program, "smtpsweep", "sweep", "--no") == ["plain,--no-config"]
    assert completed(program, "smtpsweep", "sweep", "--probe", "d") == ["plain,dialogue"]
    assert completed(program, "smtpsweep", "sweep", "--state", "x") == ["file,x"]
    assert completed(program, "smtpsweep", "sweep", "-o", "x") == ["file,x"]
    assert completed(program, "smtpsweep", "diff", "x") == ["file,x"]
    assert completed(program, "smtpsweep", "completion", "z") == ["plain,zsh"]


def test_zsh_and_fish_get_the_help_as_well(program: Path) -> None:
    text = "Print the JSON Schema of a record, a summary or a change."
    assert completed(program, "smtpsweep", "sch", of="zsh") == ["plain", "schema", text]
    assert completed(program, "smtpsweep", "sch", of="fish") == [f"plain,schema\t{text}"]


def test_a_configuration_on_the_line_is_not_read_at_tab(program: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.toml"
    damaged.write_text("]")
    words = ("smtpsweep", "sweep", "--config", str(damaged), "--rat")
    assert completed(program, *words) == ["plain,--rate"]


@pytest.mark.parametrize(
    "request_", ["x", "bash", "bash_", "bash_source", "powershell_complete", "bash_complete", "zsh_complete_"]
)
def test_a_variable_that_is_not_a_request_is_one_line(program: Path, request_: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COMP_")}
    done = subprocess.run(
        [program / "smtpsweep", "schema"], env={**environment, COMPLETE: request_}, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"smtpsweep: _SMTPSWEEP_COMPLETE is set, but not by a completion script: unset it\n"


@pytest.mark.parametrize("current", ["", "x", "99999999999999999999"])
def test_a_request_with_a_number_that_is_none_offers_nothing(program: Path, current: str) -> None:
    done = subprocess.run(
        [program / "smtpsweep"],
        env={**os.environ, COMPLETE: "bash_complete", "COMP_WORDS": "smtpsweep sw", "COMP_CWORD": current},
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    assert done.returncode in (0, 2)
