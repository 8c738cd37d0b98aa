"""Host names: what may be asked of the DNS, and what is more likely a slip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.targets.hostname import parse_host_name

LABEL_63 = "a" * 63
NAME_253 = ".".join([LABEL_63, LABEL_63, LABEL_63, "a" * 61])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mail.example.com", "mail.example.com"),
        ("MAIL.Example.COM.", "mail.example.com"),
        ("localhost", "localhost"),
        ("3com.example", "3com.example"),
        ("a--b.example", "a--b.example"),
        ("1.2.3.example", "1.2.3.example"),
        (NAME_253, NAME_253),
        (NAME_253 + ".", NAME_253),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("\u4f8b\u3048\u3002example", "xn--r8jz45g.example"),  # an ideographic full stop is a dot
    ],
)
def test_a_name_becomes_lower_case_ascii(text: str, name: str) -> None:
    assert parse_host_name(text) == name


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "nor a host name"),
        (".", "nor a host name"),
        ("a..b", "nor a host name"),
        (".example.com", "nor a host name"),
        ("example.com..", "nor a host name"),
        ("-a.example", "nor a host name"),
        ("a-.example", "nor a host name"),
        ("a_b.example", "nor a host name"),
        ("*.example.com", "nor a host name"),
        ("a b.example", "nor a host name"),
        ("mail.example.com\n", "nor a host name"),
        ("\x1b[31m.example", "nor a host name"),
        ("a" * 64 + ".example", "nor a host name"),
        (NAME_253 + "a", "253 characters at most"),
        ("a." * 127 + "b", "253 characters at most"),
        ("b\u00fc" * 200, "253 characters at most"),
        (("\u00fc" * 20 + ".") * 12, "not an internationalised host name"),  # only its ASCII form is too long
        ("192.0.2.300", "does not end in a number"),
        ("example.123", "does not end in a number"),
        ("\uff11\uff19\uff12.0.2.1", "does not end in a number"),  # full-width digits are digits to IDNA
        ("stra\u00dfe.example", "write its xn-- form"),
        ("a\u200db.example", "write its xn-- form"),
        ("\u00fc" * 64, "not an internationalised host name"),
        ("\ud800.example", "not an internationalised host name"),
    ],
)
def test_what_is_no_name_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_host_name(text)


@given(st.text(max_size=300))
def test_any_text_is_a_clean_name_or_refused(text: str) -> None:
    try:
        name = parse_host_name(text)
    except ValueError:
        return
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
    assert parse_host_name(name) == name
