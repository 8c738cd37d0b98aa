"""Identify a mail server by its behaviour when its greeting hides what it is.

A greeting is one line of configuration. The replies to EHLO, HELP, QUIT and to an unknown verb are mostly program text,
as is the order of extensions. Each product has a signature (`behaviours.toml`), and a dialogue is scored against
all of them:

- a trait that is present adds its points; extensions in the product's order (four or more known ones) add 2;
- a reply without any of the product's traits subtracts 2, unless its wording can be configured; so do extensions in
  another order, or one that the product never has. A reply that is missing changes nothing;
- the best signature is taken when it has `ENOUGH` points and `LEAD` more than the next one;
- otherwise the product that HELP names, if it is the only one named; otherwise none.

Confidence, on the scale of the greeting rules: 0.95 when a reply names product and version; 0.9 when one names the
product; without a name 0.65 from 8 points, 0.6 from 6 (wording that only this product is known to use), 0.4 below (a
hint). A version is given only where a reply shows one (`method` is then "help", else "behaviour"). `evidence` lists
what decided: "ehlo:pleased-to-meet-you+order,help:end-of-help-info,quit:closing-connection".

Left out: times (load changes them), and everything beyond the first lines of a reply.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from re import Match
from typing import Final, NamedTuple

from scanner.identify.cpe import cpe_name
from scanner.identify.signatures import Signature, Trait, known_keywords, shipped_signatures, software_of
from scanner.model import Dialogue, Exchange, Software

ENOUGH: Final = 4
LEAD: Final = 2
#: Points for extensions in a product's order, and how many known ones it takes: two or three are in many orders.
_ORDER_POINTS: Final = 2
_ORDER_LENGTH: Final = 4
_AGAINST: Final = -2
#: Lines of a reply that are examined, and characters of each: Sendmail's HELP, the longest, has a dozen.
_MAX_LINES: Final = 64
_MAX_LINE: Final = 600
#: Verbs that a server may have. Any other verb in a dialogue is the unknown one that was sent on purpose.
_VERBS: Final = frozenset({"EHLO", "HELO", "HELP", "QUIT", "NOOP", "RSET", "VRFY", "EXPN", "STARTTLS", "TLS"})
_CONFIDENCES: Final = ((8, 0.65), (6, 0.6), (ENOUGH, 0.4))
_METHOD_OF_VERSION: Final = "help"


class _Reply(NamedTuple):
    code: int | None
    lines: tuple[str, ...]


class _Score(NamedTuple):
    """How well a signature fits; `reasons` are the traits found, by reply."""

    points: int
    names: bool
    version: str | None
    reasons: Mapping[str, tuple[str, ...]]


class Behaviours:
    """A set of signatures, ready to recognise dialogues."""

    def __init__(self, signatures: Iterable[Signature]) -> None:
        self.signatures = tuple(signatures)
        self.products = frozenset(signature.product for signature in self.signatures)
        self._known = known_keywords(self.signatures)

    def __repr__(self) -> str:
        """Show how many products it knows."""
        return f"<Behaviours: {len(self.signatures)} products>"

    def identify(self, dialogue: Dialogue) -> Software | None:
        """Return the software that behaves like this, or names itself; None for none or several. Never raises."""
        replies = _replies(dialogue)
        scored = [(self._score(signature, replies), signature) for signature in self.signatures]
        scored.sort(key=lambda pair: -pair[0].points)
        (best, signature), *others = scored
        if best.points < ENOUGH or (others and best.points - others[0][0].points < LEAD):
            named = [pair for pair in scored if pair[0].names and "help" in pair[0].reasons]
            if len(named) != 1:
                return None
            best, signature = named[0]
        return software_of(
            signature,
            {
                "version": best.version,
                "cpe": None if signature.cpe is None else cpe_name(signature.cpe, best.version),
                "method": "behaviour" if best.version is None else _METHOD_OF_VERSION,
                "confidence": _confidence(best),
                "evidence": ",".join(f"{place}:{'+'.join(ids)}" for place, ids in best.reasons.items()),
            },
        )

    def _score(self, signature: Signature, replies: Mapping[str, _Reply]) -> _Score:
        points, names, version = 0, False, None
        found: dict[str, list[str]] = {}
        for trait in signature.traits:
            match = _maybe_match(trait, replies.get(trait.place))
            if match is not None:
                points, names = points + trait.points, names or trait.names
                version = version or match.groupdict().get("version")
                found.setdefault(trait.place, []).append(trait.id)
        missing = {trait.place for trait in signature.traits}.intersection(replies).difference(found)
        points += _AGAINST * len(missing - signature.settable - {"extension"})
        order = self._order(signature, replies.get("extension"))
        if order > 0:
            found.setdefault("extension", []).append("order")
        ehlo = (*found.pop("ehlo", ()), *found.pop("extension", ()))
        reasons = {"ehlo": ehlo} if ehlo else {}
        return _Score(points + order, names, version, reasons | {place: tuple(ids) for place, ids in found.items()})

    def _order(self, signature: Signature, reply: _Reply | None) -> int:
        """Return what the order of the extensions is worth for or against a product."""
        if not signature.order:
            return 0
        sent = [word for word in map(_keyword, reply.lines if reply is not None else ()) if word in self._known]
        rest = iter(signature.order)
        if not all(word in rest for word in dict.fromkeys(sent)):  # a subsequence: `in` goes on where it stopped
            return _AGAINST
        return _ORDER_POINTS if len(sent) >= _ORDER_LENGTH else 0


def _maybe_match(trait: Trait, reply: _Reply | None) -> Match[str] | None:
    """Return the match of the first line that shows a trait."""
    if reply is None or (trait.code is not None and trait.code != reply.code):
        return None
    return next(filter(None, map(trait.pattern.fullmatch, reply.lines)), None)


@cache
def shipped_behaviours() -> Behaviours:
    """Return the shipped signatures, ready for use."""
    return Behaviours(shipped_signatures())


def first_reply(dialogue: Dialogue, verb: str) -> Exchange | None:
    """Return the first exchange with this verb that got a reply; None when there is none."""
    for exchange in dialogue.exchanges:
        if exchange.code is not None and _verb(exchange) == verb:
            return exchange
    return None


def why_inconclusive(reply: Exchange) -> str | None:
    """Return why a reply to EHLO or HELP shows nothing about the server: cut, deferred, refused; None when it does.

    HELP that is not implemented (500 to 504: Postfix, Courier) does show something. A server that refuses EHLO may
    accept HELO, and one that requires TLS or a password may answer after that.
    """
    if reply.incomplete:
        return "was not read to its end"
    code = reply.code or 0
    if 400 <= code < 500:
        return f"was put off with {code}"
    if code >= (500 if _verb(reply) == "EHLO" else 505):
        return f"was refused with {code}"
    return None


def _replies(dialogue: Dialogue) -> dict[str, _Reply]:
    """Return the replies by place; commands that were not sent or not answered are missing."""
    found: dict[str, _Reply] = {}
    ehlo = first_reply(dialogue, "EHLO")
    if ehlo is not None and ehlo.code == 250:
        found["ehlo"] = _cut(ehlo.code, ehlo.lines[:1])
        found["extension"] = _cut(ehlo.code, ehlo.lines[1:])
    for place in ("help", "quit"):
        exchange = first_reply(dialogue, place.upper())
        if exchange is not None:
            found[place] = _cut(exchange.code, exchange.lines)
    for exchange in dialogue.exchanges:
        if exchange.code is not None and _verb(exchange) not in _VERBS:
            found["unknown"] = _cut(exchange.code, exchange.lines)
    return found


def _cut(code: int | None, lines: tuple[str, ...]) -> _Reply:
    return _Reply(code, tuple(line[:_MAX_LINE].strip() for line in lines[:_MAX_LINES]))


def _verb(exchange: Exchange) -> str:
    return exchange.command.partition(" ")[0].upper()


def _keyword(line: str) -> str:
    """Return the keyword of an extension; what a firewall has crossed out ("XXXXXXXA") is in no list."""
    return line.replace("=", " ", 1).partition(" ")[0].upper()


def _confidence(score: _Score) -> float:
    if score.names:
        return 0.9 if score.version is None else 0.95
    return next(confidence for points, confidence in _CONFIDENCES if score.points >= points)
