"""What is a version in a text that a server said: one table, for greetings, replies, certificates and header lines."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.identify import identify
from scanner.identify.rule_files import FOLDER, load_rules
from scanner.identify.rules import Example
from scanner.identify.version_search import (
    FoundVersion,
    find_versions,
    is_host_name,
    may_show_version,
    versions_of_software,
)
from scanner.model import Software
from scanner.smtp import escape, parse_banner
from tests.support.version_texts import NONE, OPEN, SURE

_RULES = [
    example
    for file in sorted((FOLDER / "rules").glob("*.toml"))
    for rule in load_rules(file.read_text("ascii"), file.name)
    for example in rule.examples
    if any(map(str.isdigit, example.expected.get("version", "")))
]


def verdict(text: str, code: int | None = None) -> bool | None:
    """Return True for a version, False for what may be one, None for none."""
    said = find_versions(text, code=code)
    return any(each.is_sure for each in said) if said else None


@pytest.mark.parametrize("text", SURE)
def test_a_version_is_seen_in_any_form(text: str) -> None:
    assert verdict(text) is True


@pytest.mark.parametrize("text", OPEN)
def test_what_may_be_a_version_is_said_to_be_open(text: str) -> None:
    assert verdict(text) is False


@pytest.mark.parametrize("text", NONE)
def test_what_is_something_else_is_no_version(text: str) -> None:
    assert verdict(text) is None


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        ("ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT", ["8.14.7", "8.13.8"]),
        ("8.9.3 (PHNE_28810+JAGae91741)/8.9.3", ["8.9.3", "PHNE_28810+JAGae91741", "8.9.3"]),
        ("exim-4.94 and (FooMail_3.2.1-rc1)", ["4.94", "3.2.1-rc1"]),
        ("InterMail vM.8.01.05.02 201", ["8.01.05.02"]),
        ("FooMail v5.", ["v5"]),
        ("Exim 4.94. Ready.", ["4.94"]),
        ("FooMail 1." + "2." * 100 + "3", ["1" + ".2" * 29 + "."]),
    ],
)
def test_versions_come_as_they_are_written_in_their_order(text: str, versions: list[str]) -> None:
    said = find_versions(text)

    assert [each.version for each in said] == versions
    assert all(text[each.start :].startswith(each.version) for each in said)


@pytest.mark.parametrize(
    ("text", "code", "wanted"),
    [
        ("5.7.1 not here", 550, None),
        ("2.0.0 Commands: HELO EHLO", 214, None),
        ("2.0.0 mx.example.com ESMTP FooMail 3.6.25", 220, True),
        ("4.94.2 ready", 220, False),  # a status code of another class than the reply's is none
        ("4.94.2 ready", None, False),
        ("not here (5.7.1)", 550, None),
        ("not here (5.7.1)", 220, True),
        ("no FooMail 5.7.1", 550, True),
        ("5.7.1.2 FooMail", 550, False),
    ],
)
def test_an_enhanced_status_code_is_known_by_its_reply(text: str, code: int | None, wanted: bool | None) -> None:
    assert verdict(text, code) is wanted


def test_the_names_and_addresses_of_the_host_are_no_versions_and_a_version_is_no_name() -> None:
    assert find_versions("mail.example.com 8.17.1.9 ready", hosts=["8.17.1.9"]) == ()
    assert find_versions("2001:db8::12 ready", hosts=["2001:db8::12"]) == ()
    assert find_versions("MX.4.Example.com ready", hosts=["mx.4.example.com"]) == ()
    # The parser takes a first word for the host name; one that is a version stays one.
    assert find_versions("exim-4.94 ESMTP", hosts=["exim-4.94", ""]) == (FoundVersion("4.94", 5, is_sure=True),)


def test_what_is_known_to_be_the_version_is_one_in_any_words() -> None:
    said = find_versions("at v10.30 and V2-17, level 10.30.5", known=["10.30", "v2-17", "640"])

    assert said == (
        FoundVersion("10.30", 4, is_sure=True),
        FoundVersion("V2-17", 14, is_sure=True),
        FoundVersion("10.30.5", 27, is_sure=True),
    )


def test_all_that_tells_how_old_it_is_is_known() -> None:
    software = Software(
        "Sendmail", version="8.9.3", config_version="8.7.1", patch="PHNE_1", build=None, package="Debian"
    )

    assert versions_of_software((software, None)) == {"8.9.3", "8.7.1", "PHNE_1"}


@pytest.mark.parametrize(
    ("word", "is_name"),
    [
        ("mx1.4.example.com", True),
        ("10.2.3.4.in-addr.arpa.", True),
        ("mx.4.xn--p1ai", True),
        ("exim-4.96.example", True),
        ("4.96.example", False),
        ("FooMail-3.2.1.beta", False),
        ("8.12.0.Beta7", False),
        ("mx", False),
        ("192.0.2.1", False),
    ],
)
def test_a_host_name_has_letters_at_its_end_and_in_another_label(word: str, is_name: bool) -> None:
    assert is_host_name(word) is is_name


@pytest.mark.parametrize("example", _RULES, ids=lambda example: example.greeting[:60])
def test_the_version_of_every_greeting_that_a_rule_is_tried_with_is_seen(example: Example) -> None:
    """Without the rule where the version has a dot; with what the rule says where its form is the product's own."""
    version = example.expected["version"]
    greeting = parse_banner(example.greeting.encode() + b"\r\n")
    hosts = [greeting.hostname or ""]
    known = () if "." in version else versions_of_software((identify(greeting),))

    said = [find_versions(line, code=greeting.code, hosts=hosts, known=known) for line in greeting.lines]

    assert any(version in each.version or each.version in version for each in chain.from_iterable(said))


def test_of_the_versions_that_rules_know_nearly_all_are_sure() -> None:
    dotted = [example for example in _RULES if "." in example.expected["version"]]
    sure = sum(
        any(
            each.is_sure
            and (each.version in example.expected["version"] or example.expected["version"] in each.version)
            for line in parse_banner(example.greeting.encode() + b"\r\n").lines
            for each in find_versions(line)
        )
        for example in dotted
    )

    assert sure / len(dotted) > 0.97


@pytest.mark.parametrize("text", [*SURE, "ESMTP Exim 4.96"])
def test_the_quick_question_overlooks_only_a_whole_number_after_a_name(text: str) -> None:
    assert may_show_version(f"220 {text}", 3) or text in {"Postfix 20010228", "Exim 4"}


def test_the_quick_question_passes_what_most_servers_say() -> None:
    for text in ("mx1.example.com ESMTP Postfix", "mx1 ESMTP ready at Sun, 22 Nov 2026 10:16:56 +0000"):
        assert not may_show_version(text)


_PIECES = (
    *("1.1", "1.", "a.", "a1.", "v1", "version ", "1.1 ", "aa-aa ", "1_", "::", "1:", "@", "a@", "://", "https://"),
    *("www.", "(", "8.1 (", "8.1/", "+1", "RFC 1 1.1", "x-1.", "1.x", "#1.1.1", "\\x20", "\\\\", "=", "1.1=", "A"),
    *("1", "1-", "-1.1", "a-1-", "v.", "PHNE_1", "1.1a", "1.1 a ", "192.0.2.1 ", "a b ", "Exim 1 ", "1.1@", "1.1:"),
    *("xn--a.", "_", "a_", "-", "a-.", "T1:", "10:10:", "RFC", "+1 ", "1.1 ("),
)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", _PIECES)
def test_no_text_takes_long(piece: str) -> None:
    """The work grows with the length alone: each of these would take a pattern that goes back hours."""
    text = (piece * 60_000)[:60_000]

    for each in find_versions(text, code=250, hosts=["mx.example.com"], known=["8.14.7"]):
        assert len(each.version) <= 60


@given(st.binary(max_size=300), st.sampled_from([None, 220, 550]))
def test_any_text_is_valid_input_and_a_version_is_a_piece_of_it(raw: bytes, code: int | None) -> None:
    text = escape(raw)

    for each in find_versions(text, code=code):
        assert text[each.start : each.start + len(each.version)] == each.version
        assert any(map(str.isdigit, each.version))
