"""The quick answer to whether a greeting may show a version: it overlooks none that the recogniser is sure of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.identify.disclosure import disclosure
from scanner.identify.leaks import _may_show_version, greeting_disclosure, versions_in_greeting
from scanner.model import Software
from scanner.smtp import parse_banner

DATE = "Sun, 22 Nov 2026 10:16:56 +0000"
WORDS = [
    *("ESMTP", "Exim", "version", "Version:", "v", "release", "build", "ready at", "(", ")", ";", ",", "-", ".x", "/"),
    *(
        "Mar",
        "May",
        "Nov",
        "Sun,",
        "git-abc",
        "\\x094",
        "4",
        "4.96",
        "8",
        "2026",
        "10:16:56",
        "+0000",
        "v5",
        "V.",
        "_9",
    ),
    *(DATE, f"version {DATE}", f"{DATE}.5", f"{DATE} (UTC)", "Mon, 1 Jan 2024 00:00:00", "Sun, 22 Nov 2026"),
]


@given(
    st.lists(st.sampled_from(WORDS), max_size=6), st.sampled_from([" ", ""]), st.sampled_from(["mx1.example.com ", ""])
)
def test_no_version_is_overlooked(words: list[str], between: str, host: str) -> None:
    greeting = parse_banner(f"220 {host}{between.join(words)}\r\n".encode())

    assert _may_show_version(greeting) or list(versions_in_greeting(greeting, None)) == []


@pytest.mark.parametrize(
    "rest",
    [
        "ESMTP Postfix",
        "ESMTP",
        f"ESMTP ready at {DATE}",
        f"ESMTP ready at {DATE}; authorised use only",
        "Microsoft ESMTP MAIL Service ready at Sun, 2 Nov 2026 10:16:56",
    ],
)
def test_the_usual_greetings_are_not_looked_into(rest: str) -> None:
    assert not _may_show_version(parse_banner(f"220 mx1.example.com {rest}\r\n".encode()))


def test_a_version_in_the_place_of_the_host_name_is_looked_at() -> None:
    assert _may_show_version(parse_banner(b"220 v5\r\n"))
    assert not _may_show_version(parse_banner(b"220 v5.example.com\r\n"))


@pytest.mark.parametrize(
    "rest", ["ESMTP 4.96", f"ESMTP Foo v5 {DATE}", f"{DATE}.5 ESMTP", "ESMTP Foo version 5", f"ESMTP; {DATE}; rel 4.2"]
)
def test_what_may_be_a_version_is_looked_into(rest: str) -> None:
    assert _may_show_version(parse_banner(f"220 mx1.example.com {rest}\r\n".encode()))


def test_a_version_on_a_second_line_is_disclosed() -> None:
    greeting = parse_banner(b"220-mx1.example.com ESMTP\r\n220 FooMail-3.2.1\r\n")

    assert greeting_disclosure(greeting, None, None) == ("version",)


def test_each_field_of_an_identity_is_disclosed_in_its_place() -> None:
    greeting = parse_banner(b"220 h ESMTP\r\n")
    whole = Software(
        "Foo", version="1", config_version="2", patch="p3", build="4", package="5", os="Bar", confidence=0.9
    )

    assert disclosure(greeting, whole) == ("product", "version", "config_version", "patch", "build", "package", "os")
    assert disclosure(greeting, Software("Foo", os="Bar", confidence=0.9)) == ("product", "os")
    assert disclosure(greeting, Software("Foo", os="Bar", confidence=0.6)) == ()
