r"""What all report formats share: texts that are harmless in each of them, and the name of a target.

A verdict's texts hold what servers sent, and a file of records can be edited. So every text of a report passes
`printable` first: the result has no line end, no control or formatting character, no lone surrogate and nothing that
XML 1.0 forbids. Each format quotes its own special characters (`<`, `%`, `{`) after that.
"""

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from scanner.policy.check import Verdict
from scanner.policy.judges import RuleOutcome
from scanner.policy.policy import FACTS
from scanner.text.visible import visible

#: Characters of one text in a report; those of our own verdicts are shorter.
MAX_TEXT: Final = 2_000


def printable(text: str) -> str:
    r"""Return the text with everything that is not printable as `\xNN`, `\uNNNN` or `\UNNNNNNNN`, cut to `MAX_TEXT`."""
    return visible(text[:MAX_TEXT])


def target_uri(verdict: Verdict) -> str | None:
    """Return `smtp://192.0.2.10:25` (IPv6 in brackets, RFC 3986, 3.2.2); None without an address."""
    return None if verdict.ip is None else _uri(verdict.ip, verdict.port)


@lru_cache(maxsize=64)  # the verdicts on one host come one after another
def _uri(ip: str, port: int | None) -> str:
    quoted = quote(printable(ip), safe=".:")
    authority = f"[{quoted}]" if ":" in quoted else quoted
    return f"smtp://{authority}" + ("" if port is None else f":{port}")


def target_name(verdict: Verdict) -> str:
    """Return the target for people: address, port, and the name that the user gave."""
    uri = target_uri(verdict)
    if uri is None:
        return "whole sweep" if verdict.host is None else printable(verdict.host)
    name = uri.removeprefix("smtp://")
    return name if verdict.host is None else f"{name} ({printable(verdict.host)})"


def said(verdict: Verdict) -> str:
    """Return the message, and for a waived verdict its waiver."""
    text = printable(verdict.message)
    return text if verdict.waiver is None else f"{text} [{printable(str(verdict.waiver))}]"


class NotJudged:
    """Counts the rules that were not judged, for reports that do not list them."""

    def __init__(self) -> None:
        """Start without any."""
        self._counts: Counter[str] = Counter()

    def add(self, verdict: Verdict) -> None:
        """Count a verdict if its rule was not judged; the day of the facts does not count."""
        if verdict.outcome is RuleOutcome.NOT_JUDGED and verdict.rule != FACTS:
            self._counts[verdict.rule] += 1

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield each rule that was not judged everywhere, and a sentence about it; in the order they were met."""
        for rule, count in self._counts.items():
            name = printable(rule)
            yield name, f"{name} was not judged at {count:,} {'place' if count == 1 else 'places'}, so it is not passed"

    def maybe_sentence(self) -> str | None:
        """Return one sentence about all rules; None when everything was judged."""
        if not self._counts:
            return None
        rules = ", ".join(f"{printable(rule)} {count:,}" for rule, count in self._counts.items())
        total = self._counts.total()
        return f"{total:,} {'verdict was' if total == 1 else 'verdicts were'} not judged, so not passed: {rules}"
