"""CPE 2.3 names as NVD writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.identify.cpe import cpe_name, escape_cpe

TEMPLATE = "cpe:2.3:a:exim:exim:{version}:*:*:*:*:*:*:*"


@pytest.mark.parametrize(
    ("version", "parts"),
    [
        ("4.96", "4.96:*"),
        ("4.100", "4.100:*"),
        ("4.84_2", "4.84.2:*"),
        ("4.90_RC3", "4.90:rc3"),
        ("3.9-RC1", "3.9:rc1"),
        ("8.12.Beta7", "8.12:beta7"),
        ("8.8.Alpha.3", "8.8:alpha3"),
        ("2.8-20100306", "2.8-20100306:*"),
        ("9.0.1 FP8", r"9.0.1\ fp8:*"),
        ("1.0+x", r"1.0\+x:*"),
        (None, "*:*"),
    ],
)
def test_the_upstream_version_goes_where_nvd_keeps_it(version: str | None, parts: str) -> None:
    assert cpe_name(TEMPLATE, version) == f"cpe:2.3:a:exim:exim:{parts}:*:*:*:*:*:*"


@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60))
def test_no_version_can_add_a_part_or_a_wildcard_to_the_name(version: str) -> None:
    name = cpe_name(TEMPLATE, version)
    unquoted = name.replace(r"\\", "").replace(r"\:", "").replace(r"\*", "").replace(r"\?", "")
    assert unquoted.count(":") == 12
    assert "?" not in unquoted
    assert unquoted.count("*") in {6, 7}


def test_special_characters_are_quoted_and_letters_lowered() -> None:
    assert escape_cpe("A-b_c.d:*?\\") == r"a-b_c.d\:\*\?\\"
