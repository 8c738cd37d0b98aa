"""The work on one greeting has a bound, whatever it says: few rules are tried, at few lines, each text read one way."""

import re
from functools import cache
from itertools import product

import pytest

from scanner.identify import Fingerprints
from scanner.identify.index import MOST_RULES, MOST_TRIES
from scanner.identify.patterns import FRAGMENTS
from scanner.identify.rule_files import load_rules
from scanner.smtp import parse_banner

#: One step of what may stand before a name, without its bound.
STEP = FRAGMENTS["AFTER"].partition("[!-~]{1,255}) {1,3}")[2].removesuffix("{0,8}")


def rule(name: str, specificity: int) -> str:
    return f"""
        [[rule]]
        id = "own.{name}"
        words = ["foo"]
        pattern = "h Foo {name}$"
        specificity = {specificity}
        confidence = 0.9
        software = {{ product = "{name}" }}
        examples = [{{ greeting = "220 h Foo {name}" }}]
    """


def named(rules: Fingerprints, text: str) -> str | None:
    software = rules.identify(parse_banner(text.encode()))
    return None if software is None else software.product


def test_the_most_specific_rules_are_tried_and_no_more() -> None:
    first = "".join(rule(f"r{number}", 90) for number in range(MOST_RULES - 1))
    last = Fingerprints(load_rules(first + rule("last", 50), "own.toml"))
    beyond = Fingerprints(load_rules(first + rule("r40", 90) + rule("beyond", 50), "own.toml"))

    assert named(last, "220 h Foo last\r\n") == "last"
    assert named(beyond, "220 h Foo r40\r\n") == "r40"
    assert named(beyond, "220 h Foo beyond\r\n") is None


@pytest.mark.parametrize("count", [4, 8])
def test_the_more_rules_there_are_the_fewer_lines_are_looked_at(count: int) -> None:
    rules = Fingerprints(load_rules("".join(rule(f"r{number}", 50) for number in range(count)), "own.toml"))
    before = MOST_TRIES // count - 2

    assert named(rules, "220-a\r\n" * before + "220-h Foo r1\r\n220-a\r\n220 a\r\n") == "r1"
    assert named(rules, "220-a\r\n" * (before + 1) + "220-h Foo r1\r\n220 a\r\n") is None
    assert named(rules, "220-a\r\n" * (before + 1) + "220 h Foo r1\r\n") == "r1"


def readings(text: str) -> int:
    """Count the ways to read a text as steps, each of which sees what follows it."""
    ends = [
        (start, end)
        for start in range(len(text))
        for end in range(start + 1, len(text) + 1)
        if re.compile(f"{STEP}(?=.{{{len(text) - end}}}$)").match(text, start)
    ]

    @cache
    def ways(place: int) -> int:
        return 1 if place == len(text) else sum(ways(end) for start, end in ends if start == place)

    return ways(0)


def test_what_stands_before_a_name_can_be_read_in_one_way() -> None:
    texts = {
        "".join(parts)
        for size in (1, 2, 3, 4)
        for parts in product(("-", "--", "(", ":", "to", "ESMTP", " "), repeat=size)
    }

    assert {text for text in texts if readings(text) > 1} == set()
    assert readings("- ESMTP (to ") == 1
