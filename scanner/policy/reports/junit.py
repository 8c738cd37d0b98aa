"""Write verdicts as JUnit XML, for the test pages of continuous integration.

There is one test case for each verdict, so that the page shows what was checked and not only what failed. JUnit has
neither warnings nor waivers: only a rule broken at level error fails a case. Broken at level warning, waived and not
judged are "skipped", with the reason. The counts stand at the top of the file but are known at its end, so the writer
leaves room for them and fills it in; it keeps nothing in memory.

There is no standard. This is the common part of the schemas of Jenkins (xunit plugin) and Apache Ant.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from scanner.files.names import JUNIT
from scanner.policy.check import Verdict
from scanner.policy.judges import RuleOutcome
from scanner.policy.policy import FACTS
from scanner.policy.reports.file_report import FileReport
from scanner.policy.reports.neutral import printable, said, target_name
from scanner.policy.rules import Level

#: Room for the counts at the top of the file.
_COUNTS_BYTES: Final = 120
_QUOTES: Final = {'"': "&quot;"}


class JunitReport(FileReport):
    """A JUnit file. `suite` names the test suite, and begins the class names of its cases."""

    content = JUNIT

    def __init__(self, path: str | Path, *, suite: str, overwrite: bool = False) -> None:
        """Name file and suite."""
        super().__init__(path, overwrite=overwrite)
        self._suite = _xml(suite)
        self._counts: Counter[str] = Counter()
        self._counts_at = 0

    def add(self, verdict: Verdict) -> None:
        """Write one test case."""
        element, reason = _result(verdict)
        self._counts["tests"] += 1
        self._counts[element] += 1
        case = f'<testcase classname="{self._suite}.{_xml(verdict.rule)}" name="{_xml(target_name(verdict))}" time="0"'
        if not element:
            # A passed case has no text, except for the day of the facts.
            said_too = f"<system-out>{reason}</system-out>" if verdict.rule == FACTS else ""
            self._write((f"    {case}>{said_too}</testcase>\n" if said_too else f"    {case}/>\n").encode())
            return
        kind = f' type="{_xml(verdict.level)}"' if element == "failure" else ""
        evidence = _xml(printable(verdict.evidence or ""))
        self._write(
            f'    {case}><{element} message="{_xml(reason)}"{kind}>{evidence}</{element}></testcase>\n'.encode()
        )

    def _begin(self) -> None:
        self._write(b'<?xml version="1.0" encoding="UTF-8"?>\n')
        self._write(f'<testsuites name="{self._suite}">\n  <testsuite name="{self._suite}" time="0"'.encode())
        self._counts_at = self._stream.tell()
        self._write(b" " * _COUNTS_BYTES + b">\n")

    def _end(self) -> None:
        self._write(b"  </testsuite>\n</testsuites>\n")
        counts = self._counts
        self._stream.seek(self._counts_at)
        text = f' tests="{counts["tests"]}" failures="{counts["failure"]}" errors="0" skipped="{counts["skipped"]}"'
        self._write(text.encode())


def write_junit(verdicts: Iterable[Verdict], path: str | Path, *, suite: str, overwrite: bool = False) -> None:
    """Write verdicts as one JUnit test suite.

    Raises:
        InputError: when the file exists and may not be overwritten, or cannot be made.
        SinkError: when the disk does not take it.
    """
    with JunitReport(path, suite=suite, overwrite=overwrite) as report:
        report.add_all(verdicts)


def _result(verdict: Verdict) -> tuple[str, str]:
    """Return the element that says how a case ended, with its message; an empty name for a case that passed."""
    text = said(verdict)
    match verdict.outcome:
        case RuleOutcome.PASSED:
            return "", text
        case RuleOutcome.FAILED if verdict.level is Level.ERROR:
            return "failure", text
        case RuleOutcome.FAILED:
            return "skipped", f"{verdict.level}: {text}"
    return "skipped", f"{verdict.outcome.replace('_', ' ')}: {text}"


def _xml(text: str) -> str:
    """Quote for an element's text and for an attribute in double quotes; `>` too, so that no `]]>` is left."""
    return escape(printable(text), _QUOTES)
