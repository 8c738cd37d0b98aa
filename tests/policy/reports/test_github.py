"""Claims about `scanner.policy.reports.github`, with a reader that does what GitHub's runner does."""

import re
from urllib.parse import unquote

import pytest

from scanner.policy.judges import RuleOutcome
from scanner.policy.policy import FACTS
from scanner.policy.reports import github_lines
from tests.support.verdicts import ALL_KINDS, HOSTILE, WAIVER, hostile, verdict_of

LEAK = "192.0.2.10:25: the greeting gives away version (Sendmail 8.14.7)"
EVIDENCE = "220 mail1.example.com ESMTP Sendmail 8.14.7/8.13.8"


def commands(output: str) -> list[tuple[str, str, str]]:
    """Return (command, title, message) of every line that the runner would act on."""
    found = []
    for line in re.split(r"\r\n|\r|\n", output):
        if match := re.fullmatch(r"\s*::([a-z]+) title=([^:,]*)::(.*)", line):
            found.append((match[1], unquote(match[2]), unquote(match[3])))
        else:
            assert not line.lstrip().startswith("::")
        assert "##[" not in line
    return found


def test_each_broken_or_waived_rule_is_one_annotation() -> None:
    assert list(github_lines(ALL_KINDS)) == [
        f"::error title=no-version-in-greeting at 192.0.2.10%3A25::{LEAK}: {EVIDENCE}",
        "::warning title=starttls-offered at 192.0.2.10%3A25::192.0.2.10:25: STARTTLS is not offered",
        f"::notice title=no-version-in-greeting at 192.0.2.10%3A25::{LEAK} [{WAIVER}]: {EVIDENCE}",
        "::notice title=not judged::1 verdict was not judged, so not passed: no-version-in-greeting 1",
    ]


def test_what_was_not_judged_is_one_notice_whatever_it_is_called() -> None:
    unseen = [verdict_of(RuleOutcome.NOT_JUDGED, rule=rule) for rule in ("a", "b\n::error::x ##[error]", "a", FACTS)]

    *_, line = github_lines(unseen)
    assert (
        line == "::notice title=not judged::3 verdicts were not judged, so not passed: a 2, b\\n::error::x ## [error] 1"
    )
    assert list(github_lines([verdict_of(RuleOutcome.PASSED)])) == []


def test_what_a_verdict_without_address_is_about_is_not_said_twice() -> None:
    (line,) = github_lines([verdict_of(ip=None, message="3 of 4 hosts were seen", evidence="hosts seen")])

    assert line == "::error title=no-version-in-greeting at whole sweep::whole sweep: 3 of 4 hosts were seen"


def test_percent_colon_and_comma_are_quoted_where_they_mean_something() -> None:
    (line,) = github_lines([verdict_of(host="a,b:c%d", message="50%: a, b", evidence=None)])

    title = "no-version-in-greeting at 192.0.2.10%3A25 (a%2Cb%3Ac%25d)"
    assert line == f"::error title={title}::192.0.2.10:25 (a,b:c%25d): 50%25: a, b"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_starts_no_command_of_its_own(text: str) -> None:
    lines = list(github_lines(hostile(text)))

    found = commands("\n".join(lines))
    assert [command for command, _, _ in found] == ["error", "warning", "error", "error", "notice", "notice"]
    assert all(message.isprintable() for _, _, message in found)
    assert len(list(github_lines([verdict_of(RuleOutcome.PASSED, message=text)]))) == 0
