"""Policy, verification, smoke test, record and formats say the same of one text: one recogniser decides."""

import json
from datetime import date

import pytest

from scanner.formats.weaknesses import weaknesses_of
from scanner.model import Certificate, Exchange, Record, Tls
from scanner.policy.judges import RuleOutcome
from scanner.policy.rules import RULES
from scanner.record import encode
from scanner.smoke.received import HeaderLeak, software_in_headers
from scanner.smtp import unescape
from scanner.verification.evidence import Evidence, EvidencePlace
from scanner.verification.states import VerificationState
from tests.support.dialogues import HARDENED_REPLIES
from tests.support.dialogues import dialogue_of as said_with
from tests.support.fresh_looks import CLEAN, verified, visit, with_ehlo, with_help
from tests.support.greetings import NO_PRODUCT_LAB
from tests.support.policy_records import dialogue_of, record_of
from tests.support.version_texts import NONE, OPEN, SURE

QUIET = {VerificationState.FIXED, VerificationState.HIDDEN_BUT_RECOGNISABLE}
OUTCOMES = {"sure": RuleOutcome.FAILED, "open": RuleOutcome.NOT_JUDGED, "none": RuleOutcome.PASSED}
STATES = {"sure": {VerificationState.STILL_DISCLOSES}, "open": {VerificationState.INCONCLUSIVE}, "none": QUIET}
TABLE = [(text, what) for what, texts in (("sure", SURE), ("open", OPEN), ("none", NONE)) for text in texts]


def outcome(rule: str, record: Record) -> RuleOutcome | None:
    options = {name: option.default for name, option in RULES[rule].options.items()}
    judgement = RULES[rule].judge(record, options, date(2026, 11, 23))
    return None if judgement is None else judgement.outcome


@pytest.mark.parametrize(("text", "what"), TABLE)
def test_policy_verification_disclosure_and_formats_judge_a_greeting_alike(text: str, what: str) -> None:
    greeting = b"220 mail1.example.com " + unescape(text) + b"\r\n"
    record = record_of(greeting)

    assert outcome("no-version-in-greeting", record) is OUTCOMES[what]
    result = verified(visit(greeting))
    # Another word there may name a product: that is a doubt of its own, and says nothing of a version.
    said = " ".join(each.what for each in result.evidence)
    is_named = what == "none" and said.startswith("may name a product") and "version" not in said
    assert result.state in STATES[what] or is_named
    assert ("version" in record.disclosure) is (what == "sure")
    weaknesses = [each.id for each in weaknesses_of(json.loads(encode(record)))]
    assert ("VERSION-DISCLOSED" in weaknesses) is (what == "sure")


@pytest.mark.parametrize(("text", "what"), TABLE)
def test_policy_and_verification_judge_help_alike(text: str, what: str) -> None:
    record = record_of(dialogue=dialogue_of((text,)))

    assert outcome("no-version-in-help", record) is OUTCOMES[what]
    assert verified(visit(NO_PRODUCT_LAB, with_help(214, text))).state in STATES[what]
    assert record.disclosed_in is not None
    assert ("help" in record.disclosed_in["version"]) is (what == "sure")


@pytest.mark.parametrize(("text", "what"), TABLE)
def test_a_smoke_test_judges_a_header_line_alike(text: str, what: str) -> None:
    found = software_in_headers(f"Received: by h (x; {text}) with ESMTP id 1a2b; Sun\r\n".encode())
    versions = [leak.is_sure for leak in found if leak.version is not None]

    assert versions[:1] == {"sure": [True], "open": [False], "none": []}[what]


@pytest.mark.parametrize(("text", "what"), [(text, what) for text, what in TABLE if what != "none" or "@" not in text])
def test_every_other_reply_is_judged_alike(text: str, what: str) -> None:
    other = {**HARDENED_REPLIES, "NOOP": (250, (text,)), "QUIT": (221, (f"2.0.0 {text}",))}

    assert verified(visit(NO_PRODUCT_LAB, other)).state in STATES[what]
    assert verified(visit(NO_PRODUCT_LAB, with_ehlo("h", "SIZE 10240000", text))).state in STATES[what]


def test_the_answer_to_quit_and_a_certificate_show_a_version_and_the_evidence_says_where() -> None:
    replies = {
        **HARDENED_REPLIES,
        "QUIT": (221, ("2.0.0 FooMail-3.2.1 closing",)),
        "NOOP": (500, ("exim-4.94: what?",)),
    }
    tls = Tls(certificates=(Certificate("00", subject="CN=mx4.2.example.com,O=qpsmtpd-0.84", issuer="CN=Root 1.3"),))
    dialogue = said_with(replies, unknown_verb=False)._replace(tls=tls)

    result = verified(visit(NO_PRODUCT_LAB, dialogue))

    assert (result.state, result.shows_version) == (VerificationState.STILL_DISCLOSES, True)
    assert result.evidence == (
        Evidence(EvidencePlace.QUIT, "221 2.0.0 FooMail-3.2.1 closing", "shows version 3.2.1"),
        Evidence(EvidencePlace.OTHER, "500 exim-4.94: what?", "shows version 4.94"),
        Evidence(EvidencePlace.CERTIFICATE, "subject CN=mx4.2.example.com,O=qpsmtpd-0.84", "shows version 0.84"),
        Evidence(EvidencePlace.CERTIFICATE, "issuer CN=Root 1.3", "shows version 1.3"),
    )
    assert result.after is not None
    assert result.after.looked_at == (
        *(
            EvidencePlace.GREETING,
            EvidencePlace.EHLO,
            EvidencePlace.HELP,
            EvidencePlace.QUIT,
            EvidencePlace.OTHER,
            EvidencePlace.CERTIFICATE,
        ),
    )


def test_what_may_be_a_version_in_one_visit_is_not_outvoted() -> None:
    doubtful = visit(NO_PRODUCT_LAB, with_help(214, "5.5.1 what"))

    result = verified(CLEAN, CLEAN, doubtful, agree=2)

    assert (result.state, result.is_failed) == (VerificationState.INCONCLUSIVE, False)
    assert result.evidence[0] == Evidence(EvidencePlace.HELP, "214 5.5.1 what", "may show a version: 5.5.1")


def test_a_doubtful_header_line_leaves_a_clean_host_inconclusive_and_a_sure_one_beside_it_fails_it() -> None:
    doubtful = HeaderLeak("Received", 1, 1, "h", None, "8.17.1.9", "Received: by h (8.17.1.9)", is_sure=False)
    sure = doubtful._replace(version="4.96", text="Received: by h (Exim 4.96)", is_sure=True)

    result = verified(CLEAN, received=[doubtful])

    assert (result.state, result.shows_version) == (VerificationState.INCONCLUSIVE, False)
    assert result.evidence[0] == Evidence(
        EvidencePlace.RECEIVED, "Received: by h (8.17.1.9)", "may show version 8.17.1.9"
    )
    assert verified(CLEAN, received=[doubtful, sure]).state is VerificationState.STILL_DISCLOSES


def test_a_reply_of_another_exchange_is_only_looked_at_when_it_came() -> None:
    silent = said_with(HARDENED_REPLIES, unknown_verb=False)
    silent = silent._replace(exchanges=(*silent.exchanges, Exchange("NOOP", None, (), 0.1)))

    assert verified(visit(NO_PRODUCT_LAB, silent)).state is VerificationState.FIXED


def test_a_record_of_an_older_version_is_judged_by_its_text() -> None:
    """Then `disclosure` had only what a rule had read."""
    record = record_of(b"220 mail1.example.com FooMail-3.2.1 ready\r\n", disclosure=())

    assert outcome("no-version-in-greeting", record) is RuleOutcome.FAILED
