"""`-p 25,465,587`: several ports in one value, or the option several times, or both."""

import re

import click
import pytest

from scanner.cli.entry import run, smtpsweep
from scanner.cli.values import Ports


def ports(command: str, *arguments: str) -> tuple[int, ...]:
    found = smtpsweep.get_command(click.Context(smtpsweep, **smtpsweep.context_settings), command)
    assert found is not None
    value: tuple[int, ...] = found.make_context(command, list(arguments)).params["ports"]
    return value


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], (25,)),
        (["-p", "587"], (587,)),
        (["-p", "25,465,587"], (25, 465, 587)),
        (["-p587,25"], (587, 25)),
        (["-p", "25, 465 ,587"], (25, 465, 587)),
        (["-p", "25,465", "--port", "587"], (25, 465, 587)),
        (["--port=1,65535"], (1, 65535)),
        (["-p", "00025"], (25,)),
    ],
)
def test_ports_are_read_in_the_order_given(arguments: list[str], expected: tuple[int, ...]) -> None:
    assert ports("sweep", *arguments) == expected
    assert ports("verify", *arguments) == (expected if arguments else ())


@pytest.mark.parametrize("command", ["sweep", "verify"])
@pytest.mark.parametrize(
    "text",
    ["", ",", "25,", ",25", "25,,587", "x", "25,x", "0", "25,0", "65536", "-1", "25-30", "25;587", "25 587", "1_0",
     "٢٥", "25.0", "0x19", "smtp", "9" * 5000],
)  # fmt: skip
def test_what_is_not_a_list_of_ports_is_one_line_and_exit_code_2(
    command: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "127.0.0.1", f"--port={text}"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(
        r"smtpsweep: Invalid value for '-p' / '--port': '.*' is not a port: write 25, or several as 25,465,587 "
        rf"\(each 1 to 65535\) \(see 'smtpsweep {command} --help'\)\n",
        err,
    )


@pytest.mark.parametrize("arguments", [["-p", "25,25"], ["-p", "25", "-p", "587,25"]])
def test_a_port_named_twice_is_refused_wherever_it_stands(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sweep", "127.0.0.1", *arguments]) == 2
    assert capsys.readouterr() == ("", "smtpsweep: --port: names a port twice\n")


def test_a_default_of_the_program_needs_no_text() -> None:
    assert Ports().convert(25, None, None) == (25,)
    assert "[default: 25]" in " ".join(smtpsweep_help("sweep").split())


def smtpsweep_help(command: str) -> str:
    found = smtpsweep.get_command(click.Context(smtpsweep, **smtpsweep.context_settings), command)
    assert found is not None
    return found.get_help(click.Context(found, info_name=command, **smtpsweep.context_settings))


def test_a_plan_has_every_port(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sweep", "127.0.0.1", "-p", "25,465,587", "--plan"]) == 0
    assert re.search(r"^ports +25, 465, 587$", capsys.readouterr().out, re.MULTILINE)
