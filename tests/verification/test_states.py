"""From visits to a state: what is a leak, what is only quiet, and that nobody is fixed who was not seen."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import InputError
from scanner.model import Dialogue, Exchange, Record, Status
from scanner.policy.judges import RuleOutcome
from scanner.policy.rules import Level
from scanner.smoke.received import software_in_headers
from scanner.verification.evidence import Evidence, EvidencePlace, Opinion
from scanner.verification.states import NOT_FIXED, NOT_SEEN, VerificationState, judge
from scanner.verification.verdicts import coverage_verdict, outcome_of, seen_of, verdict_of
from scanner.verification.visits import Visit, visit_from, visit_of
from tests.support.dialogues import EXIM_REPLIES, HARDENED_REPLIES, POSTFIX_REPLIES, SENDMAIL_REPLIES
from tests.support.fresh_looks import CLEAN, HOST, LEAKING, before, opinion_of, verified, visit, with_help
from tests.support.greetings import NO_PRODUCT_LAB

# What was there before


def test_a_leak_where_an_earlier_visit_saw_none_is_a_regression() -> None:
    assert verified(LEAKING, known=before(CLEAN)).state is VerificationState.REGRESSED


def test_a_leak_in_help_is_no_regression_when_only_greetings_were_read_before() -> None:
    only_greeting = before(visit(NO_PRODUCT_LAB, None))

    assert only_greeting.looked_at == (EvidencePlace.GREETING,)
    assert (
        verified(visit(NO_PRODUCT_LAB, SENDMAIL_REPLIES), known=only_greeting).state
        is VerificationState.STILL_DISCLOSES
    )
    assert verified(LEAKING, known=only_greeting).state is VerificationState.REGRESSED


def test_another_product_is_replaced_and_when_it_shows_its_version_it_discloses() -> None:
    postfix = visit(b"220 mail2.lab.example ESMTP Postfix\r\n", POSTFIX_REPLIES)
    exim = visit(b"220 mail3.lab.example ESMTP Exim 4.96 Sun, 22 Nov 2026 10:16:56 +0000\r\n", EXIM_REPLIES)

    result = verified(postfix, known=before(LEAKING))

    assert (result.state, result.is_failed) == (VerificationState.REPLACED, True)
    assert result.evidence[0].what == "Postfix, where Sendmail was before"
    assert verified(exim, known=before(LEAKING)).state is VerificationState.STILL_DISCLOSES


def test_another_service_than_before_is_replaced_and_without_a_before_inconclusive() -> None:
    ssh = visit(b"SSH-2.0-OpenSSH_9.2p1\r\n", None)

    result = verified(ssh, known=before(LEAKING))

    assert (result.state, result.is_failed) == (VerificationState.REPLACED, True)
    assert result.evidence == (
        Evidence(EvidencePlace.GREETING, "SSH-2.0-OpenSSH_9.2p1", "another service than before: no SMTP"),
    )
    assert verified(ssh).state is VerificationState.INCONCLUSIVE
    assert verified(CLEAN, known=before(ssh)).state is VerificationState.FIXED


def test_a_firewalls_stars_are_masked_and_not_fixed() -> None:
    stars = b"220 ****************************************************0*2******0****\r\n"

    result = verified(visit(stars), known=before(LEAKING))

    assert (result.state, result.is_failed) == (VerificationState.MASKED, True)


def test_a_masked_greeting_with_a_version_in_help_discloses() -> None:
    stars = b"220 ****************************************************0*2******0****\r\n"

    assert verified(visit(stars, SENDMAIL_REPLIES)).state is VerificationState.STILL_DISCLOSES


# Not seen is not fixed


@pytest.mark.parametrize("status", [Status.REFUSED, Status.CONNECT_TIMEOUT, Status.UNREACHABLE])
@pytest.mark.parametrize("known", [None, before(LEAKING), before(CLEAN)])
def test_who_cannot_be_reached_is_never_fixed(status: Status, known: Visit | None) -> None:
    result = verified(*[visit(b"", None, status, "ECONNREFUSED")] * 3, known=known)

    assert (result.state, outcome_of(result)) == (VerificationState.UNREACHABLE, "not_judged")
    assert result.evidence == (
        Evidence(EvidencePlace.GREETING, None, f"{status.value.replace('_', ' ')} (ECONNREFUSED)"),
    )


def test_the_evidence_says_why_a_look_was_not_whole() -> None:
    said = {case: verified(record).evidence[0].what for case, record in INCONCLUSIVE.items()}

    assert said["silent"] == "no greeting to judge by: silent"
    assert said["refuses everybody"] == "no greeting to judge by: rejected"
    assert said["no dialogue"] == "no dialogue was held: EHLO and HELP were not seen"
    assert said["no reply to EHLO"] == "EHLO got no reply: closed by the server at EHLO"
    assert said["HELP put off"] == "HELP was put off with 421"
    assert said["EHLO refused"] == "EHLO was refused with 550"


INCONCLUSIVE = {
    "silent": visit(b"", None, Status.SILENT),
    "closed": visit(b"", None, Status.CLOSED),
    "reset": visit(b"", None, Status.RESET),
    "cut": visit(b"220 mail1.lab", None, Status.CUT),
    "slow": visit(b"220-mail1.lab", None, Status.SLOW),
    "bug": visit(b"", None, Status.BUG),
    "excluded": visit(b"", None, Status.EXCLUDED),
    "malformed": visit(b"hello there\r\n", None),
    "overloaded": visit(b"421 mail1.lab.example too many connections, try again later\r\n", None),
    "refuses everybody": visit(b"554 mail1.lab.example no SMTP service here\r\n", None),
    "no dialogue": visit(NO_PRODUCT_LAB, None),
    "no reply to HELP": visit(
        NO_PRODUCT_LAB, {key: value for key, value in HARDENED_REPLIES.items() if key[:4] == "EHLO"}
    ),
    "no reply to EHLO": visit(NO_PRODUCT_LAB, Dialogue(error="closed by the server at EHLO")),
    "HELP put off": visit(NO_PRODUCT_LAB, with_help(421, "later")),
    "EHLO refused": visit(NO_PRODUCT_LAB, {"EHLO x": (550, ("no",)), "HELP": (550, ("no",))}),
}


@pytest.mark.parametrize("case", INCONCLUSIVE)
def test_half_a_look_is_never_fixed(case: str) -> None:
    result = verified(*[INCONCLUSIVE[case]] * 3, known=before(LEAKING))

    assert result.state in NOT_SEEN
    assert outcome_of(result) == "not_judged"
    assert (result.agreed, result.evidence[0].place) == (3, EvidencePlace.GREETING)


def test_a_host_that_was_not_visited_is_inconclusive() -> None:
    result = verified(asked=3)

    assert (result.state, result.after, result.agreed) == (VerificationState.INCONCLUSIVE, None, 0)
    assert result.evidence == (Evidence(EvidencePlace.GREETING, None, "was not visited"),)


def test_a_greeting_that_refuses_our_address_is_not_a_look_at_the_server() -> None:
    result = verified(visit(b"554 5.7.1 Service unavailable; client host [192.0.2.9] blocked using zen\r\n", None))

    assert (result.state, outcome_of(result)) == (VerificationState.REFUSED_US, "not_judged")


def test_half_a_greeting_with_a_version_is_a_leak() -> None:
    assert (
        verified(visit(b"220 mail1 ESMTP Sendmail 8.14.4/8.14.4; S", None, Status.CUT)).state
        is VerificationState.STILL_DISCLOSES
    )


# Several visits


def test_a_pool_of_which_one_server_leaks_discloses_and_says_in_how_many_visits() -> None:
    result = verified(CLEAN, LEAKING, CLEAN, known=before(LEAKING), agree=1)

    assert (result.state, result.asked, result.agreed) == (VerificationState.STILL_DISCLOSES, 3, 1)
    assert result.evidence[0].what.endswith("(in 1 of 3 visits)")
    assert result.after is not None
    assert result.after.versions_in == (EvidencePlace.GREETING, EvidencePlace.HELP)


def test_visits_must_agree_unless_fewer_are_asked_for() -> None:
    down = visit(b"", None, Status.REFUSED)

    result = verified(CLEAN, CLEAN, down)

    assert (result.state, result.agreed) == (VerificationState.INCONCLUSIVE, 2)
    assert result.evidence[0].what == "visits disagree: 2 fixed, 1 unreachable"
    assert verified(CLEAN, CLEAN, down, agree=2).state is VerificationState.FIXED
    assert verified(CLEAN, down, agree=1).state is VerificationState.INCONCLUSIVE  # both have one


def test_visits_that_were_not_made_do_not_agree() -> None:
    assert verified(CLEAN, CLEAN, asked=3).state is VerificationState.INCONCLUSIVE
    assert verified(CLEAN, CLEAN, asked=3, agree=2).state is VerificationState.FIXED


def test_a_pool_of_which_one_server_names_its_product_is_recognisable() -> None:
    result = verified(CLEAN, visit(NO_PRODUCT_LAB, with_help(214, "2.0.0 sendmail help")), CLEAN)

    assert (result.state, result.agreed) == (VerificationState.HIDDEN_BUT_RECOGNISABLE, 3)


# The second reader


def test_readers_that_contradict_each_other_are_inconclusive_with_both_shown() -> None:
    result = verified(CLEAN, CLEAN, opinion=opinion_of(replies=SENDMAIL_REPLIES))

    assert (result.state, result.shows_version) == (VerificationState.INCONCLUSIVE, True)
    assert result.evidence == (
        Evidence(EvidencePlace.GREETING, "220 mail1.lab.example ESMTP", "names no software"),
        Evidence(
            EvidencePlace.SECOND_OPINION,
            "214-2.0.0 This is sendmail version 8.17.1.9",
            "help: shows version 8.17.1.9",
        ),
    )
    assert outcome_of(result) == "failed"  # a version was seen: no coverage lets that pass


def test_a_second_reader_that_misses_what_all_visits_saw_is_a_contradiction() -> None:
    result = verified(LEAKING, LEAKING, opinion=opinion_of())

    assert result.state is VerificationState.INCONCLUSIVE
    assert [each.place for each in result.evidence] == [
        EvidencePlace.GREETING,
        EvidencePlace.HELP,
        EvidencePlace.SECOND_OPINION,
    ]


def test_a_second_reader_that_met_another_server_of_the_pool_contradicts_nobody() -> None:
    assert verified(CLEAN, LEAKING, opinion=opinion_of()).state is VerificationState.STILL_DISCLOSES


@pytest.mark.parametrize(
    "opinion",
    [
        Opinion(error="connect timeout"),
        Opinion(Exchange("greeting", 421, ("too busy, postfix",), 0.1)),
        opinion_of(error="closed by the server at HELP")._replace(help=None),
    ],
)
def test_a_second_reader_that_could_not_read_takes_nothing_back_and_is_mentioned(opinion: Opinion) -> None:
    result = verified(CLEAN, opinion=opinion)

    assert result.state is VerificationState.FIXED
    assert result.evidence[-1].place is EvidencePlace.SECOND_OPINION
    assert result.evidence[-1].what.startswith("not to be had: ")


# Header lines


RECEIVED = b"Received: from x by mail1.lab.example (8.17.1.9/8.17.1.9/Debian-2) with ESMTP id 1; now\r\n"


def test_a_received_line_with_a_version_is_a_leak_of_a_host_that_hides_everything_else() -> None:
    result = verified(CLEAN, received=software_in_headers(RECEIVED))

    assert (result.state, result.is_failed) == (VerificationState.STILL_DISCLOSES, True)
    assert [(each.place, each.what) for each in result.evidence] == [
        (EvidencePlace.RECEIVED, "shows version 8.17.1.9"),
    ]


def test_a_received_line_that_names_the_product_leaves_it_recognisable() -> None:
    received = software_in_headers(b"Received: from x by mail1.lab.example (Postfix) with ESMTP id 1; now\r\n")

    result = verified(CLEAN, received=received)

    assert result.state is VerificationState.HIDDEN_BUT_RECOGNISABLE
    assert [each.what for each in result.evidence] == ["names Postfix"]


# For reports


def test_a_verdict_has_the_state_and_the_first_evidence() -> None:
    verdict = verdict_of(verified(visit(NO_PRODUCT_LAB, SENDMAIL_REPLIES)))

    assert verdict[:6] == ("verify", Level.ERROR, RuleOutcome.FAILED, "192.0.2.1", 25, "mail1.lab.example")
    assert verdict.message == "still discloses: help shows version 8.17.1.9"
    assert verdict.evidence == "214-2.0.0 This is sendmail version 8.17.1.9"
    assert verdict_of(verified(CLEAN)._replace(evidence=())).message == "fixed"


@pytest.mark.parametrize(
    ("records", "least", "outcome"),
    [
        ((CLEAN, LEAKING), 1.0, RuleOutcome.PASSED),
        ((CLEAN, visit(b"", None, Status.REFUSED)), 1.0, RuleOutcome.FAILED),
        ((CLEAN, visit(b"", None, Status.REFUSED)), 0.5, RuleOutcome.PASSED),
        ((), 0.0, RuleOutcome.FAILED),
    ],
)
def test_too_few_hosts_seen_is_a_verdict_of_its_own(
    records: Sequence[Record], least: float, outcome: RuleOutcome
) -> None:
    verdict = coverage_verdict(seen_of(Counter(verified(record).state for record in records)), least)

    assert (verdict.rule, verdict.outcome, verdict.ip) == ("coverage", outcome, None)


# Stored and read back


@pytest.mark.parametrize("record", [LEAKING, CLEAN, *INCONCLUSIVE.values()])
def test_a_visit_is_read_back_as_it_was_written(record: Record) -> None:
    assert visit_from(visit_of(record).document()) == visit_of(record)


@pytest.mark.parametrize(
    "damaged",
    [
        None,
        [],
        "text",
        {},
        {**visit_of(CLEAN).document(), "status": "fine"},
        {**visit_of(CLEAN).document(), "software": None},
        {**visit_of(CLEAN).document(), "looked_at": ["attic"]},
        {**visit_of(CLEAN).document(), "greeting": 5},
    ],
)
def test_what_is_no_visit_is_refused(damaged: object) -> None:
    with pytest.raises(InputError, match="not a result of verify"):
        visit_from(damaged)


# For all


RECORDS = st.sampled_from([LEAKING, CLEAN, *INCONCLUSIVE.values(), visit(b"", None, Status.REFUSED)])


@given(st.lists(RECORDS, max_size=5), st.sampled_from([None, before(LEAKING), before(CLEAN)]))
def test_fixed_is_only_said_when_every_visit_was_whole_and_clean(
    records: Sequence[Record], known: Visit | None
) -> None:
    result = judge(HOST._replace(before=known), records)

    assert (result.state is VerificationState.FIXED) == (bool(records) and all(record is CLEAN for record in records))
    assert (result.state in NOT_FIXED) == any(record is LEAKING for record in records)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_have_a_state_and_printable_evidence(raw: bytes, said: bytes) -> None:
    help_text = said.decode("latin-1").encode("unicode_escape").decode("ascii")
    result = verified(visit(b"220 " + raw + b"\r\n", with_help(214, help_text)))

    assert result.evidence
    assert all((each.line or "").isascii() and (each.line or "").isprintable() for each in result.evidence)
    assert all(len(each.line or "") <= 510 for each in result.evidence)


def test_what_only_the_second_reader_reads_and_may_be_a_version_leaves_it_open() -> None:
    result = verified(visit(), opinion=opinion_of(b"220 mail1.lab.example ESMTP Foobus/7\r\n"))

    assert result.state is VerificationState.INCONCLUSIVE
    assert (result.evidence[0].place, result.evidence[0].what) == (
        EvidencePlace.SECOND_OPINION,
        "may show a version: 7",
    )


def test_a_word_that_may_name_a_product_is_inconclusive() -> None:
    found = verified(visit(b"220 mx.example.com ESMTP Zorblax\r\n"))

    assert found.state is VerificationState.INCONCLUSIVE
    assert any(each.what == "may name a product: Zorblax" for each in found.evidence)
