"""Claims about `scanner.text.visible`: a text that is shown is one line that cannot act on a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.text.visible import visible, visible_ascii


@pytest.mark.parametrize(
    ("text", "shown", "shown_in_ascii"),
    [
        ("plain", "plain", "plain"),
        ("a\r\nb\x1b[2J", r"a\r\nb\x1b[2J", r"a\r\nb\x1b[2J"),
        ("büro", "büro", r"b\xfcro"),
        ("\u2028\u202e\ud800", r"\u2028\u202e\ud800", r"\u2028\u202e\ud800"),
        (r"C:\x0a", r"C:\x0a", r"C:\x0a"),
        ("", "", ""),
    ],
)
def test_what_could_act_is_an_escape(text: str, shown: str, shown_in_ascii: str) -> None:
    assert (visible(text), visible_ascii(text)) == (shown, shown_in_ascii)


@given(st.text())
def test_any_text_becomes_one_printable_line(text: str) -> None:
    assert visible(text).isprintable()
    assert visible_ascii(text).isprintable()
    assert visible_ascii(text).isascii()
