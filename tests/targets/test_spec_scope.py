"""Texts that name nothing, or perhaps less than they seem to: refused, with what to do."""

from collections.abc import Iterable

import pytest

from scanner.errors import InputError
from scanner.targets import COMMAND_LINE, Ranges, Spec, TextSource, parse_exclusions, parse_spec

NOTHING = "if that is intended, write the one word: none"
#: As a spreadsheet or a registry's list has it: first and last address of each range, a tab between them.
TWO_COLUMNS = "127.0.0.0\t\t127.0.0.255\n"


def refusal(*sources: TextSource, excludes: bool = True) -> str:
    with pytest.raises(InputError) as caught:
        parse_exclusions(sources) if excludes else parse_spec(sources)
    return str(caught.value)


@pytest.mark.parametrize("text", ["", " ", "\t\r\n", "# nobody", "\ufeff", "\ufeff# nobody"])
def test_an_argument_that_excludes_nothing_is_refused(text: str) -> None:
    message = refusal(TextSource(COMMAND_LINE, ["192.0.2.1"]), TextSource(COMMAND_LINE, [text]))

    assert message.startswith("command line: '")
    assert message.endswith("': an exclusion that excludes nothing: is a variable unset?")
    assert refusal(TextSource(COMMAND_LINE, ["192.0.2.1", text]), excludes=False).endswith(
        "': a target that names nothing: is a variable unset?"
    )


@pytest.mark.parametrize("lines", [[], [""], ["\n", "  \n"], ["# nobody\n", "\n", " # yet"], ["\ufeff"]])
def test_a_file_that_names_nothing_is_refused_whatever_others_name(lines: list[str]) -> None:
    other = TextSource("other.txt", ["192.0.2.1"])

    assert refusal(other, TextSource("never.txt", lines)) == f"never.txt: excludes nothing: {NOTHING}"
    assert refusal(TextSource("never.txt", lines), other) == f"never.txt: excludes nothing: {NOTHING}"
    assert refusal(other, TextSource("ranges.txt", lines), excludes=False) == f"ranges.txt: names no target: {NOTHING}"


@pytest.mark.parametrize("lines", [["none"], ["none\n"], ["# nobody so far\n", "\n", "  None # really\n"]])
def test_a_file_that_is_meant_to_be_empty_says_none(lines: list[str]) -> None:
    empty = Spec(Ranges.from_pairs(), {}, {})

    assert parse_exclusions([TextSource("never.txt", lines)]) == empty
    assert parse_spec([TextSource("ranges.txt", lines)]) == empty
    assert parse_exclusions([TextSource(COMMAND_LINE, ["none"])]) == empty


@pytest.mark.parametrize("other", ["192.0.2.1", "192.0.2.1-9", "2001:db8::1", "mail.example.com", "mx:example.com"])
def test_none_beside_something_is_refused(other: str) -> None:
    expected = "never.txt:2: contains 'none', but something else is named, too"

    assert refusal(TextSource("never.txt", [other, "none"])) == expected
    assert refusal(TextSource("never.txt", [f"{other} # x", "none"])) == expected


def test_none_on_the_command_line_is_a_host_among_targets() -> None:
    assert list(parse_spec([TextSource(COMMAND_LINE, ["none"])]).names) == ["none"]


def test_a_source_may_repeat_what_another_has_named() -> None:
    sources = [TextSource("a.txt", ["mail.example.com"]), TextSource("b.txt", ["mail.example.com"])]

    assert list(parse_exclusions(sources).names) == ["mail.example.com"]


def test_no_arguments_at_all_are_no_exclusions() -> None:
    assert not parse_exclusions([TextSource(COMMAND_LINE, [])]).ranges


@pytest.mark.parametrize(
    ("lines", "line", "pair", "guess"),
    [
        ([TWO_COLUMNS], 1, "127.0.0.0 127.0.0.255", "range (127.0.0.0-127.0.0.255)"),
        (["# first last", "192.0.2.0 192.0.2.255 # x"], 2, "192.0.2.0 192.0.2.255", "range (192.0.2.0-192.0.2.255)"),
        (["192.0.2.0 255.255.255.0"], 1, "192.0.2.0 255.255.255.0", "network (192.0.2.0/255.255.255.0)"),
        (["2001:db8:: 2001:db8::ff"], 1, "2001:db8:: 2001:db8::ff", "range (2001:db8::-2001:db8::ff)"),
    ],
)
def test_two_addresses_on_one_line_of_exclusions_are_refused(
    lines: Iterable[str], line: int, pair: str, guess: str
) -> None:
    expected = f"never.txt:{line}: '{pair}': two addresses on one line: did you mean a {guess}?"
    assert refusal(TextSource("never.txt", lines)) == expected


def test_two_addresses_in_one_argument_are_refused_too() -> None:
    assert "did you mean a range" in refusal(TextSource(COMMAND_LINE, ["192.0.2.0 192.0.2.255"]))


@pytest.mark.parametrize("source", ["never.txt", COMMAND_LINE])
@pytest.mark.parametrize(
    "line",
    [
        "192.0.2.0 192.0.2.3 192.0.2.9",
        "192.0.2.0/25 198.51.100.7",
        "192.0.2.1/32 192.0.2.9/32",
        "[2001:db8::1] [2001:db8::ff]",
        "192.0.2.0 192.0.2.3 198.51.100.0 198.51.100.9",
        "one.example two.example",
        "none 192.0.2.1",
    ],
)
def test_several_exclusions_on_one_line_are_refused(source: str, line: str) -> None:
    """Two columns with brackets or prefixes were two addresses, and what lies between them was visited."""
    with pytest.raises(InputError) as caught:
        parse_exclusions([TextSource(source, [line])])

    assert str(caught.value).endswith(
        f"'{line}': several exclusions on one line: give each its own, and write a range as a-b, without spaces"
    )


def test_an_exclusion_may_have_a_comment() -> None:
    never = parse_exclusions([TextSource("never.txt", ["192.0.2.0/31 # two of ours", "2001:db8::1# one"])])

    assert never.ranges == Ranges.from_pairs(
        v4=[(0xC0000200, 0xC0000201)], v6=[(0x20010DB8 << 96 | 1, 0x20010DB8 << 96 | 1)]
    )


@pytest.mark.parametrize("way", ["64:ff9b::192.0.2.5", "[::192.0.2.5]", "2002:c000:205::/48", "2002:c000:205::1"])
def test_who_excludes_a_way_to_an_ipv4_host_excludes_the_host(way: str) -> None:
    """-x 64:ff9b::192.0.2.5 left 192.0.2.5 to be visited."""
    assert 0xC0000205 in parse_exclusions([TextSource(COMMAND_LINE, [way])]).ranges.v4


@pytest.mark.parametrize("network", ["64:ff9b::/96", "2002::/16", "2001:db8::/32", "2001:db8::1"])
def test_who_excludes_a_whole_way_excludes_no_host_of_ipv4(network: str) -> None:
    assert not len(parse_exclusions([TextSource(COMMAND_LINE, [network])]).ranges.v4)


@pytest.mark.parametrize(
    "text",
    [
        "127.1",
        "0177.0.0.1",
        "2130706433",
        "0x7f000001",
        "0X7F.1",
        "0x7f.0x0.0x0.0x1",
        "127.0.0.0x1",
        "mail.0x",
        "1.0xg",
    ],
)
def test_addresses_in_the_forms_of_the_c_library_are_no_names(text: str) -> None:
    reader = parse_spec if text != "1.0xg" else parse_exclusions
    if text == "1.0xg":  # no number: a name
        assert list(reader([TextSource("ranges.txt", [text])]).names) == ["1.0xg"]
        return
    for source in (TextSource("ranges.txt", [text]), TextSource("ranges.txt", [f"mx:{text}"])):
        for excludes in (True, False):
            assert refusal(source, excludes=excludes).startswith("ranges.txt:1: ")


def test_a_file_with_the_mark_of_utf_8_on_any_line_is_read() -> None:
    spec = parse_exclusions([TextSource("never.txt", ["\ufeff192.0.2.1 # a", "192.0.2.3", "\ufeff192.0.2.5"])])

    assert spec.ranges == Ranges.from_pairs(v4=[(0xC0000201 + 2 * n, 0xC0000201 + 2 * n) for n in range(3)])
