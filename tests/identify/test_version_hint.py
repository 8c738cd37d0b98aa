"""The quick question whether a greeting can show a version overlooks nothing that the recogniser is sure of."""

from collections.abc import Callable
from itertools import product

import pytest

from scanner.identify.leaks import greeting_disclosure
from scanner.identify.rules import shipped_rules
from scanner.identify.version_search import find_versions, may_show_version
from scanner.identify.word_lists import COPULAS, VERSION, product_names, product_phrases
from scanner.smtp import parse_banner
from tests.support.version_texts import SURE

_SEPARATORS = (" ", "  ", ": ", ":", "=", "/", "-", "_", "[", " (", "", "\\x09", ". ")
_CASES: tuple[Callable[[str], str], ...] = (str.lower, str.upper, str.title, str.strip)
_PRODUCTS = sorted({rule.fixed.get("product", "") for rule in shipped_rules()} | product_names())
_PHRASES = sorted(map(" ".join, product_phrases()))


def overlooked(texts: list[str]) -> list[str]:
    return [text for text in texts if any(s.is_sure for s in find_versions(text)) and not may_show_version(text)]


def test_after_every_word_for_a_version_in_any_case_and_behind_any_sign() -> None:
    texts = [
        f"FooBus{before}{case(word)}{behind}{number}"
        for word, case, before, behind, number in product(
            sorted(VERSION), _CASES, (" ", ",", "/", "(", "\\x09"), _SEPARATORS, ("5", "20231130")
        )
    ]

    assert sum(any(s.is_sure for s in find_versions(text)) for text in texts[::7]) > 200
    assert overlooked(texts) == []


def test_after_a_word_for_a_version_and_one_that_stands_between() -> None:
    assert overlooked([f"Release {word} 5" for word in sorted(COPULAS)]) == []
    assert may_show_version("the version number is 5")


def test_after_every_name_of_a_product_in_any_case_also_at_its_second_place() -> None:
    texts = [
        f"ESMTP {first}{case(name)}{behind}"
        for name, case, first, behind in product(
            [*_PRODUCTS, *_PHRASES], _CASES, ("", "Exim ready, "), (" 4", "/4", " (4)", "20231130")
        )
    ]

    assert overlooked(texts) == []


@pytest.mark.parametrize("text", SURE)
def test_nothing_of_the_table_is_overlooked(text: str) -> None:
    assert may_show_version(text)


def test_a_number_behind_any_other_word_needs_no_second_look() -> None:
    assert not may_show_version("ESMTP FooMail ready at Sun, 22 Nov 2026 10:16:56 +0000")
    assert not may_show_version("ESMTP exim 4", start=12)


@pytest.mark.parametrize("text", ["exim 4", "EXIM 4 ready", "Exim ready, Exim 4", "FooMail wersja 5", "FooMail SP 3"])
def test_a_record_discloses_what_a_policy_fails(text: str) -> None:
    greeting = parse_banner(f"220 mail.example.com ESMTP {text}\r\n".encode())

    assert "version" in greeting_disclosure(greeting, None, None)


def test_the_id_of_microsofts_servers_is_looked_for_in_a_bounded_part_of_the_text() -> None:
    near, far = ("with mapi " + "x " * count + "id 15.1.2507.39" for count in (100, 200))

    assert [each.version for each in find_versions(near)] == ["15.1.2507.39"]
    assert find_versions(far) == ()
