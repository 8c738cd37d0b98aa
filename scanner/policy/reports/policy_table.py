"""Print verdicts for people: a count for each rule, then the first broken and waived rules one by one.

Rich renders the table with markup off, after `printable` has escaped the texts of servers. The list is limited, so that
the table of a million verdicts is as short as that of a hundred; the reports in files list all of them.
"""

from collections.abc import Iterable
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scanner.policy.check import Verdict, VerdictTally
from scanner.policy.judges import RuleOutcome
from scanner.policy.policy import FACTS
from scanner.policy.reports.github import without_old_commands
from scanner.policy.reports.neutral import printable, said, target_name
from scanner.policy.rules import Level

#: Broken and waived rules that are listed one by one.
MOST_LISTED: Final = 50
_STYLES: Final = {Level.ERROR: "red", Level.WARNING: "yellow", Level.OFF: "dim"}


class VerdictTable:
    """Collects verdicts and prints them."""

    def __init__(self) -> None:
        self.tally = VerdictTally()
        self._listed: list[Verdict] = []
        self._more = 0
        self._facts: str | None = None

    def add(self, verdict: Verdict) -> None:
        """Count one verdict, and keep it when it is one of the first to be listed."""
        self.tally.add(verdict)
        if verdict.rule == FACTS:
            self._facts = verdict.message
        if verdict.outcome in {RuleOutcome.FAILED, RuleOutcome.WAIVED}:
            if len(self._listed) < MOST_LISTED:
                self._listed.append(verdict)
            else:
                self._more += 1

    def print(self, console: Console | None = None) -> None:
        """Print on standard output, or on the console of the caller."""
        console = console or Console(markup=False, highlight=False, emoji=False)
        console.print(self._counts())
        if self._listed:
            console.print(self._list())
        if self._more:
            console.print(f"... and {self._more:,} more", soft_wrap=True)
        if self._facts is not None:
            console.print(_text(self._facts), soft_wrap=True)

    def _counts(self) -> Table:
        table = Table("rule", "level", header_style="bold", expand=False)
        for outcome in RuleOutcome:
            table.add_column(outcome.value.replace("_", " "), justify="right")
        rules = dict.fromkeys((rule, level) for rule, level, _ in self.tally.counts)
        for rule, level in rules:
            counts = (self.tally.counts[rule, level, outcome] for outcome in RuleOutcome)
            table.add_row(_text(rule), Text(level), *(Text(f"{count:,}" if count else "") for count in counts))
        return table

    def _list(self) -> Table:
        table = Table("what", "rule", "target", "why", header_style="bold", expand=False)
        for verdict in self._listed:
            is_waived = verdict.outcome is RuleOutcome.WAIVED
            what = Text("waived", "dim") if is_waived else Text(verdict.level, _STYLES[verdict.level])
            why = _text(said(verdict))
            if verdict.evidence is not None and verdict.ip is not None:
                why.append("\n").append_text(_text(verdict.evidence, "dim"))
            table.add_row(what, _text(verdict.rule), _text(target_name(verdict)), why)
        return table


def print_verdicts(verdicts: Iterable[Verdict], console: Console | None = None) -> None:
    """Print a table of verdicts."""
    table = VerdictTable()
    for verdict in verdicts:
        table.add(verdict)
    table.print(console)


def _text(text: str, style: str = "") -> Text:
    return Text(without_old_commands(printable(text)), style)
