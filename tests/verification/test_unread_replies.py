"""Claims about replies that were not whole, were a refusal, or that a firewall wrote over: they make nobody `fixed`."""

import pytest

from scanner.model import Exchange, Record
from scanner.policy.judges import RuleOutcome
from scanner.policy.rules import RULES
from scanner.smoke.received import software_in_headers
from scanner.verification.baseline import MessageHeaders, leaks_of
from scanner.verification.evidence import EvidencePlace
from scanner.verification.states import VerificationState
from tests.support.dialogues import HARDENED_REPLIES, POSTFIX_REPLIES, dialogue_of
from tests.support.fresh_looks import SHOWN, before, verified, visit, with_ehlo, with_help
from tests.support.greetings import NO_PRODUCT_LAB
from tests.support.policy_records import TODAY


def half_help(*lines: str) -> Record:
    """Return a visit whose reply to HELP was not read to its end."""
    dialogue = dialogue_of(HARDENED_REPLIES, unknown_verb=False)
    exchanges = [each for each in dialogue.exchanges if each.command != "HELP"]
    cut = Exchange("HELP", 214, lines, 0.1, incomplete=True)
    return visit(NO_PRODUCT_LAB, dialogue._replace(exchanges=(*exchanges, cut)))


def judged_help(record: Record) -> tuple[RuleOutcome, str]:
    rule = RULES["no-version-in-help"]
    judgement = rule.judge(record, {name: option.default for name, option in rule.options.items()}, TODAY)
    assert judgement is not None
    return judgement.outcome, judgement.message


def test_a_reply_to_help_that_was_not_read_to_its_end_makes_nobody_fixed() -> None:
    record = half_help("first", "second")

    result = verified(record, record, record)

    assert result.state is VerificationState.INCONCLUSIVE
    assert result.evidence[0].what == "HELP was not read to its end"
    assert judged_help(record) == (RuleOutcome.NOT_JUDGED, "HELP was not read to its end")
    assert EvidencePlace.HELP not in before(record).looked_at


def test_a_version_in_half_a_reply_is_believed() -> None:
    record = half_help("This is sendmail version 8.17.1.9")

    assert verified(record).state is VerificationState.STILL_DISCLOSES
    assert judged_help(record)[0] is RuleOutcome.FAILED


@pytest.mark.parametrize("code", [421, 450, 521, 530, 550, 554])
def test_help_that_is_put_off_or_refused_is_not_seen(code: int) -> None:
    record = visit(NO_PRODUCT_LAB, with_help(code, "not for you"))
    what = f"HELP was {'put off' if code < 500 else 'refused'} with {code}"

    assert (verified(record).state, verified(record).evidence[0].what) == (VerificationState.INCONCLUSIVE, what)
    assert judged_help(record) == (RuleOutcome.NOT_JUDGED, what)


@pytest.mark.parametrize("code", [500, 501, 502, 503, 504])
def test_help_that_is_not_known_there_is_an_answer(code: int) -> None:
    record = visit(NO_PRODUCT_LAB, with_help(code, "ESMTP command error"))

    assert verified(record).state is VerificationState.FIXED
    assert judged_help(record)[0] is RuleOutcome.PASSED


@pytest.mark.parametrize("code", [500, 502, 530, 554])
def test_a_server_that_refuses_ehlo_was_not_heard(code: int) -> None:
    record = visit(NO_PRODUCT_LAB, {"EHLO scanner.lab.example": (code, ("no",)), "HELP": POSTFIX_REPLIES["HELP"]})

    assert verified(record).state is VerificationState.INCONCLUSIVE
    assert verified(record).evidence[0].what == f"EHLO was refused with {code}"


@pytest.mark.parametrize(
    "lines", [("XXXXXXXX", "XXXXXXXXB"), ("mail1.lab.example", "SIZE", "xxxxxxxa"), ("a", "*****")]
)
def test_a_reply_to_ehlo_that_a_firewall_wrote_over_was_not_read(lines: tuple[str, ...]) -> None:
    result = verified(visit(NO_PRODUCT_LAB, with_ehlo(*lines)))

    assert result.state is VerificationState.INCONCLUSIVE
    assert result.evidence[0].what == "a firewall has crossed out lines of the reply to EHLO"


@pytest.mark.parametrize("text", [b"xxxxxxxxxxxxxxxxxxxxx", b"XXXXXXXXXXXXXXX 0 2", b"****************"])
def test_a_greeting_that_is_crossed_out_is_masked(text: bytes) -> None:
    result = verified(visit(b"220 " + text + b"\r\n"), known=before(visit(SHOWN)))

    assert (result.state, result.is_failed) == (VerificationState.MASKED, True)


def test_a_second_line_of_the_path_by_the_verified_host_counts_like_its_first() -> None:
    raw = b"X-Received: by Mail1.lab.example (Exim 4.94); x\r\nReceived: by mail1.lab.example id 2; x\r\n\r\n"
    message = MessageHeaders(software_in_headers(raw), writers=("mail1.lab.example",))

    leaks = leaks_of(("192.0.2.1", 25), ["mail1.lab.example"], [message])

    assert [each.header for each in leaks] == ["X-Received"]
    assert verified(visit(), received=leaks).state is VerificationState.STILL_DISCLOSES
    assert leaks_of(("192.0.2.2", 25), ["mail2.lab.example"], [message]) == []
