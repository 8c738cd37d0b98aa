"""Merge two identities into one: what the greeting names, and how the server behaves.

A greeting that names its product is believed, since only it shows packages and configuration. A greeting that names
nothing is completed by the behaviour. When both agree on the product, HELP's version fills a missing one. A server that
behaves like another product than it names gets a finding of its own: it is disguised, or there is a proxy before it.
"""

from dataclasses import replace
from typing import Final

from scanner.identify.behaviour import shipped_behaviours
from scanner.identify.disclosure import NAMED
from scanner.model import Finding, Software

CONTRADICTION: Final = "GREETING-CONTRADICTS-BEHAVIOUR"
#: From this confidence on behaviour is wording that only one product is known to use.
_OWN_WORDING: Final = 0.6


def merge(by_greeting: Software | None, by_behaviour: Software | None) -> Software | None:
    """Return the one identity to put into a record; None when neither has one."""
    if by_greeting is None or by_behaviour is None:
        return by_greeting or by_behaviour
    if by_greeting.product == by_behaviour.product:
        return _agreed(by_greeting, by_behaviour)
    if by_greeting.confidence >= NAMED or by_greeting.confidence >= by_behaviour.confidence:
        return by_greeting
    return by_behaviour


def _agreed(by_greeting: Software, by_behaviour: Software) -> Software:
    confidence = max(by_greeting.confidence, by_behaviour.confidence)
    evidence = ",".join(filter(None, (by_greeting.evidence, by_behaviour.evidence)))
    if by_greeting.version is not None or by_behaviour.version is None:
        return replace(by_greeting, confidence=confidence, evidence=evidence)
    return replace(
        by_greeting,
        version=by_behaviour.version,
        cpe=by_behaviour.cpe or by_greeting.cpe,
        method=by_behaviour.method,
        confidence=confidence,
        evidence=evidence,
    )


def contradiction(by_greeting: Software | None, by_behaviour: Software | None) -> Finding | None:
    """Return a finding when the greeting names one thing and the behaviour shows another; None when both can be true.

    A product whose behaviour is not known (a gateway, an appliance) contradicts nothing: many are built on a known one.
    """
    if by_greeting is None or by_behaviour is None or by_greeting.confidence < NAMED:
        return None
    if by_greeting.product == by_behaviour.product:
        said, shown = by_greeting.version, by_behaviour.version
        if said is None or shown is None or said == shown:
            return None
        title = f"The greeting says {by_greeting.product} {said}, HELP says {shown}"
    elif by_greeting.product in shipped_behaviours().products and by_behaviour.confidence >= _OWN_WORDING:
        title = f"The greeting says {by_greeting.product}, but the server behaves like {by_behaviour.product}"
    else:
        return None
    return Finding(CONTRADICTION, "info", title, by_behaviour.evidence)
