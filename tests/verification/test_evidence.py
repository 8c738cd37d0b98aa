"""What a server's words still show: versions and names in any reply, and what only looks like one."""

import pytest

from scanner.model import Certificate, Tls
from scanner.verification.evidence import Evidence, EvidencePlace, ServerLine, versions_in
from scanner.verification.states import VerificationState
from scanner.verification.verdicts import outcome_of
from tests.support.dialogues import (
    COURIER_REPLIES,
    EXIM_REPLIES,
    HARAKA_REPLIES,
    HARDENED_REPLIES,
    POSTFIX_REPLIES,
    Replies,
    dialogue_of,
)
from tests.support.fresh_looks import CLEAN, LEAKING, SHOWN, before, opinion_of, verified, visit, with_ehlo, with_help
from tests.support.greetings import NO_PRODUCT_LAB

QMAIL: Replies = {
    "EHLO scanner.lab.example": (250, ("mail1.lab.example", "PIPELINING", "8BITMIME")),
    "HELP": (214, ("netqmail home page: http://mail.example/",)),
    "QUIT": (221, ("mail1.lab.example",)),
}


def test_a_hardened_sendmail_is_fixed_and_the_remark_says_that_it_is_recognisable() -> None:
    result = verified(CLEAN, CLEAN, CLEAN, known=before(LEAKING), opinion=opinion_of())

    assert (result.state, result.is_failed, result.shows_version) == (VerificationState.FIXED, False, False)
    assert result.evidence == (
        Evidence(EvidencePlace.GREETING, "220 mail1.lab.example ESMTP", "names no software"),
        Evidence(
            EvidencePlace.EHLO,
            "250-mail1.lab.example Hello localhost [127.0.0.1], pleased to meet you",
            "no text names it, but it behaves like Sendmail (65%): hiding is not patching",
        ),
        Evidence(EvidencePlace.SECOND_OPINION, "220 mail1.lab.example ESMTP", "reads the same"),
    )
    assert (result.asked, result.agreed) == (3, 3)


def test_a_default_sendmail_discloses_in_greeting_and_help_with_the_lines() -> None:
    result = verified(LEAKING)

    assert result.state is VerificationState.STILL_DISCLOSES
    assert [(each.place, each.line) for each in result.evidence] == [
        (EvidencePlace.GREETING, SHOWN.decode().removesuffix("\r\n")),
        (EvidencePlace.HELP, "214-2.0.0 This is sendmail version 8.17.1.9"),
    ]


@pytest.mark.parametrize(
    ("replies", "place", "line"),
    [
        (
            with_help(214, "2.0.0 This is sendmail version 8.17.1.9", "2.0.0 End of HELP info"),
            EvidencePlace.HELP,
            "214-2.0.0 This is sendmail version 8.17.1.9",
        ),
        (
            with_help(502, "5.3.0 Sendmail 8.17.1.9 -- HELP not implemented"),
            EvidencePlace.HELP,
            "502 5.3.0 Sendmail 8.17.1.9 -- HELP not implemented",
        ),
        (with_help(214, "This is FooMail/3.2.1-rc1"), EvidencePlace.HELP, "214 This is FooMail/3.2.1-rc1"),
        (with_help(214, "software version: v3.2"), EvidencePlace.HELP, "214 software version: v3.2"),
        (
            with_ehlo("h Hello x [192.0.2.9], FooMail 7.1 here", "SIZE 1"),
            EvidencePlace.EHLO,
            "250-h Hello x [192.0.2.9], FooMail 7.1 here",
        ),
        (
            with_ehlo("h", "XSERVER FooMail_2.0.1"),
            EvidencePlace.EHLO,
            "250 XSERVER FooMail_2.0.1",
        ),
    ],
)
def test_a_greeting_that_hides_does_not_make_up_for_another_reply_that_shows(
    replies: Replies, place: EvidencePlace, line: str
) -> None:
    result = verified(visit(NO_PRODUCT_LAB, replies), known=before(LEAKING))

    assert result.state is VerificationState.STILL_DISCLOSES
    assert [(each.place, each.line) for each in result.evidence] == [(place, line)]


def test_a_version_that_was_known_before_is_found_in_any_words() -> None:
    known = before(LEAKING)
    replies = with_help(214, "2.0.0 build 8.17.1.9 of the mailer")

    assert verified(visit(NO_PRODUCT_LAB, replies), known=known).state is VerificationState.STILL_DISCLOSES


@pytest.mark.parametrize(
    "line",
    [
        "2.0.0 Commands: HELO EHLO",
        "See https://tools.ietf.org/html/rfc5321 for details",
        "RFC 5321 4.1.1 and section 4.2.1",
        "TLS 1.3 is offered, TLSv1.2 too",
        "Hello 192.0.2.77",
        "relay [10.4.5.1] ready",
        "closed from 22.11.2026 on",
        "closed since 22.11.2026",
        "valid until 2027.01.31",
        "at 10.30 sharp",
        "write to x-2.0@mail1.example.com",
    ],
)
def test_numbers_that_are_no_version_of_the_server_are_no_leak(line: str) -> None:
    assert verified(visit(NO_PRODUCT_LAB, with_help(214, line))).state is VerificationState.FIXED


def test_a_reply_code_that_equals_the_version_of_before_is_no_leak() -> None:
    known = before(LEAKING)._replace(version="2.0.0", versions_in=(EvidencePlace.GREETING,))

    assert verified(CLEAN, known=known).state is VerificationState.FIXED
    assert (
        verified(visit(NO_PRODUCT_LAB, with_help(214, "2.0.0 mailer 2.0.0")), known=known).state
        is VerificationState.STILL_DISCLOSES
    )


def test_the_greeting_of_a_large_provider_with_a_queue_number_is_no_version() -> None:
    said = ServerLine(EvidencePlace.GREETING, "", "ESMTP 5b1f17b1804b1-4364a378a0fsi33815e9.138 - gsmtp")

    assert versions_in(said, ()) == ()


def test_a_host_named_like_a_product_does_not_name_its_software() -> None:
    greeting = b"220 sendmail.lab.example ESMTP\r\n"
    replies: Replies = {
        "EHLO x": (250, ("sendmail.lab.example Hello x [192.0.2.9], pleased to meet you", *SENDMAIL_EXTENSIONS)),
        "HELP": (214, ("2.0.0 sendmail.lab.example takes: EHLO", "2.0.0 End of HELP info")),
        "QUIT": (221, ("2.0.0 sendmail.lab.example closing connection",)),
    }

    result = verified(visit(greeting, replies), known=before(LEAKING))

    assert result.state is VerificationState.FIXED
    assert result.after is not None
    assert result.after.disclosure == ()


SENDMAIL_EXTENSIONS = HARDENED_REPLIES["EHLO scanner.lab.example"][1][1:]


def test_what_a_greeting_says_of_the_client_is_the_clients() -> None:
    greeting = b"220 mail1.lab.example ESMTP; logging access from: exim 4.96 [192.0.2.9]\r\n"

    assert verified(visit(greeting)).state is VerificationState.FIXED


@pytest.mark.parametrize(
    ("raw", "replies", "product"),
    [
        (b"220 mail2.lab.example ESMTP Postfix\r\n", POSTFIX_REPLIES, "Postfix"),
        (NO_PRODUCT_LAB, COURIER_REPLIES, "Courier"),
        (NO_PRODUCT_LAB, HARAKA_REPLIES, "Haraka"),
        (NO_PRODUCT_LAB, with_help(214, "ask the qmail team"), "qmail"),
        (NO_PRODUCT_LAB, QMAIL, "qmail"),
    ],
)
def test_a_product_that_is_named_without_its_version_is_recognisable(
    raw: bytes, replies: Replies, product: str
) -> None:
    result = verified(visit(raw, replies))

    assert (result.state, result.is_failed) == (VerificationState.HIDDEN_BUT_RECOGNISABLE, False)
    assert result.evidence[0].what == f"names {product}"
    assert product.lower() in (result.evidence[0].line or "").lower()


def test_a_greeting_whose_wording_is_a_products_own_names_it() -> None:
    greeting = b"220 mx.example.com Microsoft ESMTP MAIL Service ready at Sun, 22 Nov 2026 10:16:56 +0000\r\n"

    result = verified(visit(greeting))

    assert result.state is VerificationState.HIDDEN_BUT_RECOGNISABLE
    assert (result.evidence[0].place, result.evidence[0].line) == (EvidencePlace.GREETING, greeting.decode().rstrip())


def test_a_server_that_nobody_knows_is_fixed_without_a_remark() -> None:
    result = verified(
        visit(b"220 h.example.com ESMTP\r\n", {"EHLO x": (250, ("h.example.com",)), "HELP": (500, ("?",))})
    )

    assert (result.state, result.evidence) == (
        VerificationState.FIXED,
        (Evidence(EvidencePlace.GREETING, "220 h.example.com ESMTP", "names no software"),),
    )


def test_a_version_like_an_address_is_one_after_a_name_that_has_such_versions() -> None:
    def shown(text: str) -> tuple[str, ...]:
        return versions_in(ServerLine(EvidencePlace.HELP, "", text), ())

    assert shown("Sendmail 8.17.1.9 here") == shown("version 8.17.1.9") == ("8.17.1.9",)
    assert shown("gateway 8.17.1.9 here") == ()
    assert shown("FooMail 4.2 (Exim 4.96)") == ("4.2", "4.96")


def test_a_certificate_that_names_the_product_is_said_and_not_judged() -> None:
    tls = Tls(certificates=(Certificate("00", subject="CN=h.lab.example,O=Exim Developers"),))
    dialogue = dialogue_of(EXIM_REPLIES, unknown_verb=False)._replace(tls=tls)

    result = verified(visit(NO_PRODUCT_LAB, dialogue))

    assert result.state is VerificationState.FIXED
    certificate = Evidence(EvidencePlace.CERTIFICATE, "subject CN=h.lab.example,O=Exim Developers", "names Exim")
    assert certificate in result.evidence


def test_a_strict_gate_fails_a_recognisable_host_and_the_other_one_does_not() -> None:
    result = verified(visit(b"220 mail2.lab.example ESMTP Postfix\r\n", POSTFIX_REPLIES))

    assert (outcome_of(result), outcome_of(result, strict=True)) == ("passed", "failed")


def test_a_line_made_to_be_slow_is_read_in_time() -> None:
    """Each of these would take a backtracking pattern seconds; the test's own time limit is the claim."""
    for part in ("a 1.1", "aa 1.1a-", "1.", "a.", "version ", "a_1.1_"):
        versions_in(ServerLine(EvidencePlace.HELP, "", (part * 2000)[:2000] + "@"), ("1.1",))
