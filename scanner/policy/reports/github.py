"""Verdicts as annotations of GitHub Actions: lines on standard output that begin with `::error` and the like.

The runner takes any line that begins with `::` for a command, and older commands (`##[`) anywhere in a line; so a
greeting must never begin a line, end one, or end a property. Broken rules are errors or warnings by their level, waived
ones notices, as is the day of the facts about flaws. What was not judged is one notice at the end, and what passed has
no line. GitHub shows ten annotations of a kind for a step: the full list is for JUnit.

Source: GitHub's documentation, "Workflow commands"; actions/toolkit, packages/core (the quoting).
"""

from collections.abc import Iterable, Iterator
from typing import Final

from scanner.policy.check import FACTS, Level, RuleOutcome, Verdict
from scanner.policy.reports.neutral import NotJudged, printable, said, target_name

_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def maybe_annotation(verdict: Verdict) -> str | None:
    """Return the line for one verdict, without its end; None for what passed or was not judged, but for the facts."""
    if verdict.outcome is RuleOutcome.FAILED:
        kind = "error" if verdict.level is Level.ERROR else "warning"
    elif verdict.outcome is RuleOutcome.WAIVED or verdict.rule == FACTS:
        kind = "notice"
    else:
        return None
    text = f"{target_name(verdict)}: {said(verdict)}"
    if verdict.evidence is not None and verdict.ip is not None:
        text += f": {printable(verdict.evidence)}"
    title = without_old_commands(printable(f"{verdict.rule} at {target_name(verdict)}"))
    return f"::{kind} title={title.translate(_PROPERTY)}::{without_old_commands(text).translate(_DATA)}"


def maybe_not_judged(not_judged: NotJudged) -> str | None:
    """Return the line about what was not judged, without its end; None when everything was."""
    sentence = not_judged.maybe_sentence()
    return None if sentence is None else f"::notice title=not judged::{without_old_commands(sentence).translate(_DATA)}"


def github_lines(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """Yield an annotation for each verdict that needs one, and one for all that were not judged."""
    not_judged = NotJudged()
    for verdict in verdicts:
        not_judged.add(verdict)
        line = maybe_annotation(verdict)
        if line is not None:
            yield line
    line = maybe_not_judged(not_judged)
    if line is not None:
        yield line


def without_old_commands(text: str) -> str:
    """Break what the runner would take for a command in the middle of a line."""
    return text.replace("##[", "## [")
