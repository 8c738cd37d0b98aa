"""Reading targets from text: every form, and for everything else one line that says where, what and what to do."""

import ipaddress
from collections.abc import Iterable

import netaddr  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scanner.errors import InputError
from scanner.targets.exclusions import ALWAYS_EXCLUDED
from scanner.targets.ranges import Ranges
from scanner.targets.spec import (
    COMMAND_LINE,
    LARGE,
    Origin,
    Spec,
    TextSource,
    parse_spec,
    require_confirmation,
)


def parsed(*lines: str) -> Spec:
    return parse_spec([TextSource("ranges.txt", lines)])


def pair(text: str) -> tuple[int, int]:
    """Return the numbers of `a-b` or `a`, read by the standard library."""
    low, _, high = text.partition("-")
    return int(ipaddress.ip_address(low)), int(ipaddress.ip_address(high or low))


def v4(*texts: str) -> Ranges:
    return Ranges.from_pairs(v4=[pair(text) for text in texts])


def v6(*texts: str) -> Ranges:
    return Ranges.from_pairs(v6=[pair(text) for text in texts])


def problem(lines: Iterable[str], **options: bool) -> str:
    with pytest.raises(InputError) as caught:
        parse_spec([TextSource("ranges.txt", lines)], **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", v4("192.0.2.1")),
        ("[192.0.2.1]", v4("192.0.2.1")),
        ("192.0.2.0/24", v4("192.0.2.0-192.0.2.255")),
        ("192.0.2.77/24", v4("192.0.2.0-192.0.2.255")),
        ("192.0.2.77/32", v4("192.0.2.77")),
        ("0.0.0.0/0", v4("0.0.0.0-255.255.255.255")),
        ("192.0.2.0/024", v4("192.0.2.0-192.0.2.255")),
        ("192.0.2.5/255.255.255.0", v4("192.0.2.0-192.0.2.255")),
        ("192.0.2.5/255.255.255.255", v4("192.0.2.5")),
        ("192.0.2.1-192.0.2.20", v4("192.0.2.1-192.0.2.20")),
        ("192.0.2.1-192.0.2.1", v4("192.0.2.1")),
        ("192.0.2.1-20", v4("192.0.2.1-192.0.2.20")),
        ("192.0.2-3.1,5", v4("192.0.2.1", "192.0.2.5", "192.0.3.1", "192.0.3.5")),
        ("192.0.2.*", v4("192.0.2.0-192.0.2.255")),
        ("1-2.0.0.3", v4("1.0.0.3", "2.0.0.3")),
        ("2001:db8::1", v6("2001:db8::1")),
        ("2001:DB8:0:0::1", v6("2001:db8::1")),
        ("[2001:db8::1]", v6("2001:db8::1")),
        ("2001:db8::5/126", v6("2001:db8::4-2001:db8::7")),
        ("[2001:db8::5]/126", v6("2001:db8::4-2001:db8::7")),
        ("2001:db8::/104", v6("2001:db8::-2001:db8::ff:ffff")),
        ("2001:db8::1-2001:db8::ff", v6("2001:db8::1-2001:db8::ff")),
        ("[2001:db8::1]-[2001:db8::ff]", v6("2001:db8::1-2001:db8::ff")),
        ("::1.2.3.4", v6("::102:304")),
    ],
)
def test_every_form_of_address_is_read(text: str, expected: Ranges) -> None:
    assert parsed(text).ranges == expected
    assert parsed(f"  {text}  # {text}\r\n").ranges == expected
    assert parsed(f"\ufeff{text}").ranges == expected


numbers_v4, numbers_v6 = st.integers(0, 2**32 - 1), st.integers(0, 2**128 - 1)


@given(
    st.lists(st.tuples(numbers_v4, st.integers(0, 32)), max_size=20),
    st.lists(st.tuples(numbers_v6, st.integers(104, 128)), max_size=5),
)
def test_networks_are_read_as_netaddr_reads_them(
    networks: list[tuple[int, int]], networks_v6: list[tuple[int, int]]
) -> None:
    networks = networks or [(0, 32)]  # a source must name something
    lines = [f"{ipaddress.IPv4Address(number)}/{length}" for number, length in networks]
    lines_v6 = [f"{ipaddress.IPv6Address(number)}/{length}" for number, length in networks_v6]
    expected = netaddr.IPSet([*lines, *lines_v6])
    ranges = parsed(*lines, *lines_v6).ranges
    assert ranges.count == expected.size
    pairs = [*ranges.v4.pairs(), *ranges.v6.pairs()]
    assert pairs == [(int(part.first), int(part.last)) for part in expected.iter_ipranges()]


def test_overlaps_within_and_between_sources_are_visited_once() -> None:
    spec = parse_spec(
        [
            TextSource("a.txt", ["192.0.2.0/25", "192.0.2.64-192.0.2.200", "192.0.2.7"]),
            TextSource("b.txt", ["192.0.2.128/25 192.0.2.1-5"]),
        ]
    )
    assert spec.ranges == v4("192.0.2.0-192.0.2.255")
    assert len(spec.ranges.v4) == 1


def test_white_space_of_any_kind_separates_targets_and_comments_and_blank_lines_are_skipped() -> None:
    spec = parsed(
        "# header\r\n", "", "   \t", "192.0.2.1\t192.0.2.3,5 # 192.0.2.99 http://x", "#192.0.2.7", "192.0.2.9"
    )
    assert spec.ranges == v4("192.0.2.1", "192.0.2.3", "192.0.2.5", "192.0.2.9")


def test_nothing_at_all_is_an_empty_spec() -> None:
    assert parse_spec([]) == parse_spec([TextSource(COMMAND_LINE, [])]) == Spec(Ranges.from_pairs(), {}, {})


def test_names_are_collected_once_with_their_first_place() -> None:
    spec = parse_spec(
        [
            TextSource("ranges.txt", ["192.0.2.1", "mail.example.com MX:Example.com", "b\u00fccher.example"]),
            TextSource(COMMAND_LINE, ["MAIL.example.com.", "mx:example.org", "example.com"]),
        ]
    )
    assert spec.names == {
        "mail.example.com": Origin("ranges.txt", 2),
        "xn--bcher-kva.example": Origin("ranges.txt", 3),
        "example.com": Origin(COMMAND_LINE, 3),
    }
    assert spec.mail_domains == {"example.com": Origin("ranges.txt", 2), "example.org": Origin(COMMAND_LINE, 2)}
    assert spec.ranges == v4("192.0.2.1")


def test_a_place_is_a_file_and_line_or_the_command_line() -> None:
    assert str(Origin("ranges.txt", 17)) == "ranges.txt:17"
    assert str(Origin(COMMAND_LINE, 3)) == "command line"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.0/33", "prefix length must be 0 to 32"),
        ("192.0.2.0/", "prefix length must be 0 to 32"),
        ("192.0.2.0/-1", "prefix length must be 0 to 32"),
        ("192.0.2.0/2_4", "prefix length must be 0 to 32"),
        ("192.0.2.0/+24", "prefix length must be 0 to 32"),
        ("192.0.2.0/24/25", "prefix length must be 0 to 32"),
        ("192.0.2.0/0.0.0.255", "prefix length must be 0 to 32"),
        ("192.0.2.0/0.0.0.0", "prefix length must be 0 to 32"),
        ("192.0.2.0/255.0.255.0", "prefix length must be 0 to 32"),
        ("2001:db8::/129", "prefix length must be 0 to 128"),
        ("2001:db8::/255.255.255.0", "prefix length must be 0 to 128"),
        ("10/8", "four numbers, this has 1"),
        ("010.0.0.1", "leading zero of 010 is ambiguous"),
        ("010.0.0.0/8", "leading zero of 010 is ambiguous"),
        ("192.0.2.01-192.0.2.9", "leading zero of 01 is ambiguous"),
        ("192.0.2.256", "256 is more than 255"),
        ("192.0.2.1-192.0.2.256", "256 is more than 255"),
        ("192.0.2.9-192.0.2.1", "runs backwards"),
        ("2001:db8::9-2001:db8::1", "runs backwards"),
        ("192.0.2.1-2001:db8::1", "from one IP version to the other"),
        ("192.0.2.*-192.0.3.9", "not an IP address"),
        ("192.0.2.*/24", "not an IP address"),
        ("example.com/24", "not an IP address"),
        ("fe80::1%eth0", "zones cannot be used"),
        ("192.0.2.1:25", "a port is given with --port"),
        ("[2001:db8::1]:25", "a port is given with --port"),
        ("[192.0.2.1", "not an IP address"),
        ("[[2001:db8::1]]/126", "not an IP address"),
        ("2001:db8::1::2", "not an IP address"),
        ("http://mail.example.com/", "give the host name alone"),
        ("::ffff:192.0.2.1", "write it as IPv4"),
        ("::ffff:192.0.2.0/120", "write it as IPv4"),
        ("@more.txt", "cannot name another file"),
        ("-", "standard input, on the command line only"),
        ("mx:", "nor a host name"),
        ("mx:192.0.2.1", "does not end in a number"),
        ("mail_1.example.com", "nor a host name"),
        ("*.example.com", "nor a host name"),
        ("*.*.*.1", "separate ranges"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place_and_the_reason(text: str, expected: str) -> None:
    message = problem(["192.0.2.1", "", f"192.0.2.2 {text} # comment"])
    assert message.startswith(f"ranges.txt:3: '{text}': ")
    assert expected in message
    assert "\n" not in message


def test_the_message_is_the_documented_one() -> None:
    lines = ["192.0.2.1\n"] * 16 + ["192.0.2.0/33\n"]
    assert problem(lines) == "ranges.txt:17: '192.0.2.0/33': prefix length must be 0 to 32"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"'\x1b[31mred'"),
        ("a\0b", r"'a\x00b'"),
        ("\u202eevil", r"'\u202eevil'"),
        ("\ud800x", r"'\ud800x'"),
        ("back\\slash", r"'back\\slash'"),
        ("x_" * 30, "'" + "x_" * 30 + "'"),
        ("x_" * 30 + "y", "'" + ("x_" * 29)[:57] + "...'"),
        ("_" * 10**6, "'" + "_" * 57 + "...'"),
    ],
)
def test_hostile_text_is_shown_escaped_and_cut(text: str, shown: str) -> None:
    assert f"ranges.txt:1: {shown}: " in problem([text])
    assert len(problem([text])) < 200


def test_ipv6_networks_too_large_to_visit_are_refused_with_advice_and_may_be_excluded() -> None:
    for text in ("2001:db8::/32", "2001:db8::/103", "2001:db8::-2001:db8::100:0", "::/0"):
        assert "use a hit list" in problem([text])
    assert "about 2^96 addresses" in problem(["2001:db8::/32"])
    excluded = parse_spec([TextSource("never.txt", ["2001:db8::/32", "::/96"])], allow_large_v6=True).ranges
    assert excluded == v6("2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "::-::ffff:ffff")


def test_names_are_refused_where_only_addresses_can_be_used() -> None:
    for text in ("mail.example.com", "mx:example.com"):
        assert problem([text], allow_names=False).endswith("host names are not accepted here: give addresses")
    assert "nor a host name" in problem(["a_b"], allow_names=False)


def test_more_than_a_slash_8_is_large_and_needs_confirmation() -> None:
    eight = parsed("10.0.0.0/8")
    assert eight.ranges.count == LARGE
    assert not eight.is_large
    require_confirmation(eight.ranges, confirmed=False)
    more = parsed("10.0.0.0/8", "192.0.2.1")
    assert more.is_large
    require_confirmation(more.ranges, confirmed=True)
    with pytest.raises(InputError, match=r"16,777,217 addresses .* --confirm-large"):
        require_confirmation(more.ranges, confirmed=False)


@pytest.mark.parametrize(
    "ip",
    ["0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "255.255.255.255", "::", "ff02::1", "::ffff:192.0.2.1"],  # noqa: S104 - nothing is bound
)
def test_addresses_that_are_never_a_target(ip: str) -> None:
    assert ip in ALWAYS_EXCLUDED


@pytest.mark.parametrize(
    "ip",
    [
        "1.0.0.0",
        "10.0.0.1",
        "127.0.0.1",
        "169.254.1.1",
        "192.168.1.1",
        "223.255.255.255",
        "240.0.0.1",
        "::1",
        "fd00::1",
        "fe80::1",
        "2001:db8::1",
    ],
)
def test_private_loopback_and_other_addresses_may_be_targets(ip: str) -> None:
    assert ip not in ALWAYS_EXCLUDED


def test_many_patterns_and_ranges_beside_plain_lines_are_all_kept() -> None:
    lines = [f"10.0.{n}.1" for n in range(256)] + [f"10.1.{n}.1-10.1.{n}.2" for n in range(256)] + ["10.2.*.1,3"]
    assert parsed(*lines).ranges.count == 256 + 512 + 512


def outcome(lines: list[str]) -> Spec | str:
    """Return what the lines mean, or the message that refuses them."""
    try:
        return parse_spec([TextSource("fuzz", lines)])
    except InputError as refused:
        return str(refused)


@given(st.lists(st.text(max_size=40), max_size=5))
@example(["192.0.2.1/24/"])
@example(["\ufeff\ufeff192.0.2.1"])
def test_any_text_is_read_or_refused_in_one_clean_line(lines: list[str]) -> None:
    result = outcome(lines)
    if isinstance(result, str):
        assert result.startswith("fuzz:")
        assert result.isascii()
        assert result.isprintable()


@given(st.text(alphabet="0123456789.,-*/:[]abfmx%@# ", max_size=30))
def test_text_close_to_addresses_is_read_or_refused_as_well(text: str) -> None:
    result = outcome([text])
    if isinstance(result, str):
        assert result.startswith(("fuzz:1: '", "fuzz: names no target: "))
    else:
        assert all(0 <= first <= last < 2**32 for first, last in result.ranges.v4.pairs())
