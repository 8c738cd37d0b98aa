"""A server that hides its greeting is recognised by its replies, or not at all, but never as another product."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.identify.behaviour import shipped_behaviours
from scanner.model import Dialogue, Exchange, Software
from tests.support.dialogues import (
    HARAKA_REPLIES,
    HARDENED_REPLIES,
    OPENSMTPD_REPLIES,
    POSTFIX_REPLIES,
    QPSMTPD_REPLIES,
    SENDMAIL_REPLIES,
    SERVERS,
    Replies,
    dialogue_of,
)

EHLO = "EHLO scanner.lab.example"
ALL = [(product, replies) for product, several in SERVERS.items() for replies in several]
NAMES = [f"{product}-{number}" for product, several in SERVERS.items() for number, _ in enumerate(several)]


def variants(replies: Replies) -> Iterator[Replies]:
    """Yield the replies with one thing left out: a whole reply, or one line of EHLO or HELP."""
    for command in replies:
        yield {other: reply for other, reply in replies.items() if other != command}
    for command in (EHLO, "HELP"):
        code, lines = replies[command]
        for number in range(1 if command == EHLO else 0, len(lines)):
            yield {**replies, command: (code, (*lines[:number], *lines[number + 1 :]))}


def identified(replies: Replies, *, unknown_verb: bool = False) -> Software:
    software = shipped_behaviours().identify(dialogue_of(replies, unknown_verb=unknown_verb))
    assert software is not None
    return software


@pytest.mark.parametrize("unknown_verb", [False, True])
@pytest.mark.parametrize(("product", "replies"), ALL, ids=NAMES)
def test_every_server_is_told_with_and_without_the_verb_that_does_not_exist(
    product: str, replies: Replies, unknown_verb: bool
) -> None:
    software = identified(replies, unknown_verb=unknown_verb)

    assert software.product == product
    assert software.confidence >= 0.6


@pytest.mark.parametrize("unknown_verb", [False, True])
@pytest.mark.parametrize(("product", "replies"), ALL, ids=NAMES)
def test_with_any_one_thing_left_out_it_is_still_that_server_or_none(
    product: str, replies: Replies, unknown_verb: bool
) -> None:
    for fewer in variants(replies):
        software = shipped_behaviours().identify(dialogue_of(fewer, unknown_verb=unknown_verb))
        assert software is None or software.product == product


def test_hardened_sendmail_is_recognised_without_a_version_and_with_the_reasons() -> None:
    assert identified(HARDENED_REPLIES, unknown_verb=True) == Software(
        "Sendmail",
        "Sendmail",
        cpe="cpe:2.3:a:sendmail:sendmail:*:*:*:*:*:*:*:*",
        method="behaviour",
        confidence=0.65,
        evidence=(
            "ehlo:pleased-to-meet-you+deliverby+order,help:end-of-help-info,quit:closing-connection,"
            "unknown:command-unrecognized"
        ),
    )


def test_hardened_sendmail_is_recognised_without_deliverby_by_its_order_and_its_goodbye() -> None:
    code, lines = HARDENED_REPLIES[EHLO]
    replies = {**HARDENED_REPLIES, EHLO: (code, tuple(line for line in lines if line != "DELIVERBY"))}

    software = identified(replies)

    assert software.product == "Sendmail"
    assert software.evidence == "ehlo:pleased-to-meet-you+order,help:end-of-help-info,quit:closing-connection"


def test_opensmtpd_is_not_mistaken_for_sendmail_also_when_its_help_names_nothing() -> None:
    replies = {**OPENSMTPD_REPLIES, "HELP": (214, ("2.0.0 End of HELP info",))}

    assert identified(OPENSMTPD_REPLIES).confidence == 0.9
    assert identified(replies).product == "OpenSMTPD"


@pytest.mark.parametrize(
    ("reply", "version"),
    [
        ("2.0.0 This is sendmail version 8.17.1.9", "8.17.1.9"),
        ("This is Sendmail version 8.8.8", "8.8.8"),
        ("This is Sendmail version 8.8.6 (PHNE_14041)", "8.8.6"),
        ("2.0.0 This is sendmail version 8.13.8+Sun", "8.13.8"),
        ("2.0.0 This is sendmail version 8.12.0.Beta7", "8.12.0.Beta7"),
        ("5.3.0 Sendmail 8.17.1.9 -- HELP not implemented", "8.17.1.9"),
        ("5.3.0 Sendmail 8.11.7p3+Sun -- HELP not implemented", "8.11.7"),
        ("2.0.0 This is sendmail version $v", None),
        ("2.0.0 This is sendmail version", None),
        ("2.0.0 Thisis sendmail version 8.17.1.9", None),
    ],
)
def test_the_version_is_the_one_that_help_shows(reply: str, version: str | None) -> None:
    software = identified({**SENDMAIL_REPLIES, "HELP": (214, (reply,))})

    assert (software.product, software.version) == ("Sendmail", version)
    assert software.method == ("help" if version else "behaviour")
    if version:
        assert software.confidence == 0.95
        assert "help:" in (software.evidence or "")


def test_qpsmtpd_shows_its_version_in_help_and_a_product_without_cpe_has_none() -> None:
    software = identified(QPSMTPD_REPLIES)

    assert (software.version, software.method, software.confidence, software.cpe) == ("0.94", "help", 0.95, None)


@pytest.mark.parametrize(
    ("replies", "product"),
    [
        ({"HELP": (214, ("netqmail home page: http://qmail.org/netqmail",)), "QUIT": (221, ("mx",))}, "qmail"),
        ({EHLO: (250, ("mx", "PIPELINING", "8BITMIME")), "FOO": (502, ("unimplemented (#5.5.1)",))}, "qmail"),
        (
            {
                EHLO: (
                    250,
                    ("mx Hello [192.0.2.1]", "SIZE", "PIPELINING", "DSN", "X-ANONYMOUSTLS", "X-EXPS GSSAPI NTLM"),
                ),
                "HELP": (214, ("This server supports the following commands:", "HELO EHLO")),
                "QUIT": (221, ("2.0.0 Service closing transmission channel",)),
            },
            "Microsoft Exchange Server",
        ),
        (  # Sendmail before 8.10: no enhanced codes, other extensions
            {
                EHLO: (
                    250,
                    (
                        "mx Hello h.example [192.0.2.1] (may be forged), pleased to meet you",
                        *("EXPN", "VERB", "8BITMIME", "SIZE", "DSN", "ONEX", "ETRN", "XUSR", "HELP"),
                    ),
                ),
                "HELP": (214, ("This is Sendmail version 8.9.3", "End of HELP info")),
            },
            "Sendmail",
        ),
        (  # Postfix behind a firewall that crosses STARTTLS out
            {
                **POSTFIX_REPLIES,
                EHLO: (250, ("mx", "PIPELINING", "SIZE 1", "VRFY", "ETRN", "XXXXXXXA", "8BITMIME", "XFOO")),
            },
            "Postfix",
        ),
    ],
)
def test_other_forms_of_known_products_are_recognised(replies: Replies, product: str) -> None:
    assert identified(replies, unknown_verb=True).product == product


@pytest.mark.parametrize(
    "replies",
    [
        {},
        {"QUIT": (221, ("2.0.0 Bye",))},
        {EHLO: (250, ("mx.example",))},
        {EHLO: (250, ("mx.example", "8BITMIME", "PIPELINING"))},
        {EHLO: (250, ())},
        {EHLO: (502, ("mx Hello localhost [127.0.0.1], pleased to meet you", "DELIVERBY"))},
        {EHLO: (250, ("mx Hello localhost [127.0.0.1], pleased to meet you",)), "QUIT": (221, ("see you",))},
        # Python's old smtpd, of which aiosmtpd kept most words
        {
            EHLO: (250, ("mx", "SIZE 33554432", "HELP")),
            "HELP": (250, ("Supported commands: EHLO HELO MAIL RCPT DATA RSET NOOP QUIT VRFY",)),
            "QUIT": (221, ("Bye",)),
        },
        # Microsoft's SMTP service of IIS, which shares Exchange's words
        {
            EHLO: (250, ("mx Hello [192.0.2.1]", "TURN", "SIZE", "ETRN", "PIPELINING", "DSN", "VRFY", "OK")),
            "HELP": (214, ("This server supports the following commands:",)),
            "QUIT": (221, ("2.0.0 mx Service closing transmission channel",)),
        },
        # a server that speaks like three
        {
            EHLO: (250, ("h Hello h [127.0.0.1], pleased to meet you", "8BITMIME", "SIZE", "XVERP=Courier")),
            "HELP": (214, ("2.0.0 This is OpenSMTPD", "This is qpsmtpd 0.94", "Sendmail 8.1 -- HELP not implemented")),
            "QUIT": (221, ("Bye.",)),
        },
    ],
)
def test_what_fits_no_product_or_several_is_not_identified(replies: Replies) -> None:
    assert shipped_behaviours().identify(dialogue_of(replies)) is None


PLEASED: Replies = {
    EHLO: (250, ("mx Hello localhost [127.0.0.1], pleased to meet you",)),
    "HELP": (214, ("2.0.0 End of HELP info",)),
    "QUIT": (221, ("2.0.0 mx closing connection",)),
}
HARAKA_EHLO = ("mx Hello localhost [127.0.0.1], Haraka is at your service.",)


def test_a_reply_in_other_words_speaks_against_a_product() -> None:
    assert identified(PLEASED).confidence == 0.4
    assert shipped_behaviours().identify(dialogue_of({**PLEASED, "FOO": (500, ("what?",))})) is None


def test_a_reply_that_can_be_set_does_not() -> None:
    assert identified({EHLO: (250, HARAKA_EHLO), "QUIT": (221, ("ciao",))}).product == "Haraka"
    assert shipped_behaviours().identify(dialogue_of({EHLO: (250, HARAKA_EHLO), "HELP": (502, ("ciao",))})) is None


def test_the_same_words_with_another_code_are_not_the_same_reply() -> None:
    ours: Replies = {"HELP": (250, ("Not implemented",)), "QUIT": HARAKA_REPLIES["QUIT"]}

    assert identified(ours).product == "Haraka"
    assert shipped_behaviours().identify(dialogue_of({**ours, "HELP": (502, ("Not implemented",))})) is None


def test_the_order_of_a_few_extensions_says_nothing() -> None:
    few = {**POSTFIX_REPLIES, EHLO: (250, ("mx", "PIPELINING", "SIZE 1", "VRFY"))}
    more = {**POSTFIX_REPLIES, EHLO: (250, ("mx", "PIPELINING", "SIZE 1", "VRFY", "ETRN"))}
    mixed = {**POSTFIX_REPLIES, EHLO: (250, ("mx", "SIZE 1", "PIPELINING", "VRFY"))}

    assert identified(few).evidence == "ehlo:bare-host,help:not-recognized,quit:bye"
    assert identified(more).evidence == "ehlo:bare-host+order,help:not-recognized,quit:bye"
    assert shipped_behaviours().identify(dialogue_of({**mixed, "QUIT": (221, ("?",))}, unknown_verb=False)) is None


def test_a_command_without_a_reply_says_nothing() -> None:
    full = dialogue_of(HARDENED_REPLIES, unknown_verb=False)
    cut = full._replace(
        exchanges=tuple(
            exchange._replace(code=None, lines=()) if exchange.command == "QUIT" else exchange
            for exchange in full.exchanges
        )
    )
    without = full._replace(exchanges=full.exchanges[:-1])

    assert (
        shipped_behaviours().identify(cut)
        == shipped_behaviours().identify(without)
        != shipped_behaviours().identify(full)
    )


def test_the_first_ehlo_counts_not_the_one_inside_tls() -> None:
    full = dialogue_of(HARDENED_REPLIES)
    inside = Exchange(EHLO, 250, POSTFIX_REPLIES[EHLO][1], 0.1)

    assert shipped_behaviours().identify(
        full._replace(exchanges=(*full.exchanges, inside))
    ) == shipped_behaviours().identify(full)


def test_what_is_beyond_the_limits_of_a_reply_is_not_looked_at() -> None:
    late = {**HARDENED_REPLIES, "HELP": (214, (*["x"] * 64, "2.0.0 This is sendmail version 8.17.1.9"))}
    long = {**HARDENED_REPLIES, "HELP": (214, ("2.0.0 This is sendmail version 8.1 " + "x" * 30_000,))}

    assert identified(late).version is None
    assert identified(long).version is None


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
LINES = st.sampled_from(
    [
        *sorted({line for _, replies in ALL for _, lines in replies.values() for line in lines}),
        *("This is sendmail version 9" * 40, "\\x00", "Sendmail 1.2.3.4.5 -- HELP not implemented"),
    ]
)
EXCHANGES = st.builds(
    Exchange,
    st.sampled_from([EHLO, "HELP", "QUIT", "FOO", "STARTTLS", "", " "]) | TEXT,
    st.sampled_from([None, 214, 220, 221, 250, 500, 502]),
    st.lists(LINES | TEXT, max_size=12).map(tuple),
    st.just(0.0),
)


@given(st.lists(EXCHANGES, max_size=8).map(tuple))
def test_shuffled_and_hostile_replies_never_raise_and_give_no_version_that_they_do_not_show(
    exchanges: tuple[Exchange, ...],
) -> None:
    software = shipped_behaviours().identify(Dialogue(exchanges=exchanges))

    if software is not None:
        assert software.product in shipped_behaviours().products
        assert software.confidence in {0.4, 0.6, 0.65, 0.9, 0.95}
        if software.version is not None:
            assert any(software.version in line for exchange in exchanges for line in exchange.lines)
            assert software.method == "help"


def test_a_set_of_behaviours_says_how_many_it_knows() -> None:
    assert repr(shipped_behaviours()) == "<Behaviours: 11 products>"
