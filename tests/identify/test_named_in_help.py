"""A reply that names the product names it, whatever the other replies were made to say."""

import pytest

from scanner.identify.behaviour import shipped_behaviours
from scanner.model import Answer, Software
from scanner.verification.states import VerificationState
from tests.support.attempts import spoken
from tests.support.dialogues import EXIM_REPLIES, POSTFIX_REPLIES, SENDMAIL_REPLIES, Replies, dialogue_of
from tests.support.fresh_looks import verified, visit
from tests.support.greetings import NO_PRODUCT_LAB

EHLO = "EHLO scanner.lab.example"
HELP = (214, ("2.0.0 This is sendmail version 8.17.1.9", "2.0.0 End of HELP info"))
#: Replies to EHLO as a proxy or a setting makes them.
GREETED: dict[str, tuple[int, tuple[str, ...]]] = {
    "bare": (250, ("mail1.lab.example",)),
    "other words": (250, ("mail1.lab.example at your service", "8BITMIME", "SIZE 1000")),
    "other order": (250, ("mail1.lab.example", "HELP", "SIZE", "8BITMIME", "PIPELINING", "DSN")),
    "unknown": (250, ("mail1.lab.example", "XFOO", "XBAR")),
    "refused": (502, ("5.5.1 no",)),
}


def replies(greeted: str) -> Replies:
    return {EHLO: GREETED[greeted], "HELP": HELP, "QUIT": (221, ("bye",)), "FOO": (500, ("what",))}


@pytest.mark.parametrize("greeted", GREETED)
def test_help_names_the_product_of_a_record(greeted: str) -> None:
    record = spoken(NO_PRODUCT_LAB, replies(greeted))

    assert record.software is not None
    assert (record.software.product, record.software.version, record.software.method) == (
        "Sendmail",
        "8.17.1.9",
        "help",
    )
    assert {"product", "version"} <= set(record.disclosure)
    assert record.disclosed_in is not None
    assert record.disclosed_in["product"] == ("help",)
    assert record.disclosed_in["version"] == ("help",)
    assert record.assessment is not None
    assert record.assessment.answer is Answer.KNOWN_FLAWS
    assert "CVE-2023-51765" in {each.id for each in record.findings}


@pytest.mark.parametrize("greeted", GREETED)
def test_help_names_the_product_of_a_verified_host(greeted: str) -> None:
    result = verified(visit(NO_PRODUCT_LAB, replies(greeted)))

    assert result.state is VerificationState.STILL_DISCLOSES
    assert result.after is not None
    assert (result.after.product, result.after.version) == ("Sendmail", "8.17.1.9")


def test_two_products_that_are_named_tell_none() -> None:
    both = replies("bare") | {"HELP": (214, ("2.0.0 This is sendmail version 8.17.1.9", "2.0.0 This is OpenSMTPD"))}

    assert shipped_behaviours().identify(dialogue_of(both)) is None


@pytest.mark.parametrize(
    ("product", "known"), [("Postfix", POSTFIX_REPLIES), ("Exim", EXIM_REPLIES), ("Sendmail", SENDMAIL_REPLIES)]
)
def test_who_is_told_by_behaviour_stays_that(product: str, known: Replies) -> None:
    software = shipped_behaviours().identify(dialogue_of(known))

    assert isinstance(software, Software)
    assert software.product == product
