r"""What all report formats share: texts that can do no harm in any of them, and how a target is called.

A verdict's texts hold what servers said, and a file of records can be edited by anybody. So every text of a report goes
through `printable` first: what is left has no line end, no control or formatting character, no lone surrogate and
nothing that XML 1.0 forbids. What a format then gives a meaning to (`<`, `%`, `{`), it quotes itself.
"""

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from scanner.policy.check import FACTS, RuleOutcome, Verdict

#: Characters of one text in a report; a verdict's own are shorter.
MAX_TEXT: Final = 2_000


def printable(text: str) -> str:
    r"""Return the text with everything that is not printable as `\xNN`, `\uNNNN` or `\UNNNNNNNN`, cut to `MAX_TEXT`."""
    text = text[:MAX_TEXT]
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def target_uri(verdict: Verdict) -> str | None:
    """Return `smtp://192.0.2.10:25` (IPv6 in brackets, RFC 3986, 3.2.2); None when the verdict is about no address."""
    return None if verdict.ip is None else _uri(verdict.ip, verdict.port)


@lru_cache(maxsize=64)  # the verdicts on one host come one after another
def _uri(ip: str, port: int | None) -> str:
    quoted = quote(printable(ip), safe=".:")
    authority = f"[{quoted}]" if ":" in quoted else quoted
    return f"smtp://{authority}" + ("" if port is None else f":{port}")


def target_name(verdict: Verdict) -> str:
    """Return what people call the target: address, port, and the name that the user gave."""
    uri = target_uri(verdict)
    if uri is None:
        return "whole sweep" if verdict.host is None else printable(verdict.host)
    name = uri.removeprefix("smtp://")
    return name if verdict.host is None else f"{name} ({printable(verdict.host)})"


def said(verdict: Verdict) -> str:
    """Return the message, and for a waived verdict who waives it."""
    text = printable(verdict.message)
    return text if verdict.waiver is None else f"{text} [{printable(str(verdict.waiver))}]"


class NotJudged:
    """Counts the verdicts that were not made, for reports in which they have no place of their own."""

    def __init__(self) -> None:
        """Begin with none."""
        self._counts: Counter[str] = Counter()

    def add(self, verdict: Verdict) -> None:
        """Count a verdict, where it is one that was not made; the day of the facts is none."""
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
