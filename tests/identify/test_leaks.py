"""What a server gives away is told by word and place; what is ours, or only looks so, is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.identify import identify
from scanner.identify.leaks import disclosed_anywhere, disclosed_in, greeting_disclosure
from scanner.model import DISCLOSED, PLACES, Certificate, Dialogue, Exchange, Software, Tls
from scanner.smtp import parse_banner
from tests.support.dialogues import EXIM_REPLIES, HARDENED_REPLIES, SENDMAIL_REPLIES, dialogue_of

IP = "10.0.0.5"


def told_by_greeting(text: str, ip: str | None = IP) -> tuple[str, ...]:
    greeting = parse_banner(f"220 {text}\r\n".encode())
    return greeting_disclosure(greeting, identify(greeting), ip)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mx.example.com ESMTP", ()),
        ("mx.corp.local ESMTP", ("internal_name",)),
        ("MX.HQ.Internal ESMTP", ("internal_name",)),
        ("local ESMTP", ()),
        ("mx.local.example ESMTP", ()),
        ("mx ESMTP 192.168.1.2", ("private_address",)),
        ("mx ESMTP (10.1.2.3:25)", ("private_address",)),
        ("[172.31.255.1] ESMTP", ("private_address",)),
        ("[IPv6:fd00::1] ESMTP", ("private_address",)),
        ("mx ESMTP [fd12:3456::1]", ("private_address",)),
        ("[10.0.0.5] ESMTP", ()),  # the address that was visited
        ("mx ESMTP 172.32.0.1 192.169.1.1 110.1.2.3 10.1.2", ()),
        ("mx ESMTP 10.999.1.1", ("version",)),
        ("mx ESMTP v10.1.2.3 10.1.2.3.4 10.1.2.3x", ("version",)),
        ("mx FooMail-3.2.1", ("version",)),
        ("mx ESMTP unheard-0.84", ("version",)),
        ("mx ESMTP Exim 4", ("product", "version")),
        ("mx ESMTP Exim (4)", ("product", "version")),
        ("mx.example.com (3.2.1)", ()),  # it may be one, and what is not sure is not disclosed
        ("mx FooMail 3.2.1; access from: client [192.0.2.9]", ("version",)),
        ("mx ESMTP; access from: FooMail 3.2.1", ()),
        ("mx ESMTP Any; access from: client.lan [192.168.1.2]", ()),
        (
            "mx.local ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT 10.1.1.1",
            ("product", "version", "config_version", "internal_name", "private_address", "time"),
        ),
    ],
)
def test_a_greeting_is_searched_for_what_only_means_something_inside(text: str, told: tuple[str, ...]) -> None:
    assert told_by_greeting(text) == told


def test_a_version_is_no_address() -> None:
    greeting = parse_banner(b"220 mx ESMTP IceWarp 10.4.5.1\r\n")

    assert greeting_disclosure(greeting, Software("IceWarp", version="10.4.5.1", confidence=0.4), None) == ("version",)
    assert greeting_disclosure(greeting, None, None) == ("version",)


def test_a_version_of_a_product_that_nobody_knows_is_seen_in_every_place() -> None:
    tls = Tls(certificates=(Certificate("ab" * 32, "O=FooMail 3.2.1", names=("mx4.2.example.com",)),))
    dialogue = ehlo("mx", "XVERSION FooMail/3.2.1", help_lines=("This is FooMail-3.2.1",), tls=tls)
    dialogue = dialogue._replace(exchanges=(*dialogue.exchanges, Exchange("QUIT", 221, ("2.0.0 foomail-3.2.1",), 0.1)))

    assert seen(b"mx.example.com FooMail 3.2.1", dialogue)["version"] == PLACES
    assert seen(b"mx.example.com ESMTP", ehlo("mx", help_lines=("3.2.1",))).get("version") is None


CERTIFICATE = Certificate("ab" * 32, subject="CN=mx.example.com", names=("mx.example.com", "10.0.0.5"))


def seen(
    greeting: bytes, dialogue: Dialogue, by_behaviour: Software | None = None, ip: str = IP
) -> dict[str, tuple[str, ...]]:
    parsed = parse_banner(b"220 " + greeting + b"\r\n")
    places = disclosed_in(parsed, identify(parsed), by_behaviour, dialogue, ip)
    assert list(places) == list(DISCLOSED)
    return {word: found for word, found in places.items() if found}


def test_a_default_sendmail_tells_its_version_in_greeting_and_help() -> None:
    places = seen(
        b"mail1.lab.example ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2+deb12u2; Sun, 22 Nov 2026 10:16:56 GMT",
        dialogue_of(SENDMAIL_REPLIES),
    )

    assert places == {
        "product": ("greeting", "help"),
        "version": ("greeting", "help"),
        "config_version": ("greeting", "help"),  # the same number
        "package": ("greeting",),
        "os": ("greeting",),
        "hostname": ("greeting", "ehlo"),
        "time": ("greeting",),
    }


def test_a_hidden_greeting_still_tells_the_version_in_help() -> None:
    by_help = Software("Sendmail", version="8.17.1.9", method="help", confidence=0.95)

    places = seen(b"mail1.lab.example ESMTP", dialogue_of(SENDMAIL_REPLIES), by_help)

    assert places == {"product": ("help",), "version": ("help",), "hostname": ("greeting", "ehlo")}


def test_what_was_concluded_from_behaviour_alone_is_not_disclosed() -> None:
    by_words = Software("Sendmail", method="behaviour", confidence=0.65)

    assert seen(b"ESMTP", dialogue_of(HARDENED_REPLIES), by_words) == {"hostname": ("ehlo",)}
    assert seen(b"ESMTP", dialogue_of(EXIM_REPLIES), Software("Exim", confidence=0.65)) == {"hostname": ("ehlo",)}


def ehlo(*lines: str, help_lines: tuple[str, ...] = (), tls: Tls | None = None) -> Dialogue:
    exchanges = (Exchange("EHLO me", 250, lines, 0.1), Exchange("HELP", 214, help_lines, 0.1))
    return Dialogue(exchanges, lines[1:], tls=tls)


def test_our_own_name_and_address_in_ehlo_are_not_the_servers() -> None:
    dialogue = ehlo("mx.example.com Hello scanner.lan [192.168.1.2], pleased to meet you")

    assert seen(b"ESMTP", dialogue) == {"hostname": ("ehlo",)}
    assert seen(b"ESMTP", ehlo("mx.example.com Nice to meet you, scanner.lan")) == {"hostname": ("ehlo",)}


def test_a_host_called_after_its_software_does_not_disclose_it_by_that() -> None:
    by_words = Software("Sendmail", method="behaviour", confidence=0.65)
    named = ehlo("sendmail.example.com", help_lines=("ask Sendmail.EXAMPLE.com",))

    assert seen(b"sendmail.example.com ESMTP", named, by_words) == {"hostname": ("greeting", "ehlo", "help")}
    told = ehlo("sendmail.example.com", help_lines=("This is sendmail at sendmail.example.com",))
    assert seen(b"sendmail.example.com ESMTP", told, by_words)["product"] == ("help",)
    assert seen(b"mx ESMTP", ehlo("sendmail ready"), by_words)["product"] == ("ehlo",)  # no host name without a dot


def test_internal_names_and_private_addresses_are_found_in_every_place() -> None:
    tls = Tls(certificates=(Certificate("ab" * 32, "CN=mx.corp", "CN=ca.hq.local", ("192.168.0.9", "mx.corp.")),))
    dialogue = ehlo("[192.168.7.7]", "X-NODE mx7.lan", help_lines=("ask root@mx.home.arpa", "or 172.16.1.1"), tls=tls)

    places = seen(b"mx.intra ESMTP 10.1.1.1", dialogue)

    assert places["internal_name"] == ("greeting", "ehlo", "help", "certificate")
    assert places["private_address"] == ("greeting", "ehlo", "help", "certificate")
    assert places["hostname"] == ("greeting", "ehlo", "certificate")


def test_the_servers_name_in_help_is_noticed_and_the_visited_address_is_none_of_its_secrets() -> None:
    dialogue = ehlo("MX.example.com", help_lines=("see http://mx.EXAMPLE.com/",), tls=Tls(certificates=(CERTIFICATE,)))

    assert seen(b"ESMTP", dialogue) == {"hostname": ("ehlo", "help", "certificate")}


def test_a_dialogue_that_brought_nothing_leaves_the_greeting() -> None:
    empty = Dialogue(exchanges=(Exchange("EHLO me", None, (), 1.0),), tls=Tls(error="handshake"))
    refused = Dialogue(exchanges=(Exchange("EHLO me", 502, ("no",), 1.0), Exchange("EHLO me", 250, (), 1.0)))

    for dialogue in (empty, refused, Dialogue()):
        assert seen(b"mx.example.com ESMTP", dialogue) == {"hostname": ("greeting",)}


def test_the_list_leaves_the_host_name_out() -> None:
    places = dict.fromkeys(DISCLOSED, ()) | {"time": ("greeting",), "version": ("help",), "hostname": ("ehlo",)}

    assert disclosed_anywhere(places) == ("version", "time")


@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126)), max_size=6).map(tuple), st.text())
def test_no_text_makes_it_fail(lines: tuple[str, ...], value: str) -> None:
    tls = Tls(certificates=(Certificate("ab" * 32, names=lines),))
    software = Software(value, version=value)

    places = seen(b"mx ESMTP", ehlo(*lines, help_lines=lines, tls=tls), software)

    assert set(places) <= set(DISCLOSED)
