"""Claims about `scanner.files.toml`, and that what it refuses is one line of whoever reads TOML."""

import tomllib
from pathlib import Path

import pytest

from scanner.errors import RuleError
from scanner.files import toml as safe_toml
from scanner.identify.rule_files import load_rules
from scanner.identify.signatures import read_signatures
from tests.support.command_line import smtpsweep

HOSTILE = {
    "a key of many parts": ("rate" + ".a" * 100_000 + " = 1", "a key has more than 64 parts"),
    "a quoted key of many parts": ("rate" + ' . "a"' * 64 + " = 1", "a key has more than 64 parts"),
    "many brackets": ("rate = " + "[" * 100_000 + "]" * 100_000, "nested too deeply"),
    "many tables": ("rate = " + "{a=" * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
    "many digits": ("rate = " + "1" * 10_000, "an integer has too many digits"),
    "many hexadecimal digits": ("rate = 0x" + "f" * 10_000, "an integer has more than 64 bits"),
    "an integer inside": ("[[rules]]\na = [{b = 9223372036854775808}]", "an integer has more than 64 bits"),
    "an integer below": ("a = -9223372036854775809", "an integer has more than 64 bits"),
    "no TOML": ("rate = ", "Invalid value (at end of document)"),
}


@pytest.mark.parametrize(("text", "why"), HOSTILE.values(), ids=HOSTILE.keys())
def test_whatever_is_wrong_is_one_kind_of_error(text: str, why: str) -> None:
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        safe_toml.loads(text)

    assert str(caught.value) == why


def test_what_people_write_is_read() -> None:
    text = """
        targets = ["192.0.2.1-192.0.2.9", "a.b.c.d.example.com"]
        a.b.c = [9223372036854775807, -9223372036854775808, true, 1.5, 2026-11-30]
    """

    assert safe_toml.loads(text) == tomllib.loads(text)


@pytest.mark.parametrize("name", ["many brackets", "many digits", "a key of many parts"])
@pytest.mark.parametrize(
    "line",
    [["sweep", "127.0.0.1", "--plan", "--config", "x.toml"], ["policy", "check", "none.jsonl", "--policy", "x.toml"]],
    ids=["configuration", "policy"],
)
def test_a_file_that_is_made_to_exhaust_is_one_line_and_exit_code_2(tmp_path: Path, line: list[str], name: str) -> None:
    text, why = HOSTILE[name]
    (tmp_path / "x.toml").write_text(text)

    done = smtpsweep(*line, cwd=tmp_path)

    option = "--config " if "--config" in line else ""
    assert done == (2, "", f"smtpsweep: {option}x.toml: not valid TOML: {why}\n")


def test_rules_and_signatures_are_read_through_it() -> None:
    text, why = HOSTILE["many brackets"]

    with pytest.raises(RuleError, match=why):
        load_rules(text, "x")
    with pytest.raises(RuleError, match=why):
        read_signatures(text, "x")
