"""Greeting and behaviour become one identity, and where they contradict each other that is said."""

import pytest

from scanner.identify.combine import CONTRADICTION, contradiction, merge
from scanner.model import Software

NAMED = Software("Sendmail", "Sendmail", cpe="c:*", confidence=0.9, evidence="sendmail.plain")
FULL = Software("Sendmail", "Sendmail", version="8.14.7", package="P-1", confidence=0.95, evidence="sendmail.full")
GUESSED = Software("Postfix", confidence=0.6, evidence="postfix.wording")
GATEWAY = Software("ASSP", confidence=0.9, evidence="assp.plain")
BY_HELP = Software("Sendmail", version="8.17.1.9", cpe="c:8", method="help", confidence=0.95, evidence="help:x")
BY_WORDS = Software("Sendmail", method="behaviour", confidence=0.65, evidence="ehlo:y")
EXIM = Software("Exim", method="behaviour", confidence=0.65, evidence="ehlo:z")
HINT = Software("Exim", method="behaviour", confidence=0.4, evidence="quit:z")


@pytest.mark.parametrize(
    ("by_greeting", "by_behaviour", "merged"),
    [
        (None, None, None),
        (FULL, None, FULL),
        (None, BY_WORDS, BY_WORDS),
        (FULL, EXIM, FULL),
        (NAMED, EXIM, NAMED),
        (GUESSED, EXIM, EXIM),
        (GUESSED, HINT, GUESSED),
        (GATEWAY, BY_HELP, GATEWAY),
    ],
)
def test_a_named_greeting_wins_and_one_that_names_nothing_takes_the_behaviour(
    by_greeting: Software | None, by_behaviour: Software | None, merged: Software | None
) -> None:
    assert merge(by_greeting, by_behaviour) == merged


def test_the_version_of_help_fills_a_missing_one() -> None:
    assert merge(NAMED, BY_HELP) == Software(
        "Sendmail",
        "Sendmail",
        version="8.17.1.9",
        cpe="c:8",
        method="help",
        confidence=0.95,
        evidence="sendmail.plain,help:x",
    )


def test_a_version_without_a_name_for_databases_leaves_the_greetings() -> None:
    merged = merge(NAMED, Software("Sendmail", version="8.17.1.9", method="help", confidence=0.95))

    assert merged is not None
    assert (merged.version, merged.cpe, merged.evidence) == ("8.17.1.9", "c:*", "sendmail.plain")


def test_a_version_in_the_greeting_stays_and_behaviour_makes_a_guess_surer() -> None:
    assert merge(FULL, BY_HELP) == Software(
        "Sendmail", "Sendmail", version="8.14.7", package="P-1", confidence=0.95, evidence="sendmail.full,help:x"
    )
    guess = Software("Sendmail", confidence=0.4, evidence="g")
    assert merge(guess, BY_WORDS) == Software("Sendmail", confidence=0.65, evidence="g,ehlo:y")


@pytest.mark.parametrize(
    ("by_greeting", "by_behaviour", "title"),
    [
        (None, EXIM, None),
        (FULL, None, None),
        (NAMED, BY_WORDS, None),
        (NAMED, BY_HELP, None),
        (FULL, BY_WORDS, None),
        (FULL, BY_HELP, "The greeting says Sendmail 8.14.7, HELP says 8.17.1.9"),
        (BY_HELP, BY_HELP, None),
        (FULL, EXIM, "The greeting says Sendmail, but the server behaves like Exim"),
        (FULL, HINT, None),
        (GUESSED, EXIM, None),
        (GATEWAY, EXIM, None),
    ],
)
def test_only_what_cannot_both_be_is_a_contradiction(
    by_greeting: Software | None, by_behaviour: Software | None, title: str | None
) -> None:
    finding = contradiction(by_greeting, by_behaviour)

    assert (finding and finding.title) == title
    if finding is not None:
        assert (finding.id, finding.severity) == (CONTRADICTION, "info")
        assert finding.evidence == (by_behaviour.evidence if by_behaviour else None)
