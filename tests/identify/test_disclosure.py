"""What a greeting gives away."""

import pytest

from scanner.identify import disclosure, identify
from scanner.smtp import parse_banner

DATE = "Thu, 30 Nov 2017 10:25:48 +0100"


def disclosed(greeting: str) -> tuple[str, ...]:
    parsed = parse_banner(greeting.encode() + b"\r\n")
    return disclosure(parsed, identify(parsed))


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (
            f"220 mail1.example.com ESMTP Sendmail 8.14.7/8.13.8; {DATE}",
            ("product", "version", "config_version", "time"),
        ),
        (
            f"220 h ESMTP Sendmail 8.11.7p3/8.11.7/Debian-2+deb12u2; {DATE}",
            ("product", "version", "config_version", "patch", "package", "os", "time"),
        ),
        ("220 h (IMail 12.4.2.27 21349-1) NT-ESMTP Server X1", ("product", "version", "build", "os")),
        ("220 h ESMTP Postfix", ("product",)),
        ("220 h ESMTP", ()),
    ],
)
def test_each_part_that_the_greeting_states_is_a_word_in_a_fixed_order(greeting: str, words: tuple[str, ...]) -> None:
    assert disclosed(greeting) == words


def test_a_date_alone_discloses_the_time() -> None:
    assert disclosed(f"220 h ESMTP ready at {DATE}") == ("time",)


def test_a_product_guessed_from_wording_was_not_given_away() -> None:
    parsed = parse_banner(b"421 4.3.2 Connection rate limit exceeded.\r\n")
    software = identify(parsed)
    assert software is not None
    assert software.product == "Sendmail"
    assert disclosure(parsed, software) == ()
