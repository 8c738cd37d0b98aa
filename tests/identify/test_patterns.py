"""Patterns of rules: their fragments, and the bounds on their work."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.identify.patterns import MAX_REPEATS, compile_pattern, required_text


def test_fragments_stand_for_their_text_and_a_file_may_have_its_own() -> None:
    pattern = compile_pattern("%{HOST}ESMTP %{NICK} (?P<version>%{VERSION})", {"NICK": "Foo|Bar", "VERSION": "[0-9]"})
    assert pattern.match("h ESMTP Foo")
    assert compile_pattern("%{HOST}ESMTP (?P<version>%{VERSION})%{END}", {}).match("ESMTP 1.2.3")


def test_the_end_of_a_line_is_an_end() -> None:
    assert compile_pattern("a$", {}).match("a\nb")


@pytest.mark.parametrize(
    "text",
    [
        r"a{0,80}b?[^*+]{1,255}\*\+(?:x|y)?",
        r"[]*+]{1,3}[^]*+]{1,3}[\]*]x",
        r"(?:ab{1,3})?c(?P<version>x{3})(?:d{1,2}){1}",
        r"(?:a{1,3})(?=b{1,3})(?!c{1,3})(?<=d)(?<!e){0,1}x{1,2}?",
    ],
)
def test_bounded_patterns_are_accepted(text: str) -> None:
    assert compile_pattern(text, {}).pattern == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a*b", r"the repetition \* has no upper bound"),
        ("a+", r"the repetition \+ has no upper bound"),
        ("a{2,}", r"\{2,\} has no upper bound"),
        ("a{1,256}", r"\{1,256\} has no upper bound up to 255"),
        ("a{1,3}+b", r"the repetition \+ has no upper bound"),
        ("[*]+", r"the repetition \+ has no upper bound"),
        (r"\\+", r"the repetition \+ has no upper bound"),
        ("(?:a{1,3}b){1,3}", r"\{1,3\} holds another repetition"),
        ("(?:x(?:a{1,3})b){2}", r"\{2\} holds another repetition"),
        ("(?P<version>(?:a|b{2}){1,4})", r"\{1,4\} holds another repetition"),
        ("(?:x(?=a{1,3}b)){1,3}", "holds another repetition"),
        ("a{1,2}" * (MAX_REPEATS + 1), "61 repetitions"),
        ("(a)b", "a group without a name"),
        ("(?:a", "is not a regular expression"),
        ("%{NOBODY}x", r"unknown fragment %\{NOBODY\}"),
        ("a{0,3}", "matches every greeting"),
    ],
)
def test_a_pattern_whose_work_has_no_bound_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        compile_pattern(text, {})


@pytest.mark.parametrize(
    ("text", "required"),
    [
        ("^ESMTP Foo$", "esmtp foo"),
        (r"^(\S+) Foo\.Bar (\d+)", " foo.bar "),
        ("Foo?bar", "bar"),
        ("Fooo*x", "foo"),
        ("Foo{0,3}x", "fo"),
        ("Foo|Bar", ""),
        ("(?:Foo|Bar) x", " x"),
        ("[Ff]oo.bar", "bar"),
        (r"\d\w\sab", "ab"),
        ("(?i)Foo", "foo"),
        ("", ""),
        (".*", ""),
    ],
)
def test_the_longest_text_that_a_match_must_hold_is_found(text: str, required: str) -> None:
    assert required_text(text) == required


@given(st.from_regex(r"(?:[ab.]|\(a\)|\[ab\]|a\?|b\*|\\\.){0,12}", fullmatch=True), st.data())
def test_whatever_matches_holds_the_required_text(text: str, data: st.DataObject) -> None:
    matching = data.draw(st.from_regex(text, alphabet="ab.", fullmatch=True))

    assert required_text(text) in matching
