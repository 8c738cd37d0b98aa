"""Write verdicts as annotations of GitHub Actions: lines on standard output such as `::error ...`.

The runner executes any line that begins with `::` as a command, and older commands (`##[`) anywhere in a line. So a
greeting must never begin or end a line, or end a property. A broken rule is an error or a warning by its level; a
waived one is a notice, as is the day of the facts. All that was not judged is one notice at the end, and a passed rule
has no line. GitHub shows ten annotations of a kind for a step, so the full list is better read in JUnit.

Source: GitHub's documentation, "Workflow commands"; actions/toolkit, packages/core (the quoting).
"""

from collections.abc import Iterable, Iterator
from typing import Final

from scanner.policy.check import Verdict
from scanner.policy.judges import RuleOutcome
from scanner.policy.policy import FACTS
from scanner.policy.reports.neutral import NotJudged, printable, said, target_name
from scanner.policy.rules import Level

_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def maybe_annotation(verdict: Verdict) -> str | None:
    """Return the line for one verdict, without its end; None when it passed or was not judged (except the facts)."""
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
    """Break up what the runner would execute as a command in the middle of a line."""
    return text.replace("##[", "## [")
