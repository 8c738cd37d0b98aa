"""What may name a product that no rule knows, and the words that servers say without naming any."""

import json
from pathlib import Path

import pytest

from scanner.cli.description import describe
from scanner.identify import identify
from scanner.identify.disclosure import NAMED
from scanner.identify.unconfirmed import possible_disclosures
from scanner.identify.unknown_products import possible_product_names
from scanner.model import Banner, Status
from scanner.smtp import parse_banner
from tests.support.policy_records import record_of

_DATA = Path(__file__).parents[1] / "data/greetings.jsonl"


def greeting(*lines: str, code: int = 220) -> Banner:
    whole = [f"{code}{' ' if line is lines[-1] else '-'}{line}" for line in lines]
    return parse_banner("\r\n".join([*whole, ""]).encode())


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (["mx.example.com ESMTP Zorblax"], ("Zorblax",)),
        (["mx.example.com ESMTP FooMail 3.2.1 ready"], ("FooMail",)),
        (["mx10 GreatMailer-2024.1 NT ESMTP service"], ("GreatMailer-2024.1",)),
        (["mx.example.com Exim Ltd mail service"], ("Exim", "Ltd")),
        (["mx.example.com Zorblax SMTP server ready"], ("Zorblax",)),
        (["Zorblax", "mx ESMTP"], ("Zorblax",)),
        (["mx.example.com ESMTP foomail/7"], ("foomail/7",)),
        (["mx.example.com ESMTP FooMail is what we run here and we are very glad of it"], ("FooMail",)),
        (["mx.example.com here we run a thing like FooMail since a long time ago"], ("FooMail",)),
    ],
)
def test_a_word_that_nobody_knows_may_name_a_product(lines: list[str], names: tuple[str, ...]) -> None:
    assert possible_product_names(greeting(*lines)) == names


@pytest.mark.parametrize(
    "lines",
    [
        ["mx.example.com ESMTP"],
        ["mx.example.com ESMTP ready at Sun, 22 Nov 2026 10:16:56 +0000 (GMT)"],
        [
            "mx.example.com",
            "We do not authorize the use of this system to transport unsolicited,",
            "and/or bulk e-mail.",
        ],
        ["mail ready"],
        ["mx.example.com SMTP service ready"],
        ["Welcome to mx.example.com ESMTP Server"],
        ["mx.example.com ESMTP (3.2.1)"],
        ["mx.example.com ESMTP ****"],
        ["mx.example.com ESMTP NO UCE"],
        ["mx.example.com ESMTP access from Zorblax"],
        ["mx.example.com ESMTP a1b2c3d4e5f6-abc.12"],
    ],
)
def test_words_that_servers_say_of_themselves_name_nothing(lines: list[str]) -> None:
    assert possible_product_names(greeting(*lines)) == ()


def test_a_refusal_is_a_sentence() -> None:
    assert possible_product_names(greeting("mx.example.com your address is in a crimson list", code=554)) == ()


def test_of_the_products_that_rules_know_most_would_be_seen_without_them() -> None:
    lines = [json.loads(line)["greeting"] for line in _DATA.read_text("ascii").splitlines()]
    greetings = [parse_banner(line.encode() + b"\r\n") for line in lines]
    named = [each for each in greetings if (found := identify(each)) is not None and found.confidence >= NAMED]

    assert len(named) > 50
    assert sum(bool(possible_product_names(each)) for each in named) / len(named) > 0.65


def test_what_is_perhaps_given_away_is_a_name_or_a_number() -> None:
    assert possible_disclosures(greeting("mx.example.com ESMTP Zorblax-7"), None, "192.0.2.1") == ("Zorblax-7",)
    known = greeting("mx.example.com ESMTP Postfix")
    assert possible_disclosures(known, identify(known), None) == ()


@pytest.mark.parametrize(
    ("raw", "product", "discloses"),
    [
        (b"220 mx.example.com ESMTP Zorblax\r\n", "not known here (perhaps Zorblax)", "perhaps Zorblax"),
        (b"220 mx.example.com ESMTP FooMail 3.2.1\r\n", "not known here (perhaps FooMail 3.2.1)", "version"),
        (b"220 mx.example.com (3.2.1)\r\n", "not named in the greeting", "perhaps 3.2.1"),
        (b"220 mx.example.com ESMTP\r\n", "not named in the greeting", "nothing"),
        (b"421 mx.example.com too busy\r\n", "not seen", "not seen"),
    ],
)
def test_check_says_what_it_does_not_know(raw: bytes, product: str, discloses: str) -> None:
    said = describe(record_of(raw))

    assert (said["product"], said["discloses"]) == (product, discloses)


def test_check_says_nothing_of_what_was_not_seen() -> None:
    said = describe(record_of(b"220 mx.example.com ES", status=Status.SLOW))

    assert (said["product"], said["discloses"]) == ("not seen", "not seen")
