"""Print the results of a verification: for each host its state, before and after side by side, and the evidence.

Texts from servers are made printable ASCII, and Rich renders them with markup off. Lines of evidence are not wrapped,
so that they can be searched for.
"""

from collections.abc import Iterable
from typing import Final

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from scanner.cli.console import Console
from scanner.policy.reports.neutral import printable
from scanner.verification.states import NOT_SEEN, VerificationState, Verified
from scanner.verification.visits import Visit

#: Pieces of evidence for one host, and characters in a line; `--json` has all of it.
_MOST_EVIDENCE: Final = 6
_MOST_CHARACTERS: Final = 200


def print_results(results: Iterable[Verified]) -> None:
    """Print each host on standard output."""
    console = Console(markup=False, highlight=False, emoji=False)
    for result in results:
        console.print(_heading(result), soft_wrap=True)
        table = Table("before", "after", box=SIMPLE, header_style="bold", expand=True)
        for column in table.columns:
            column.ratio = 1
        table.add_row(_visit(result.before), _visit(result.after))
        console.print(table)
        for line in _evidence(result):
            console.print(Text(line), soft_wrap=True)
        console.print()


def _heading(result: Verified) -> Text:
    address = f"[{result.ip}]:{result.port}" if ":" in result.ip else f"{result.ip}:{result.port}"
    name = "" if result.host is None else f" {printable(result.host)}"
    style = "red" if result.is_failed else "yellow" if result.state in NOT_SEEN else "green"
    if style == "green" and result.state is VerificationState.HIDDEN_BUT_RECOGNISABLE:
        style = "cyan"
    agreed = f", {result.agreed} of {result.asked} visits"
    return Text.assemble((f"{address}{name}  ", "bold"), (result.state.value.replace("_", " "), style), agreed)


def _visit(visit: Visit | None) -> Text:
    if visit is None:
        return Text("not known", "dim")
    lines = [_cut(visit.greeting) if visit.greeting is not None else visit.status.value.replace("_", " ")]
    if visit.product is not None:
        lines.append(" ".join(filter(None, (visit.product, visit.version))))
    if visit.disclosure:
        lines.append(f"discloses {', '.join(visit.disclosure)}")
    if visit.versions_in:
        lines.append(f"version in {', '.join(visit.versions_in)}")
    return Text("\n".join(map(printable, lines)))


def _evidence(result: Verified) -> Iterable[str]:
    for each in result.evidence[:_MOST_EVIDENCE]:
        line = "" if each.line is None else f": {_cut(each.line)}"
        yield f"  {each.place.value.replace('_', ' ')} {printable(each.what)}{line}"
    left = len(result.evidence) - _MOST_EVIDENCE
    if left > 0:
        yield f"  and {left} more (--json)"


def _cut(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _MOST_CHARACTERS else f"{shown[:_MOST_CHARACTERS]} ..."
