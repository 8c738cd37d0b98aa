"""Claims about `scanner.assess.versions`: versions sort as those who number them mean it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.assess.versions import VersionKey, version_key

PRODUCTS = st.sampled_from(["sendmail", "exim", "postfix", "mailenable", "domino", "opensmtpd", "unknown"])
#: Texts like versions, so that two of them often share a beginning.
NUMBERS = st.sampled_from(["0", "00", "1", "2", "9", "10", "99", "100"])
NAMES = st.sampled_from(
    ["p", "p0", "p2", "c", "rc", "RC1", "Beta7", "alpha", "FP4", "IF3", "HF", "patch", "Sun", "\u0661"]
)
MARKS = st.sampled_from([".", "..", "_", "-", "~", " ", "+", "-20100306"])
PARTS = NUMBERS | NAMES | MARKS
VERSIONS = st.lists(PARTS, max_size=8).map("".join) | st.builds("8.{}".format, st.lists(PARTS, max_size=5).map("".join))


def key(product: str, text: str) -> VersionKey:
    found = version_key(product, text)
    assert found is not None, text
    return found


@pytest.mark.parametrize(
    ("product", "ascending"),
    [
        ("sendmail", "5.61 8.6 8.6.12 8.9 8.9.3 8.10 8.10.0.1 8.12.0.Beta7 8.12.0 8.12.11 8.12.11.20060308"),
        ("sendmail", "8.11.6 8.11.6p2 8.11.7 8.12.0.Beta2 8.12.0.Beta10 8.12 8.12.1"),
        ("sendmail", "8.17.1 8.17.1.9 8.17.2 8.18 8.18.0.2 8.18.1 8.18.1.10"),
        ("exim", "4.9 4.50 4.84 4.84_2 4.89 4.89_1 4.89_1b 4.90_RC1 4.90_RC3 4.90 4.99-RC1 4.99 4.100 4.100.1"),
        ("opensmtpd", "6.6.2 6.6.2p1 6.6.4p1 7.3.0p0 7.3.0p1 7.4.0p1 7.10.0"),
        ("postfix", "2.7.9 2.8-20100306 2.8-20101112 2.8-RC1 2.8 2.8.1 2.11.0 3.9-RC1 3.9 3.10"),
        ("domino", "5.0.2 5.0.2c 5.0.3 8.5.3 8.5.3FP6 8.5.3FP6IF10 8.5.3FP7 9.0.1 9.0.1IF1 9.0.1FP4 9.0.1FP4IF3"),
        ("mailenable", "1.04 1.5 1.54 1.6 1.8 1.92 1.986 1.999 2 3.999 10.34"),
        ("mdaemon", "24.5.1 24.5.1c 24.5.2"),
        ("sendmail", "8.12.0.Beta7 8.12.0.Beta7.1 8.12.0.Beta7.2 8.12.0.Beta8 8.12.0"),
        ("sendmail", "8.12.0 8.12.0p1 8.12.0.1 8.12.0.1p1 8.12.1"),
    ],
)
def test_versions_ascend_as_upstream_counts(product: str, ascending: str) -> None:
    keys = [key(product, text) for text in ascending.split()]

    assert [(a, b) for a, b in pairwise(ascending.split()) if not key(product, a) < key(product, b)] == []
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("product", "one", "other"),
    [
        ("sendmail", "8.12", "8.12.0"),
        ("sendmail", "8.12", "8.12.0.0"),
        ("sendmail", "8.12Beta7", "8.12.0.Beta.7"),
        ("sendmail", "8.9.3+Sun", "8.9.3"),
        ("sendmail", "8.9.3+3.4W", "8.9.3"),
        ("exim", "4.84_2", "4.84.2"),
        ("exim", "4.89-122312", "4.89"),
        ("exim", "4.92.2 #89", "4.92.2"),
        ("exim", "4.82 Ubuntu", "4.82"),
        ("exim", "4.99-rc1", "4.99_RC1"),
        ("opensmtpd", "7.8.0p0", "7.8.0"),
        ("mailenable", "1.6", "1.60"),
        ("mailenable", "2", "2.0"),
        ("mercury", "v3.01a", "3.1a"),
        ("kerio", "9.2.5patch3", "9.2.5p3"),
        ("sendmail", " 8.14.7 ", "8.14.7"),
    ],
)
def test_two_ways_to_write_one_version_are_equal(product: str, one: str, other: str) -> None:
    assert key(product, one) == key(product, other)


@pytest.mark.parametrize(
    "text", ["", " ", "linuxconf", "Switch-3.1.2", "SMI-8.6", ".8", "-1", "+1", "v", "9" * 19, "1" * 65, "\u0661.2"]
)
def test_what_is_no_version_has_no_key(text: str) -> None:
    assert version_key("sendmail", text) is None


@pytest.mark.parametrize("text", ["1.2.3", "1.2a", "a", "", "1" * 20])
def test_a_decimal_fraction_has_one_dot_and_digits(text: str) -> None:
    assert version_key("mailenable", text) is None


@given(PRODUCTS, st.text(max_size=80) | VERSIONS)
def test_no_text_raises(product: str, text: str) -> None:
    found = version_key(product, text)

    assert found is None or all(len(element) == 3 for element in found[1])


@given(PRODUCTS, VERSIONS, VERSIONS, VERSIONS)
def test_the_order_is_total_antisymmetric_and_transitive(product: str, a: str, b: str, c: str) -> None:
    keys = [version_key(product, text) for text in (a, b, c)]
    if None in keys:
        return
    x, y, z = (each for each in keys if each is not None)

    assert (x < y) + (y < x) + (x == y) == 1
    assert not (x <= y <= z) or x <= z


@given(PRODUCTS, st.lists(st.integers(0, 300), min_size=1, max_size=4), st.integers(1, 99))
def test_around_a_release_the_parts_sort_the_same_everywhere(product: str, numbers: list[int], patch: int) -> None:
    if product == "mailenable":
        return
    text = ".".join(map(str, numbers))

    before, after, next_one = (key(product, text + more) for more in (f"rc{patch}", f"p{patch}", f".{patch}"))

    assert before < key(product, text) < after < next_one
    assert key(product, text) == key(product, text + ".0")
    assert key(product, text) < key(product, ".".join(map(str, [*numbers[:-1], numbers[-1] + 1])))


@given(st.integers(0, 20), st.text("0123456789", min_size=1, max_size=6), st.text("0123456789", min_size=1, max_size=6))
def test_decimal_fractions_sort_as_fractions_do(whole: int, left: str, right: str) -> None:
    by_value = (float(f"{whole}.{left}") > float(f"{whole}.{right}")) - (
        float(f"{whole}.{left}") < float(f"{whole}.{right}")
    )
    one, other = key("mailenable", f"{whole}.{left}"), key("mailenable", f"{whole}.{right}")

    assert (one > other) - (one < other) == by_value
