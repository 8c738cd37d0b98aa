"""What the help says: options in groups, each once, and the nearest name for one that is misspelt."""

import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from scanner.cli.commands import Command, group, option_groups, options
from scanner.cli.entry import run, smtpsweep

GROUPED = ("sweep", "verify", "check", "smoke", "logs")


def context(*path: str) -> click.Context:
    ctx = click.Context(smtpsweep, info_name="smtpsweep", **smtpsweep.context_settings)
    for name in path:
        assert isinstance(ctx.command, click.Group)
        command = ctx.command.get_command(ctx, name)
        assert command is not None
        ctx = click.Context(command, info_name=name, parent=ctx)
    return ctx


def paths() -> Iterator[tuple[str, ...]]:
    for name in smtpsweep.list_commands(context()):
        yield (name,)
        command = context(name).command
        if isinstance(command, click.Group):
            yield from ((name, below) for below in command.commands)


def headings(text: str) -> list[str]:
    return re.findall(r"(?m)^(\w[\w ]*):$", text)


def test_the_options_of_a_sweep_stand_in_groups() -> None:
    assert headings(context("sweep").get_help()) == [
        "Targets",
        "Pace",
        "Connection",
        "Dialogue",
        "Interruption",
        "Identification",
        "Output",
        "Remote sinks",
        "Messages and metrics",
        "General",
    ]


@pytest.mark.parametrize("name", GROUPED)
def test_no_group_is_too_long_to_be_looked_through(name: str) -> None:
    groups = option_groups(context(name))
    assert len(groups) >= 4
    assert max(map(len, groups.values())) <= 9
    assert list(groups)[-1] == "General"


@pytest.mark.parametrize("path", list(paths()), ids=" ".join)
def test_the_help_shows_every_option_once(path: tuple[str, ...]) -> None:
    ctx = context(*path)
    options_shown = re.split(r"(?m)^\w[\w ]*:$", ctx.get_help(), maxsplit=1)[1]
    shown = re.findall(r"(?m)^  (?:-\w, )?(--[\w-]+)", options_shown)
    known = [option.opts[-1] for option in ctx.command.get_params(ctx) if isinstance(option, click.Option)]
    assert sorted(shown) == sorted(known)


def test_options_without_a_group_come_last_and_alone_have_the_usual_heading() -> None:
    def command(*decorators: object) -> click.Command:
        return click.command(cls=Command)(options(*decorators)(lambda: None))  # type: ignore[arg-type]

    one, two, three = (click.option(f"--{name}") for name in ("one", "two", "three"))
    mixed = command(one, group("Later", group("Inner", two), three))
    plain = command(one)

    assert headings(CliRunner().invoke(mixed, ["--help"]).output) == ["Inner", "Later", "General"]
    assert headings(CliRunner().invoke(plain, ["--help"]).output) == ["Options"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["swep"], "No such command 'swep'; did you mean 'sweep'? (see 'smtpsweep --help')"),
        (["Sweep"], "No such command 'Sweep'; did you mean 'sweep'? (see 'smtpsweep --help')"),
        (["vuln"], "No such command 'vuln'; did you mean 'vulns'? (see 'smtpsweep --help')"),
        (["xyzzy"], "No such command 'xyzzy'. (see 'smtpsweep --help')"),
        (["a\x1b[31m"], r"No such command 'a\x1b[31m'. (see 'smtpsweep --help')"),
        (["x" * 100_000], f"No such command '{'x' * 100_000}'. (see 'smtpsweep --help')"),
        (["policy", "chek"], "No such command 'chek'; did you mean 'check'? (see 'smtpsweep policy --help')"),
        (["sinks", "tset"], "No such command 'tset'; did you mean 'test'? (see 'smtpsweep sinks --help')"),
        (["--versoin"], "No such option '--versoin'; did you mean '--version'? (see 'smtpsweep --help')"),
        (["sweep", "--rte", "5"], "No such option '--rte'; did you mean '--rate'? (see 'smtpsweep sweep --help')"),
        (
            ["sweep", "--exlude=x"],
            "No such option '--exlude'; did you mean '--exclude'? (see 'smtpsweep sweep --help')",
        ),
        (["sweep", "--Rate"], "No such option '--Rate'; did you mean '--rate'? (see 'smtpsweep sweep --help')"),
        (["sweep", "-Z"], "No such option '-Z'. (see 'smtpsweep sweep --help')"),
        (
            ["verify", "--no-second-raeder"],
            "No such option '--no-second-raeder'; did you mean '--no-second-reader'? (see 'smtpsweep verify --help')",
        ),
        (["lab", "--prot", "1"], "No such option '--prot'; did you mean '--port'? (see 'smtpsweep lab --help')"),
        (
            ["policy", "check", "--junt"],
            "No such option '--junt'; did you mean '--junit'? (see 'smtpsweep policy check --help')",
        ),
        (["vulns", "--jsno"], "No such option '--jsno'; did you mean '--json'? (see 'smtpsweep vulns --help')"),
        (
            ["completion", "bsh"],
            "Invalid value for 'SHELL': 'bsh' is not one of 'bash', 'zsh', 'fish'. (see 'smtpsweep completion --help')",
        ),
    ],
)
def test_a_name_that_is_not_known_is_one_line_with_the_nearest(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert capsys.readouterr() == ("", f"smtpsweep: {sentence}\n")
