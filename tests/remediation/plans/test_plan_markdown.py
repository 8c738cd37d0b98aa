"""Nothing that a server says has a meaning in the Markdown; an independent parser is the witness."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from scanner.remediation.plans.markdown import (
    SPAN_LENGTH,
    anchor,
    bullets,
    code,
    fenced,
    neutral,
    row,
    table,
    transcript,
)
from tests.support.hostile_texts import HOSTILE

_ALLOWED = {"code_inline", "text", "softbreak"}


def parse(text: str) -> list[Token]:
    return MarkdownIt("gfm-like", {"html": True, "linkify": False}).enable("table").parse(text)


def inline(tokens: list[Token]) -> list[Token]:
    return [child for token in tokens for child in token.children or ()]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_span_is_one_code_span_in_a_line(text: str) -> None:
    tokens = inline(parse(f"seen: {code(text)} end\n"))

    assert [token.type for token in tokens] == ["text", "code_inline", "text"]
    assert [tokens[0].content, tokens[2].content] == ["seen: ", " end"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_table_keeps_its_cells(text: str) -> None:
    tokens = parse(table(("a", "b", "c"), [("x", code(text), "y")]))

    cells = [tokens[place + 1] for place, token in enumerate(tokens) if token.type == "td_open"]
    assert [cells[0].content, cells[2].content] == ["x", "y"]
    assert [child.type for child in cells[1].children or ()] == ["code_inline"]
    assert len(cells) == 3


@pytest.mark.parametrize("text", HOSTILE)
def test_a_transcript_is_one_fenced_block_and_nothing_else(text: str) -> None:
    tokens = parse(transcript([text, "250 end"]) + "\nafter\n")

    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].content == f"S: {neutral(text)}\nS: 250 end\n"
    assert tokens[0].info == "text"


@pytest.mark.parametrize("text", HOSTILE)
def test_no_line_begins_with_a_servers_word_and_all_is_ascii(text: str) -> None:
    written = transcript([text]) + row([code(text)])

    assert re.fullmatch(r"[\n -~]*", written)
    assert all(line.startswith(("`", "S: ", "| ")) for line in written.splitlines())
    assert not re.search(r"\{[{%#]", written)


@given(st.text(max_size=300))
def test_any_text_stays_inside_its_cell_and_its_block(text: str) -> None:
    cells = [token for token in parse(table(("a", "b"), [(code(text), "y")])) if token.type == "td_open"]
    block = parse(transcript([text]))

    assert len(cells) == 2
    assert [token.type for token in block] == ["fence"]
    assert {token.type for token in inline(parse(f"x {code(text)} y"))} <= _ALLOWED


def test_a_fence_is_longer_than_any_run_of_backticks() -> None:
    assert fenced("a ````` b", "sh step=x") == "``````sh step=x\na ````` b\n``````\n"
    assert fenced("plain") == "```text\nplain\n```\n"


def test_other_bytes_are_written_as_numbers() -> None:
    assert neutral("a\x1b[0m\x7f\u00e9\u2028\U0001f600") == r"a\x1b[0m\x7f\xe9\u{2028}\u{1f600}"
    assert neutral("{{x}} ${y} {z}") == r"\x7b{x}} ${y} {z}"


def test_a_span_has_no_backtick_and_no_pipe() -> None:
    assert code("a`b|c") == r"`a\x60b\x7cc`"


@pytest.mark.parametrize("text", [None, "", "  "])
def test_nothing_to_show_is_a_dash(text: str | None) -> None:
    assert code(text) == "-"


def test_a_span_is_cut_at_its_length() -> None:
    assert code("x" * SPAN_LENGTH) == f"`{'x' * SPAN_LENGTH}`"
    assert code("x" * (SPAN_LENGTH + 1)) == f"`{'x' * SPAN_LENGTH}...`"


def test_anchors_and_lists() -> None:
    assert anchor("3. Change, with m4 (where `sendmail.mc` is kept)") == "3-change-with-m4-where-sendmailmc-is-kept"
    assert bullets(("a", "b")) == "- a\n- b\n"
