"""`identify` takes the short way for every host of a sweep: it says what the long way would, and remembers little."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.identify import Fingerprints
from scanner.identify.disclaimers import DATE_STARTS, MAY_DISCLAIM, is_disclaimed
from scanner.identify.rule_files import load_rules, read_rules
from scanner.smtp import parse_banner

SHIPPED = Fingerprints.shipped()
RULES = read_rules()
EXAMPLES = [example.greeting for rule in RULES for example in rule.examples]
COUNTEREXAMPLES = [text for rule in RULES for text in rule.counterexamples]
#: What may follow a name: nothing, a date, a remark, a company's form, a further line that names another product.
ENDINGS = [
    "",
    " ",
    " is better",
    " Ltd",
    " Sun, 22 Nov 2026 10:16:56 +0000",
    " Sun, Inc",
    " Sun, 2 Ltd",
    "% uptime",
    " 4.20 honeypot",
    " (0123456789abcdef0123456789ABCDEF)",
    "\r\n220 mail.example.com ESMTP Exim 4.96",
]


def both_ways_agree(text: str) -> bool:
    greeting = parse_banner(text.encode() + b"\r\n")
    return SHIPPED.identify(greeting) == next(iter(SHIPPED.matches(greeting)), None)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_short_way_and_the_long_one_name_the_same(ending: str) -> None:
    texts = chain(EXAMPLES[::3], COUNTEREXAMPLES[::5]) if ending else chain(EXAMPLES, COUNTEREXAMPLES)

    assert [text for text in texts if not both_ways_agree(text + ending)] == []


@given(st.lists(st.sampled_from(EXAMPLES), min_size=1, max_size=3), st.sampled_from(ENDINGS), st.booleans())
def test_both_ways_agree_on_greetings_of_several_products(parts: list[str], ending: str, lines: bool) -> None:
    assert both_ways_agree(("\r\n" if lines else " ").join(parts) + ending)


@given(st.characters(min_codepoint=0x20, max_codepoint=0x7E), st.text(st.characters(max_codepoint=0x7E), max_size=12))
def test_nothing_is_taken_back_by_what_begins_in_another_way(first: str, rest: str) -> None:
    assert first in MAY_DISCLAIM or not is_disclaimed(f"Foo{first}{rest}", 3)


@given(
    st.sampled_from(sorted(DATE_STARTS)), st.sampled_from(["", "2 Nov", " Ltd", "Ltd", " is better", "-Inc", "4 GmbH"])
)
def test_a_date_takes_nothing_back(date: str, rest: str) -> None:
    assert not is_disclaimed(f"Foo{date}{rest}", 3)


def test_what_looks_like_a_date_and_is_a_company_takes_the_name_back() -> None:
    assert is_disclaimed("Foo Sun, Inc", 3)
    assert is_disclaimed("Foo Sun Microsystems Inc", 3)
    assert not is_disclaimed("Foo Sun Nov 22 10:16:56 2026", 3)


def test_a_remark_takes_a_name_back_from_a_later_rule_too_but_not_from_one_elsewhere() -> None:
    rules = Fingerprints(
        load_rules(
            "".join(
                f"""
                [[rule]]
                id = "own.{name}"
                words = ["foo"]
                pattern = "{pattern}"
                confidence = 0.9
                software = {{ product = "Foo" }}
                examples = [{{ greeting = "220 h Foo" }}]
                """
                for name, pattern in (("word", "h Foo"), ("part", "h F"))
            ),
            "own.toml",
        )
    )

    assert rules.identify(parse_banner(b"220 h Foo is better\r\n")) is None
    found = rules.identify(parse_banner(b"220-h Foo is better\r\n220 h Foo\r\n"))
    assert found is not None
    assert found.evidence == "own.word"


def test_what_rules_say_that_capture_nothing_is_made_once() -> None:
    rules = Fingerprints.shipped()
    one, other = (rules.identify(parse_banner(f"220 {host} ESMTP Postfix\r\n".encode())) for host in ("a", "b"))

    assert one is not None
    assert one is other
    assert repr(rules).endswith(" 0 cached>")
